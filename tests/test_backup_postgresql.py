"""Backups of a center on PostgreSQL, and the way from one kind of database to the other."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import column, select, table, text

from node import migrations
from node.backup import check_backup, write_backup
from node.cases import service
from node.center import Center
from node.db import Database
from node.dump import Sums, table_sum
from node.opening import open_center
from node.restoring import restore
from node.settings import load_settings
from node.trouble import DatabaseTrouble
from node.unit import unit_of
from protocol.codes import Category
from protocol.entries import Party
from tests.centers import TOWNSHIP, Family, Made, family
from tests.conftest import PostgresServer


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def another(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of another one."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family, empty: str) -> Made:
    made = people.root(database_url=empty)
    people.child(made, TOWNSHIP)
    register(made.center)
    return made


def register(center: Center, title: str = "排水沟纠纷") -> None:
    with unit_of(center) as unit:
        registration = service.Registration(
            title=title, category=Category.NEIGHBOURHOOD, place="三组", parties=(Party(name="王"),)
        )
        service.register(unit, registration, "杨秀英")


def sums(database: Database) -> Sums:
    """What a database holds."""
    with database.read() as session:
        return {table.name: table_sum(session, table) for table in migrations.all_tables().metadata.sorted_tables}


MARKS = {"identity", "links", "frozen_cases"}
"""Tables in which a restored center notes that it went back in time."""


def unmarked(found: Sums) -> Sums:
    """All tables but those."""
    return {name: found[name] for name in found.keys() - MARKS}


def held(directory: Path) -> Sums:
    """What the database of a center in a directory holds, apart from the marks of a restore."""
    center = open_center(load_settings(directory, environment=False))
    try:
        return unmarked(sums(center.database))
    finally:
        center.database.dispose()


def test_it_comes_back_row_for_row_in_its_place(root: Made, tmp_path: Path) -> None:
    before = sums(root.center.database)
    manifest = write_backup(root.center, root.settings, tmp_path / "b.tar")
    assert manifest.tables == before == check_backup(tmp_path / "b.tar").tables
    register(root.center, "后来的")
    root.center.database.dispose()
    with pytest.raises(DatabaseTrouble, match="--in-place"):
        restore(tmp_path / "b.tar", tmp_path / "elsewhere")
    restored = restore(tmp_path / "b.tar", root.directory, in_place=True)
    assert held(root.directory) == unmarked(before)
    assert restored.schema is not None
    with root.center.database.read() as session:
        former = table("cases", column("title"), column("number"), schema=restored.schema)
        titles = session.scalars(select(former.c.title).order_by(former.c.number)).all()
    assert titles == ["排水沟纠纷", "后来的"]


def test_it_moves_to_sqlite_and_back(root: Made, another: str, tmp_path: Path) -> None:
    before = sums(root.center.database)
    write_backup(root.center, root.settings, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "small", database_url="sqlite:///small.db")
    assert (tmp_path / "small" / "small.db").exists()
    assert held(tmp_path / "small") == unmarked(before)
    small = open_center(load_settings(tmp_path / "small", environment=False))
    register(small, "在小库登记")
    write_backup(small, load_settings(tmp_path / "small", environment=False), tmp_path / "c.tar")
    after = sums(small.database)
    small.database.dispose()
    restore(tmp_path / "c.tar", tmp_path / "large", database_url=another)
    assert held(tmp_path / "large") == unmarked(after)
    center = open_center(load_settings(tmp_path / "large", environment=False))
    assert center.identity.former[0] == root.center.identity.incarnation
    center.database.dispose()


def test_it_shows_one_instant_while_people_work_on(root: Made, tmp_path: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            register(root.center, "忙")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        manifests = [write_backup(root.center, root.settings, tmp_path / f"{number}.tar") for number in range(3)]
    finally:
        stop.set()
        worker.join()
    for manifest in manifests:
        assert manifest.tables["cases"].rows == manifest.tables["entries"].rows, "a case and its entry are one commit"
    counts = [manifest.tables["cases"].rows for manifest in manifests]
    assert counts == sorted(set(counts)), "people did not wait"


def test_a_database_in_use_is_left_alone(root: Made, tmp_path: Path) -> None:
    write_backup(root.center, root.settings, tmp_path / "b.tar")
    register(root.center, "后来的")
    before = sums(root.center.database)
    with root.center.database.read() as session:
        session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseTrouble, match="in use"):
            restore(tmp_path / "b.tar", root.directory, in_place=True)
    assert sums(root.center.database) == before
