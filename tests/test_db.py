"""What the database says when it can't be used, on both databases."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from node import db
from node.db import SQLITE_BUSY_MS, Database, DatabaseUnavailable, MaybeCommitted, before_commit
from tests.conftest import SYNCHRONOUS, PostgresServer

FULL = 2
"""As SQLite numbers its ways to wait for the disk."""
INCREMENTAL = 2
"""As SQLite numbers the ways to give space back."""


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database that is a process of its own; a file is in ours, and nothing can part them."""
    name = postgres_server.create_database()
    database = Database(postgres_server.url(name))
    yield database
    database.dispose()
    postgres_server.drop_database(name)


def hang_up(database: Database, session: Session) -> None:
    """The server ends the session's connection, as when it is killed."""
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    with database.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def create_and_hang_up(server: Database, *, in_commit: bool) -> None:
    """A unit of work whose server goes away."""
    with server.write() as session:
        session.execute(text("CREATE TABLE written (n INTEGER)"))
        if in_commit:
            before_commit(session, "hang up", lambda session: hang_up(server, session))
        else:
            hang_up(server, session)
            session.execute(text("SELECT 1"))


def run(database: Database, *statements: str) -> None:
    """A unit of work."""
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement))


def test_a_commit_whose_answer_never_came_is_not_called_unsaved(server: Database) -> None:
    with pytest.raises(MaybeCommitted, match="database server went away"):
        create_and_hang_up(server, in_commit=True)


def test_a_connection_that_breaks_before_the_commit_has_written_nothing(server: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="database server went away") as failure:
        create_and_hang_up(server, in_commit=False)
    assert type(failure.value) is DatabaseUnavailable
    with server.read() as session:
        assert session.scalar(text("SELECT to_regclass('written')")) is None, "and a server that is back is used again"


def test_whatever_else_the_server_complains_of_is_its_trouble(server: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="reports an error"):
        run(server, "SET LOCAL statement_timeout = 1", "SELECT pg_sleep(1)")


def test_a_crowd_at_the_door_is_told(database: Database) -> None:
    database.dispose()

    @event.listens_for(database.engine, "do_connect")
    def crowded(*given: object) -> None:
        raise PoolTimeoutError  # what the pool says after half a minute

    with pytest.raises(DatabaseUnavailable, match="too many requests"):
        run(database, "SELECT 1")


def test_a_server_that_vanishes_is_noticed_and_the_url_has_the_last_word(postgres_server: PostgresServer) -> None:
    url = postgres_server.url("postgres")
    for given, expected in ((url, "20000"), (f"{url}&tcp_user_timeout=7000", "7000")):
        database = Database(given)
        with database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            assert driver.info.get_parameters()["tcp_user_timeout"] == expected
        database.dispose()


def test_a_wrong_statement_is_no_trouble_of_the_database(database: Database) -> None:
    with pytest.raises(DBAPIError):
        run(database, "SELECT * FROM nowhere")


def test_a_disk_that_is_full_within_a_savepoint_is_told_as_such_and_nothing_is_written(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'center.db'}")
    run(database, "CREATE TABLE written (words TEXT)")

    def write() -> None:
        with database.write() as session:
            session.execute(text("PRAGMA max_page_count=1"))
            with session.begin_nested():
                session.execute(text("INSERT INTO written VALUES (:words)"), {"words": "字" * 100_000})

    with pytest.raises(DatabaseUnavailable, match=r"^disk is full$"):
        write()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM written")) == 0
    database.dispose()


@pytest.mark.parametrize("ask", [Database.version, Database.give_back], ids=["version", "give_back"])
def test_a_file_that_is_gone_is_told_also_by_those_who_ask_the_driver(
    tmp_path: Path, ask: Callable[[Database], object]
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gone' / 'center.db'}")
    with pytest.raises(DatabaseUnavailable, match=r"^database file cannot be opened$"):
        ask(database)


def test_who_only_reads_waits_for_nobody_who_writes_even_over_a_new_connection(tmp_path: Path) -> None:
    writes, reads = (Database(f"sqlite:///{tmp_path / 'center.db'}") for _ in range(2))
    run(writes, "CREATE TABLE written (n INTEGER)", "INSERT INTO written VALUES (1)")
    with writes.write() as session:
        session.execute(text("INSERT INTO written VALUES (2)"))
        began = time.monotonic()
        with reads.read() as reading:  # its first connection: opened while the other one writes
            assert reading.scalar(text("SELECT count(*) FROM written")) == 1
        assert time.monotonic() - began < SQLITE_BUSY_MS / 2000
    with reads.read() as reading:
        assert reading.scalar(text("PRAGMA auto_vacuum")) == INCREMENTAL
    for database in (writes, reads):
        database.dispose()


def test_a_commit_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "SQLITE_SYNCHRONOUS", SYNCHRONOUS)  # these tests themselves do not wait
    database = Database(f"sqlite:///{tmp_path / 'center.db'}")
    with database.write() as session:
        assert session.scalar(text("PRAGMA synchronous")) == FULL
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    database.dispose()
