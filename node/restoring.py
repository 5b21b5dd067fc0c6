"""Putting a center back from a backup: into an empty directory, or in the place of what is there.

Everything is verified before anything is touched, the database is filled in one transaction and compared row by row
with what was saved, and what was there before is moved aside, not deleted: files into a folder of the data directory,
tables of PostgreSQL into a schema of their own.
"""

import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, false, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from node import migrations
from node.backup import DUMP, KEPT, BackupTrouble, Manifest, templates_in, unpack
from node.db import Database
from node.dump import Sums, load_dump, table_sum
from node.federation import healing
from node.federation.private_file import write_private
from node.i18n import DEFAULT, N_, Language
from node.opening import open_center, open_storage, shown_url
from node.running import FILE as LOCK
from node.running import only_one
from node.settings import FILE, Settings, load_settings, settings_of, write_settings
from node.trouble import DatabaseTrouble
from node.vault import Vault, new_secret, write_secrets


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Attributes:
        manifest: of the backup.
        aside: folder with the former files, if there were any.
        schema: of PostgreSQL, with the former tables, if there were any.
    """

    manifest: Manifest
    aside: Path | None = None
    schema: str | None = None


def restore(
    file: Path,
    directory: Path,
    *,
    in_place: bool = False,
    database_url: str | None = None,
    language: Language = DEFAULT,
) -> Restored:
    """Put a center back as it was.

    Args:
        file: the backup.
        directory: an empty one, or with ``in_place`` the center's own.
        in_place: move what is there aside, and put the backup in its place; the center must not run.
        database_url: into another database than the one that was saved; the settings follow.
        language: of the comments in the settings, where these are written anew.

    Raises:
        BackupTrouble: the file is no backup, is damaged, or the directory is not as it must be.
        AlreadyRunning: the center runs.
        SchemaTooNew: a newer Liandong wrote it.
        DatabaseTrouble: the database is not empty, or in use.
        DatabaseUnavailable: it can't be reached or written; nothing was changed.
        Trouble: what was restored can't be opened.
    """
    if directory.exists() and any(path.name != LOCK for path in directory.iterdir()) and not in_place:
        raise BackupTrouble(
            N_("{directory} is not empty. To put the center in it back, use --in-place."), directory=str(directory)
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(directory), tempfile.TemporaryDirectory(dir=directory, prefix=".restore-") as folder:
        unpacked = Path(folder)
        manifest = unpack(file, unpacked)
        _check_same_center(file, directory, manifest)
        settings = _settings(unpacked, directory, database_url)
        vault = _vault(settings)
        place, database, schema = _sqlite_file(settings), None, None
        if place is None:
            schema = _fill_postgres(settings, unpacked / DUMP, manifest, vault, in_place=in_place)
        else:
            _check_free(place, in_place=in_place)
            database = _fill_sqlite(unpacked, manifest, vault)
        try:
            if not settings.storage_key.exists():
                write_secrets(settings.storage_key, vault.secrets)
            aside = _move_in(directory, unpacked, manifest, database, place)
        except OSError as error:
            raise BackupTrouble(
                N_("{directory} can't be written: {reason}"), directory=str(directory), reason=error.strerror
            ) from error
        if database_url is not None:
            write_settings(settings, language)
        _mark(load_settings(directory, environment=False))
    return Restored(manifest, aside, schema)


def _mark(settings: Settings) -> None:
    """Let the center know that it went back in time, before its neighbours tell: what it holds stays where it is."""
    center = open_center(settings)
    try:
        healing.begin(center, None)
    finally:
        center.database.dispose()


def _check_same_center(file: Path, directory: Path, manifest: Manifest) -> None:
    known = load_settings(directory, environment=False).code if (directory / FILE).exists() else manifest.code
    if known != manifest.code:
        raise BackupTrouble(
            N_("{file} is a backup of {other}; {directory} holds {code}."),
            file=str(file),
            other=manifest.code,
            directory=str(directory),
            code=known,
        )


def _settings(unpacked: Path, directory: Path, database_url: str | None) -> Settings:
    """The saved settings as they will be in their directory."""
    values = tomllib.loads((unpacked / FILE).read_text(encoding="utf-8"))
    if database_url is not None:
        values["database_url"] = database_url
    return settings_of(directory, values, place=FILE)


def _vault(settings: Settings) -> Vault:
    """The key of the stored data that is there; a new one where there is none, since a backup holds none."""
    return open_storage(settings) if settings.storage_key.exists() else Vault([new_secret()])


def _sqlite_file(settings: Settings) -> Path | None:
    url = make_url(settings.database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _check_free(place: Path, *, in_place: bool) -> None:
    """A database file outside of the directory is not written over unasked either."""
    if place.exists() and not in_place:
        raise DatabaseTrouble(
            N_("The database {url} is not empty. To put the center in it back, use --in-place."), url=str(place)
        )


def _fill_sqlite(unpacked: Path, manifest: Manifest, vault: Vault) -> Path:
    """Make a database file beside the unpacked ones."""
    path = unpacked / "restored.db"
    write_private(path, b"")
    database = Database(f"sqlite:///{path}", vault=vault)
    try:
        with database.write() as session:
            _load(session, unpacked / DUMP, manifest)
    finally:
        database.dispose()
    return path


def _fill_postgres(settings: Settings, dump: Path, manifest: Manifest, vault: Vault, *, in_place: bool) -> str | None:
    """Fill a database of PostgreSQL; returns the schema in which its former tables are."""
    database = Database(settings.database_url, vault=vault)
    try:
        with database.write() as session:
            schema = _set_aside(session.connection(), settings, manifest, in_place=in_place)
            _load(session, dump, manifest)
    finally:
        database.dispose()
    return schema


def _set_aside(connection: Connection, settings: Settings, manifest: Manifest, *, in_place: bool) -> str | None:
    present = set(inspect(connection).get_table_names())
    if not present:
        return None
    strange = present - migrations.all_tables().metadata.tables.keys() - {"alembic_version"}
    if strange or not in_place:
        raise DatabaseTrouble(
            N_("The database {url} is not empty. To put the center in it back, use --in-place."),
            url=shown_url(settings.database_url),
        )
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    if connection.scalar(text(f"{others} AND backend_type = 'client backend'")):
        raise DatabaseTrouble(
            N_("The database {url} is in use; stop the center first."), url=shown_url(settings.database_url)
        )
    schema = f"before_restore_{manifest.made_at:%Y%m%d}_{os.urandom(3).hex()}"
    connection.execute(text(f"CREATE SCHEMA {schema}"))
    for name in sorted(present):
        connection.execute(text(f"ALTER TABLE {name} SET SCHEMA {schema}"))
    return schema


def _load(session: Session, dump: Path, manifest: Manifest) -> None:
    """Make the tables of that time, fill them, and compare what the database then holds with what was saved."""
    from node.cases.searched import build_index  # noqa: PLC0415 - memory
    from node.migrations.running import upgrade  # noqa: PLC0415 - memory

    upgrade(session.connection(), manifest.schema_version)
    found: Sums = {}
    with dump.open("rb") as source:
        for table in load_dump(session, source):
            found[table.name] = table_sum(session, table)
    _go_on_counting(session)
    build_index(session.connection())
    if found != manifest.tables:
        wrong = sorted(name for name in manifest.tables if found.get(name) != manifest.tables[name])
        raise BackupTrouble(N_("The database does not hold what was saved: {names}."), names=wrong)


def _go_on_counting(session: Session) -> None:
    """PostgreSQL counts apart from the table; the next number comes behind those that were stored."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in migrations.all_tables().metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            last = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
            session.execute(select(func.setval(func.pg_get_serial_sequence(table.name, column.name), last, false())))


def _move_in(
    directory: Path, unpacked: Path, manifest: Manifest, database: Path | None, place: Path | None
) -> Path | None:
    """Move what is there out of the way, and what was restored in its place. Nothing is deleted."""
    former = [directory / name for name in (*KEPT, *templates_in(directory))]
    if place is not None:
        former += [place.with_name(f"{place.name}{suffix}") for suffix in ("", "-wal", "-shm")]
    present = [path for path in former if path.exists()]
    aside = None
    if present:
        aside = Path(tempfile.mkdtemp(dir=directory, prefix=f"before-restore-{manifest.made_at:%Y%m%d}-"))
        for path in present:
            kept = aside / (path.relative_to(directory) if path.is_relative_to(directory) else path.name)
            kept.parent.mkdir(exist_ok=True)
            path.replace(kept)
    for name in manifest.files.keys() - {DUMP}:
        (directory / name).parent.mkdir(mode=0o700, exist_ok=True)
        (unpacked / name).replace(directory / name)
    if database is not None and place is not None:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database.replace(place)
    return aside
