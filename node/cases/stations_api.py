"""Departments, stations, rooms and mediators of a center over HTTP, calls of departments, and workloads."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.accounts.authorise import require
from node.accounts.roles import Action, Role
from node.accounts.service import Caller
from node.accounts.tables import User
from node.cases import inputs
from node.cases.acts import ReportInput, field_error
from node.cases.api import ACT_RESPONSES, CaseId, Here, Trying, act
from node.cases.documents import CaseDocument
from node.cases.stations import NAME_TAKEN, StationKind, Tally, Workload, on_duty, tallies, workloads
from node.cases.tables import CallRow, CaseRow, StationRow
from node.center import Center
from node.i18n import N_
from node.problems import Problem
from node.unit import Unit, unit_of
from protocol import entries as e
from protocol.records import NUMBER_MAX, Instant

router = APIRouter(tags=["stations"])

Weekday = Annotated[int, Field(ge=1, le=7)]
StationId = Annotated[str, Path(min_length=1, max_length=64)]
Managing = Annotated[Caller, Depends(require(Action.manage_stations))]
CALLS_MAX = 200


class StationInput(BaseModel):
    """A department, station, room or mediator; ``weekdays`` from 1, Monday, to 7; without any, resident every day."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: StationKind
    name: e.Name
    contact: Annotated[str, Field(max_length=e.SHORT_TEXT_MAX)] | None = None
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = []
    username: Annotated[str, Field(max_length=100)] | None = None
    active: bool = True


class StationOut(BaseModel):
    """A station, whether it is there today, and how it answered its calls."""

    id: str
    kind: StationKind
    name: str
    contact: str | None
    presence: Literal["resident", "rota"]
    weekdays: list[int]
    username: str | None
    active: bool
    on_duty: bool
    calls: Tally


class StationsOut(BaseModel):
    """All stations of this center."""

    items: list[StationOut]


class WorkloadsOut(BaseModel):
    """Who deals with how many open cases."""

    items: list[Workload]


class CallOut(BaseModel):
    """A call as its station sees it: no party, no text of the case but the task."""

    case_id: str
    seq: int
    display_number: str
    category: str
    place: str | None
    station: str
    task: str
    called_at: Instant
    report_by: Instant
    reported_at: Instant | None


class CallsOut(BaseModel):
    """Calls, those that wait first, then the newest."""

    items: list[CallOut]


ALL_WEEK = "1234567"


@router.get("/stations")
def stations(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_cases))]) -> StationsOut:
    """The departments, stations, rooms and mediators of this center."""
    with here.database.read() as session:
        return all_stations(here, session)


@router.post("/stations", status_code=201, response_model=StationsOut)
def add_station(given: StationInput, here: Here, trying: Trying, caller: Managing) -> Response:
    """Add one; all of them are answered."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        row = StationRow(id=unit.new_id())
        write_station(unit, row, given)
        unit.session.add(row)
        unit.session.flush()
        return trying.answer(unit.session, all_stations(here, unit.session), 201)


@router.post("/stations/{station_id}", response_model=StationsOut)
def change_station(
    station_id: StationId, given: StationInput, here: Here, trying: Trying, caller: Managing
) -> Response:
    """Change one; who is not active any more stays in the list, for its calls."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        row = unit.session.get(StationRow, station_id)
        if row is None:
            raise Problem(404, "not-found", N_("There is no such station."))
        write_station(unit, row, given)
        unit.session.flush()
        return trying.answer(unit.session, all_stations(here, unit.session), 200)


@router.get("/workload")
def workload(here: Here, _caller: Annotated[Caller, Depends(require(Action.read_cases))]) -> WorkloadsOut:
    """Who deals with how many open cases here, to look at before somebody gets one more."""
    with here.database.read() as session:
        return WorkloadsOut(items=workloads(session, here.code, here.clock.now()))


@router.get("/calls")
def calls(here: Here, caller: Annotated[Caller, Depends(require(Action.read_calls))]) -> CallsOut:
    """The calls of this center's stations; a department's account sees its own ones only."""
    with here.database.read() as session:
        return CallsOut(items=calls_for(session, caller))


@router.post("/cases/{case_id}/calls/{seq}/report", response_model=CaseDocument, responses=ACT_RESPONSES)
def report(
    case_id: CaseId,
    seq: Annotated[int, Path(ge=1, le=NUMBER_MAX)],
    given: inputs.NoteInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.report))],
) -> Response:
    """Report that who was called has come (报到); a department's account for itself only, and it gets no document."""
    with here.database.read() as session:
        check_answers(session, caller, case_id, seq)
    told = ReportInput(epoch=given.epoch, text=given.text, call_seq=seq)
    done = act(here, trying, caller, case_id, "calls/report", told)
    return done if of_the_house(caller) else Response(status_code=204)


def calls_for(session: Session, caller: Caller) -> list[CallOut]:
    """The calls that this person may see, those that wait first."""
    query = select(CallRow, StationRow.name, CaseRow).join(StationRow, StationRow.id == CallRow.station_id)
    query = query.join(CaseRow, CaseRow.id == CallRow.case_id)
    if not of_the_house(caller):
        query = query.where(StationRow.username == caller.username)
    query = query.order_by(CallRow.reported_at.is_not(None), CallRow.called_at.desc()).limit(CALLS_MAX)
    return [_call(row, name, of) for row, name, of in session.execute(query)]


def check_answers(session: Session, caller: Caller, case_id: str, seq: int) -> None:
    """A department reports for itself only.

    Raises:
        Problem: 404 ``not-found``.
    """
    if of_the_house(caller):
        return
    ours = select(CallRow.seq).join(StationRow, StationRow.id == CallRow.station_id)
    ours = ours.where(CallRow.case_id == case_id, CallRow.seq == seq, StationRow.username == caller.username)
    if session.scalar(ours) is None:
        raise Problem(404, "not-found", N_("There is no such call."))


def of_the_house(caller: Caller) -> bool:
    """Whether the person works at the center itself, not for a department that is called."""
    return bool(caller.roles - {Role.department})


def write_station(unit: Unit, row: StationRow, given: StationInput) -> None:
    """Write a station as it is given.

    Raises:
        FieldError: ``name`` is taken, or there is no account ``username``.
    """
    name = given.name.replace("\0", "")
    taken = select(StationRow.id).where(StationRow.name == name, StationRow.id != row.id)
    if unit.session.scalar(taken) is not None:
        raise field_error("name", NAME_TAKEN)
    known = select(User.id).where(User.username == given.username)
    if given.username is not None and unit.session.scalar(known) is None:
        raise field_error("username", N_("There is no account {username}."), username=given.username)
    row.kind, row.name, row.contact = given.kind.value, name, given.contact
    row.weekdays = "".join(map(str, sorted(set(given.weekdays)))) or ALL_WEEK
    row.username, row.active = given.username, given.active


def all_stations(here: Center, session: Session) -> StationsOut:
    """The whole list, with what became of each one's calls."""
    now = here.clock.now()
    counted = tallies(session, now)
    rows = session.scalars(select(StationRow).order_by(StationRow.kind, StationRow.name))
    return StationsOut(
        items=[
            StationOut(
                id=row.id,
                kind=StationKind(row.kind),
                name=row.name,
                contact=row.contact,
                presence="resident" if row.weekdays == ALL_WEEK else "rota",
                weekdays=[int(day) for day in row.weekdays],
                username=row.username,
                active=row.active,
                on_duty=on_duty(row, now),
                calls=counted.get(row.id, Tally()),
            )
            for row in rows
        ]
    )


def _call(row: CallRow, name: str, case: CaseRow) -> CallOut:
    return CallOut(
        case_id=row.case_id,
        seq=row.seq,
        display_number=case.display_number,
        category=case.category,
        place=case.place,
        station=name,
        task=row.task,
        called_at=row.called_at,
        report_by=row.report_by,
        reported_at=row.reported_at,
    )
