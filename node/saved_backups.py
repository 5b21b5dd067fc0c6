"""Backups that the administrator makes at the page: files ``saved/`` of the data directory, the newest few.

They hold the center's secret keys, so they are never sent to a browser: somebody at the machine copies them away.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.audit.tables import AuditRow
from node.audit.trail import Actor, Event, record
from node.backup import check_backup, write_backup
from node.center import Center
from node.clock import LOCAL_ZONE
from node.i18n import N_
from node.settings import Settings
from node.trouble import Trouble

DIRECTORY: Final = "saved"
KEEP: Final = 5
"""Files that stay; the oldest goes when another one is made."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One file: when it was made, and when it was last found whole."""

    name: str
    made_at: datetime
    size: int
    checked_at: datetime


def saved(session: Session, data_dir: Path) -> list[Saved]:
    """The files, newest first. Each was checked when it was made."""
    looked = select(AuditRow.subject, func.max(AuditRow.at)).where(AuditRow.event == Event.BACKUP_CHECKED)
    checked: dict[str, datetime] = dict(session.execute(looked.group_by(AuditRow.subject)).all())
    found = []
    for file in sorted((data_dir / DIRECTORY).glob("*.tar"), reverse=True):
        told = file.stat()
        made = datetime.fromtimestamp(told.st_mtime, LOCAL_ZONE)
        found.append(Saved(file.name, made, told.st_size, max(made, checked.get(file.name, made))))
    return found


def make(center: Center, settings: Settings, actor: Actor) -> str:
    """Make a verified backup now; its name.

    Raises:
        BackupTrouble: it can't be written, or what was written does not verify.
        DatabaseUnavailable: nothing was made.
    """
    folder = settings.data_dir / DIRECTORY
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{center.code}-{center.clock.now().astimezone(LOCAL_ZONE):%Y%m%d-%H%M%S}.tar"
    with center.database.write() as session:
        record(session, center.clock.now(), actor, Event.BACKUP_MADE, subject=name)
    write_backup(center, settings, folder / name)
    for old in sorted(folder.glob("*.tar"), reverse=True)[KEEP:]:
        old.unlink()
    return name


def check(center: Center, data_dir: Path, name: str, actor: Actor) -> int:
    """Read a file of ours again from end to end; how many rows it has.

    Raises:
        Trouble: there is no such file, or it is damaged.
    """
    file = data_dir / DIRECTORY / name
    if file.parent != data_dir / DIRECTORY or not name.endswith(".tar") or not file.is_file():
        raise Trouble(N_("There is no such backup."))
    manifest = check_backup(file)
    with center.database.write() as session:
        record(session, center.clock.now(), actor, Event.BACKUP_CHECKED, subject=name)
    return manifest.rows
