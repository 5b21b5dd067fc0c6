"""Running federations that tests share, each test with cases of its own; and fresh ones for tests that break things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.scene import Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import postgres_urls


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A running federation on SQLite."""
    with scene_of(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest.fixture(scope="session")
def postgres_scene(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Scene]:
    """A running federation on PostgreSQL."""
    with postgres_urls(postgres_server) as urls, scene_of(tmp_path_factory.mktemp("pg"), database_url=urls) as scene:
        yield scene


@pytest.fixture(params=["sqlite", "postgresql"])
def each_scene(request: pytest.FixtureRequest) -> Scene:
    """The shared federation on each kind of database."""
    found: Scene = request.getfixturevalue("scene" if request.param == "sqlite" else "postgres_scene")
    return found


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A running federation for a test that breaks something."""
    with scene_of(tmp_path) as scene:
        yield scene
