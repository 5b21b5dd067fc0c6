"""The head of the audit log goes up to the parent every day, and the parent compares.

With today's head a center tells the digest that the row of the last head has now. If that is not what the parent was
told then, somebody has rewritten the log, or the database was put back to an older state; either way people must look.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.audit import trail
from node.audit.tables import AuditHeadRow, AuditRow, KeptHeadRow
from node.unit import Unit, unit_of
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import AuditHead

if TYPE_CHECKING:
    from node.center import Center

DAY: Final = timedelta(days=1)

log = structlog.get_logger()


def tend(center: "Center") -> None:
    """Tell the parent today's head, and let go of rows that were kept long enough."""
    now = center.clock.now()
    with center.database.read() as session:
        head = trail.head_of(session)
        if head is None or (head.told_at is not None and head.told_at <= now < head.told_at + DAY):
            return
    with unit_of(center, behind_people=True) as unit:
        trail.purge(unit.session, now, center.audit_days)
        tell(unit)


def tell(unit: Unit) -> AuditHead:
    """Tell the parent, if there is one, where the chain ends now; what was told."""
    head = unit.session.scalars(select(AuditHeadRow).with_for_update()).one()
    parent = unit.center.parent
    payload = AuditHead(
        number=head.number,
        digest=head.digest,
        before_number=head.told_number,
        before_digest=_digest_at(unit.session, head, head.told_number),
    )
    if parent is not None:
        unit.outbox.send(Type.AUDIT_HEAD, payload, parent)
    head.told_number, head.told_at = head.number, unit.now
    return payload


def _digest_at(session: Session, head: AuditHeadRow, number: int) -> str:
    """The digest of a row as it stands here now; that of the nearest purged one where it is gone."""
    if number == head.base_number:
        return head.base_digest
    row = session.get(AuditRow, number)
    return row.digest if row is not None else trail.ORIGIN


def on_head(unit: Unit, message: Message, payload: AuditHead) -> None:
    """Keep a child's head, and compare it with the one before.

    Raises:
        BadRecord: it comes from somebody who is not our child.
    """
    if message.sender not in unit.tree.children(unit.me):
        raise BadRecord(f"{message.sender} is not our child")
    newest = newest_heads(unit.session).get(message.sender)
    fits = newest is None or (
        newest.number == payload.before_number
        and newest.digest == payload.before_digest
        and payload.number >= newest.number
    )
    if not fits:
        log.error("audit.rewritten", center=message.sender, number=payload.before_number)
    row = unit.session.get(KeptHeadRow, (message.sender, message.time))
    if row is None:
        row = KeptHeadRow(center=message.sender, told_at=message.time)
        unit.session.add(row)
    row.number, row.digest, row.broken = payload.number, payload.digest, not fits
    unit.session.flush()


def newest_heads(session: Session) -> dict[str, KeptHeadRow]:
    """The head that each child told last."""
    return {row.center: row for row in session.scalars(select(KeptHeadRow).order_by(KeptHeadRow.told_at))}


def broken_children(session: Session) -> list[str]:
    """Children whose log did not fit what they had told before."""
    return sorted(set(session.scalars(select(KeptHeadRow.center).where(KeptHeadRow.broken.is_(True)))))


def kept_digests(session: Session, center: str) -> dict[int, str]:
    """What a child told of its chain: number of a row, and its digest."""
    rows = session.scalars(select(KeptHeadRow).where(KeptHeadRow.center == center))
    return {row.number: row.digest for row in rows}
