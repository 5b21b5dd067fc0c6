"""The phone page of grid workers (网格员): three fields for a finding, one tap for nothing found."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.attachments.adding import add, described
from node.attachments.api import store_of
from node.attachments.receiving import Upload, receive
from node.attachments.store import MEGABYTE
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
from node.web.forms import Field, FormData, Values, errors_of, form_key, missing, read
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


@dataclass(frozen=True, slots=True)
class Sent:
    """A form as it came: who sent it, what was typed, its photo, or why that was not taken."""

    caller: Caller
    typed: FormData
    upload: Upload | Problem


async def _form(request: Request, caller: Finding) -> AsyncIterator[Sent]:
    typed: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        store = store_of(center_of(request))
        try:
            form = receive(request, store, typed=typed, optional=True)
            upload: Upload | Problem = await stack.enter_async_context(form)
        except Problem as problem:
            upload = problem
        yield Sent(caller, FormData(typed.items()), upload)


@router.post("/grid")
def found(request: Request, sent: Annotated[Sent, Depends(_form)]) -> Response:
    """Register the finding with its photo, once for one form; both or neither."""
    center, language, typed = center_of(request), language_of(request), sent.typed
    document = read(FIELDS, typed)
    errors, status = missing(FIELDS, document, language), 422
    try:
        if isinstance(sent.upload, Problem):
            raise sent.upload
        photos = described(sent.upload)
        if not errors:
            given = findings.FindingInput.model_validate(document)
            recognised = "\n".join(one.model_dump_json() for one in (given, *(photo for photo, _ in photos)))
            attempt = Attempt(typed.one("form") or None, "find", recognised.encode())
            with unit_of(center) as unit:
                replay = attempt.begin(unit.session, center.clock, sent.caller)
                if replay is not None:
                    return see_other(bytes(replay.body).decode())
                state = findings.find(unit, sent.caller, given)
                if photos:
                    unit.book.flush()
                    add(unit, store_of(center), state.id, photos, sent.caller.display_name)
                path = f"/grid/sent?number={state.number}"
                attempt.answer(unit.session, path.encode())
            return see_other(path)
    except ValidationError as error:
        errors = errors_of(Invalid(error.errors()), FIELDS, language)
    except Problem as problem:
        errors, status = {**errors, "photo": refusal_text(problem, center, language)}, problem.status
    return _page(request, sent.caller, {**typed.values(FIELDS), "form": typed.one("form")}, errors, status)


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
        megabytes=store_of(center_of(request)).limits.file // MEGABYTE,
        categories=words(language_of(request), "category"),
        today=_today(request, caller),
    )
