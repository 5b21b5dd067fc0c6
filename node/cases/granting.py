"""Judging requests: the holder's node appends what was asked, or refuses; the asker is always told.

The entry made from a request contains it, with the asker's signature.

A node that does not hold the case passes the request on to the one it knows to hold it. Requests bound to an epoch
that has passed are refused. A request that overtakes a parked transfer waits for it.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, select

from node.cases import log, successors, transfers, visiting
from node.cases.entitled import check_entitled
from node.cases.sheet import Sheet, newest_header
from node.cases.tables import RequestRow
from node.unit import Unit
from protocol import entries as e
from protocol import requests as r
from protocol.case import CaseState
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.messages import Type
from protocol.payloads import Answer, CaseHeader, RequestMessage, RequestState, View
from protocol.records import BodyTooLarge, Record
from protocol.requests import EPOCH_BOUND, Ask, CaseRequest

logger = structlog.get_logger()

PASSED_ON = "passed_on"
"""State of a request that we sent on to the center that held the case, or was about to, at ``passed_epoch``."""


def receive(unit: Unit, request: CaseRequest, *, came_from: str | None = None) -> None:
    """Judge a request, pass it on, or keep it until the transfer that precedes it is applied.

    Where each of two centers believes that the other one holds the case, it is refused rather than sent for ever.
    """
    head = request.head
    row = unit.session.get(RequestRow, head.id)
    if row is not None and row.state not in {RequestState.PENDING, PASSED_ON}:
        _answer(unit, request, RequestState(row.state), row.reason)
        return
    sheet = unit.book.sheet(head.case_id)
    state, header = sheet.state, newest_header(sheet) if sheet.known else None
    if header is None:
        _settle(unit, request, RequestState.REFUSED, "unknown-case")
    elif _is_stale(request, header, unit.me):
        _settle(unit, request, RequestState.REFUSED, "stale-epoch")
    elif state is not None and state.holder == unit.me and unit.awaiting.of(state, unit.tree):
        _remember(unit, request, RequestState.PENDING, None)
    elif state is not None and state.holder == unit.me:
        _judge(unit, state, request)
    elif header.in_transit_to == unit.me:
        _remember(unit, request, RequestState.PENDING, None)
    elif came_from is not None and header.holder == came_from:
        _settle(unit, request, RequestState.REFUSED, "unknown-case")
    else:
        _pass_on(unit, request, spokesman(unit, sheet), header.epoch)


def _is_stale(request: CaseRequest, header: CaseHeader, me: str) -> bool:
    """Whether a bound request names an epoch that has passed; who does not hold the case may lag behind itself."""
    if request.kind not in EPOCH_BOUND:
        return False
    return request.head.epoch != header.epoch if header.holder == me else request.head.epoch < header.epoch


def spokesman(unit: Unit, sheet: Sheet) -> str:
    """Who to send a request to: the holder, or while the case is in flight its sender, who will know where it ended."""
    header = newest_header(sheet)
    flight = sheet.state.custody.flight if sheet.state is not None and sheet.state.epoch == header.epoch else None
    if flight is not None and header.holder is None and flight.sender != unit.me:
        return flight.sender
    found = header.holder or header.in_transit_to
    assert found is not None
    return found


def _pass_on(unit: Unit, request: CaseRequest, target: str, epoch: int) -> None:
    head, message = request.head, RequestMessage(request=request.record)
    if unit.outbox.send(Type.REQUEST, message, target, case_id=head.case_id, message_id=head.id) is None:
        _settle(unit, request, RequestState.REFUSED, "unreachable")
    elif head.center != unit.me:
        _remember(unit, request, PASSED_ON, None, passed_epoch=epoch)


def send_back_waiting(unit: Unit, case_id: str, sender: str, epoch: int) -> None:
    """Requests that waited here for a transfer that we refused go to whoever has the case again."""
    for row in _others(unit, case_id, RequestRow.state == RequestState.PENDING):
        _pass_on(unit, _read(unit, row), sender, epoch)


def receive_passed_on(unit: Unit, case_id: str, epoch: int) -> None:
    """Judge the requests that were passed on to the destination of a transfer that came back."""
    _receive_again(unit, case_id, RequestRow.state == PASSED_ON, RequestRow.passed_epoch == epoch)


def unreachable(unit: Unit, request_id: str) -> None:
    """A request that we made or passed on could not be brought to its destination."""
    row = unit.session.get(RequestRow, request_id)
    if row is None:
        return
    if row.mine and row.state == RequestState.PENDING:
        row.state, row.reason = RequestState.REFUSED, "unreachable"
    elif row.state == PASSED_ON:
        _settle(unit, _read(unit, row), RequestState.REFUSED, "unreachable")


def receive_waiting(unit: Unit, case_id: str) -> None:
    """Judge the requests that waited for custody of this case to arrive, or pass them on if it went elsewhere."""
    _receive_again(unit, case_id, RequestRow.state == RequestState.PENDING)


def _receive_again(unit: Unit, case_id: str, *conditions: ColumnElement[bool]) -> None:
    for row in _others(unit, case_id, *conditions):
        receive(unit, _read(unit, row))


def receive_stored(unit: Unit, row: RequestRow) -> None:
    """Judge a request that is known here, pass it on, or keep it."""
    receive(unit, _read(unit, row))


def _others(unit: Unit, case_id: str, *conditions: ColumnElement[bool]) -> Sequence[RequestRow]:
    """Requests of other centers."""
    others = select(RequestRow).where(RequestRow.case_id == case_id, RequestRow.mine.is_(False), *conditions)
    return unit.session.scalars(others.order_by(RequestRow.at, RequestRow.id)).all()


def _read(unit: Unit, row: RequestRow) -> CaseRequest:
    return r.read_request(Record.model_validate_json(row.record), unit.center.directory.known.keys_of)


def _judge(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    try:
        with unit.attempt():
            state = successors.catch_up(unit, state)
            check_entitled(request.kind, state, request.head.center, unit.tree)
            _GRANTS[request.kind](unit, state, request)
    except Refused as refused:
        _settle(unit, request, RequestState.REFUSED, refused.reason)
    except BodyTooLarge:
        _settle(unit, request, RequestState.REFUSED, "too-large")
    else:
        _settle(unit, request, RequestState.GRANTED, None)


def _settle(unit: Unit, request: CaseRequest, judged: RequestState, reason: str | None) -> None:
    _remember(unit, request, judged, reason)
    _answer(unit, request, judged, reason)
    logger.info(
        "request.judged", request_id=request.head.id, case_id=request.head.case_id, kind=request.kind, reason=reason
    )


def _remember(
    unit: Unit, request: CaseRequest, judged: str, reason: str | None, *, passed_epoch: int | None = None
) -> None:
    row = unit.session.get(RequestRow, request.head.id)
    if row is None:
        head = request.head
        row = RequestRow(
            id=head.id,
            case_id=head.case_id,
            epoch=head.epoch,
            kind=head.kind,
            center=head.center,
            actor=head.actor,
            at=head.at,
            record=request.record.model_dump_json(),
            mine=False,
        )
        unit.session.add(row)
    row.state, row.reason, row.passed_epoch = judged, reason, passed_epoch
    unit.session.flush()


def _answer(unit: Unit, request: CaseRequest, judged: RequestState, reason: str | None) -> None:
    if request.head.center == unit.me:  # it came back to us
        return
    state = unit.book.state(request.head.case_id)
    answer = Answer(
        request_id=request.head.id,
        case_id=request.head.case_id,
        state=judged,
        reason=reason,
        holder=state.holder if state is not None else None,
        in_transit_to=state.in_transit_to if state is not None else None,
    )
    unit.outbox.send(Type.ANSWER, answer, request.head.center, case_id=request.head.case_id)


# --- what granting means ----------------------------------------------------------------------------


def _note(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskNote)
    note = e.Noted(text=body.text, by=asker, request=request.record)
    log.write(unit, state.id, Kind.NOTED, note, request.head.actor)


def _urge(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskUrge)
    urge = e.Urged(text=body.text, reply_by=body.reply_by, by=asker, number=body.number, request=request.record)
    log.write(unit, state.id, Kind.URGED, urge, request.head.actor)


def _answered(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskAnswer)
    answer = e.Answered(urge_seq=body.urge_seq, text=body.text, by=asker, request=request.record)
    log.write(unit, state.id, Kind.ANSWERED, answer, request.head.actor)


def _joint_accept(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskJoin)
    joined = e.Joined(center=asker, members=body.members, request=request.record)
    log.write(unit, state.id, Kind.JOINED, joined, request.head.actor)


def _declined(unit: Unit, state: CaseState, request: CaseRequest, what: e.DeclinedWhat) -> None:
    body = request.body
    assert isinstance(body, r.AskReason)
    declined = e.Declined(what=what, center=request.head.center, reason=body.reason, request=request.record)
    log.write(unit, state.id, Kind.DECLINED, declined, request.head.actor)


def _joint_decline(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    _declined(unit, state, request, e.DeclinedWhat.JOINT)


def _handoff_decline(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    _declined(unit, state, request, e.DeclinedWhat.HANDOFF)


def _joint_entry(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body = request.body
    assert isinstance(body, r.AskNote)
    note = e.JointNoted(text=body.text, center=request.head.center, request=request.record)
    log.write(unit, state.id, Kind.JOINT_NOTED, note, request.head.actor)


def _countersign(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body = request.body
    assert isinstance(body, r.AskCountersign)
    signed = e.Countersigned(agreement_seq=body.agreement_seq, center=request.head.center, request=request.record)
    log.write(unit, state.id, Kind.COUNTERSIGNED, signed, request.head.actor)


def _handoff_accept(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    asker = request.head.center
    if state.offer is None or state.offer.to != asker:
        raise Refused("not-invited", center=asker)
    body = e.Transfer(to=asker, reason=state.offer.reason, request=request.record)
    transfers.transfer(unit, state.id, Kind.HANDED_OFF, body, request.head.actor)


def _recall(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """Granted by the node itself while no person has accepted."""
    body, asker, custody = request.body, request.head.center, state.custody
    assert isinstance(body, r.AskReason)
    if custody.last_sender != asker:
        raise Refused("not-last-sender")
    if not custody.stack or custody.stack[-1].center != asker:  # it gave the case back: that is no giving
        raise Refused("nothing-to-return-to")
    if custody.accepted_by is not None:
        raise Refused("recall-too-late", accepted_by=custody.accepted_by)
    recalled = e.Recalled(to=asker, reason=body.reason, request=request.record)
    transfers.transfer(unit, state.id, Kind.RECALLED, recalled, request.head.actor)


def _visit(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskVisit)
    visited = e.Visited(
        held_at=body.held_at,
        method=body.method,
        fulfilled=body.fulfilled,
        satisfied=body.satisfied,
        note=body.note,
        danger=body.danger,
        relapsed=body.relapsed,
        by=asker,
        request=request.record,
    )
    visiting.visit(unit, state, visited, request.head.actor)


def _attach(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """One who follows the case has a file for it; its bytes come from there."""
    body, asker = request.body, request.head.center
    assert isinstance(body, e.File)
    attached = e.Attached(center=asker, request=request.record, **body.model_dump())
    log.write(unit, state.id, Kind.ATTACHED, attached, request.head.actor)


def _reopen(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskReason)
    reopened = e.Reopened(reason=body.reason, by=asker, request=request.record)
    log.write(unit, state.id, Kind.REOPENED, reopened, request.head.actor)


def _lead_order(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """The common ancestor decides who leads; custody and the lead follow at once."""
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskLead)
    if not unit.tree.is_ancestor(asker, body.to):
        raise Refused("not-an-ancestor")
    if body.to != unit.me and body.to not in state.accepted_partners:
        raise Refused("not-a-partner", center=body.to)
    order = e.LeadOrdered(to=body.to, reason=body.reason, by=asker, request=request.record)
    log.write(unit, state.id, Kind.LEAD_ORDERED, order, request.head.actor)
    if body.to != unit.me:
        handed = e.Transfer(to=body.to, reason=body.reason, request=request.record)
        transfers.transfer(unit, state.id, Kind.HANDED_OFF, handed, request.head.actor)


def _rule(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """A superior rules who deals with a disputed case; custody follows at once."""
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskRule)
    if state.returns < unit.center.policy.returns_before_ruling:
        raise Refused("not-disputed", returns=state.returns)
    if body.to != asker and not unit.tree.is_ancestor(asker, body.to):
        raise Refused("not-an-ancestor")
    ruled = e.Ruled(to=body.to, department=body.department, reason=body.reason, by=asker, request=request.record)
    log.write(unit, state.id, Kind.RULED, ruled, request.head.actor)
    if body.to != unit.me:
        handed = e.Transfer(to=body.to, reason=body.reason, request=request.record)
        transfers.transfer(unit, state.id, Kind.HANDED_OFF, handed, request.head.actor)


def _absorb(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """A case of the asker was the same matter as this one."""
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskAbsorb)
    absorbed = e.Absorbed(case_id=body.case_id, number=body.number, by=asker, request=request.record)
    log.write(unit, state.id, Kind.ABSORBED, absorbed, request.head.actor)


def _judge_subsidy(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """A center above approves the claim, or turns it down."""
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskJudgeSubsidy)
    judged = e.SubsidyJudged(
        claim_seq=body.claim_seq, approved=body.approved, reason=body.reason, by=asker, request=request.record
    )
    log.write(unit, state.id, Kind.SUBSIDY_JUDGED, judged, request.head.actor)


def _view(unit: Unit, state: CaseState, request: CaseRequest) -> None:
    """Break the glass: the view is logged on the case, the asker may read until its time is over."""
    body, asker = request.body, request.head.center
    assert isinstance(body, r.AskReason)
    until = unit.now + timedelta(hours=unit.center.policy.view_hours)
    viewed = e.Viewed(by=asker, reason=body.reason, until=until, request=request.record)
    after = log.write(unit, state.id, Kind.VIEWED, viewed, request.head.actor)
    if asker not in after.followers:
        log.send_records(unit, state.id, unit.book.records(state.id), asker)
        unit.outbox.send(Type.VIEW, View(case_id=state.id, until=until), asker, case_id=state.id)


_GRANTS: dict[Ask, Callable[[Unit, CaseState, CaseRequest], None]] = {
    Ask.NOTE: _note,
    Ask.URGE: _urge,
    Ask.ANSWER: _answered,
    Ask.JOINT_ACCEPT: _joint_accept,
    Ask.JOINT_DECLINE: _joint_decline,
    Ask.JOINT_ENTRY: _joint_entry,
    Ask.COUNTERSIGN: _countersign,
    Ask.HANDOFF_ACCEPT: _handoff_accept,
    Ask.HANDOFF_DECLINE: _handoff_decline,
    Ask.RECALL: _recall,
    Ask.VISIT: _visit,
    Ask.REOPEN: _reopen,
    Ask.ATTACH: _attach,
    Ask.LEAD_ORDER: _lead_order,
    Ask.RULE: _rule,
    Ask.ABSORB: _absorb,
    Ask.JUDGE_SUBSIDY: _judge_subsidy,
    Ask.VIEW: _view,
}
