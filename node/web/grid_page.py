"""The phone page of grid workers (网格员): three fields for a finding, one tap for nothing found."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.clock import local_day
from node.errors_http import language_of
from node.i18n import N_
from node.idempotency import Attempt
from node.invalid import Invalid
from node.problems import Problem
from node.reports import findings, inspections
from node.reports.api import InspectionOut, statements
from node.reports.inspections import InspectionInput
from node.reports.tables import InspectionRow
from node.unit import unit_of
from node.web.center import center_of
from node.web.forms import Field, Sent, Values, errors_of, form_key, missing, read
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import words
from protocol import entries as e

router = APIRouter()

Finding = Annotated[Caller, Depends(reader(Action.report_finding))]

FIELDS: Final = (
    Field(name="title", label=N_("In one sentence"), required=True, limit=e.TITLE_MAX),
    Field(name="place", label=N_("Where"), required=True, limit=e.PLACE_MAX),
    Field(name="party", label=N_("One of those concerned"), required=True, limit=e.NAME_MAX),
    Field(name="category", label=N_("Type"), kind="choice", words="category"),
)


@router.get("/grid")
def grid(request: Request, caller: Finding) -> Response:
    """The empty form, and what was said of today."""
    return _page(request, caller, {"form": form_key()}, {})


@router.post("/grid")
def found(request: Request, caller: Finding, sent: Sent) -> Response:
    """Register the finding, once for one form."""
    center, language = center_of(request), language_of(request)
    document = read(FIELDS, sent)
    errors, status = missing(FIELDS, document, language), 422
    if not errors:
        try:
            given = findings.FindingInput.model_validate(document)
            attempt = Attempt(sent.one("form") or None, "find", given.model_dump_json().encode())
            with unit_of(center) as unit:
                replay = attempt.begin(unit.session, center.clock, caller)
                if replay is not None:
                    return see_other(bytes(replay.body).decode())
                number = findings.find(unit, caller, given).number
                attempt.answer(unit.session, f"/grid/sent?number={number}".encode())
                return see_other(f"/grid/sent?number={number}")
        except ValidationError as error:
            errors = errors_of(Invalid(error.errors()), FIELDS, language)
        except Problem as problem:
            errors, status = {"": refusal_text(problem, center, language)}, problem.status
    return _page(request, caller, {**sent.values(FIELDS), "form": sent.one("form")}, errors, status)


@router.get("/grid/sent")
def arrived(request: Request, caller: Finding, number: str = "") -> Response:
    """The finding has its number; the draft is gone."""
    return render(request, "grid_sent.html", caller=caller, number=number[:100], today=_today(request, caller))


@router.post("/grid/nothing")
def nothing_found(request: Request, caller: Annotated[Caller, Depends(reader(Action.inspect))]) -> Response:
    """The zero report of today; what was found already stays found."""
    center = center_of(request)
    with unit_of(center) as unit:
        if unit.session.get(InspectionRow, (local_day(unit.now), caller.username)) is None:
            inspections.state(unit, caller, InspectionInput(found=0))
    return see_other("/grid")


def _today(request: Request, caller: Caller) -> InspectionOut | None:
    """What this person has said of today."""
    center = center_of(request)
    said = statements(center, local_day(center.clock.now()))
    return next((one for one in said if one.username == caller.username), None)


def _page(
    request: Request, caller: Caller, values: Values, errors: Mapping[str, str], status: int | None = None
) -> Response:
    return render(
        request,
        "grid.html",
        caller=caller,
        status=status or (422 if errors else 200),
        values=values,
        errors=errors,
        limits={field.name: field.limit for field in FIELDS},
        categories=words(language_of(request), "category"),
        today=_today(request, caller),
    )
