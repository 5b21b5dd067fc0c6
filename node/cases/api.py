"""Cases over HTTP, as DESIGN section 8 fixes it. Mounted under ``/api/v1``.

A POST by the holder answers 200 with the case; by anybody else who may ask, 202 with the request. Every act is one
unit of work.
"""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.responses import Response

from node.access import Access, visible_row
from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import note_look
from node.cases import inputs, service
from node.cases.acts import AnswerInput, perform
from node.cases.documents import CaseDocument, CasePage, RequestAnswer, case_document, request_out
from node.cases.queries import LIMIT_DEFAULT, LIMIT_MAX, QUERY_MAX, Filter, list_cases
from node.cases.tables import CaseRow, RequestRow
from node.center import Center
from node.idempotency import Attempt, attempt
from node.unit import Unit, unit_of
from protocol.case import CaseState
from protocol.codes import CODE_PATTERN, Category, Grade, Status
from protocol.entries import Party
from protocol.records import NUMBER_MAX

router = APIRouter(tags=["cases"])

CaseId = Annotated[str, Path(min_length=1, max_length=64)]
Trying = Annotated[Attempt, Depends(attempt)]


def the_center(request: Request) -> Center:
    """The center that this application serves."""
    return cast("Center", request.app.state.center)


Here = Annotated[Center, Depends(the_center)]

ACT_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": CaseDocument}, 202: {"model": RequestAnswer}}


@router.post("/cases", status_code=201, response_model=CaseDocument)
def register(
    given: inputs.RegisterInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.register))],
) -> Response:
    """Register a matter (登记)."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        parties = tuple(Party.model_validate(party.model_dump(exclude_none=True)) for party in given.parties)
        values = given.model_dump(exclude={"parties"})
        state = service.register(unit, service.Registration(parties=parties, **values), caller.display_name)
        return trying.answer(unit.session, case_answer(unit, state), 201)


@router.get("/cases")
def cases(
    here: Here,
    _caller: Annotated[Caller, Depends(require(Action.read_cases))],
    status: Status | None = None,
    grade: Grade | None = None,
    category: Category | None = None,
    holder: Annotated[str | None, Query(pattern=CODE_PATTERN)] = None,
    overdue: bool | None = None,  # noqa: FBT001 - a query parameter
    q: Annotated[str | None, Query(max_length=QUERY_MAX)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
) -> CasePage:
    """List the cases that this center may see, newest first."""
    filter_ = Filter(status=status, grade=grade, category=category, holder=holder, overdue=overdue, q=q)
    with here.database.read() as session:
        return list_cases(session, filter_, now=here.clock.now(), cursor=cursor, limit=limit)


@router.get("/cases/{case_id}")
def case(
    request: Request,
    case_id: CaseId,
    here: Here,
    caller: Annotated[Caller, Depends(require(Action.read_cases))],
) -> CaseDocument:
    """One case, as far as this center may see it. Whoever sees its people stands in the audit log."""
    now = here.clock.now()
    with here.database.read() as session:
        row, access = visible_row(session, case_id, now)
        document = case_document(session, row, now)
    if access is Access.FULL:
        note_look(here, request, caller, case_id)
    return document


def case_answer(unit: Unit, state: CaseState) -> CaseDocument:
    """The case as this unit leaves it."""
    unit.book.flush()
    unit.session.flush()
    row = unit.session.get(CaseRow, state.id)
    assert row is not None
    return case_document(unit.session, row, unit.now)


def act(here: Center, trying: Attempt, caller: Caller, case_id: str, name: str, given: inputs.Input) -> Response:
    """Do an act, or ask for it, in a unit of work of its own."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        done = perform(unit, case_id, name, given, caller.display_name)
        if isinstance(done, RequestRow):
            return trying.answer(unit.session, RequestAnswer(request=request_out(done)), 202)
        return trying.answer(unit.session, case_answer(unit, done), 200)


@dataclass(frozen=True)
class ActRoute:
    """One act of the API: its path under the case, the action a role must allow, its input, and what it does."""

    path: str
    action: Action
    given: type[inputs.Input]
    summary: str


ACT_ROUTES = (
    ActRoute("accept", Action.accept, inputs.NothingInput, "Accept the case by name (签收)."),
    ActRoute("grade", Action.grade, inputs.GradeInput, "Study the matter and grade its risk (研判)."),
    ActRoute("correct", Action.correct, inputs.CorrectInput, "Correct a mistake."),
    ActRoute("notes", Action.note, inputs.NoteInput, "Add a note."),
    ActRoute("mediations", Action.mediate, inputs.MediationInput, "Record a mediation session."),
    ActRoute("agree", Action.agree, inputs.AgreeInput, "Record the parties' agreement."),
    ActRoute("fulfilments", Action.fulfil, inputs.FulfilInput, "Record that a term of the agreement was fulfilled."),
    ActRoute("inquiries", Action.inquire, inputs.InquiryInput, "Record what somebody was asked (调查)."),
    ActRoute("filings", Action.file, inputs.FileInput, "Record that papers were put into the dossier (归卷)."),
    ActRoute("archive", Action.archive, inputs.ArchiveInput, "Archive the dossier of an ended case (归档)."),
    ActRoute("fail", Action.fail, inputs.ReasonInput, "Record that the mediation failed."),
    ActRoute("withdraw", Action.withdraw, inputs.ReasonInput, "End the case: withdrawn."),
    ActRoute("refer", Action.refer, inputs.ReferInput, "End the case: referred to another authority."),
    ActRoute("close", Action.close, inputs.NothingInput, "Close the case (结案)."),
    ActRoute("merge", Action.merge, inputs.MergeInput, "End the case as a duplicate of another (并案)."),
    ActRoute("subsidy", Action.claim_subsidy, inputs.SubsidyInput, "Claim the subsidy of a settled case (以案定补)."),
    ActRoute("subsidy/judge", Action.judge_subsidy, inputs.JudgeInput, "Approve a claim from below, or turn it down."),
    ActRoute("reopen", Action.reopen, inputs.ReasonInput, "Take an ended case up again."),
    ActRoute("follow-ups", Action.follow_up, inputs.VisitInput, "Record a follow-up visit (回访)."),
    ActRoute("escalate", Action.escalate, inputs.EscalateInput, "Give the case to the center above (上报)."),
    ActRoute("return", Action.return_, inputs.ReasonInput, "Return the case to whoever gave it (退回)."),
    ActRoute("recall", Action.recall, inputs.ReasonInput, "Get back what was given away: take back, or ask."),
    ActRoute("assign", Action.assign, inputs.AssignInput, "Give the case to a child with 四定 (交办)."),
    ActRoute("extend", Action.extend, inputs.ExtendInput, "Put the deadline off, with both sides' consent (延期)."),
    ActRoute("calls", Action.call, inputs.CallInput, "Call departments or stations to the case (吹哨)."),
    ActRoute("urge", Action.urge, inputs.UrgeInput, "Send a supervision order (督办)."),
    ActRoute("view", Action.view, inputs.ReasonInput, "Break the glass: read for a while, the reason on the log."),
    ActRoute("joint", Action.joint_invite, inputs.JointInput, "Invite partners to mediate jointly (联合调处)."),
    ActRoute("joint/accept", Action.joint_accept, inputs.JoinInput, "Accept an invitation."),
    ActRoute("joint/decline", Action.joint_decline, inputs.ReasonInput, "Decline an invitation."),
    ActRoute("joint/entries", Action.joint_entry, inputs.NoteInput, "Write into the joint log."),
    ActRoute("joint/countersign", Action.countersign, inputs.CountersignInput, "Countersign the agreement."),
    ActRoute("joint/lead", Action.lead_order, inputs.ToInput, "Order who leads, as the common ancestor."),
    ActRoute("rule", Action.rule, inputs.RuleInput, "Rule, as a superior, who deals with a disputed case."),
    ActRoute("handoff", Action.handoff, inputs.ToInput, "Offer custody and lead to a peer (移交)."),
    ActRoute("handoff/accept", Action.handoff_accept, inputs.NothingInput, "Take an offered case over."),
    ActRoute("handoff/decline", Action.handoff_decline, inputs.ReasonInput, "Decline an offered case."),
)
"""All acts that need nothing but their input."""


def _add(route: ActRoute) -> None:
    def endpoint(
        case_id: CaseId,
        given: inputs.Input,
        here: Here,
        trying: Trying,
        caller: Annotated[Caller, Depends(require(route.action))],
    ) -> Response:
        return act(here, trying, caller, case_id, route.path, given)

    optional = not any(field.is_required() for field in route.given.model_fields.values())
    body = Body(default_factory=route.given) if optional else Body()
    endpoint.__annotations__["given"] = Annotated[route.given, body]
    endpoint.__name__ = route.path.replace("/", "_").replace("-", "_")
    endpoint.__doc__ = route.summary
    router.add_api_route(
        f"/cases/{{case_id}}/{route.path}",
        endpoint,
        methods=["POST"],
        summary=route.summary,
        response_model=CaseDocument,
        responses=ACT_RESPONSES,
    )


for _route in ACT_ROUTES:
    _add(_route)


@router.post("/cases/{case_id}/urge/{seq}/answer", response_model=CaseDocument, responses=ACT_RESPONSES)
def urge_answer(
    case_id: CaseId,
    seq: Annotated[int, Path(ge=1, le=NUMBER_MAX)],
    given: inputs.RequestTextInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.answer))],
) -> Response:
    """Answer a supervision order."""
    answer = AnswerInput(epoch=given.epoch, text=given.text, urge_seq=seq)
    return act(here, trying, caller, case_id, "urge/answer", answer)
