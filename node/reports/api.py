"""Findings of grid workers, daily inspections and weekly reports over HTTP."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.acts import field_error
from node.cases.api import Here, Trying
from node.center import Center
from node.clock import local_day
from node.errors_http import language_of
from node.i18n import Language
from node.reports import findings, inspections, weekly
from node.reports.inspections import InspectionInput
from node.reports.missing import read_reporting
from node.reports.tables import InspectionRow
from node.unit import unit_of
from protocol.codes import CenterCode
from protocol.records import Instant
from protocol.reports import ReportClaims, ReportText, Week, monday_of

router = APIRouter(tags=["reports"])

Inspecting = Annotated[Caller, Depends(require(Action.inspect))]
Reading = Annotated[Caller, Depends(require(Action.read_reports))]


class FindingOut(BaseModel):
    """The number under which a finding was registered; more of the case is for those who may read it."""

    number: str
    display_number: str


class InspectionOut(BaseModel):
    """What one person said of a day."""

    day: date
    username: str
    actor: str
    area: str
    found: int
    at: Instant


class InspectionsOut(BaseModel):
    """All statements of a day."""

    day: date
    items: list[InspectionOut]


class ReportingOut(BaseModel):
    """How a child reports; ``silent`` are centers of its subtree that owe an inspection, and since when."""

    code: CenterCode
    name: str
    level: str
    inspected_on: date | None
    silent: dict[CenterCode, date | None]
    inspections: int
    zero_reports: int
    found: int
    report: ReportClaims | None
    weekly_missing_since: Week | None


class ReportsOut(BaseModel):
    """This center's weekly report (``draft`` until it is sent), and how its children report."""

    week: Week
    figures: dict[str, int]
    draft: str
    sent: ReportClaims | None
    children: list[ReportingOut]


class WeeklyInput(BaseModel):
    """A weekly report as the director has checked it; no party and no name belongs into it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    week: Week
    text: Annotated[ReportText, Field(description="The report in words.")]


@router.post("/findings", status_code=201, response_model=FindingOut)
def find(
    given: findings.FindingInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.report_finding))],
) -> Response:
    """Register what a grid worker found; it counts in today's inspection, too."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        state = findings.find(unit, caller, given)
        told = FindingOut(number=state.number, display_number=state.display_number)
        return trying.answer(unit.session, told, 201)


@router.post("/inspections", response_model=InspectionOut)
def inspect(given: InspectionInput, here: Here, trying: Trying, caller: Inspecting) -> Response:
    """Say what today's inspection found; 0 is the zero report (零报告). Said again, it is corrected."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        return trying.answer(unit.session, _inspection(inspections.state(unit, caller, given)), 200)


@router.get("/inspections")
def inspected(here: Here, _caller: Reading, day: date | None = None) -> InspectionsOut:
    """What was said of a local day, today by default."""
    wanted = day.isoformat() if day is not None else local_day(here.clock.now())
    return InspectionsOut(day=date.fromisoformat(wanted), items=statements(here, wanted))


def statements(center: Center, day: str) -> list[InspectionOut]:
    """All statements of a day, the earliest first."""
    with center.database.read() as session:
        return [_inspection(row) for row in inspections.on_day(session, day)]


@router.get("/reports")
def reports(request: Request, here: Here, _caller: Reading, week: Annotated[Week | None, Query()] = None) -> ReportsOut:
    """The weekly report of this center, sent or as a draft, and how its children report."""
    wanted = week or weekly.default_week(date.fromisoformat(local_day(here.clock.now())))
    return reports_of(here, wanted, language_of(request))


def reports_of(center: Center, week: str, language: Language) -> ReportsOut:
    """What is reported of a week, of this center and its children.

    Raises:
        Problem: 422 where this year has no such week.
    """
    try:
        monday_of(week)
    except ValueError as error:
        raise field_error("week", weekly.NO_SUCH_WEEK) from error
    tree = center.directory.tree
    with center.database.read() as session:
        children = [
            ReportingOut(
                code=one.code,
                name=tree.name(one.code),
                level=tree.level(one.code),
                inspected_on=one.inspected_on,
                silent=one.silent,
                inspections=one.inspections,
                zero_reports=one.zero_reports,
                found=one.found,
                report=weekly.report_of(session, one.code, week),
                weekly_missing_since=one.weekly_missing_since,
            )
            for one in read_reporting(center, session, week)
        ]
        return ReportsOut(
            week=week,
            figures=weekly.figures_of(center, session, week),
            draft=weekly.draft(center, session, week, language),
            sent=weekly.report_of(session, center.code, week),
            children=children,
        )


@router.post("/reports/weekly", response_model=ReportClaims)
def send(
    given: WeeklyInput,
    here: Here,
    trying: Trying,
    caller: Annotated[Caller, Depends(require(Action.send_report))],
) -> Response:
    """Sign the weekly report and send it to the parent. Sent again, it takes the place of the one before."""
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        return trying.answer(unit.session, weekly.send(unit, given.week, given.text, caller.display_name), 200)


def _inspection(row: InspectionRow) -> InspectionOut:
    day = date.fromisoformat(row.day)
    return InspectionOut(day=day, username=row.username, actor=row.actor, area=row.area, found=row.found, at=row.at)
