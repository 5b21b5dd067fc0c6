"""Backups: written while the center runs, verified before they count, put back with checks."""

import sqlite3
import stat
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from node import migrations
from node.backup import BackupTrouble, restore, unpack, write_backup
from node.cases import service
from node.opening import open_center
from node.running import AlreadyRunning, only_one
from node.settings import load_settings
from node.trouble import DatabaseTrouble, SchemaTooNew
from node.unit import unit_of
from protocol.codes import Category
from protocol.entries import Party
from tests.centers import COUNTY, TOWNSHIP, Family, Made, family


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    return people.root()


def register(made: Made, title: str = "排水沟纠纷") -> None:
    with unit_of(made.center) as unit:
        registration = service.Registration(
            title=title, category=Category.NEIGHBOURHOOD, place="三组", parties=(Party(name="王"),)
        )
        service.register(unit, registration, "杨秀英")


def titles(directory: Path) -> list[str]:
    center = open_center(load_settings(directory, environment=False))
    try:
        with center.database.read() as session:
            return list(session.execute(text("SELECT title FROM cases ORDER BY number")).scalars())
    finally:
        center.database.dispose()


def backup(made: Made, file: Path) -> Path:
    write_backup(made.center, made.settings, file)
    return file


def test_what_is_restored_is_the_center_as_it_was(people: Family, root: Made, tmp_path: Path) -> None:
    child = people.child(root, TOWNSHIP)
    register(child)
    file = backup(child, tmp_path / "b.tar.gz")
    register(child, "后来的")
    manifest, aside = restore(file, tmp_path / "new")
    assert aside is None
    assert (manifest.code, manifest.name) == (TOWNSHIP, "沙龙镇")
    assert titles(tmp_path / "new") == ["排水沟纠纷"]
    center = open_center(load_settings(tmp_path / "new", environment=False))
    assert center.identity.incarnation == child.center.identity.incarnation, "its neighbours will know what it is"
    assert center.identity.signing.public == child.center.identity.signing.public
    center.database.dispose()
    for name in ("keys.json", "link.seed", "broker/hub.seed", "center.db"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600, name


def test_a_backup_is_private(root: Made, tmp_path: Path) -> None:
    assert stat.S_IMODE(backup(root, tmp_path / "b.tar.gz").stat().st_mode) == 0o600
    assert [path.name for path in root.directory.iterdir() if path.name.startswith(".")] == []


def test_people_work_on_while_it_is_written(root: Made, tmp_path: Path) -> None:
    stop = threading.Event()
    written = 0

    def work() -> None:
        nonlocal written
        while not stop.is_set():
            register(root, f"第{written}件")
            written += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        files = [backup(root, tmp_path / f"{number}.tar.gz") for number in range(3)]
    finally:
        stop.set()
        worker.join()
    counts = []
    for number, file in enumerate(files):
        restore(file, tmp_path / str(number))
        counts.append(len(titles(tmp_path / str(number))))
    assert counts == sorted(counts)
    assert written >= counts[-1]


def test_a_backup_never_writes_over_another(root: Made, tmp_path: Path) -> None:
    backup(root, tmp_path / "b.tar.gz")
    with pytest.raises(BackupTrouble, match="exists"):
        backup(root, tmp_path / "b.tar.gz")


def test_a_place_that_cannot_be_written_is_told(root: Made, tmp_path: Path) -> None:
    with pytest.raises(BackupTrouble, match="can't be written"):
        backup(root, tmp_path / "nowhere" / "b.tar.gz")


def test_in_place_the_former_files_are_kept(root: Made, tmp_path: Path) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar.gz")
    register(root, "后来的")
    root.center.database.dispose()
    with pytest.raises(BackupTrouble, match="--in-place"):
        restore(file, root.directory)
    _, aside = restore(file, root.directory, in_place=True)
    assert titles(root.directory) == ["排水沟纠纷"]
    assert aside is not None
    with closing(sqlite3.connect(aside / "center.db")) as former:
        assert former.execute("SELECT count(*) FROM cases").fetchone() == (2,)


def test_nothing_is_put_under_a_running_center(root: Made, tmp_path: Path) -> None:
    file = backup(root, tmp_path / "b.tar.gz")
    with only_one(root.directory), pytest.raises(AlreadyRunning):
        restore(file, root.directory, in_place=True)


def test_one_center_is_not_put_in_the_place_of_another(people: Family, root: Made, tmp_path: Path) -> None:
    child = people.child(root, TOWNSHIP)
    file = backup(root, tmp_path / "b.tar.gz")
    with pytest.raises(BackupTrouble, match=COUNTY):
        restore(file, child.directory, in_place=True)
    assert titles(child.directory) == []


@pytest.mark.parametrize("at", [0.02, 0.5, 0.98])
def test_a_damaged_backup_is_recognised(root: Made, tmp_path: Path, at: float) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar.gz")
    raw = bytearray(file.read_bytes())
    for position in range(int(len(raw) * at), int(len(raw) * at) + 8):
        raw[position] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(BackupTrouble):
        restore(file, tmp_path / "new")
    assert not (tmp_path / "new" / "center.db").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else"])
def test_another_file_is_no_backup(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar.gz").write_bytes(content)
    with pytest.raises(BackupTrouble, match="no backup"):
        restore(tmp_path / "b.tar.gz", tmp_path / "new")


def test_a_backup_names_no_other_files(root: Made, tmp_path: Path) -> None:
    file = backup(root, tmp_path / "b.tar.gz")
    with tarfile.open(file) as before, tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as after:
        for member in before:
            content = before.extractfile(member)
            member.name = "../escaped" if member.name == "keys.json" else member.name
            after.addfile(member, content)
    with pytest.raises(BackupTrouble, match="no backup"):
        unpack(tmp_path / "evil.tar.gz", tmp_path)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_backup_of_a_newer_schema_is_refused(root: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backup(root, tmp_path / "b.tar.gz")
    monkeypatch.setattr(migrations, "head", lambda: "0000")
    with pytest.raises(SchemaTooNew):
        restore(file, tmp_path / "new")


def test_postgresql_has_tools_of_its_own(root: Made, tmp_path: Path) -> None:
    settings = root.settings.model_copy(update={"database_url": "postgresql+psycopg://u@h/d"})
    with pytest.raises(DatabaseTrouble, match="pg_dump"):
        write_backup(root.center, settings, tmp_path / "b.tar.gz")
