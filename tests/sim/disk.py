"""Disks: a center's SQLite database in memory, which outlives the processes that use it."""

import sqlite3
from functools import cache

from sqlalchemy import Engine

from node.db import Database
from tests.vaults import TEST_VAULT

ROOM = 1 << 30
"""Pages that a database may have while the disk has room."""


def connection_of(database: Database) -> sqlite3.Connection:
    """The one connection to a database in memory."""
    raw = database.engine.raw_connection()
    try:
        connection = raw.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        return connection
    finally:
        raw.close()


def read_disk(database: Database) -> bytes:
    """A copy of everything that is committed."""
    return connection_of(database).serialize()


def write_disk(database: Database, image: bytes) -> None:
    """Make the database what it was when it was copied."""
    connection_of(database).deserialize(image)


@cache
def engine_of(slot: int) -> Engine:
    """An engine that is used again and again: what SQLAlchemy compiles is compiled once in a process."""
    del slot
    return Database("sqlite://", vault=TEST_VAULT).engine


def _opened(place: str, sealed: bytes | None) -> bytes | None:
    """What lies sealed in a column, for those who look at the database from outside of every process."""
    return None if sealed is None else TEST_VAULT.open(sealed, place.encode())


def _opened_text(place: str, sealed: bytes | None) -> str | None:
    opened = _opened(place, sealed)
    return None if opened is None else opened.decode()


class Disk:
    """One machine's disk.

    Args:
        slot: number of the engine; no two machines of a world share one.
        image: what is on it.
    """

    def __init__(self, slot: int, image: bytes) -> None:
        self.engine = engine_of(slot)
        self.raw = connection_of(Database("sqlite://", self.engine))
        self.raw.create_function("bytes_of", 2, _opened)
        self.raw.create_function("text_of", 2, _opened_text)
        self._changes_before = self.raw.total_changes
        self.restore(image)

    def image(self) -> bytes:
        """A copy of everything that is committed."""
        return self.raw.serialize()

    def restore(self, image: bytes) -> None:
        """Become what a copy holds."""
        self.raw.deserialize(image)
        self.free()

    def changes(self) -> int:
        """Rows that were changed since the disk was new."""
        return self.raw.total_changes - self._changes_before

    def fill(self) -> None:
        """From now on there is no room for another page: SQLite itself says ``database or disk is full``."""
        self.raw.execute("PRAGMA max_page_count=1")

    def free(self) -> None:
        """There is room again."""
        self.raw.execute(f"PRAGMA max_page_count={ROOM}")
