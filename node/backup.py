"""A backup: one file with everything of a center, and the way back.

It is a compressed tar of mode 600 with the database as it was at one instant (SQLite's online backup, so the center may
run), settings, keys, certificates, the broker's keys, and a manifest with a digest of each. It is written beside its
place, read back and verified, and only then given its name.

What a center did after its backup is not in it. Its neighbours notice that when it comes back, and stop the link, so
that nothing is overwritten.
"""

import errno
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.engine import make_url

from node import migrations
from node.center import Center
from node.federation.private_file import write_private
from node.i18n import N_
from node.opening import open_center
from node.running import only_one
from node.settings import DATABASE_FILE, FILE, Settings, load_settings
from node.trouble import DatabaseTrouble, SchemaTooNew, Trouble
from node.version import VERSION

FORMAT = 1
MANIFEST = "manifest.json"
KEPT = (
    FILE,
    "keys.json",
    "link.seed",
    "chain.json",
    "parent-ca.pem",
    "broker/hub.seed",
    "broker/ca.pem",
    "broker/ca.key",
)
"""What makes a center this center, beside its database; not every center has all of them."""

MANIFEST_MAX = 64 * 1024


class BackupTrouble(Trouble):
    """A backup can't be written, read or put back."""


class Manifest(BaseModel):
    """What a backup says of itself.

    Attributes:
        format: version of this form.
        code: the center's division code.
        name: its name.
        incarnation: of its database.
        schema_version: of its database.
        software: version that wrote it.
        made_at: when.
        files: SHA-256 of every file in it.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    code: str
    name: str
    incarnation: str
    schema_version: str
    software: str
    made_at: datetime
    files: Annotated[dict[str, str], Field(min_length=2)]


def write_backup(center: Center, settings: Settings, file: Path) -> Manifest:
    """Write a verified backup; the center may run meanwhile.

    Raises:
        BackupTrouble: the file exists or can't be written, or what was written does not verify.
        DatabaseTrouble: the database is PostgreSQL, which has better tools of its own.
    """
    if file.exists():
        raise BackupTrouble(N_("{file} exists; a backup never writes over another."), file=str(file))
    if not file.absolute().parent.is_dir():
        raise BackupTrouble(N_("{file} can't be written: {reason}"), file=str(file), reason=os.strerror(errno.ENOENT))
    unfinished = file.with_name(f".{file.name}.new")
    try:
        with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".backup-") as folder:
            copy = Path(folder) / DATABASE_FILE
            _copy(_sqlite_file(settings), copy)
            contents = {name: settings.data_dir / name for name in KEPT if (settings.data_dir / name).exists()}
            contents[DATABASE_FILE] = copy
            manifest = Manifest(
                code=center.code,
                name=center.name,
                incarnation=center.identity.incarnation,
                schema_version=migrations.current(center.database) or "",
                software=VERSION,
                made_at=center.clock.now(),
                files={name: _digest(path) for name, path in contents.items()},
            )
            _pack(unfinished, manifest, contents)
        with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".backup-") as folder:
            unpack(unfinished, Path(folder))
        unfinished.replace(file)
    except OSError as error:
        raise BackupTrouble(
            N_("{file} can't be written: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def restore(file: Path, directory: Path, *, in_place: bool = False) -> tuple[Manifest, Path | None]:
    """Put a center back as it was.

    Args:
        file: the backup.
        directory: an empty one, or with ``in_place`` the center's own.
        in_place: move what is there aside, and put the backup in its place; the center must not run.

    Returns:
        What was restored, and where the former files are.

    Raises:
        BackupTrouble: the file is no backup, is damaged, or the directory is not as it must be.
        AlreadyRunning: the center runs.
        SchemaTooNew: a newer Liandong wrote it.
        Trouble: what was restored can't be opened.
    """
    if directory.exists() and any(directory.iterdir()) and not in_place:
        raise BackupTrouble(
            N_("{directory} is not empty. To put the center in it back, use --in-place."), directory=str(directory)
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(directory), tempfile.TemporaryDirectory(dir=directory, prefix=".restore-") as folder:
        unpacked = Path(folder)
        manifest = unpack(file, unpacked)
        known = load_settings(directory, environment=False).code if (directory / FILE).exists() else manifest.code
        if known != manifest.code:
            raise BackupTrouble(
                N_("{file} is a backup of {other}; {directory} holds {code}."),
                file=str(file),
                other=manifest.code,
                directory=str(directory),
                code=known,
            )
        _sqlite_file(load_settings(unpacked, environment=False))
        aside = _move_aside(directory, manifest)
        for name in manifest.files:
            (directory / name).parent.mkdir(mode=0o700, exist_ok=True)
            (unpacked / name).replace(directory / name)
        open_center(load_settings(directory, environment=False)).database.dispose()
    return manifest, aside


def unpack(file: Path, directory: Path) -> Manifest:
    """Unpack a backup and verify every file of it, the database page by page.

    Raises:
        BackupTrouble: it is none, or it is damaged.
        SchemaTooNew: a newer Liandong wrote it.
    """
    try:
        with tarfile.open(file, "r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > MANIFEST_MAX:
                raise BackupTrouble(N_("{file} is no backup of a center."), file=str(file))
            manifest = Manifest.model_validate_json(_content(tar, first).read())
            if manifest.format != FORMAT or manifest.schema_version > migrations.head():
                raise SchemaTooNew(
                    N_("{file} was written by Liandong {software}; install that version or a newer one."),
                    file=str(file),
                    software=manifest.software,
                )
            for member in tar:
                if member is first:
                    continue
                if member.name not in (*KEPT, DATABASE_FILE) or not member.isfile():
                    raise BackupTrouble(N_("{file} is no backup of a center."), file=str(file))
                target = directory / member.name
                target.parent.mkdir(exist_ok=True)
                write_private(target, b"")
                with target.open("wb") as out:
                    shutil.copyfileobj(_content(tar, member), out)
    except OSError as error:
        raise BackupTrouble(
            N_("{file} can't be read: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error
    except (tarfile.TarError, EOFError, ValidationError) as error:
        raise BackupTrouble(N_("{file} is no backup of a center, or it is damaged."), file=str(file)) from error
    for name, digest in manifest.files.items():
        if not (directory / name).exists() or _digest(directory / name) != digest:
            raise BackupTrouble(N_("{file} is damaged: {name} is not what was saved."), file=str(file), name=name)
    _check_whole(directory / DATABASE_FILE, file)
    return manifest


def _sqlite_file(settings: Settings) -> Path:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise DatabaseTrouble(
            N_(
                "The database is PostgreSQL. Back it up with pg_dump, and keep with it these files of "
                "{directory}: {names}."
            ),
            directory=str(settings.data_dir),
            names=[name for name in KEPT if (settings.data_dir / name).exists()],
        )
    assert url.database is not None
    return Path(url.database)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at this instant; in WAL mode nobody waits for it."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as before,
        closing(sqlite3.connect(target)) as after,
    ):
        before.backup(after)
        after.execute("PRAGMA journal_mode=DELETE")


def _check_whole(database: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise BackupTrouble(N_("The database in {file} is damaged: {reason}"), file=str(file), reason=said)


def _pack(file: Path, manifest: Manifest, contents: dict[str, Path]) -> None:
    write_private(file, b"")
    with file.open("wb") as raw, tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6) as tar:
        text = manifest.model_dump_json(indent=1).encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode, head.mtime = len(text), 0o600, int(manifest.made_at.timestamp())
        tar.addfile(head, io.BytesIO(text))
        for name, path in contents.items():
            with path.open("rb") as content:
                info = tar.gettarinfo(arcname=name, fileobj=content)
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                info.mode = 0o600
                tar.addfile(info, content)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "only files are asked for"
    return content


def _move_aside(directory: Path, manifest: Manifest) -> Path | None:
    """Move what makes the center in this directory out of the way; nothing is deleted."""
    names = [*KEPT, *(f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm"))]
    present = [name for name in names if (directory / name).exists()]
    if not present:
        return None
    aside = Path(tempfile.mkdtemp(dir=directory, prefix=f"before-restore-{manifest.made_at:%Y%m%d}-"))
    for name in present:
        (aside / name).parent.mkdir(exist_ok=True)
        (directory / name).replace(aside / name)
    return aside


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
