"""A running county for each test: what is merged here can't be shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.scene import Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import postgres_urls


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A running federation on SQLite."""
    with scene_of(tmp_path) as scene:
        yield scene


@pytest.fixture(params=["sqlite", "postgresql"])
def each_scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A running federation, on either database."""
    if request.param == "sqlite":
        with scene_of(tmp_path) as scene:
            yield scene
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(tmp_path, database_url=urls) as scene:
        yield scene


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A running federation that no test changes."""
    with scene_of(tmp_path_factory.mktemp("shared")) as scene:
        yield scene
