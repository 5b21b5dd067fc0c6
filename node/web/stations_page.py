"""Departments, stations, rooms and mediators of this center, how they answer their calls, and who has most to do."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action, allowed
from node.accounts.service import Caller
from node.cases.acts import FieldError
from node.cases.stations import workloads
from node.cases.stations_api import StationInput, all_stations, write_station
from node.cases.tables import StationRow
from node.errors_http import language_of
from node.i18n import N_, translate
from node.invalid import Invalid
from node.problems import Problem
from node.unit import unit_of
from node.web.center import center_of
from node.web.forms import Document, Field, Sent, Values, errors_of, missing, read
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from node.web.times import WEEKDAYS
from node.words import words
from protocol import entries as e

router = APIRouter()

FIELDS: Final = (
    Field(name="kind", label=N_("Kind"), kind="choice", required=True, words="station_kind"),
    Field(name="name", label=N_("Name"), required=True, limit=e.NAME_MAX),
    Field(name="contact", label=N_("Contact"), limit=e.SHORT_TEXT_MAX),
    Field(name="weekdays", label=N_("By rota on"), kind="choices", hint=N_("None ticked: there every day.")),
    Field(
        name="username",
        label=N_("User name"),
        hint=N_("The account that sees its calls and reports; an administrator creates it."),
    ),
)


@router.get("/stations")
def stations(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))], *, done: bool = False
) -> Response:
    """The list."""
    return _page(request, caller, done=done)


@router.post("/stations")
def station_sent(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.manage_stations))], sent: Sent
) -> Response:
    """Add one."""
    center, language = center_of(request), language_of(request)
    document = read(FIELDS, sent)
    errors = missing(FIELDS, document, language)
    if not errors:
        try:
            with unit_of(center) as unit:
                row = StationRow(id=unit.new_id())
                write_station(unit, row, _station(document))
                unit.session.add(row)
        except Invalid as invalid:
            errors = errors_of(invalid, FIELDS, language)
        except FieldError as error:
            errors = {error.field: refusal_text(error, center, language)}
        else:
            return see_other("/stations?done=true")
    return _page(request, caller, values=sent.values(FIELDS), errors=errors, status=422)


@router.post("/stations/{station_id}/{act}")
def station_changed(
    request: Request, _caller: Annotated[Caller, Depends(reader(Action.manage_stations))], station_id: str, act: str
) -> Response:
    """``close`` one that is no more, or ``open`` it again; it stays in the list for its calls."""
    with unit_of(center_of(request)) as unit:
        row = unit.session.get(StationRow, station_id)
        if row is None or act not in ("open", "close"):
            raise Problem(404, N_("not-found"), N_("There is no such station."))
        row.active = act == "open"
    return see_other("/stations?done=true")


def _station(document: Document) -> StationInput:
    try:
        return StationInput.model_validate(document)
    except ValidationError as error:
        raise Invalid(error.errors()) from error


def _page(
    request: Request,
    caller: Caller,
    *,
    values: Values | None = None,
    errors: Mapping[str, str] | None = None,
    done: bool = False,
    status: int = 200,
) -> Response:
    center, language = center_of(request), language_of(request)
    with center.database.read() as session:
        known = all_stations(center, session).items
        loads = workloads(session, center.code, center.clock.now())
    days = [(str(number), translate(language, name)) for number, name in enumerate(WEEKDAYS, start=1)]
    return render(
        request,
        "stations.html",
        caller=caller,
        status=status,
        stations=known,
        loads=loads,
        fields=FIELDS,
        values=values or {},
        errors=errors or {},
        done=done,
        may_manage=allowed(caller.roles, Action.manage_stations),
        weekdays=dict(days),
        choices={"kind": words(language, "station_kind"), "weekdays": days},
    )
