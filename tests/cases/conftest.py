"""Running federations that tests share, each test with cases of its own; and fresh ones for tests that break things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.scene import Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import postgres_urls


@pytest.fixture(scope="session")
def sqlite_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A running federation on SQLite."""
    with scene_of(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest.fixture
def scene(sqlite_scene: Scene) -> Iterator[Scene]:
    """A running federation, left as it was found also by a test that failed."""
    yield sqlite_scene
    sqlite_scene.tidy()


@pytest.fixture(scope="session")
def postgresql_scene(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Scene]:
    """A running federation on PostgreSQL."""
    with postgres_urls(postgres_server) as urls, scene_of(tmp_path_factory.mktemp("pg"), database_url=urls) as scene:
        yield scene


@pytest.fixture(params=["sqlite", "postgresql"])
def each_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The shared federation on each kind of database."""
    scene: Scene = request.getfixturevalue(f"{request.param}_scene")
    yield scene
    scene.tidy()


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A running federation for a test that breaks something."""
    with scene_of(tmp_path) as scene:
        yield scene
