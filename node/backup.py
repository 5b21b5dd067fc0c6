"""A backup: one file with everything of a center, and the way back.

It is a tar of mode 600 with a manifest, settings, keys, certificates, the broker's keys, and all rows of the database
as they were at one instant (``node.dump``), so the center may run meanwhile. The form is the same for SQLite and
PostgreSQL, and a backup of one can be restored into the other. It is written beside its place, read back and verified,
and only then given its name.

Restoring (``node.restoring``) gives back the database row for row, with its incarnation. What the center did after its
backup is not in it; its neighbours notice that by the positions that HELLO compares.
"""

import errno
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node import migrations
from node.backup_key import BACKUP_KEY_FILE
from node.center import Center
from node.chain import CHAIN_FILE, load_chain
from node.dump import BadDump, Only, Reader, Sums, snapshot, write_dump
from node.federation.private_file import write_private
from node.i18n import N_
from node.identity import KEYS_FILE, load_keys
from node.settings import FILE, Settings, load_settings
from node.trouble import SchemaTooNew, Trouble
from node.version import VERSION
from protocol.errors import BadRecord

FORMAT = 2
MANIFEST = "manifest.json"
DUMP = "database.jsonl.zst"
KEPT = (
    FILE,
    KEYS_FILE,
    "link.seed",
    CHAIN_FILE,
    "parent-ca.pem",
    BACKUP_KEY_FILE,
    "broker/hub.seed",
    "broker/ca.pem",
    "broker/ca.key",
)
"""What makes a center this center, beside its database; not every center has all of them."""

TEMPLATE = re.compile(r"papers/[a-z_]{1,40}\.docx")
"""A center's own templates of papers (``node.papers.filling``): texts of its own, of which no other copy exists."""

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
        tables: rows and digest of every table.
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
    tables: Sums

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables.values())


def write_backup(center: Center, settings: Settings, file: Path) -> Manifest:
    """Write a verified backup; the center may run meanwhile.

    Raises:
        BackupTrouble: the file exists or can't be written, or what was written does not verify.
        DatabaseUnavailable: the database can't be read.
    """
    if file.exists():
        raise BackupTrouble(N_("{file} exists; a backup never writes over another."), file=str(file))
    if not file.absolute().parent.is_dir():
        raise BackupTrouble(N_("{file} can't be written: {reason}"), file=str(file), reason=os.strerror(errno.ENOENT))
    unfinished = file.with_name(f".{file.name}.new")
    try:
        manifest = pack_backup(center, settings.data_dir, unfinished)
        with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".backup-") as folder:
            unpack(unfinished, Path(folder))
        unfinished.replace(file)
        _sync_folder(file.absolute().parent)
    except OSError as error:
        raise BackupTrouble(
            N_("{file} can't be written: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def pack_backup(center: Center, data_dir: Path, file: Path, only: Only | None = None) -> Manifest:
    """Write a backup, not verified yet.

    Args:
        center: the center.
        data_dir: where its files lie.
        file: the backup.
        only: conditions on the rows of some tables, where not all are wanted.
    """
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".backup-") as folder:
        dump = Path(folder) / DUMP
        write_private(dump, b"")
        with dump.open("wb") as out, center.database.read() as session:
            snapshot(session)
            made_at = center.clock.now()
            tables = write_dump(session, migrations.all_tables().metadata, out, only)
        contents = {name: data_dir / name for name in KEPT if (data_dir / name).exists()}
        contents |= {name: data_dir / name for name in templates_in(data_dir)}
        contents[DUMP] = dump
        manifest = Manifest(
            code=center.code,
            name=center.name,
            incarnation=center.identity.incarnation,
            schema_version=migrations.current(center.database) or "",
            software=VERSION,
            made_at=made_at,
            files={name: _digest(path) for name, path in contents.items()},
            tables=tables,
        )
        _pack(file, manifest, contents)
    return manifest


def templates_in(data_dir: Path) -> list[str]:
    """The names of a center's own templates of papers."""
    names = sorted(f"papers/{path.name}" for path in (data_dir / "papers").glob("*.docx") if path.is_file())
    return [name for name in names if TEMPLATE.fullmatch(name)]


def unpack(file: Path, directory: Path) -> Manifest:
    """Unpack a backup and verify all of it: every file, every row, and that its parts belong together.

    Raises:
        BackupTrouble: it is none, or it is damaged.
        SchemaTooNew: a newer Liandong wrote it.
    """
    try:
        manifest = _extract(file, directory)
    except OSError as error:
        raise BackupTrouble(
            N_("{file} can't be read: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error
    except (tarfile.TarError, EOFError, ValidationError) as error:
        raise BackupTrouble(N_("{file} is no backup of a center, or it is damaged."), file=str(file)) from error
    for name, digest in manifest.files.items():
        if not (directory / name).exists() or _digest(directory / name) != digest:
            raise BackupTrouble(N_("{file} is damaged: {name} is not what was saved."), file=str(file), name=name)
    _check_rows(file, directory / DUMP, manifest)
    _check_identity(file, directory, manifest)
    return manifest


def check_backup(file: Path) -> Manifest:
    """Verify a backup without touching anything else.

    Raises:
        BackupTrouble: it is none, or it is damaged.
        SchemaTooNew: a newer Liandong wrote it.
    """
    with tempfile.TemporaryDirectory(prefix="liandong-check-") as folder:
        return unpack(file, Path(folder))


def _extract(file: Path, directory: Path) -> Manifest:
    with tarfile.open(file, "r:") as tar:
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
            known = member.name in (*KEPT, DUMP) or TEMPLATE.fullmatch(member.name)
            if not known or not member.isfile():
                raise BackupTrouble(N_("{file} is no backup of a center."), file=str(file))
            target = directory / member.name
            target.parent.mkdir(exist_ok=True)
            write_private(target, b"")
            with target.open("wb") as out:
                shutil.copyfileobj(_content(tar, member), out)
        gaps = [(one.offset_data + one.size, -one.size % tarfile.BLOCKSIZE) for one in tar.getmembers()]
        gaps.append((tar.offset, -1))
    with file.open("rb") as raw:
        for start, length in gaps:
            raw.seek(start)
            if raw.read(length).strip(b"\0"):
                raise tarfile.ReadError("something stands where nothing was written")
    return manifest


def _check_rows(file: Path, dump: Path, manifest: Manifest) -> None:
    """Every row is as it was written, and the database is the one that the manifest names."""
    identities: list[tuple[object, ...]] = []
    try:
        with dump.open("rb") as source:
            reader = Reader(source)
            for table, rows in reader.tables():
                kept = [row[:2] for row in rows if table.name == "identity"]
                identities += kept
    except BadDump as error:
        raise BackupTrouble(
            N_("The database in {file} is damaged: {reason}"), file=str(file), reason=str(error)
        ) from error
    if reader.sums != manifest.tables:
        raise BackupTrouble(N_("{file} is damaged: {name} is not what was saved."), file=str(file), name=DUMP)
    if identities != [(manifest.code, manifest.incarnation)]:
        raise BackupTrouble(N_("{file} is damaged: {name} is not what was saved."), file=str(file), name="identity")


def _check_identity(file: Path, directory: Path, manifest: Manifest) -> None:
    """Settings, keys and certificate are those of the center that the manifest names."""
    settings = load_settings(directory, environment=False)
    try:
        keys, claims = load_keys(directory), load_chain(directory)[0].parse()
    except (OSError, ValueError, BadRecord) as error:
        raise BackupTrouble(N_("{file} is no backup of a center, or it is damaged."), file=str(file)) from error
    if {settings.code, claims.code} != {manifest.code} or keys.signing.public != claims.signing_key:
        raise BackupTrouble(N_("The keys in {file} are not those of {code}."), file=str(file), code=manifest.code)


def _pack(file: Path, manifest: Manifest, contents: dict[str, Path]) -> None:
    write_private(file, b"")
    with file.open("wb") as raw:
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            text = manifest.model_dump_json(indent=1).encode()
            head = tarfile.TarInfo(MANIFEST)
            head.size, head.mode, head.mtime = len(text), 0o600, int(manifest.made_at.timestamp())
            tar.addfile(head, io.BytesIO(text))
            for name, path in contents.items():
                with path.open("rb") as content:
                    info = tar.gettarinfo(arcname=name, fileobj=content)
                    info.uid = info.gid = 0
                    info.uname = info.gname = ""
                    info.mode, info.mtime = 0o600, head.mtime
                    tar.addfile(info, content)
        raw.flush()
        os.fsync(raw.fileno())


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "only files are asked for"
    return content


def _sync_folder(folder: Path) -> None:
    """Make a new name last through a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
