"""Database access: SQLite (WAL, FULL) or PostgreSQL behind one small door.

A unit of work is ``with database.write() as session:``; it commits once, at the edge, when the block ends, and rolls
back when the block raises. Services never commit. ``with database.read() as session:`` never writes.

On SQLite a write takes ``BEGIN IMMEDIATE`` (so that a conflict shows at the start, not in the middle) and a lock of
this process in front of it, which gives people the first turn where SQLite's own busy loop is a draw. On PostgreSQL
the rows that order things (a case, a link's lane) are locked with ``SELECT ... FOR UPDATE`` by whoever needs them.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, DateTime, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import PoolProxiedConnection, StaticPool
from sqlalchemy.types import TypeDecorator

from node.turns import WriteTurns
from node.vault import Vault, give_vault

SQLITE_SYNCHRONOUS = "FULL"
"""A commit is on the disk before anybody is told of it: what was acknowledged survives a power failure."""

SQLITE_BUSY_MS = 10_000
"""How long a writer waits for another process (the command line) before it says that the database is locked."""

SQLITE_FREE_PAGES = 2_000
"""Free pages (8 MB) below which nothing is given back."""
SQLITE_GIVE_BACK_PAGES = 500
"""Pages given back in one transaction: 2 MB, some milliseconds."""

SQLITE_TRY_AGAIN_S = 0.02
"""Pause between two attempts where SQLite does not wait by itself."""

SQLITE_CACHE_KIB = 8_000
"""Page cache of one connection; old PCs have little memory."""

POOL_SIZE = 8
"""Connections kept; FastAPI's worker threads share them."""


POSTGRES_PATIENCE = {
    "connect_timeout": 5,  # seconds for a server to take a connection
    "keepalives_idle": 10,  # seconds of silence until it is asked whether it is still there,
    "keepalives_interval": 5,  # and again,
    "keepalives_count": 3,  # so often
    "tcp_user_timeout": 20_000,  # milliseconds until what was sent must have arrived
}
"""A server that vanished (its cable was pulled) is noticed within half a minute; by itself the system takes fifteen
minutes, and every thread would wait. The same parameters in ``database_url`` win."""


class DatabaseUnavailable(Exception):
    """The database can't be reached or written: locked, read-only, full or gone. Nothing was written."""


class MaybeCommitted(DatabaseUnavailable):
    """The connection broke in the middle of a commit; whether it was done, the server alone knows."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored as UTC on both databases; a naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware instant in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of a center. Constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy reads it off the class


BeforeCommit = Callable[[Session], None]


class Ended(Protocol):
    """Hears of the end of a unit of work."""

    def __call__(self, *, committed: bool) -> None:
        """The unit was committed, or undone."""


Changed = Callable[[frozenset[str]], None]
"""Is told the tables that a commit changed."""

_WRITTEN = re.compile(r'\s*(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)


class Database:
    """One center's database.

    Args:
        url: an SQLAlchemy URL; ``sqlite:///path`` or ``postgresql+psycopg://...``.
        engine: what an earlier ``Database`` of this URL left open; a simulated process that starts again goes on with
            the disk of the one that died.
        vault: opens its sealed columns; without one they can't be read, and an engine left open keeps its own.
    """

    def __init__(self, url: str, engine: Engine | None = None, *, vault: Vault | None = None) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = engine or (_sqlite_engine(url) if self.is_sqlite else _postgres_engine(url))
        if vault is not None:
            give_vault(self.engine.dialect, vault)
        self._in_memory = self.is_sqlite and _in_memory(url)
        self._lookout: PoolProxiedConnection | None = None
        self._looking = threading.Lock()
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._turns = WriteTurns()
        self._listeners: list[Callable[[], None]] = []
        self._watchers: list[Changed] = []
        if not event.contains(self.engine, "before_cursor_execute", _note_table):
            event.listen(self.engine, "before_cursor_execute", _note_table)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; whatever it holds is rolled back at the end."""
        with self._sessions() as session, self._translated():
            yield session
            session.rollback()

    @contextmanager
    def write(self, *, behind_people: bool = False) -> Iterator[Session]:
        """One unit of work: commits at the end of the block, rolls back if it raises.

        Args:
            behind_people: whoever else wants to write goes first, for work that nobody waits for.

        Raises:
            DatabaseUnavailable: nothing was written.
            MaybeCommitted: perhaps it was.
        """
        turn = _no_lock() if not self.is_sqlite else self._turns.behind_people() if behind_people else self._turns
        with turn, self._sessions() as session, self._translated():
            if self.is_sqlite:
                session.connection(execution_options={"liandong_begin": "IMMEDIATE"})
            session.connection().info[_TOUCHED] = set()
            try:
                yield session
                for hook in _hooks(session):
                    hook(session)
                session.flush()
                tables = _tables(session)
                self._commit(session)
            except BaseException:
                session.rollback()
                _end(session, committed=False)
                raise
            _end(session, committed=True)
        for listener in self._listeners:
            listener()
        for watcher in self._watchers:
            watcher(tables)

    def _commit(self, session: Session) -> None:
        try:
            session.commit()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise MaybeCommitted(self._reason(error) or GONE) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the driver's operational errors into ours, with a reason that a person can act on."""
        try:
            yield
        except (DBAPIError, sqlite3.OperationalError) as error:  # the latter where SQLAlchemy is not in between
            reason = next(filter(None, map(self._reason, _what_led_to(error))), None)
            if reason is None:
                raise
            raise DatabaseUnavailable(reason) from error
        except PoolTimeoutError as error:
            raise DatabaseUnavailable(CROWDED) from error

    def _reason(self, error: BaseException) -> str | None:
        """Why the database can't be used; None where it can, and the statement was wrong."""
        if not isinstance(error, DBAPIError):
            return _known_reason(error)
        known = _known_reason(error.orig)
        if known is not None:
            return known
        if error.connection_invalidated:
            return GONE
        # SQLite says OperationalError also of a wrong statement, PostgreSQL only of what no statement can help.
        return None if self.is_sqlite or not isinstance(error, OperationalError) else FAILED

    def version(self) -> object:
        """Something that differs from what it was if anybody, in whatever process, committed anything meanwhile.

        Cheap, where asking the tables what is new is not.

        Raises:
            DatabaseUnavailable: the database can't be read.
        """
        if not self.is_sqlite:
            with self.read() as session:
                return session.scalar(text("SELECT pg_current_snapshot()::text"))
        with self._looking, self._translated():
            if self._in_memory:
                with closing(self.engine.raw_connection()) as only:
                    return only.driver_connection.total_changes  # type: ignore[union-attr] # it is there
            if self._lookout is None:
                # Always the same connection, which never writes: SQLite tells each what others did since.
                self._lookout = self.engine.raw_connection()
                self._lookout.detach()
            return self._lookout.cursor().execute("PRAGMA data_version").fetchone()[0]

    def give_back(self) -> None:
        """Give disk space that is free inside of the file back to the system; a quarter stays for what comes.

        PostgreSQL reuses what it has (autovacuum).

        Raises:
            DatabaseUnavailable: another process writes for long, or the disk fails.
        """
        if not self.is_sqlite:
            return
        with self._turns.behind_people(), self._translated(), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            free = int(cursor.execute("PRAGMA freelist_count").fetchone()[0])
            pages = int(cursor.execute("PRAGMA page_count").fetchone()[0])
            if free > max(SQLITE_FREE_PAGES, pages // 4):
                # Only a script is stepped to its end: the statement has no columns, and a row for each page.
                cursor.executescript(f"PRAGMA incremental_vacuum({SQLITE_GIVE_BACK_PAGES})")

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` (from the committing thread) after every commit of this process."""
        self._listeners.append(listener)

    def on_change(self, watcher: Changed) -> None:
        """Tell ``watcher`` (from the committing thread) after every commit of this process which tables it changed."""
        self._watchers.append(watcher)

    def dispose(self) -> None:
        """Close all connections."""
        with self._looking:
            if self._lookout is not None:
                self._lookout.close()
                self._lookout = None
        self.engine.dispose()


def _what_led_to(error: BaseException) -> Iterator[BaseException]:
    """A driver's error, and those before it in whose handling it was raised.

    When its disk is full, SQLite undoes the whole transaction; that the savepoint is gone, too, is only what follows.
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, DBAPIError | sqlite3.Error):
            yield found
        found = found.__context__


_TOUCHED = "liandong_touched"


def _note_table(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
    """Note which table a statement writes to."""
    touched = connection.info.get(_TOUCHED)
    found = _WRITTEN.match(statement) if touched is not None else None
    if touched is not None and found is not None:
        touched.add(found[1])


def _tables(session: Session) -> frozenset[str]:
    """The tables that this unit wrote to."""
    return frozenset(session.connection().info.pop(_TOUCHED, ()))


def before_commit(session: Session, name: str, hook: BeforeCommit) -> None:
    """Run ``hook`` once just before this unit commits; a second hook of the same name is ignored."""
    session.info.setdefault("before_commit", {}).setdefault(name, hook)


def when_ended(session: Session, name: str, hook: Ended) -> None:
    """Run ``hook`` once when this unit has ended; a later one of the same name takes the place of an earlier one."""
    session.info.setdefault("when_ended", {})[name] = hook


def _end(session: Session, *, committed: bool) -> None:
    for hook in session.info.get("when_ended", {}).values():
        hook(committed=committed)


def _hooks(session: Session) -> list[BeforeCommit]:
    """The hooks of this unit in order of registration."""
    return list(session.info.get("before_commit", {}).values())


@contextmanager
def _no_lock() -> Iterator[None]:
    yield


GONE, FAILED = "database server went away", "database server reports an error"
CROWDED = "too many requests wait for the database"
_REASONS = {
    "database is locked": "database is locked",
    "readonly database": "database is read-only",
    "database or disk is full": "disk is full",
    "disk i/o error": "disk error",
    "unable to open database file": "database file cannot be opened",
    "no space left on device": "disk is full",
    "could not extend file": "disk is full",
    "connection refused": "database server does not answer",
    "connection failed": "database server does not answer",
    "server closed the connection": GONE,
    "terminating connection": GONE,
    "deadlock detected": "database is busy",
    "could not serialize": "database is busy",
    "read-only transaction": "database is read-only",
}
"""What the drivers say, in part and in small letters, and what we make of it."""

REASONS = frozenset({*_REASONS.values(), FAILED, CROWDED})
"""All that ``DatabaseUnavailable`` can say."""


def _known_reason(error: BaseException | None) -> str | None:
    """What a driver's error says of the database, in our words; None where we have none for it."""
    lowered = str(error).lower()
    return next((reason for part, reason in _REASONS.items() if part in lowered), None)


def _in_memory(url: str) -> bool:
    return make_url(url).database in {None, "", ":memory:"}


def _sqlite_engine(url: str) -> Engine:
    arguments: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000}}
    if _in_memory(url):
        arguments["poolclass"] = StaticPool
    else:
        arguments["pool_size"] = POOL_SIZE
        arguments["max_overflow"] = 40
    engine = create_engine(url, hide_parameters=True, **arguments)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own object
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        if not cursor.execute("PRAGMA page_count").fetchone()[0]:
            # To a new file only: said to another it changes nothing, yet takes the place of the one writer.
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _write_ahead(cursor)
        cursor.execute(f"PRAGMA synchronous={SQLITE_SYNCHRONOUS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own event argument
        mode = connection.get_execution_options().get("liandong_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _write_ahead(cursor: Any) -> None:  # noqa: ANN401 - the driver's own object
    """Switch a new file to WAL. SQLite does not wait by itself here for another process that does the same."""
    deadline = time.monotonic() + SQLITE_BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(SQLITE_TRY_AGAIN_S)
        else:
            return


def _postgres_engine(url: str) -> Engine:
    given = make_url(url).query
    patience = {name: value for name, value in POSTGRES_PATIENCE.items() if name not in given}
    return create_engine(
        url, connect_args=patience, pool_size=POOL_SIZE, max_overflow=40, pool_pre_ping=True, hide_parameters=True
    )


def check_readable(database: Database) -> None:
    """Raise DatabaseUnavailable unless the database answers."""
    with database.read() as session:
        session.execute(text("SELECT 1"))


def check_writable(database: Database) -> None:
    """Raise DatabaseUnavailable unless a write transaction can be opened now."""
    with database.write() as session:
        session.execute(text("SELECT 1"))
