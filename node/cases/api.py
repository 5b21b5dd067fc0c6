"""Cases over HTTP, as DESIGN section 8 fixes it. Mounted under ``/api/v1``.

A POST by the holder answers 200 with the case; by anybody else who may ask, 202 with the request. Every act is one
unit of work.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from node.access import visible_row
from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
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

router = APIRouter(tags=["cases"])

CaseId = Annotated[str, Path(min_length=1, max_length=64)]
Trying = Annotated[Attempt, Depends(attempt)]


def the_center(request: Request) -> Center:
    """The center that this application serves."""
    return cast("Center", request.app.state.center)


Here = Annotated[Center, Depends(the_center)]

ACT_RESPONSES = {200: {"model": CaseDocument}, 202: {"model": RequestAnswer}}


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
        return trying.answer(unit.session, _document(unit, state), 201)


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
def case(case_id: CaseId, here: Here, _caller: Annotated[Caller, Depends(require(Action.read_cases))]) -> CaseDocument:
    """One case, as far as this center may see it."""
    now = here.clock.now()
    with here.database.read() as session:
        row, _access = visible_row(session, case_id, now)
        return case_document(session, row, now)


def _document(unit: Unit, state: CaseState) -> CaseDocument:
    unit.book.flush()
    unit.session.flush()
    row = unit.session.get(CaseRow, state.id)
    assert row is not None
    return case_document(unit.session, row, unit.now)


def _act(here: Center, trying: Attempt, caller: Caller, case_id: str, act: str, given: inputs.Input) -> Response:
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        done = perform(unit, case_id, act, given, caller.display_name)
        if isinstance(done, RequestRow):
            return trying.answer(unit.session, RequestAnswer(request=request_out(done)), 202)
        return trying.answer(unit.session, _document(unit, done), 200)


@router.post("/cases/{case_id}/accept", response_model=CaseDocument, responses=ACT_RESPONSES)
def accept(
    case_id: CaseId,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.accept))],
    given: inputs.NothingInput | None = None,
) -> Response:
    """Accept the case (签收), by name."""
    return _act(here, trying, caller, case_id, "accept", given or inputs.NothingInput())


@router.post("/cases/{case_id}/grade", response_model=CaseDocument, responses=ACT_RESPONSES)
def grade(
    case_id: CaseId,
    given: inputs.GradeInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.grade))],
) -> Response:
    """Judge the risk grade anew."""
    return _act(here, trying, caller, case_id, "grade", given)


@router.post("/cases/{case_id}/correct", response_model=CaseDocument, responses=ACT_RESPONSES)
def correct(
    case_id: CaseId,
    given: inputs.CorrectInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.correct))],
) -> Response:
    """Correct a mistake."""
    return _act(here, trying, caller, case_id, "correct", given)


@router.post("/cases/{case_id}/notes", response_model=CaseDocument, responses=ACT_RESPONSES)
def notes(
    case_id: CaseId,
    given: inputs.NoteInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.note))],
) -> Response:
    """Add a note."""
    return _act(here, trying, caller, case_id, "notes", given)


@router.post("/cases/{case_id}/mediations", response_model=CaseDocument, responses=ACT_RESPONSES)
def mediations(
    case_id: CaseId,
    given: inputs.MediationInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.mediate))],
) -> Response:
    """Record a mediation session."""
    return _act(here, trying, caller, case_id, "mediations", given)


@router.post("/cases/{case_id}/agree", response_model=CaseDocument, responses=ACT_RESPONSES)
def agree(
    case_id: CaseId,
    given: inputs.AgreeInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.agree))],
) -> Response:
    """Record the parties' agreement."""
    return _act(here, trying, caller, case_id, "agree", given)


@router.post("/cases/{case_id}/fail", response_model=CaseDocument, responses=ACT_RESPONSES)
def fail(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.fail))],
) -> Response:
    """Record that the mediation failed."""
    return _act(here, trying, caller, case_id, "fail", given)


@router.post("/cases/{case_id}/withdraw", response_model=CaseDocument, responses=ACT_RESPONSES)
def withdraw(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.withdraw))],
) -> Response:
    """End the case: withdrawn."""
    return _act(here, trying, caller, case_id, "withdraw", given)


@router.post("/cases/{case_id}/refer", response_model=CaseDocument, responses=ACT_RESPONSES)
def refer(
    case_id: CaseId,
    given: inputs.ReferInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.refer))],
) -> Response:
    """End the case: referred to another authority."""
    return _act(here, trying, caller, case_id, "refer", given)


@router.post("/cases/{case_id}/close", response_model=CaseDocument, responses=ACT_RESPONSES)
def close(
    case_id: CaseId,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.close))],
    given: inputs.NothingInput | None = None,
) -> Response:
    """Close the case."""
    return _act(here, trying, caller, case_id, "close", given or inputs.NothingInput())


@router.post("/cases/{case_id}/reopen", response_model=CaseDocument, responses=ACT_RESPONSES)
def reopen(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.reopen))],
) -> Response:
    """Take an ended case up again."""
    return _act(here, trying, caller, case_id, "reopen", given)


@router.post("/cases/{case_id}/follow-ups", response_model=CaseDocument, responses=ACT_RESPONSES)
def follow_ups(
    case_id: CaseId,
    given: inputs.VisitInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.follow_up))],
) -> Response:
    """Record a follow-up visit."""
    return _act(here, trying, caller, case_id, "follow-ups", given)


@router.post("/cases/{case_id}/escalate", response_model=CaseDocument, responses=ACT_RESPONSES)
def escalate(
    case_id: CaseId,
    given: inputs.EscalateInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.escalate))],
) -> Response:
    """Give the case to the center above (上报)."""
    return _act(here, trying, caller, case_id, "escalate", given)


@router.post("/cases/{case_id}/return", response_model=CaseDocument, responses=ACT_RESPONSES)
def give_back(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.return_))],
) -> Response:
    """Return the case to whoever gave it (退回)."""
    return _act(here, trying, caller, case_id, "return", given)


@router.post("/cases/{case_id}/recall", response_model=CaseDocument, responses=ACT_RESPONSES)
def recall(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.recall))],
) -> Response:
    """Get back what was given away (take back, or ask)."""
    return _act(here, trying, caller, case_id, "recall", given)


@router.post("/cases/{case_id}/assign", response_model=CaseDocument, responses=ACT_RESPONSES)
def assign(
    case_id: CaseId,
    given: inputs.AssignInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.assign))],
) -> Response:
    """Give the case to a child with 四定 (交办)."""
    return _act(here, trying, caller, case_id, "assign", given)


@router.post("/cases/{case_id}/urge", response_model=CaseDocument, responses=ACT_RESPONSES)
def urge(
    case_id: CaseId,
    given: inputs.UrgeInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.urge))],
) -> Response:
    """Send a supervision order (督办)."""
    return _act(here, trying, caller, case_id, "urge", given)


@router.post("/cases/{case_id}/view", response_model=CaseDocument, responses=ACT_RESPONSES)
def view(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.view))],
) -> Response:
    """Break the glass: read the case for a while, with a reason on its log."""
    return _act(here, trying, caller, case_id, "view", given)


@router.post("/cases/{case_id}/joint", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint(
    case_id: CaseId,
    given: inputs.JointInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.joint_invite))],
) -> Response:
    """Invite partners to mediate jointly (联合调处)."""
    return _act(here, trying, caller, case_id, "joint", given)


@router.post("/cases/{case_id}/joint/accept", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint_accept(
    case_id: CaseId,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.joint_accept))],
    given: inputs.JoinInput | None = None,
) -> Response:
    """Accept an invitation."""
    return _act(here, trying, caller, case_id, "joint/accept", given or inputs.JoinInput())


@router.post("/cases/{case_id}/joint/decline", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint_decline(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.joint_decline))],
) -> Response:
    """Decline an invitation."""
    return _act(here, trying, caller, case_id, "joint/decline", given)


@router.post("/cases/{case_id}/joint/entries", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint_entries(
    case_id: CaseId,
    given: inputs.NoteInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.joint_entry))],
) -> Response:
    """Write into the joint log."""
    return _act(here, trying, caller, case_id, "joint/entries", given)


@router.post("/cases/{case_id}/joint/countersign", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint_countersign(
    case_id: CaseId,
    given: inputs.CountersignInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.countersign))],
) -> Response:
    """Countersign the agreement."""
    return _act(here, trying, caller, case_id, "joint/countersign", given)


@router.post("/cases/{case_id}/joint/lead", response_model=CaseDocument, responses=ACT_RESPONSES)
def joint_lead(
    case_id: CaseId,
    given: inputs.ToInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.lead_order))],
) -> Response:
    """Order who leads (the common ancestor)."""
    return _act(here, trying, caller, case_id, "joint/lead", given)


@router.post("/cases/{case_id}/handoff", response_model=CaseDocument, responses=ACT_RESPONSES)
def handoff(
    case_id: CaseId,
    given: inputs.ToInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.handoff))],
) -> Response:
    """Offer custody and lead to a peer (移交)."""
    return _act(here, trying, caller, case_id, "handoff", given)


@router.post("/cases/{case_id}/handoff/accept", response_model=CaseDocument, responses=ACT_RESPONSES)
def handoff_accept(
    case_id: CaseId,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.handoff_accept))],
    given: inputs.NothingInput | None = None,
) -> Response:
    """Take an offered case over."""
    return _act(here, trying, caller, case_id, "handoff/accept", given or inputs.NothingInput())


@router.post("/cases/{case_id}/handoff/decline", response_model=CaseDocument, responses=ACT_RESPONSES)
def handoff_decline(
    case_id: CaseId,
    given: inputs.ReasonInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.handoff_decline))],
) -> Response:
    """Decline an offered case."""
    return _act(here, trying, caller, case_id, "handoff/decline", given)


@router.post("/cases/{case_id}/urge/{seq}/answer", response_model=CaseDocument, responses=ACT_RESPONSES)
def urge_answer(
    case_id: CaseId,
    seq: Annotated[int, Path(ge=1)],
    given: inputs.RequestTextInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.answer))],
) -> Response:
    """Answer a supervision order."""
    answer = AnswerInput(epoch=given.epoch, text=given.text, urge_seq=seq)
    return _act(here, trying, caller, case_id, "urge/answer", answer)
