"""Transfers: custody leaves, arrives, comes back.

The order of messages matters. To the destination goes first the whole log, then the notice that custody is its own;
only then do the other followers hear of it. On a tree of first-in-first-out links nobody can thus speak to the new
holder about a transfer that has not reached it yet. The log goes whole also to who follows the case: an entry of an
earlier holder may still be on another way, or the destination's database may be a new one.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import select

from node.cases import frozen, log, successors, supervision
from node.cases.tables import RequestRow, TombstoneRow
from node.cases.working_days import add_working_days
from node.federation.tables import LaneRow, OutboxRow
from node.unit import Unit
from protocol.case import CaseState
from protocol.custody import POPPING, restored_deadline
from protocol.entries import Bounced, Delivered, Kind, Recalled, Transfer
from protocol.errors import Refused
from protocol.messages import Message, Type, source_of, write_message
from protocol.payloads import RequestState, TransferNotice, Void

logger = structlog.get_logger()


def transfer(unit: Unit, case_id: str, kind: Kind, body: Transfer, actor: str) -> CaseState:
    """Give a case away: append the transfer, send the log and the notice to the destination, then tell the others.

    Raises:
        Refused: a rule forbids it, the destination was merged or can't be reached, or custody is frozen here.
    """
    frozen.check(unit, case_id)
    successors.check_active(unit, body.to)
    if not unit.outbox.reachable(body.to):
        raise Refused("unreachable", center=body.to)
    before = unit.book.state(case_id)
    assert before is not None
    entry, state = log.append(unit, case_id, kind, body, actor)
    log.send_records(unit, case_id, unit.book.records(case_id), body.to, transfer_epoch=state.epoch)
    notice = TransferNotice(case_id=case_id, epoch=state.epoch, seq=state.seq, kind=kind)
    unit.outbox.send(Type.TRANSFER, notice, body.to, case_id=case_id, transfer_epoch=state.epoch)
    log.tell(unit, before, state, entry, but=body.to)
    return state


def repeat(unit: Unit, state: CaseState) -> None:
    """Send a transfer of ours that is under way again; it comes back where there is no way any more."""
    flight = state.custody.flight
    assert flight is not None
    if not unit.outbox.reachable(flight.to):
        bounce(unit, state.id, state.epoch, f"{flight.to} left the federation")
        return
    log.send_records(unit, state.id, unit.book.records(state.id), flight.to, transfer_epoch=state.epoch)
    notice = TransferNotice(case_id=state.id, epoch=state.epoch, seq=state.seq, kind=flight.kind)
    unit.outbox.send(Type.TRANSFER, notice, flight.to, case_id=state.id, transfer_epoch=state.epoch)


def deliver(unit: Unit, state: CaseState) -> CaseState:
    """Take custody of a case that is in flight to us."""
    custody = state.custody
    assert custody.flight is not None
    frozen.freeze_if_old(unit, state.id, custody.flight.at)
    if custody.flight.kind in POPPING:
        deadline = restored_deadline(custody, unit.now)
    else:
        deadline = custody.deadline
        if custody.working_days is not None:
            deadline = add_working_days(unit.now, custody.working_days)
        elif deadline is None:
            deadline = supervision.term_deadline(unit, state.grade)
        if deadline is not None and custody.not_after is not None:
            deadline = min(deadline, custody.not_after)
    held = log.write(unit, state.id, Kind.DELIVERED, Delivered(deadline=deadline), log.SYSTEM)
    return successors.catch_up(unit, held)


def repeat_forgotten(unit: Unit, state: CaseState) -> None:
    """Send a transfer of ours again whose message our database has forgotten: only others knew that it is under way."""
    flight = state.custody.flight
    if flight is None or flight.sender != unit.me:
        return
    sent = select(OutboxRow.seq).where(OutboxRow.case_id == state.id, OutboxRow.transfer_epoch == state.epoch)
    if unit.session.scalar(sent.limit(1)) is None and not unit.outbox.transfers(state.id, state.epoch):
        logger.info("transfer.repeated", case_id=state.id, epoch=state.epoch)
        repeat(unit, state)


def bounce(unit: Unit, case_id: str, epoch: int, reason: str) -> CaseState | None:
    """Take back a transfer of ours that could not be delivered or was refused; None where it is no longer in flight."""
    state = unit.book.state(case_id)
    if state is None or state.epoch != epoch:
        return None
    flight = state.custody.flight
    if flight is None or flight.sender != unit.me or unit.awaiting.of(state, unit.tree):
        return None  # a transfer whose outcome others may know goes out again when they have told: ``repeat``
    logger.warning("transfer.bounced", case_id=case_id, epoch=epoch, reason=reason)
    successor = unit.tree.heir(flight.to) if unit.tree.retired(flight.to) else None
    bounced = Bounced(reason=reason or "-", successor=successor)
    return log.write(unit, case_id, Kind.BOUNCED, bounced, log.SYSTEM)


def bury(unit: Unit, case_id: str, epoch: int, reason: str) -> None:
    """Leave a tombstone: this transfer can never be applied here any more."""
    if unit.session.get(TombstoneRow, (case_id, epoch)) is None:
        unit.session.add(TombstoneRow(case_id=case_id, epoch=epoch, reason=reason[:500], at=unit.now))


def is_buried(unit: Unit, case_id: str, epoch: int) -> bool:
    """Whether a tombstone stands for this transfer."""
    return unit.session.get(TombstoneRow, (case_id, epoch)) is not None


def take_back(unit: Unit, state: CaseState, reason: str, actor: str) -> CaseState | None:
    """Take back our own transfer if no wire has seen it yet: its messages become void, custody is ours again at once.

    Whatever else was said about the case to its destination meanwhile becomes void too; answers to its requests stand.

    Returns:
        The case, or None if the transfer has been offered already (then only a recall helps).
    """
    flight = state.custody.flight
    assert flight is not None
    rows = _unoffered(unit, state)
    if rows is None:
        return None
    for row in rows:
        void(unit, row)
    _lapse(unit, rows)
    departure = unit.book.entry(state.id, state.seq)
    assert departure is not None
    body = Recalled(to=unit.me, reason=reason, taken_back=True)
    entry, after = log.append(unit, state.id, Kind.RECALLED, body, actor)
    if flight.to in after.followers:
        log.send_records(unit, state.id, [departure.record, entry.record], flight.to)
    log.tell(unit, state, after, entry, but=flight.to)
    return after


def _lapse(unit: Unit, voided: Sequence[OutboxRow]) -> None:
    """What our people asked of the destination never gets there: it is theirs to do again."""
    asked = select(RequestRow).where(
        RequestRow.id.in_([row.message_id for row in voided]),
        RequestRow.mine.is_(True),
        RequestRow.state == RequestState.PENDING,
    )
    for request in unit.session.scalars(asked):
        request.state, request.reason = RequestState.REFUSED, "holder-cannot-ask"


def _unoffered(unit: Unit, state: CaseState) -> list[OutboxRow] | None:
    """The messages to the destination since the transfer in flight, if no wire has seen its first one."""
    rows = unit.session.execute(
        select(OutboxRow.peer, OutboxRow.lane, OutboxRow.seq, OutboxRow.destination)
        .where(OutboxRow.case_id == state.id, OutboxRow.transfer_epoch == state.epoch)
        .order_by(OutboxRow.seq)
    ).all()
    if not rows:
        return None
    offered = lock_lanes(unit)
    if any(offered[row.peer, row.lane] >= row.seq for row in rows):  # on this link, or on an earlier one
        return None
    first = rows[0]
    since = select(OutboxRow).where(
        OutboxRow.peer == first.peer,
        OutboxRow.lane == first.lane,
        OutboxRow.seq >= first.seq,
        OutboxRow.destination == first.destination,
        OutboxRow.case_id == state.id,
    )
    return list(unit.session.scalars(since))


def lock_lanes(unit: Unit) -> dict[tuple[str, str], int]:
    """What was offered of each lane, and nothing more is until this unit ends.

    All are locked, in the order in which every unit locks them at its end, and after the counters, as there.
    """
    unit.ledger.lock()
    lanes = select(LaneRow.peer, LaneRow.lane, LaneRow.offered_seq).order_by(LaneRow.peer, LaneRow.lane)
    return {(row.peer, row.lane): row.offered_seq for row in unit.session.execute(lanes.with_for_update())}


def void(unit: Unit, row: OutboxRow) -> None:
    """Put nothing in the place of a message that no wire has seen; the neighbour gets it and does nothing."""
    nothing = Message(
        id=row.message_id,
        source=source_of(unit.me),
        type=Type.VOID,
        time=row.queued_at,
        destination=row.peer,
        datacontenttype="application/json",
        data=Void().model_dump(mode="json"),
    )
    row.body, row.case_id = write_message(nothing), None
