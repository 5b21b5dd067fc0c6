"""Sealed backups that we keep for our children, and our own when we get it back from the parent.

Pieces are files ``backups/CODE/ID/NNNNN`` in the data directory; the database knows how many came. The newest two that
are complete stay, and the one that is on its way. We can't read them.
"""

import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from node.federation.private_file import write_private
from node.federation.tables import KeptBackupRow
from node.unit import Unit
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import BackupOffered, BackupPart, BackupWanted

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

DIRECTORY = "backups"
KEEP = 2
"""Complete backups of one center."""
FREE_MIN = 512 * 1024 * 1024
"""Bytes of disk that the center itself needs: with less free, nothing more is kept for others."""


def on_part(unit: Unit, message: Message, payload: BackupPart) -> None:
    """A piece of a child's backup, or of our own that we asked our parent for. Pieces come in order.

    Raises:
        BadRecord: it comes from somebody else, or is no base64.
    """
    parent = unit.center.parent
    if message.sender not in {*unit.tree.children(unit.me), parent}:
        raise BadRecord(f"{message.sender} is neither our child nor our parent")
    owner = unit.me if message.sender == parent else message.sender
    if unit.center.data_dir is None:
        return
    row = unit.session.get(KeptBackupRow, (owner, payload.backup))
    if row is None:
        row = KeptBackupRow(center=owner, id=payload.backup, made_at=payload.made_at, parts=payload.parts)
        row.got = row.size = 0
        unit.session.add(row)
    if payload.part != row.got + 1 or payload.parts != row.parts:
        log.info("backup.out_of_order", center=owner, part=payload.part, got=row.got)
        return
    folder = unit.center.data_dir / DIRECTORY
    folder.mkdir(mode=0o700, exist_ok=True)
    if shutil.disk_usage(folder).free < FREE_MIN:
        log.error("backup.no_room", center=owner)
        return
    try:
        piece = b64decode(payload.data, validate=True)
    except ValueError as error:
        raise BadRecord("a piece of a backup is no base64") from error
    write_private(folder / owner / payload.backup / f"{payload.part:05d}", piece)
    row.got, row.size = payload.part, row.size + len(piece)
    if row.got == row.parts:
        row.complete_at = unit.now
        log.info("backup.kept", center=owner, size=row.size)
    unit.session.flush()


def on_wanted(unit: Unit, message: Message, payload: BackupWanted) -> None:
    """A child lost its machine and wants its newest backup back."""
    del payload
    row = newest(unit, message.sender)
    if row is None or unit.center.data_dir is None:
        unit.outbox.send(Type.BACKUP_OFFERED, BackupOffered(), message.sender)
        return
    offered = BackupOffered(backup=row.id, made_at=row.made_at, parts=row.parts)
    unit.outbox.send(Type.BACKUP_OFFERED, offered, message.sender)
    for number, piece in enumerate(pieces(unit.center.data_dir, row), start=1):
        part = BackupPart(backup=row.id, made_at=row.made_at, part=number, parts=row.parts, data=_text(piece))
        unit.outbox.send(Type.BACKUP_PART, part, message.sender)


def on_offered(unit: Unit, message: Message, payload: BackupOffered) -> None:
    """Our parent says which backup it keeps of us; whoever waits for it looks at ``KeptBackupRow``.

    Raises:
        BadRecord: it is not our parent.
    """
    if message.sender != unit.center.parent:
        raise BadRecord(f"{message.sender} is not our parent")
    unit.session.execute(delete(KeptBackupRow).where(KeptBackupRow.center == unit.me))
    row = KeptBackupRow(center=unit.me, id=payload.backup or "", made_at=payload.made_at or unit.now)
    row.parts, row.got, row.size = payload.parts, 0, 0
    row.complete_at = None if payload.parts else unit.now
    unit.session.add(row)
    unit.session.flush()


def newest(unit: Unit, center: str) -> KeptBackupRow | None:
    """The newest complete backup of a center."""
    complete = select(KeptBackupRow).where(KeptBackupRow.center == center, KeptBackupRow.complete_at.is_not(None))
    return unit.session.scalar(complete.order_by(KeptBackupRow.made_at.desc()).limit(1))


def newest_by_center(session: Session) -> dict[str, datetime]:
    """When the newest complete backup of each center was made."""
    rows = session.execute(
        select(KeptBackupRow.center, func.max(KeptBackupRow.made_at))
        .where(KeptBackupRow.complete_at.is_not(None))
        .group_by(KeptBackupRow.center)
    )
    return dict(rows.all())


def pieces(data_dir: Path, row: KeptBackupRow) -> Iterator[bytes]:
    """The pieces of a backup in their order."""
    for number in range(1, row.parts + 1):
        yield (data_dir / DIRECTORY / row.center / row.id / f"{number:05d}").read_bytes()


def tidy(center: "Center") -> int:
    """Forget backups that newer ones have replaced; returns how many."""
    if center.data_dir is None:
        return 0
    with center.database.read() as session:
        if session.scalar(select(KeptBackupRow.id).limit(1)) is None:
            return 0
        rows = session.scalars(select(KeptBackupRow).order_by(KeptBackupRow.made_at.desc())).all()
        session.expunge_all()
    gone: list[KeptBackupRow] = []
    for owner in {row.center for row in rows}:
        theirs = [row for row in rows if row.center == owner]
        complete = [row for row in theirs if row.complete_at is not None]
        gone += complete[KEEP:]
        gone += [row for row in theirs if row.complete_at is None and (row is not theirs[0])]
    for row in gone:
        with center.database.write() as session:
            session.execute(delete(KeptBackupRow).where(KeptBackupRow.center == row.center, KeptBackupRow.id == row.id))
        shutil.rmtree(center.data_dir / DIRECTORY / row.center / row.id, ignore_errors=True)
    return len(gone)


def _text(piece: bytes) -> str:
    return b64encode(piece).decode("ascii")
