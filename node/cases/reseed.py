"""Telling a center again what we hold of its cases, since its database was lost or went back in time, or ours was.

Everything goes by ordinary messages: signed entries, a transfer notice for what is in flight from us to it, headers,
invitations, our own pending requests. All of them may come twice; nothing is applied twice. What a message says is
never new, so telling too much does no harm; whoever is told too little waits for others.

After our own loss we tell everybody the cases in which we wrote: what we had said last may have reached one center,
from which we have it back, and not another.

Beside cases there are messages of ours whose way leads through that center. It had acknowledged them, and lost them
with its database before they went on: what has no receipt yet goes out once more.
"""

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, or_, select

from node.cases import granting, inviting, log, transfers
from node.cases.sheet import header_of
from node.cases.tables import CaseRow, RequestRow
from node.federation.tables import LaneRow, OutboxRow, ReseedRow
from node.unit import Unit, unit_of
from protocol.entries import read_head
from protocol.messages import Message, Type
from protocol.payloads import Lost, RequestMessage, RequestState, Told
from protocol.records import Record

if TYPE_CHECKING:
    from node.center import Center

OURS = ""
"""In the place of the incarnation that asked: nobody did, our own database was lost."""
BATCH = 20
"""Cases told in one transaction: with long logs some megabytes, and people never wait behind it."""


def on_lost(unit: Unit, message: Message, payload: Lost) -> None:
    """A center asks what we hold of its cases. The first batch goes at once, the rest with the chores."""
    row = unit.session.get(ReseedRow, message.sender)
    if row is None:
        row = ReseedRow(peer=message.sender)
        unit.session.add(row)
    row.incarnation, row.after, row.cases = payload.incarnation, "", 0
    unit.session.flush()
    _send_again_through(unit, message.sender)
    _go_on(unit, row)


def tell_everybody(unit: Unit) -> None:
    """Begin to tell everybody the cases in which we wrote, with the chores; who is being told already hears all."""
    for code in unit.tree.claims:
        if code != unit.me and unit.tree.known(code) and unit.session.get(ReseedRow, code) is None:
            unit.session.add(ReseedRow(peer=code, incarnation=OURS, after="", cases=0))
    unit.session.flush()


def go_on(center: "Center") -> int:
    """Tell the next batch to everybody who is being told; returns how many centers still are."""
    with center.database.read() as session:
        peers = session.scalars(select(ReseedRow.peer).order_by(ReseedRow.peer)).all()
    waiting = 0
    for peer in peers:
        with unit_of(center) as unit:
            row = unit.session.get(ReseedRow, peer, with_for_update=True)
            if row is not None:
                waiting += not _go_on(unit, row)
    return waiting


def _go_on(unit: Unit, row: ReseedRow) -> bool:
    """Tell one batch; says whether it was the last."""
    last, count = entries_for(unit, row.peer, after=row.after, ours=row.incarnation == OURS)
    row.cases += count
    if last is not None:
        row.after = last
        return False
    if row.incarnation != OURS:
        unit.outbox.send(Type.TOLD, Told(incarnation=row.incarnation, cases=row.cases), row.peer)
    unit.session.delete(row)
    unit.session.flush()  # it may be asked again in the same frame
    return True


def entries_for(
    unit: Unit, peer: str, *, after: str = "", limit: int = BATCH, ours: bool = False
) -> tuple[str | None, int]:
    """Queue for a center what we hold of the cases that it has a part in, in order of case id.

    Args:
        unit: the unit of work.
        peer: the center.
        after: the case id to go on after.
        limit: how many cases at most.
        ours: only those in which we wrote ourselves.

    Returns:
        The last case id that was looked at, None where none is left; and how many cases were told.
    """
    concerned = select(CaseRow.id).where(CaseRow.id > after, _may_concern(unit, peer))
    case_ids = unit.session.scalars(concerned.order_by(CaseRow.id).limit(limit)).all()
    unit.book.load(case_ids)
    told = sum(_tell(unit, case_id, peer) for case_id in case_ids if not ours or _wrote_in(unit, case_id))
    if len(case_ids) == limit:
        return case_ids[-1], told
    ask_again(unit, peer)
    return None, told


def _may_concern(unit: Unit, peer: str) -> ColumnElement[bool]:
    """Copies that name this center, headers of what it holds, and, if it is above us, copies whose header was told."""
    named = CaseRow.centers.contains(peer, autoescape=True)
    if not unit.tree.is_ancestor(peer, unit.me):
        return or_(named, and_(CaseRow.state.is_(None), CaseRow.holder == peer))
    return or_(named, and_(CaseRow.holder == unit.me, CaseRow.header_told.is_not(None)))


def _wrote_in(unit: Unit, case_id: str) -> bool:
    """Whether one of a case's entries is ours."""
    return any(read_head(record.head).center == unit.me for record in unit.book.records(case_id))


def _tell(unit: Unit, case_id: str, peer: str) -> bool:
    """Tell one case as far as its log lets this center know it; says whether there was something to tell."""
    sheet = unit.book.sheet(case_id)
    state = sheet.state
    if state is None and sheet.header is not None and sheet.header.holder == peer:
        unit.outbox.send(Type.HEADER, sheet.header, peer, case_id=case_id)
        return True
    if state is None or (unit.me not in state.followers and sheet.view_until is not None and state.holder != peer):
        return False  # what a broken glass shows is nobody's but the holder's
    flight = state.custody.flight
    if flight is not None and (flight.sender, flight.to) == (unit.me, peer):
        transfers.repeat(unit, state)
    elif peer in state.followers:
        log.send_records(unit, case_id, unit.book.records(case_id), peer)
    elif state.holder != unit.me:
        return False
    elif (invitation := inviting.standing(state).get(peer)) is not None:
        unit.outbox.send(Type.INVITATION, invitation, peer, case_id=case_id)
    if sheet.header_told is not None and peer not in state.followers and unit.tree.is_ancestor(peer, unit.me):
        unit.outbox.send(Type.HEADER, header_of(state), peer, case_id=case_id)
    return True


def ask_again(unit: Unit, peer: str | None = None) -> None:
    """Ask again what this center, or anybody, has not answered or passed on; what comes twice is judged once."""
    waiting = or_(
        and_(RequestRow.mine.is_(True), RequestRow.state == RequestState.PENDING),
        RequestRow.state == granting.PASSED_ON,
    )
    for row in unit.session.scalars(select(RequestRow).where(waiting).order_by(RequestRow.at, RequestRow.id)):
        sheet = unit.book.sheet(row.case_id)
        target = granting.spokesman(unit, sheet) if sheet.known else None
        if target == unit.me:
            granting.receive_stored(unit, row)  # it is ours to judge by now
        elif target is not None and (peer in {None, target} or _was_sent_to(unit, row.id, peer)):
            message = RequestMessage(request=Record.model_validate_json(row.record))
            unit.outbox.send(Type.REQUEST, message, target, case_id=row.case_id, message_id=row.id)


def _was_sent_to(unit: Unit, message_id: str, center: str | None) -> bool:
    """Whether we sent this message to a center, which may have lost it since."""
    sent = select(OutboxRow.seq).where(OutboxRow.message_id == message_id, OutboxRow.destination == center)
    return unit.session.scalar(sent.limit(1)) is not None


def _send_again_through(unit: Unit, center: str) -> None:
    """Send again what was to pass this center and has no receipt of its destination, in the order it first went."""
    beyond = [code for code in unit.tree.claims if unit.tree.passes(unit.me, code, center)]
    sent = (
        select(OutboxRow)
        .join(LaneRow, and_(LaneRow.peer == OutboxRow.peer, LaneRow.lane == OutboxRow.lane))
        .where(
            OutboxRow.destination.in_(beyond),
            OutboxRow.case_id.is_not(None),
            OutboxRow.receipt_at.is_(None),
            OutboxRow.seq <= LaneRow.acked_seq,
        )
        .order_by(OutboxRow.queued_at, OutboxRow.peer, OutboxRow.lane, OutboxRow.seq)
    )
    for row in unit.session.scalars(sent):
        unit.outbox.repeat(row)
