"""Backups: written while the center runs, verified before they count, put back with checks."""

import hashlib
import io
import json
import resource
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import func, select, text

from node import migrations
from node.backup import DUMP, BackupTrouble, check_backup, unpack, write_backup
from node.cases import service
from node.cases.tables import FrozenCaseRow
from node.db import DatabaseUnavailable
from node.federation.healing import awaited
from node.opening import open_center
from node.restoring import restore
from node.running import AlreadyRunning, only_one
from node.settings import load_settings
from node.trouble import SchemaTooNew
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
    file = backup(child, tmp_path / "b.tar")
    register(child, "后来的")
    restored = restore(file, tmp_path / "new")
    manifest = restored.manifest
    assert restored.aside is None
    assert (manifest.code, manifest.name) == (TOWNSHIP, "沙龙镇")
    assert titles(tmp_path / "new") == ["排水沟纠纷"]
    center = open_center(load_settings(tmp_path / "new", environment=False))
    assert center.identity.former == (child.center.identity.incarnation,), "its neighbours will know whose heir it is"
    with center.database.read() as session:
        assert awaited(session) == [COUNTY]
        assert session.scalar(select(func.count()).select_from(FrozenCaseRow)) == 1, "its case stays where it is"
    assert center.identity.signing.public == child.center.identity.signing.public
    center.database.dispose()
    for name in ("keys.json", "link.seed", "broker/hub.seed", "center.db"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600, name


def test_a_backup_is_private(root: Made, tmp_path: Path) -> None:
    assert stat.S_IMODE(backup(root, tmp_path / "b.tar").stat().st_mode) == 0o600
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
        files = [backup(root, tmp_path / f"{number}.tar") for number in range(3)]
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
    backup(root, tmp_path / "b.tar")
    with pytest.raises(BackupTrouble, match="exists"):
        backup(root, tmp_path / "b.tar")


def test_a_place_that_cannot_be_written_is_told(root: Made, tmp_path: Path) -> None:
    with pytest.raises(BackupTrouble, match="can't be written"):
        backup(root, tmp_path / "nowhere" / "b.tar")


def test_in_place_the_former_files_are_kept(root: Made, tmp_path: Path) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar")
    register(root, "后来的")
    root.center.database.dispose()
    with pytest.raises(BackupTrouble, match="--in-place"):
        restore(file, root.directory)
    aside = restore(file, root.directory, in_place=True).aside
    assert titles(root.directory) == ["排水沟纠纷"]
    assert aside is not None
    with closing(sqlite3.connect(aside / "center.db")) as former:
        assert former.execute("SELECT count(*) FROM cases").fetchone() == (2,)


def test_own_templates_of_papers_come_back_and_newer_ones_are_kept_aside(root: Made, tmp_path: Path) -> None:
    own = root.directory / "papers"
    own.mkdir()
    (own / "agreement.docx").write_bytes(b"as it was saved")
    (own / "my notes.txt").write_text("no template")
    file = backup(root, tmp_path / "b.tar")
    assert {name for name in check_backup(file).files if name.startswith("papers/")} == {"papers/agreement.docx"}
    (own / "agreement.docx").write_bytes(b"changed since")
    (own / "cover.docx").write_bytes(b"new since")
    root.center.database.dispose()
    aside = restore(file, root.directory, in_place=True).aside
    assert aside is not None
    assert (own / "agreement.docx").read_bytes() == b"as it was saved"
    assert {path.name for path in own.iterdir()} == {"agreement.docx", "my notes.txt"}
    assert (aside / "papers" / "agreement.docx").read_bytes() == b"changed since"
    assert (aside / "papers" / "cover.docx").read_bytes() == b"new since"


def test_nothing_is_put_under_a_running_center(root: Made, tmp_path: Path) -> None:
    file = backup(root, tmp_path / "b.tar")
    with only_one(root.directory), pytest.raises(AlreadyRunning):
        restore(file, root.directory, in_place=True)


def test_one_center_is_not_put_in_the_place_of_another(people: Family, root: Made, tmp_path: Path) -> None:
    child = people.child(root, TOWNSHIP)
    file = backup(root, tmp_path / "b.tar")
    with pytest.raises(BackupTrouble, match=COUNTY):
        restore(file, child.directory, in_place=True)
    assert titles(child.directory) == []


def test_a_damaged_backup_is_recognised_wherever_the_damage_is(root: Made, tmp_path: Path) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar")
    whole = file.read_bytes()
    for position in range(0, len(whole), 397):
        raw = bytearray(whole)
        raw[position] ^= 0xFF
        file.write_bytes(raw)
        with pytest.raises(BackupTrouble):
            check_backup(file)
    with pytest.raises(BackupTrouble):
        restore(file, tmp_path / "new")
    assert not (tmp_path / "new" / "center.db").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else"])
def test_another_file_is_no_backup(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar").write_bytes(content)
    with pytest.raises(BackupTrouble, match="no backup"):
        restore(tmp_path / "b.tar", tmp_path / "new")


def test_a_backup_names_no_other_files(root: Made, tmp_path: Path) -> None:
    file = backup(root, tmp_path / "b.tar")
    with tarfile.open(file) as before, tarfile.open(tmp_path / "evil.tar", "w") as after:
        for member in before:
            content = before.extractfile(member)
            member.name = "../escaped" if member.name == "keys.json" else member.name
            after.addfile(member, content)
    with pytest.raises(BackupTrouble, match="no backup"):
        unpack(tmp_path / "evil.tar", tmp_path)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_backup_of_a_newer_schema_is_refused(root: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backup(root, tmp_path / "b.tar")
    monkeypatch.setattr(migrations, "head", lambda: "0000")
    with pytest.raises(SchemaTooNew):
        restore(file, tmp_path / "new")


def test_a_check_touches_nothing(root: Made, tmp_path: Path) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar")
    before = sorted(path.name for path in tmp_path.iterdir())
    manifest = check_backup(file)
    assert (manifest.code, manifest.incarnation) == (COUNTY, root.center.identity.incarnation)
    assert manifest.tables["cases"].rows == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_backup_with_the_keys_of_another_center_is_recognised(people: Family, root: Made, tmp_path: Path) -> None:
    child = people.child(root, TOWNSHIP)
    (root.directory / "keys.json").write_bytes((child.directory / "keys.json").read_bytes())
    with pytest.raises(BackupTrouble, match="keys"):
        backup(root, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists(), "a backup that does not verify gets no name"


def changed_dump(file: Path, change: Callable[[list[bytes]], list[bytes]], target: Path) -> Path:
    """A backup whose dump was changed, with a manifest that knows it."""
    with tarfile.open(file) as before, tarfile.open(target, "w") as after:
        contents = {member.name: content.read() for member in before if (content := before.extractfile(member))}
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(contents[DUMP]).splitlines(keepends=True)
        contents[DUMP] = zstandard.ZstdCompressor().compress(b"".join(change(lines)))
        manifest = json.loads(contents["manifest.json"])
        manifest["files"][DUMP] = hashlib.sha256(contents[DUMP]).hexdigest()
        contents["manifest.json"] = json.dumps(manifest).encode()
        for name, kept in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(kept)
            after.addfile(info, io.BytesIO(kept))
    return target


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the last table does not end": lambda lines: lines[:-1],
    "the last table is gone": lambda lines: lines[: max(at for at, line in enumerate(lines) if b'"columns"' in line)],
    "a table comes twice": lambda lines: [*lines, lines[0]],
    "a row reads otherwise": lambda lines: [line.replace("排水沟".encode(), "下水道".encode()) for line in lines],
    "a row is missing": lambda lines: [line for line in lines if "排水沟".encode() not in line],
    "half a line more": lambda lines: [*lines, b"{"],
    "a row does not parse": lambda lines: [lines[0], b"[1,\n", *lines[1:]],
    "nothing is left": lambda _lines: [],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_row_that_was_changed_or_is_missing_is_found(root: Made, tmp_path: Path, damage: str) -> None:
    register(root)
    file = changed_dump(backup(root, tmp_path / "b.tar"), DAMAGES[damage], tmp_path / "changed.tar")
    with pytest.raises(BackupTrouble, match="damaged"):
        check_backup(file)
    with pytest.raises(BackupTrouble, match="damaged"):
        restore(file, root.directory, in_place=True)
    assert titles(root.directory) == ["排水沟纠纷"], "nothing was touched"


def test_a_restore_that_finds_no_room_changes_nothing(root: Made, tmp_path: Path) -> None:
    register(root)
    file = backup(root, tmp_path / "b.tar")
    register(root, "后来的")
    root.center.database.dispose()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))  # an empty database is larger
    try:
        with pytest.raises(DatabaseUnavailable):
            restore(file, root.directory, in_place=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert titles(root.directory) == ["排水沟纠纷", "后来的"]
    assert [path.name for path in root.directory.iterdir() if "restore" in path.name] == []
