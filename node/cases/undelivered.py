"""What could not be brought to its destination: a transfer comes back with its reason, a request is answered.

Requests that were passed on while their case was in flight come back with it: whoever was about to hold it never
judged them.
"""

from sqlalchemy import select, update

from node.cases import granting, transfers
from node.federation.tables import LaneRow, OutboxRow
from node.unit import Unit
from protocol.codes import CenterCode
from protocol.errors import BadRecord
from protocol.messages import Message
from protocol.payloads import Undeliverable


def on_undeliverable(unit: Unit, message: Message, payload: Undeliverable) -> None:
    """A relay says that it can't bring a message of ours to its destination.

    Raises:
        BadRecord: it is none of ours, or its way does not lead over that relay.
    """
    row = unit.session.scalar(select(OutboxRow).where(OutboxRow.message_id == payload.message_id).limit(1))
    if row is None:
        raise BadRecord(f"undeliverable message {payload.message_id} is none of ours")
    if not _leads_over(unit, row.destination, message.sender):
        raise BadRecord(f"{message.sender} is not on the way to {row.destination}")
    if row.case_id is not None and row.transfer_epoch is not None:
        come_back(unit, row.case_id, row.transfer_epoch, payload.reason)
    granting.unreachable(unit, payload.message_id)


def _leads_over(unit: Unit, destination: str, relay: str) -> bool:
    """Whether the way to a destination leads over a relay, or did before one of its ends moved."""
    ends = unit.me, destination
    known = unit.center.directory.known
    return any(unit.tree.is_ancestor(relay, end) or known.was_below(end, relay) for end in ends)


def come_back(unit: Unit, case_id: str, epoch: int, reason: str) -> bool:
    """Take a transfer of ours back that did not arrive; says whether it was still in flight."""
    if transfers.bounce(unit, case_id, epoch, reason) is None:
        return False
    granting.receive_passed_on(unit, case_id, epoch)
    return True


def give_up(unit: Unit, peer: CenterCode, reason: str) -> int:
    """A neighbour was cut off: what still waits for it comes back. Returns how many transfers of ours did."""
    bounced = 0
    waiting = unit.session.scalars(
        select(OutboxRow)
        .join(LaneRow, (LaneRow.peer == OutboxRow.peer) & (LaneRow.lane == OutboxRow.lane))
        .where(OutboxRow.peer == peer, OutboxRow.seq > LaneRow.acked_seq)
        .order_by(OutboxRow.lane, OutboxRow.seq)
    ).all()
    for row in waiting:
        if row.case_id is not None and row.transfer_epoch is not None:
            bounced += come_back(unit, row.case_id, row.transfer_epoch, reason)
            continue
        message = Message.model_validate_json(row.body)
        if message.sender == unit.me:
            granting.unreachable(unit, message.id)
        else:
            unit.outbox.undeliverable(message, reason)
    unit.session.execute(update(OutboxRow).where(OutboxRow.peer == peer).values(case_id=None))
    return bounced
