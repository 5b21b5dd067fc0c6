"""``backup`` and ``restore``."""

from pathlib import Path

import typer

from node.audit.trail import COMMAND_LINE, Event, record
from node.backup import Manifest, check_backup, write_backup
from node.backup_key import keep_public_half, new_backup_key, read_backup_key
from node.clock import LOCAL_ZONE
from node.commands.opened import opened
from node.commands.terminal import language, remark, say
from node.fetching import fetch_backup
from node.i18n import N_
from node.restoring import restore
from node.settings import Settings, load_settings
from protocol.keys import SealingKey


def run_backup(directory: Path, file: Path) -> None:
    """Write a backup and say how large it is."""
    with opened(directory) as (settings, center):
        with center.database.write() as session:
            record(session, center.clock.now(), COMMAND_LINE, Event.BACKUP_MADE, subject=file.name)
        manifest = write_backup(center, settings, file)
    say(
        N_("{file}: {rows} rows, {megabytes} MB, verified."),
        file=str(file),
        rows=manifest.rows,
        megabytes=_megabytes(file),
    )
    remark(N_("It holds this center's secret keys; keep it as safely as the database."))


def run_new_key(directory: Path) -> None:
    """Draw a new backup key; backups that were made before it need the old one."""
    settings = load_settings(directory)
    printed = new_backup_key()
    keep_public_half(settings.data_dir, read_backup_key(printed))
    tell_key(printed)


def tell_key(printed: str) -> None:
    """Print the backup key, once and for ever."""
    say(N_("The backup key of this center. Write it down or print it, and keep it away from this machine:"))
    typer.echo(f"\n  {printed}\n")
    say(
        N_(
            "A sealed backup goes to the parent every night. If this machine is lost, this key alone opens it; it is "
            "shown only now."
        )
    )


def run_take_back(directory: Path, printed: str) -> None:
    """Fetch the newest backup from the parent."""
    take_back(load_settings(directory), read_backup_key(printed))


def take_back(settings: Settings, key: SealingKey) -> None:
    """Fetch the newest backup from the parent, and say how far it has come."""
    say(N_("Fetching the newest backup from the parent."))

    def progress(got: int, parts: int) -> None:
        remark(N_("{got} of {parts} pieces"), got=got, parts=parts)

    cases = fetch_backup(settings, key, progress, language())
    say(
        N_("The backup is taken in: {cases} cases. What others know beyond it comes when the center runs."), cases=cases
    )


def run_check(file: Path) -> None:
    """Verify a backup and say what is in it."""
    manifest = check_backup(file)
    say(
        N_("{file} is whole: {name} {code} as of {made_at}, {rows} rows, {megabytes} MB, schema {schema}."),
        file=str(file),
        name=manifest.name,
        code=manifest.code,
        made_at=_local(manifest),
        rows=manifest.rows,
        megabytes=_megabytes(file),
        schema=manifest.schema_version,
    )


def run_restore(file: Path, directory: Path, *, in_place: bool, database_url: str | None) -> None:
    """Put a center back, and say what that means for its neighbours."""
    restored = restore(file, directory, in_place=in_place, database_url=database_url, language=language())
    manifest = restored.manifest
    say(
        N_("{name} {code} is as it was at {made_at}."),
        name=manifest.name,
        code=manifest.code,
        made_at=_local(manifest),
    )
    if restored.aside is not None:
        say(N_("What was there before is in {directory}."), directory=str(restored.aside))
    if restored.schema is not None:
        say(N_("The former tables are in the schema {schema}."), schema=restored.schema)
    remark(
        N_(
            "What the center did since is missing. Start it: what its neighbours know of that comes back from them. "
            "Until all of them were met, the cases that it holds can't be moved."
        )
    )


def _local(manifest: Manifest) -> str:
    return f"{manifest.made_at.astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M:%S}"


def _megabytes(file: Path) -> str:
    return f"{file.stat().st_size / 2**20:.1f}"
