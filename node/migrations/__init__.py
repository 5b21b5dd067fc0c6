"""The schema of a center's database, and the way from an older one to today's.

Every revision is a file ``versions/NNNN_what.py``; its number is its id. At each start ``migrate`` compares the number
in the database with the newest file. Equal, which is nearly always, nothing more is loaded: Alembic takes memory that
an idle village should not need. Older, the missing revisions run in one transaction, on SQLite too, so that a power
cut leaves the old schema or the new one. Newer, the database was written by a newer Liandong, and this one keeps its
hands off.

An empty database gets today's tables at once, as Alembic's cookbook says ("Building an Up to Date Database from
Scratch"); that they are what all revisions together make is tested.

A new revision: change the tables, then ``python -m node.migrations "what changes"``.
"""

from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text

from node.db import Base, Database
from node.i18n import N_
from node.trouble import DatabaseTrouble, SchemaTooNew

VERSIONS = Path(__file__).parent / "versions"

ADVISORY_LOCK = 0x4C44  # "LD"
"""Key of the PostgreSQL lock under which one process at a time migrates."""

VERSION_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""
"""Where Alembic keeps the revision, as it makes the table itself."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("node.migrations")


def head() -> str:
    """The schema that this code works with."""
    return max(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def current(database: Database) -> str | None:
    """The schema that the database has; None for an empty database.

    Raises:
        DatabaseTrouble: it holds tables, but not ours.
        DatabaseUnavailable: it can't be read.
    """
    with database.read() as session:
        return _current(session.connection())


def migrate(database: Database) -> bool:
    """Bring the schema to today's; return whether there was something to do.

    Raises:
        SchemaTooNew: a newer Liandong wrote it.
        DatabaseTrouble: it holds tables, but not ours.
        DatabaseUnavailable: it can't be read or written.
    """
    wanted = head()
    found = current(database)
    if found == wanted:
        return False
    check(found)
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:  # SQLite's write transaction keeps others out already
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        found = _current(connection)
        check(found)
        if found == wanted:
            return False
        from node.cases.searched import build_index  # noqa: PLC0415 - memory

        if found is None:
            _create(connection, wanted)
        else:
            from node.migrations.running import upgrade  # noqa: PLC0415 - memory

            upgrade(connection)
        build_index(connection)
    _log.info("database.migrated", before=found, after=wanted)
    return True


def _create(connection: Connection, revision: str) -> None:
    """Make all tables in an empty database, and note of which revision they are."""
    all_tables().metadata.create_all(connection, checkfirst=False)
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:revision)"), {"revision": revision})


def check(found: str | None) -> None:
    """Refuse a schema from the future.

    Raises:
        SchemaTooNew: a newer Liandong wrote it.
    """
    if found is not None and found > head():
        raise SchemaTooNew(
            N_(
                "The database has schema {found}; this version of Liandong knows schemas up to {known}. "
                "Install the newer Liandong again, or restore a backup made with this one."
            ),
            found=found,
            known=head(),
        )


def all_tables() -> type[Base]:
    """``Base`` with every table of the service in its metadata."""
    import node.accounts.tables  # noqa: PLC0415 - who only opens a database needs none of them here
    import node.attachments.tables  # noqa: PLC0415
    import node.audit.tables  # noqa: PLC0415
    import node.cases.purging  # noqa: PLC0415
    import node.cases.searched  # noqa: PLC0415
    import node.cases.tables  # noqa: PLC0415
    import node.federation.tables  # noqa: PLC0415
    import node.idempotency  # noqa: PLC0415
    import node.ledgers.tables  # noqa: PLC0415
    import node.policies  # noqa: PLC0415
    import node.rehoming.tables  # noqa: PLC0415
    import node.reports.tables  # noqa: PLC0415
    import node.status.tables  # noqa: F401, PLC0415

    return Base


def _current(connection: Connection) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found
    if tables:
        raise DatabaseTrouble(
            N_("The database holds tables that Liandong did not make ({tables}). Name an empty database."),
            tables=sorted(tables)[:5],
        )
    return None
