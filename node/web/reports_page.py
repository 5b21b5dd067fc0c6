"""Reports (报告): today's inspection, this center's weekly report, and how the centers below report."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.acts import FieldError
from node.clock import local_day
from node.errors_http import language_of
from node.i18n import N_
from node.invalid import Invalid
from node.reports import api, inspections, weekly
from node.reports.inspections import InspectionInput
from node.unit import unit_of
from node.web.center import center_of
from node.web.forms import Field, Sent, Values, errors_of, missing, read
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from protocol.entries import PLACE_MAX
from protocol.reports import REPORT_TEXT_MAX, Week, monday_of, week_of

router = APIRouter()

INSPECTION: Final = (
    Field(
        name="found",
        label=N_("Matters found today"),
        kind="number",
        required=True,
        hint=N_("0 is the zero report: inspected, nothing found."),
    ),
    Field(name="area", label=N_("Area"), limit=PLACE_MAX),
)
REPORT: Final = (
    Field(
        name="text",
        label=N_("The report in words"),
        kind="long",
        required=True,
        limit=REPORT_TEXT_MAX,
        hint=N_("No names and no private matters: it is read at the superior."),
    ),
)
TEXT_ROWS: Final = 14

Which = Annotated[Week | None, Query()]


@router.get("/reports")
def reports(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.read_reports))],
    week: Which = None,
    done: str = "",
) -> Response:
    """The page, for the week that one writes about now or another one."""
    return _page(request, caller, week, done=done)


@router.post("/reports/inspection")
def inspected(request: Request, caller: Annotated[Caller, Depends(reader(Action.inspect))], sent: Sent) -> Response:
    """What today's inspection found; said again, it is corrected."""
    center, language, document = center_of(request), language_of(request), read(INSPECTION, sent)
    errors = missing(INSPECTION, document, language)
    if not errors:
        try:
            given = InspectionInput.model_validate(document)
        except ValidationError as error:
            errors = errors_of(Invalid(error.errors()), INSPECTION, language)
        else:
            with unit_of(center) as unit:
                inspections.state(unit, caller, given)
            return see_other("/reports?done=inspection")
    return _page(request, caller, None, values=sent.values(INSPECTION), errors=errors)


@router.post("/reports/weekly")
def report_sent(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.send_report))], sent: Sent
) -> Response:
    """Sign the report of a week and send it up."""
    center, language, document = center_of(request), language_of(request), read(REPORT, sent)
    errors = missing(REPORT, document, language)
    if not errors:
        try:
            given = api.WeeklyInput.model_validate({**document, "week": sent.one("week")})
        except ValidationError as error:
            errors = errors_of(Invalid(error.errors()), REPORT, language)
        else:
            try:
                with unit_of(center) as unit:
                    weekly.send(unit, given.week, given.text, caller.display_name)
            except FieldError as error:
                errors = {"": refusal_text(error, center, language)}
            else:
                return see_other(f"/reports?week={given.week}&done=weekly")
    return _page(request, caller, None, values=sent.values(REPORT), errors=errors)


def _page(
    request: Request,
    caller: Caller,
    week: str | None,
    *,
    values: Values | None = None,
    errors: Mapping[str, str] | None = None,
    done: str = "",
) -> Response:
    center = center_of(request)
    today = date.fromisoformat(local_day(center.clock.now()))
    wanted = week or weekly.default_week(today)
    found = api.reports_of(center, wanted, language_of(request))
    first = monday_of(wanted)
    text = found.sent.text if found.sent is not None else found.draft
    return render(
        request,
        "reports.html",
        caller=caller,
        status=422 if errors else 200,
        reports=found,
        said=api.statements(center, today.isoformat()),
        first=first,
        last=first + weekly.WEEK - weekly.DAY,
        before=week_of(first - weekly.DAY),
        after=week_of(first + weekly.WEEK) if first + weekly.WEEK <= today else None,
        values={"text": text, **(values or {})},
        errors=errors or {},
        inspection=INSPECTION,
        report=REPORT[0],
        rows=TEXT_ROWS,
        done=done,
    )
