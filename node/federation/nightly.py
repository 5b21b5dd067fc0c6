"""The nightly backup to the parent: sealed to a key that this machine does not have, in pieces on the bulk lane.

Every center has its own minute between midnight and five, so that a county's lines are not all full at once. A night
that was missed (the machine was off, last night's pieces still wait) is made up for at the next chance. The lane
resumes where a bad line broke off; cases go first.

Left out is what only helps neighbours: received frames, and messages that the neighbour's database holds.
"""

import hashlib
import tempfile
from base64 import b64encode
from datetime import datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from node.backup_key import BadBackupKey, public_half
from node.backup_sealing import PIECE_BYTES, seal_pieces
from node.clock import LOCAL_ZONE
from node.db import Database
from node.dump import Only
from node.federation.tables import LaneRow, OutboxRow, ReceivedFrameRow, SentBackupRow
from node.unit import unit_of
from protocol.messages import Type
from protocol.payloads import BACKUP_PARTS_MAX, BackupPart

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

NIGHT = timedelta(hours=5)
"""From midnight, local time."""
PIECES_AT_ONCE = 20
"""Pieces that are queued in one transaction: half a megabyte."""
ACKED = (
    select(LaneRow.peer)
    .where(LaneRow.peer == OutboxRow.peer, LaneRow.lane == OutboxRow.lane, LaneRow.acked_seq >= OutboxRow.seq)
    .exists()
)


def back_up_when_due(center: "Center") -> bool:
    """Send tonight's backup, if it was not sent yet; says whether it was sent now."""
    if center.data_dir is None or center.parent is None or not center.backup_to_parent:
        return False
    try:
        public = public_half(center.data_dir)
    except BadBackupKey as error:
        log.error("backup.no_key", reason=str(error))
        return False
    if public is None or not is_due(center.database, center.code, center.clock.now()):
        return False
    try:
        send_backup(center, center.data_dir, public)
    except OSError as error:
        log.error("backup.not_made", reason=error.strerror or str(error))
        return False
    return True


def is_due(database: Database, code: str, now: datetime) -> bool:
    """Whether this night's backup is still to be made, and the last one is where it should be."""
    with database.read() as session:
        newest = select(SentBackupRow.made_at, SentBackupRow.last_message).order_by(SentBackupRow.made_at.desc())
        last = session.execute(newest.limit(1)).one_or_none()
        if last is None:
            return True
        waiting = session.scalar(select(OutboxRow.seq).where(OutboxRow.message_id == last.last_message, ~ACKED))
    return waiting is None and last.made_at < last_appointment(code, now)


def newest_at_parent(session: Session) -> datetime | None:
    """When the newest backup was made that the parent's database holds; its messages are purged a week later."""
    waiting = select(OutboxRow.seq).where(OutboxRow.message_id == SentBackupRow.last_message, ~ACKED).exists()
    return session.scalar(select(func.max(SentBackupRow.made_at)).where(SentBackupRow.parts > 0, ~waiting))


def last_appointment(code: str, now: datetime) -> datetime:
    """When this center's backup was last to be made: a minute of the night that its code chooses."""
    chosen = int.from_bytes(hashlib.blake2b(code.encode(), digest_size=4).digest()) % int(NIGHT.total_seconds())
    midnight = datetime.combine(now.astimezone(LOCAL_ZONE).date(), time(), LOCAL_ZONE)
    appointment = midnight + timedelta(seconds=chosen)
    return appointment if appointment <= now else appointment - timedelta(days=1)


def send_backup(center: "Center", data_dir: Path, public: str) -> None:
    """Make a backup and queue its pieces for the parent."""
    from node.backup import pack_backup  # noqa: PLC0415 - memory: it is needed once a night

    parent = center.parent
    assert parent is not None
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".backup-") as folder:
        file = Path(folder) / "backup.tar"
        manifest = pack_backup(center, data_dir, file, _needed())
        size = file.stat().st_size
        row = SentBackupRow(id=center.random_bytes(16).hex(), made_at=manifest.made_at, size=size)
        row.parts = max(1, -(-size // PIECE_BYTES))
        if row.parts > BACKUP_PARTS_MAX:
            log.error("backup.too_large", size=size)
            row.parts = 0
        else:
            with file.open("rb") as source:
                pieces = enumerate(seal_pieces(source, public), start=1)
                while batch := list(islice(pieces, PIECES_AT_ONCE)):
                    _queue(center, parent, row, batch)
        with center.database.write() as session:
            session.add(row)
    log.info("backup.sent", size=size, parts=row.parts)


def _queue(center: "Center", parent: str, row: SentBackupRow, pieces: list[tuple[int, bytes]]) -> None:
    with unit_of(center) as unit:
        for number, piece in pieces:
            part = BackupPart(
                backup=row.id, made_at=row.made_at, part=number, parts=row.parts, data=b64encode(piece).decode("ascii")
            )
            row.last_message = unit.outbox.send(Type.BACKUP_PART, part, parent)


def _needed() -> Only:
    return {ReceivedFrameRow.__tablename__: false(), OutboxRow.__tablename__: ~ACKED}
