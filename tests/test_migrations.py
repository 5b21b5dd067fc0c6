"""The schema: made, kept equal to the tables, migrated when older, refused when newer; on both databases."""

import multiprocessing
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from node import migrations
from node.cases.searched import build_index
from node.db import Database, DatabaseUnavailable
from node.migrations import all_tables, current, head, migrate
from node.migrations.running import downgrade, is_in_revisions, upgrade
from node.trouble import DatabaseTrouble, SchemaTooNew
from tests.conftest import PostgresServer

ROOT = Path(__file__).parents[1]

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{number}", "{before}"


def upgrade():
    op.create_table("thing_{number}", sa.Column("id", sa.Integer(), primary_key=True))
    {then}


def downgrade():
    op.drop_table("thing_{number}")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'center.db'}")
        yield database
        database.dispose()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database()
    database = Database(server.url(name))
    yield database
    database.dispose()
    server.drop_database(name)


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of revisions to which a test adds those of the future; ``migrate`` reads it from now on."""
    folder = tmp_path / "versions"
    shutil.copytree(migrations.VERSIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def add_revision(folder: Path, then: str = "pass") -> str:
    before = max(path.name[:4] for path in folder.glob("*.py"))
    number = f"{int(before) + 1:04}"
    (folder / f"{number}_later.py").write_text(NEXT.format(number=number, before=before, then=then))
    return number


COMPARED = {"compare_type": True, "compare_server_default": True, "include_name": is_in_revisions}


def differences(database: Database) -> list[object]:
    """What Alembic would change to make the database what the tables say."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=COMPARED)
        return list(compare_metadata(context, all_tables().metadata))


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def test_an_empty_database_gets_todays_schema_once(empty: Database) -> None:
    assert current(empty) is None
    assert migrate(empty) is True
    assert current(empty) == head()
    assert migrate(empty) is False


def revise(database: Database) -> None:
    """Run all revisions, as a database of the first version lives through them."""
    with database.write() as session:
        upgrade(session.connection())


def test_tables_and_revisions_agree(empty: Database) -> None:
    revise(empty)
    assert differences(empty) == []


def options(index: ReflectedIndex) -> dict[str, object]:
    """What an index has that only its kind of database knows."""
    return index.get("dialect_options", {})


def schema(database: Database) -> dict[str, object]:
    """Everything that the database says of its tables."""
    found = inspect(database.engine)
    return {
        name: [
            [(column["name"], str(column["type"]), column["nullable"], column["default"]) for column in columns],
            sorted(
                (one["name"], one["column_names"], one["unique"], {key: str(of) for key, of in options(one).items()})
                for one in found.get_indexes(name)
            ),
            found.get_pk_constraint(name),
            sorted(found.get_unique_constraints(name), key=str),
            sorted(found.get_foreign_keys(name), key=str),
            sorted(found.get_check_constraints(name), key=str),
        ]
        for (_, name), columns in found.get_multi_columns().items()
    }


def test_a_new_database_is_what_all_revisions_together_make(empty: Database) -> None:
    migrate(empty)
    at_once = schema(empty)
    assert at_once["alembic_version"]
    with empty.write() as session:
        downgrade(session.connection(), "base")
        session.execute(text("DROP TABLE alembic_version"))
    revise(empty)
    with empty.write() as session:
        build_index(session.connection())  # derived, no part of any revision; whoever migrates or restores makes it
    assert schema(empty) == at_once


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE cases DROP COLUMN title",
        "DROP INDEX ix_cases_status",
        "ALTER TABLE links ADD COLUMN surplus VARCHAR",
    ],
)
def test_the_comparison_sees_a_difference(empty: Database, change: str) -> None:
    revise(empty)
    with empty.engine.begin() as connection:
        connection.execute(text(change))
    assert len(differences(empty)) == 1


def test_no_table_of_the_code_is_forgotten() -> None:
    declared = {
        name
        for path in (ROOT / "node").rglob("*.py")
        for name in re.findall(r'__tablename__ = "(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert set(all_tables().metadata.tables) == declared


def test_all_revisions_can_be_taken_back(empty: Database) -> None:
    migrate(empty)
    with empty.write() as session:
        downgrade(session.connection(), "base")
    assert tables(empty) == {"alembic_version"}


def test_an_older_schema_is_migrated(empty: Database, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(empty)
    number = add_revision(later)
    monkeypatch.setattr(migrations, "VERSIONS", later)
    assert migrate(empty) is True
    assert current(empty) == number
    assert f"thing_{number}" in tables(empty)


def test_a_migration_that_fails_leaves_the_old_schema_whole(
    empty: Database, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty)
    before, first = tables(empty), add_revision(later)
    add_revision(later, then="raise RuntimeError('the disk is full')")
    monkeypatch.setattr(migrations, "VERSIONS", later)
    with pytest.raises(RuntimeError, match="the disk is full"):
        migrate(empty)
    assert current(empty) == "0001"
    assert tables(empty) == before
    assert f"thing_{first}" not in tables(empty)


def test_two_starts_at_once_migrate_once(empty: Database) -> None:
    assert current(empty) is None, "the file is there, and in WAL mode"
    other = Database(empty.url)
    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(migrate, [empty, other]))
    other.dispose()
    assert done == [False, True]
    assert differences(empty) == []


def _open(url: str, together: Barrier, found: "Queue[str]") -> None:
    """One process that opens a new file just when others do."""
    together.wait()
    database = Database(url)
    try:
        current(database)
        with database.write():
            found.put("opened")
    except DatabaseUnavailable as error:
        found.put(str(error))


def test_processes_may_open_a_file_that_is_not_there_yet_all_at_once(tmp_path: Path) -> None:
    """Without waiting for each other, one of a hundred is told that the database is locked."""
    # Not forked from here: a thread of the test runner may hold a lock that the child would wait for.
    clean = multiprocessing.get_context("forkserver")
    clean.set_forkserver_preload([__name__])
    found: Queue[str] = clean.Queue()
    for attempt in range(12):
        together = clean.Barrier(4)
        url = f"sqlite:///{tmp_path / f'{attempt}.db'}"
        processes = [clean.Process(target=_open, args=(url, together, found)) for _ in range(4)]
        for process in processes:
            process.start()
        assert [found.get(timeout=30) for _ in processes] == ["opened"] * 4
        for process in processes:
            process.join()


def test_a_newer_schema_is_refused_with_what_to_do(empty: Database) -> None:
    migrate(empty)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew) as refused:
        migrate(empty)
    assert "9999" in str(refused.value)
    assert head() in str(refused.value)
    assert "9999" in refused.value.text("zh-CN")
    assert refused.value.exit_code == 4


def test_a_database_of_somebody_else_is_left_alone(empty: Database) -> None:
    with empty.write() as session:
        session.execute(text("CREATE TABLE invoices (id INTEGER PRIMARY KEY)"))
    with pytest.raises(DatabaseTrouble, match="invoices"):
        migrate(empty)
    assert tables(empty) == {"invoices"}


def test_alembic_is_not_loaded_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'center.db'}")
    migrate(database)
    database.dispose()
    code = (
        "import sys; from node.db import Database; from node.migrations import migrate;"
        f"assert migrate(Database({database.url!r})) is False; sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
