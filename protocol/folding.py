"""A case is its log; its state is a fold over it."""

from collections.abc import Callable
from typing import Any

from protocol import custody as custody_rules
from protocol import deadlines, dossier, subsidies, visits
from protocol import entries as e
from protocol.case import (
    Agreement,
    Call,
    CaseState,
    End,
    Offer,
    Outcome,
    Partner,
    PartnerStatus,
    Study,
    TakenBack,
    Urge,
    VisitPlan,
)
from protocol.codes import Status
from protocol.custody import Custody
from protocol.entries import Entry, Kind
from protocol.errors import OutOfOrder, Refused
from protocol.rules import RULES, check, next_epoch


def fold(state: CaseState | None, entry: Entry) -> CaseState:
    """The state after ``entry``.

    Raises:
        OutOfOrder: it does not continue this log (seq, epoch, case).
        Refused: a rule forbids it.
    """
    head = entry.head
    if state is None:
        return _first(entry)
    if head.case_id != state.id or head.seq != state.seq + 1:
        raise OutOfOrder(f"seq {head.seq} after {state.seq} of case {state.id}")
    if head.kind not in RULES:
        raise OutOfOrder(f"{head.kind} can't follow")
    if head.epoch != next_epoch(state, head.kind):
        raise OutOfOrder(f"epoch {head.epoch} of {head.kind} after epoch {state.epoch}")
    check(state, head.kind, head.center, taken_back=custody_rules.is_take_back(entry))
    changes = _EFFECTS[head.kind](state, entry) if head.kind in _EFFECTS else {}
    becomes = RULES[head.kind].becomes
    if becomes is not None:
        changes["status"] = becomes
    changes["seq"] = head.seq
    return state.model_copy(update=changes)


def _first(entry: Entry) -> CaseState:
    head, body = entry.head, entry.body
    if not isinstance(body, e.Registered) or head.seq != 1 or head.epoch != 1:
        raise OutOfOrder(f"log begins with {head.kind} seq {head.seq}")
    return CaseState(
        id=head.case_id,
        number=body.number,
        display_number=body.display_number,
        title=body.title,
        category=body.category,
        place=body.place,
        parties=body.parties,
        description=body.description,
        source=body.source,
        grade=body.grade,
        occurred_at=body.occurred_at,
        registered_at=head.at,
        origin=head.center,
        status=Status.REGISTERED,
        seq=1,
        custody=Custody(holder=head.center, held_by=(head.center,), deadline=body.deadline),
    )


Changes = dict[str, Any]
"""Fields of CaseState to replace; their types are CaseState's own."""


def _graded(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Graded)
    study = Study(seq=entry.head.seq, judged_by=body.judged_by, departments=body.departments)
    return {"grade": body.grade, "study": study, "triggers": state.triggers | frozenset(body.triggers)}


def _corrected(_state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Corrected)
    changes = entry.body.changes
    return {name: getattr(changes, name) for name in type(changes).model_fields if getattr(changes, name) is not None}


def _accepted(state: CaseState, entry: Entry) -> Changes:
    custody = state.custody.model_copy(update={"accepted_by": entry.head.actor})
    status = Status.ACCEPTED if state.status is Status.REGISTERED else state.status
    return {"custody": custody, "status": status, "handler": state.handler or entry.head.actor}


def _mediated(state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Mediated)
    return {"mediations": state.mediations + 1, "visit_plan": VisitPlan(), "handler": entry.body.mediators[0]}


def _agreed(_state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Agreed)
    body = entry.body
    agreement = Agreement(at=entry.head.at, due_on=body.due_on, manner=body.manner, terms=body.terms)
    plan = VisitPlan(days=body.visit_on)
    return {"agreement_seq": entry.head.seq, "agreement": agreement, "visit_plan": plan}


def _countersigned(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Countersigned)
    if body.agreement_seq != state.agreement_seq:
        raise Refused("stale-agreement", agreement_seq=state.agreement_seq)
    _must_be_partner(state, body.center)
    partner = state.partners[body.center].model_copy(update={"countersigned": body.agreement_seq})
    return {"partners": {**state.partners, body.center: partner}}


def _must_be_partner(state: CaseState, center: str) -> None:
    if center not in state.accepted_partners:
        raise Refused("not-a-partner", center=center)


def _failed(state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Failed)
    plan = VisitPlan(days=entry.body.visit_on)
    return {"failures": state.failures + 1, "agreement_seq": None, "visit_plan": plan}


_OUTCOMES = {
    Kind.WITHDRAWN: Outcome.WITHDRAWN,
    Kind.REFERRED: Outcome.REFERRED,
    Kind.MERGED: Outcome.MERGED,
}


def _ended(state: CaseState, entry: Entry) -> Changes:
    kind, head = entry.head.kind, entry.head
    if kind == Kind.CLOSED:
        outcome = Outcome.SUCCEEDED if state.status is Status.AGREED else Outcome.FAILED
    else:
        outcome = _OUTCOMES[Kind(kind)]
    on_time = None if state.deadline is None else head.at <= state.deadline
    changes: Changes = {"end": End(center=head.center, at=head.at, outcome=outcome, on_time=on_time), "offer": None}
    if isinstance(entry.body, e.Merged):
        if entry.body.into == state.id:
            raise Refused("same-case")
        changes["merged_into"] = entry.body.into
    return changes if kind == Kind.CLOSED else {**changes, "visit_plan": VisitPlan()}


def _reopened(state: CaseState, entry: Entry) -> Changes:
    changes: Changes = {"end": None, "agreement_seq": None, "reopenings": state.reopenings + 1}
    changes |= {"visit_plan": VisitPlan(), "archive": None}
    if state.end is not None and state.end.center != entry.head.center:
        taken_back = TakenBack(end=state.end, by=entry.head.center)
        changes["taken_back"] = (*state.taken_back, taken_back)
    return changes


def _departed(state: CaseState, entry: Entry) -> Changes:
    if custody_rules.is_take_back(entry):
        return _came_back(state, entry)
    changes: Changes = {"custody": custody_rules.depart(state.custody, entry), "offer": None}
    changes["handler"] = entry.body.handler if isinstance(entry.body, e.Assigned) else None
    if deadlines.left_late(state, entry):
        changes["late"] = (*state.late, entry.head.center)
    if isinstance(entry.body, e.Escalated):
        changes["triggers"] = state.triggers | frozenset(entry.body.triggers)
    return changes


def _delivered(state: CaseState, entry: Entry) -> Changes:
    """Custody arrives, and the lead of a joint mediation with it.

    After a handoff, and after one that comes back, the old lead is an accepted partner; an assigner becomes none.
    """
    flight = state.custody.flight
    assert flight is not None
    handed = flight.kind is Kind.HANDED_OFF and state.joint
    handed_back = flight.kind in custody_rules.POPPING and flight.to in state.accepted_partners
    partners = {code: partner for code, partner in state.partners.items() if code != flight.to}
    if handed or handed_back:
        partners[flight.sender] = Partner(status=PartnerStatus.ACCEPTED)
    custody = custody_rules.arrive(state.custody, entry)
    late = deadlines.after_return(state, custody.deadline)
    returns = state.returns + (flight.kind is Kind.RETURNED)
    return {"custody": custody, "partners": partners, "late": late, "returns": returns}


def _came_back(state: CaseState, entry: Entry) -> Changes:
    flight = state.custody.flight
    assert flight is not None
    late = deadlines.after_failure(state.late, flight)
    custody = custody_rules.come_back(state.custody, entry)
    return {"custody": custody, "late": late, "handler": custody.accepted_by}


def _called(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Called)
    if body.report_by <= entry.head.at:
        raise Refused("report-by-passed")
    call = Call(center=entry.head.center, station=body.station, station_id=body.station_id, report_by=body.report_by)
    return {"calls": {**state.calls, entry.head.seq: call}}


def _reported(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Reported)
    call = state.calls.get(body.call_seq)
    if call is None or call.center != entry.head.center:
        raise Refused("no-such-call", seq=body.call_seq)
    if call.reported_at is not None:
        raise Refused("already-reported", station=call.station)
    return {"calls": {**state.calls, body.call_seq: call.model_copy(update={"reported_at": entry.head.at})}}


def _urged(state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Urged)
    told = {name: getattr(entry.body, name) for name in ("by", "reply_by", "number", "rung")}
    return {"urges": {**state.urges, entry.head.seq: Urge(epoch=state.epoch, **told)}}


def _answered(state: CaseState, entry: Entry) -> Changes:
    assert isinstance(entry.body, e.Answered)
    urge = state.urges.get(entry.body.urge_seq)
    if urge is None:
        raise Refused("no-such-urge", seq=entry.body.urge_seq)
    return {"urges": {**state.urges, entry.body.urge_seq: urge.model_copy(update={"answered": True})}}


def _invited(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Invited)
    if state.holder in body.partners:
        raise Refused("to-self")
    asked = {
        code: Partner(status=PartnerStatus.INVITED, reason=body.reason)
        for code in body.partners
        if code not in state.accepted_partners
    }
    return {"partners": {**state.partners, **asked}, "members": state.members + body.members}


def _offered(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Offered)
    if body.to == state.holder:
        raise Refused("to-self")
    return {"offer": Offer(to=body.to, reason=body.reason, seq=entry.head.seq)}


def _joined(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Joined)
    _must_be_invited(state, body.center)
    members = tuple(member.model_copy(update={"center": body.center}) for member in body.members)
    partners = {**state.partners, body.center: Partner(status=PartnerStatus.ACCEPTED)}
    return {"partners": partners, "members": state.members + members}


def _must_be_invited(state: CaseState, center: str) -> None:
    partner = state.partners.get(center)
    if partner is None or partner.status is not PartnerStatus.INVITED:
        raise Refused("not-invited", center=center)


def _declined(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Declined)
    if body.what is e.DeclinedWhat.HANDOFF:
        if state.offer is None or state.offer.to != body.center:
            raise Refused("not-invited", center=body.center)
        return {"offer": None}
    _must_be_invited(state, body.center)
    return {"partners": {**state.partners, body.center: Partner(status=PartnerStatus.DECLINED)}}


def _joint_noted(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.JointNoted)
    if body.center != state.holder:
        _must_be_partner(state, body.center)
    return {}


def _replaced(state: CaseState, entry: Entry) -> Changes:
    """The successor takes the place of a center that is no more: among the partners, and where the case goes back."""
    body = entry.body
    assert isinstance(body, e.Replaced)
    if body.successor == body.former:
        raise Refused("to-self")
    partners = {code: partner for code, partner in state.partners.items() if code != body.former}
    former, present = state.partners.get(body.former), state.partners.get(body.successor)
    takes_part = present is not None and present.status is PartnerStatus.ACCEPTED
    if former is not None and body.successor != state.holder and not takes_part:
        partners[body.successor] = former
    return {
        "custody": custody_rules.replace(state.custody, body.former, body.successor),
        "partners": partners,
        "offer": None if state.offer is not None and state.offer.to == body.former else state.offer,
    }


def _absorbed(state: CaseState, entry: Entry) -> Changes:
    """A duplicate ended in this case."""
    body = entry.body
    assert isinstance(body, e.Absorbed)
    if body.case_id == state.id:
        raise Refused("same-case")
    if body.number in state.absorbed:
        raise Refused("already-merged", number=body.number)
    return {"absorbed": (*state.absorbed, body.number)}


def _renumbered(state: CaseState, entry: Entry) -> Changes:
    body = entry.body
    assert isinstance(body, e.Renumbered)
    aliases = (*state.aliases, body.old_number)
    return {"number": body.number, "display_number": body.display_number, "aliases": aliases}


_EFFECTS: dict[str, Callable[[CaseState, Entry], Changes]] = {
    Kind.GRADED: _graded,
    Kind.CORRECTED: _corrected,
    Kind.ACCEPTED: _accepted,
    Kind.MEDIATED: _mediated,
    Kind.AGREED: _agreed,
    Kind.COUNTERSIGNED: _countersigned,
    Kind.FAILED: _failed,
    Kind.WITHDRAWN: _ended,
    Kind.REFERRED: _ended,
    Kind.CLOSED: _ended,
    Kind.MERGED: _ended,
    Kind.ABSORBED: _absorbed,
    Kind.REOPENED: _reopened,
    Kind.ESCALATED: _departed,
    Kind.ASSIGNED: _departed,
    Kind.RETURNED: _departed,
    Kind.HANDED_OFF: _departed,
    Kind.RECALLED: _departed,
    Kind.REHOMED: _departed,
    Kind.DELIVERED: _delivered,
    Kind.BOUNCED: _came_back,
    Kind.VISITED: visits.visited,
    Kind.VISIT_MISSED: visits.missed,
    Kind.FULFILLED: visits.fulfilled,
    Kind.INQUIRED: lambda state, _entry: {"inquiries": state.inquiries + 1},
    Kind.FILED: dossier.filed,
    Kind.ATTACHED: dossier.attached,
    Kind.ARCHIVED: dossier.archived,
    Kind.SUBSIDY_CLAIMED: subsidies.claimed,
    Kind.SUBSIDY_JUDGED: subsidies.judged,
    Kind.EXTENDED: deadlines.extended,
    Kind.CALLED: _called,
    Kind.REPORTED: _reported,
    Kind.URGED: _urged,
    Kind.ANSWERED: _answered,
    Kind.INVITED: _invited,
    Kind.OFFERED: _offered,
    Kind.JOINED: _joined,
    Kind.DECLINED: _declined,
    Kind.JOINT_NOTED: _joint_noted,
    Kind.RENUMBERED: _renumbered,
    Kind.REPLACED: _replaced,
}
