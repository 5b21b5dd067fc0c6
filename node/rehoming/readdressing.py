"""What a link has not carried when it ends goes another way.

The neighbour may hold some of it already: its acknowledgement was lost, or it never came to say it. Each message may
thus arrive twice, once by either way. Messages of the case lane are made for that: entries are known by their number,
transfers and refusals by their epoch, requests and answers by their id, headers and invitations by what they are after.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.federation.lanes import archive_link
from node.federation.tables import LaneRow, LinkRow, OutboxRow
from node.unit import Unit
from protocol.messages import Lane, Message, MessageTooLarge, Type, read_message, write_message
from protocol.sealing import seal_message, sealing_context

logger = structlog.get_logger()


def end_link(unit: Unit, peer: str) -> list[OutboxRow]:
    """End the link with a neighbour, if there is one; what it has not acknowledged."""
    if unit.session.get(LinkRow, peer) is None:
        return []
    unit.ledger.lock()  # lanes are locked behind the counters, by every unit
    unit.outbox.flush(peer)  # what this unit had for it until now goes another way with the rest
    kept_as = f"{peer}#{unit.tree.claims[peer].version}.{unit.tree.claims[unit.me].version}"
    archive_link(unit.session, peer, kept_as)
    unit.outbox.neighbours_changed()
    return _unacknowledged(unit.session, kept_as)


def _unacknowledged(session: Session, peer: str) -> list[OutboxRow]:
    """Case messages that a neighbour's database is not known to hold, in their order.

    The bulk lane is told anew: daily rows to the new parent, backups with the next night.
    """
    waiting = (
        select(OutboxRow)
        .join(LaneRow, (LaneRow.peer == OutboxRow.peer) & (LaneRow.lane == OutboxRow.lane))
        .where(OutboxRow.peer == peer, OutboxRow.lane == Lane.CASE, OutboxRow.seq > LaneRow.acked_seq)
        .order_by(OutboxRow.seq)
    )
    return list(session.scalars(waiting))


def readdress(unit: Unit, rows: Sequence[OutboxRow], neighbour: str) -> None:
    """Send messages again by the way that leads to their destinations now.

    Args:
        unit: the unit of work; the link has ended in it.
        rows: what the neighbour has not acknowledged.
        neighbour: who it was; what is for itself is sealed now, since others bring it there.
    """
    if not rows:
        return
    offered = unit.session.scalar(
        select(LaneRow.offered_seq).where(LaneRow.peer == rows[0].peer, LaneRow.lane == rows[0].lane)
    )
    assert offered is not None
    for row in rows:
        message = read_message(row.body)
        body = _again(unit, message, neighbour)
        if body is not None:
            unit.outbox.repeat(row, body)
        if row.seq > offered:  # it never left by the old way: only its copy counts from now on
            row.case_id = row.transfer_epoch = None


def _again(unit: Unit, message: Message, neighbour: str) -> bytes | None:
    """A message as it goes by the new way; None where it needs not."""
    if message.type == Type.VOID or message.destination == unit.me:
        return None
    if message.destination != neighbour or message.type == Type.SEALED:
        return write_message(message)
    if message.type == Type.HEADER and neighbour not in unit.tree.ancestors(unit.me):
        return None
    if message.type == Type.POLICIES:  # the new parent tells its own
        return None
    identity, key = unit.center.identity, unit.tree.claims[neighbour].sealing_key
    try:
        seed = identity.sealing.ephemeral_seed(sealing_context(message))
        return write_message(seal_message(message, identity.signing, key, seed))
    except MessageTooLarge:
        logger.exception("message.not_readdressed", message_id=message.id, type=message.type)
        return None
