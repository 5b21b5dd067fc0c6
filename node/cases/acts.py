"""Acts: everything a person can do with a case, for the API and the pages alike.

The holder's people act; everyone else asks. ``HOLDER`` acts need the holder, ``ASKED`` ones are for others only,
and an act that stands in both tables is done by the holder and asked by the rest.
"""

from collections.abc import Callable

from pydantic import BaseModel

from node.access import visible_row
from node.audit import trail
from node.audit.trail import Actor, Event
from node.cases import (
    asking,
    duplicates,
    granting,
    inputs,
    log,
    routes,
    service,
    stations,
    successors,
    supervision,
    transfers,
    visiting,
)
from node.cases.refusals import problem_of, too_large
from node.cases.sheet import newest_header
from node.cases.tables import RequestRow
from node.cases.working_days import add_working_days
from node.i18n import N_
from node.invalid import Invalid
from node.problems import Problem
from node.unit import Unit
from protocol import entries as e
from protocol import requests as r
from protocol import subsidies
from protocol.case import CaseState
from protocol.custody import check_epoch
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.records import BodyTooLarge, Frozen
from protocol.requests import Ask
from protocol.rules import check

Holding = Callable[[Unit, CaseState, BaseModel, str], CaseState]
Asking = Callable[[BaseModel], Frozen]


def perform(unit: Unit, case_id: str, act: str, given: inputs.Input, actor: str) -> CaseState | RequestRow:
    """Do an act as the holder, or ask the holder for it.

    Args:
        unit: the unit of work.
        case_id: the case.
        act: name of the act, as in the API's path (``escalate``, ``joint/accept``, ...).
        given: the input of this act.
        actor: the person's name.

    Returns:
        The case, or the pending request.

    Raises:
        Problem: 404, 409 or 422, with the reason and where it matters the current holder.
    """
    try:
        return _perform(unit, case_id, act, given, actor)
    except Refused as refused:
        raise problem_of(refused) from refused
    except BodyTooLarge as error:
        raise too_large() from error


def _perform(unit: Unit, case_id: str, act: str, given: inputs.Input, actor: str) -> CaseState | RequestRow:
    visible_row(unit.session, case_id, unit.now)
    state = unit.book.state(case_id)
    ours = state is not None and state.holder == unit.me
    if act == "recall":
        assert isinstance(given, inputs.ReasonInput)
        return _recall(unit, case_id, given, actor)
    if ours and act in HOLDER:
        assert state is not None
        if given.epoch is not None:
            check_epoch(state.custody, given.epoch)
        return HOLDER[act](unit, successors.catch_up(unit, state), given, actor)
    if ours:
        raise Refused("holder-cannot-ask", holder=unit.me)
    if act not in ASKED:
        service.refuse_non_holder(unit, case_id, given.epoch)
    kind, build = ASKED[act]
    if isinstance(given, inputs.JudgeInput):
        given = _with_claim(unit, case_id, given)
    body = _asked(build, given)
    if isinstance(body, r.AskUrge):
        body = supervision.numbered(unit, body)
    if kind is Ask.VIEW:
        trail.record(unit.session, unit.now, Actor(actor), Event.GLASS_BROKEN, case_id=case_id)
    asked = asking.ask(unit, case_id, kind, body, actor, epoch=given.epoch)
    if isinstance(given, inputs.RuleInput) and given.route_place is not None:
        routes.remember_ruling(unit, asked, given)
    return asked


class ClaimInput(inputs.JudgeInput):
    """A judgement of the claim that this center knows of."""

    claim_seq: int


def _with_claim(unit: Unit, case_id: str, given: inputs.JudgeInput) -> ClaimInput:
    header = newest_header(unit.book.sheet(case_id))
    if header.subsidy is None:
        raise Refused("no-such-claim", seq=None)
    return ClaimInput(**given.model_dump(), claim_seq=header.subsidy.seq)


def _asked(body: Asking, given: inputs.Input) -> Frozen:
    try:
        return body(given)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        if errors is None:
            raise
        raise Invalid(errors()) from error


def _recall(unit: Unit, case_id: str, given: inputs.ReasonInput, actor: str) -> CaseState | RequestRow:
    """Take back at once what no wire has seen; otherwise ask for it."""
    state = unit.book.state(case_id)
    if state is not None and state.holder == unit.me:
        raise Refused("holder-cannot-ask", holder=unit.me)
    if state is not None and state.custody.last_sender != unit.me:
        raise Refused("not-last-sender", holder=state.holder, in_transit_to=state.in_transit_to)
    if state is not None and given.epoch is not None:
        check_epoch(state.custody, given.epoch)
    if state is not None and state.custody.flight is not None:
        taken = transfers.take_back(unit, state, given.reason, actor)
        if taken is not None:
            granting.receive_passed_on(unit, case_id, state.epoch)
            return unit.book.state(case_id) or taken
    return asking.ask(unit, case_id, Ask.RECALL, r.AskReason(reason=given.reason), actor, epoch=given.epoch)


# --- as the holder ---------------------------------------------------------------------------------


def _simple(kind: Kind, body: Callable[[BaseModel], e.Body]) -> Holding:
    """An act that appends one entry."""

    def act(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
        return log.write(unit, state.id, kind, body(given), actor)

    return act


def _as(body_type: type[e.Body]) -> Callable[[BaseModel], e.Body]:
    """The body with the same fields as the input."""

    def build(given: BaseModel) -> e.Body:
        return body_type.model_validate(given.model_dump(exclude={"epoch"}, exclude_none=True))

    return build


def _agree(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    body = _as(e.Agreed)(given)
    assert isinstance(body, e.Agreed)
    return visiting.agree(unit, state, body, actor)


def _fail(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.ReasonInput)
    return visiting.fail(unit, state, given.reason, actor)


def _visit(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    body = _as(e.Visited)(given)
    assert isinstance(body, e.Visited)
    return visiting.visit(unit, state, body, actor)


def _escalate(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.EscalateInput)
    return service.escalate(unit, state, given.reason, frozenset(given.triggers), actor)


def _return(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.ReasonInput)
    return service.give_back(unit, state, given.reason, actor)


def _assign(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    """Give the case to a child with 四定; never with a later deadline than our own."""
    assert isinstance(given, inputs.AssignInput)
    if given.to == unit.me:
        raise Refused("to-self")
    successors.check_active(unit, given.to)
    if unit.tree.parent(given.to) != unit.me or not unit.tree.known(given.to):
        raise field_error("to", N_("{to} is no child of this center."), to=given.to)
    if (given.deadline is None) == (given.working_days is None):
        raise field_error("deadline", N_("Give either a deadline or working days."))
    if given.deadline is not None and given.deadline <= unit.now:
        raise field_error("deadline", N_("The deadline has passed already."))
    if given.deadline is not None and state.deadline is not None and given.deadline > state.deadline:
        raise field_error("deadline", N_("The deadline is later than our own."))
    body = e.Assigned(not_after=state.deadline, **given.model_dump(exclude={"epoch"}))
    return transfers.transfer(unit, state.id, Kind.ASSIGNED, body, actor)


def _extend(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    """Put this term's deadline off: to an instant, or by working days from the present one."""
    assert isinstance(given, inputs.ExtendInput)
    if (given.deadline is None) == (given.working_days is None):
        raise field_error("deadline", N_("Give either a deadline or working days."))
    deadline = given.deadline
    if given.working_days is not None:
        if state.deadline is None:
            raise Refused("no-deadline")
        deadline = add_working_days(state.deadline, given.working_days)
    body = e.Extended.model_validate({**given.model_dump(exclude={"epoch", "working_days"}), "deadline": deadline})
    return log.write(unit, state.id, Kind.EXTENDED, body, actor)


def _merge(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.MergeInput)
    row = duplicates.find(unit.session, given.into, unit.now)
    if row is None:
        raise field_error("into", N_("There is no case {into} here."), into=given.into)
    return duplicates.merge(unit, state, row, actor)


def _subsidy(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.SubsidyInput)
    check(state, Kind.SUBSIDY_CLAIMED, unit.me)
    mediators = {unit.me: given.mediators, **{one.center: one.names for one in given.partners}}
    body = subsidies.claim(unit.center.policy, state, mediators)
    return log.write(unit, state.id, Kind.SUBSIDY_CLAIMED, body, actor)


def _joint(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.JointInput)
    for partner in given.partners:
        _must_be_known(unit, partner, "partners")
    members = tuple(e.Member(name=member.name, role=member.role, center=unit.me) for member in given.members)
    body = e.Invited(partners=tuple(dict.fromkeys(given.partners)), reason=given.reason, members=members)
    return log.write(unit, state.id, Kind.INVITED, body, actor)


def _handoff(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.ToInput)
    _must_be_known(unit, given.to, "to")
    if unit.tree.level(given.to) != unit.tree.level(unit.me):
        raise field_error(
            "to", N_("{to} is no peer: only a center of the same level can take a case over."), to=given.to
        )
    return service.offer_handoff(unit, state, given.to, given.reason, actor)


def _must_be_known(unit: Unit, code: str, field: str) -> None:
    if code == unit.me:
        raise Refused("to-self")
    successors.check_active(unit, code)
    if not unit.tree.known(code):
        raise field_error(field, N_("There is no center {to} in this federation."), to=code)


class FieldError(Problem):
    """422: one field can't be taken, for a reason that only the service knows."""

    def __init__(self, field: str, message: str, places: dict[str, str]) -> None:
        super().__init__(422, "invalid", message, field=field, **places)
        self.field = field


def field_error(field: str, message: str, **places: str) -> FieldError:
    """A problem with one field."""
    return FieldError(field, message, places)


def _joint_entry(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.NoteInput)
    body = e.JointNoted(text=given.text, center=unit.me)
    return log.write(unit, state.id, Kind.JOINT_NOTED, body, actor)


def _attach(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.AttachInput)
    body = e.Attached(center=unit.me, **given.model_dump(exclude={"epoch"}))
    return log.write(unit, state.id, Kind.ATTACHED, body, actor)


def _answer(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, AnswerInput)
    body = e.Answered(urge_seq=given.urge_seq, text=given.text)
    return log.write(unit, state.id, Kind.ANSWERED, body, actor)


def _call(unit: Unit, state: CaseState, given: BaseModel, actor: str) -> CaseState:
    assert isinstance(given, inputs.CallInput)
    return stations.call(unit, state, given.stations, given.task, given.report_by, actor)


class ReportInput(inputs.NoteInput):
    """What a department that was called reports; the call's seq stands in the path."""

    call_seq: int


class AnswerInput(inputs.RequestTextInput):
    """The answer to a supervision order; the order's seq stands in the path."""

    urge_seq: int


HOLDER: dict[str, Holding] = {
    "accept": _simple(Kind.ACCEPTED, lambda _given: e.Body()),
    "grade": _simple(Kind.GRADED, _as(e.Graded)),
    "correct": _simple(Kind.CORRECTED, _as(e.Corrected)),
    "notes": _simple(Kind.NOTED, _as(e.Noted)),
    "mediations": _simple(Kind.MEDIATED, _as(e.Mediated)),
    "agree": _agree,
    "fulfilments": _simple(Kind.FULFILLED, _as(e.Fulfilled)),
    "inquiries": _simple(Kind.INQUIRED, _as(e.Inquired)),
    "filings": _simple(Kind.FILED, _as(e.Filed)),
    "attachments": _attach,
    "archive": _simple(Kind.ARCHIVED, _as(e.Archived)),
    "fail": _fail,
    "withdraw": _simple(Kind.WITHDRAWN, _as(e.WithReason)),
    "refer": _simple(Kind.REFERRED, _as(e.Referred)),
    "merge": _merge,
    "subsidy": _subsidy,
    "extend": _extend,
    "close": _simple(Kind.CLOSED, lambda _given: e.Body()),
    "reopen": _simple(Kind.REOPENED, _as(e.Reopened)),
    "follow-ups": _visit,
    "escalate": _escalate,
    "return": _return,
    "assign": _assign,
    "calls": _call,
    "calls/report": _simple(Kind.REPORTED, _as(e.Reported)),
    "urge/answer": _answer,
    "joint": _joint,
    "joint/entries": _joint_entry,
    "handoff": _handoff,
}
"""What the holder's people do."""


def _body(body_type: type[Frozen], *but: str) -> Asking:
    """The request body with the same fields as the input, but for those that stay here."""

    def build(given: BaseModel) -> Frozen:
        return body_type.model_validate(given.model_dump(exclude={"epoch", *but}, exclude_none=True))

    return build


ASKED: dict[str, tuple[Ask, Asking]] = {
    "notes": (Ask.NOTE, _body(r.AskNote)),
    "attachments": (Ask.ATTACH, _body(e.File)),
    "reopen": (Ask.REOPEN, _body(r.AskReason)),
    "follow-ups": (Ask.VISIT, _body(r.AskVisit)),
    "urge": (Ask.URGE, _body(r.AskUrge)),
    "urge/answer": (Ask.ANSWER, _body(r.AskAnswer)),
    "view": (Ask.VIEW, _body(r.AskReason)),
    "joint/accept": (Ask.JOINT_ACCEPT, _body(r.AskJoin)),
    "joint/decline": (Ask.JOINT_DECLINE, _body(r.AskReason)),
    "joint/entries": (Ask.JOINT_ENTRY, _body(r.AskNote)),
    "joint/countersign": (Ask.COUNTERSIGN, _body(r.AskCountersign)),
    "subsidy/judge": (Ask.JUDGE_SUBSIDY, _body(r.AskJudgeSubsidy)),
    "rule": (Ask.RULE, _body(r.AskRule, "route_place")),
    "joint/lead": (Ask.LEAD_ORDER, _body(r.AskLead)),
    "handoff/accept": (Ask.HANDOFF_ACCEPT, _body(r.AskNothing)),
    "handoff/decline": (Ask.HANDOFF_DECLINE, _body(r.AskReason)),
}
"""What everyone else asks of the holder."""
