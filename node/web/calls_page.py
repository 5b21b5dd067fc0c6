"""Calls of departments (吹哨报到): the task, until when, and the report. A department sees its own ones only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action, allowed
from node.accounts.service import Caller
from node.cases.acts import ReportInput, perform
from node.cases.stations_api import calls_for, check_answers
from node.errors_http import language_of
from node.idempotency import Attempt
from node.invalid import Invalid
from node.problems import Problem
from node.unit import unit_of
from node.web.case_action import TEXT
from node.web.center import center_of
from node.web.forms import Document, Sent, errors_of, form_key, missing, read
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from protocol.records import NUMBER_MAX

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Typed:
    """A report that could not be taken: on which call, its text, and why not."""

    case_id: str
    seq: int
    text: str
    errors: Mapping[str, str]
    status: int


@router.get("/calls")
def calls(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_calls))], *, done: bool = False
) -> Response:
    """The calls, those that wait first."""
    return _page(request, caller, done=done)


@router.post("/calls/{case_id}/{seq}")
def report_sent(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.report))],
    case_id: str,
    seq: Annotated[int, Path(ge=1, le=NUMBER_MAX)],
    sent: Sent,
) -> Response:
    """Report on one call, once for one form."""
    center, language = center_of(request), language_of(request)
    document = read((TEXT,), sent)
    errors, status = missing((TEXT,), document, language), 422
    if not errors:
        try:
            given = _report(document, seq)
            with unit_of(center) as unit:
                check_answers(unit.session, caller, case_id, seq)
                attempt = Attempt(sent.one("form") or None, f"{case_id}/calls", given.model_dump_json().encode())
                if attempt.begin(unit.session, center.clock, caller) is None:
                    perform(unit, case_id, "calls/report", given, caller.display_name)
                    attempt.answer(unit.session, b"")
        except Invalid as invalid:
            errors = errors_of(invalid, (TEXT,), language)
        except Problem as problem:
            if problem.status not in (409, 422):
                raise
            errors, status = {"": refusal_text(problem, center, language)}, problem.status
        else:
            return see_other("/calls?done=true")
    return _page(request, caller, typed=Typed(case_id, seq, sent.one("text"), errors, status))


def _report(document: Document, seq: int) -> ReportInput:
    try:
        return ReportInput.model_validate({**document, "call_seq": seq})
    except ValidationError as error:
        raise Invalid(error.errors()) from error


def _page(request: Request, caller: Caller, *, typed: Typed | None = None, done: bool = False) -> Response:
    center = center_of(request)
    with center.database.read() as session:
        found = calls_for(session, caller)
    return render(
        request,
        "calls.html",
        caller=caller,
        status=typed.status if typed is not None else 200,
        waiting=[one for one in found if one.reported_at is None],
        reported=[one for one in found if one.reported_at is not None],
        typed=typed,
        errors=typed.errors if typed is not None else {},
        form_key=form_key,
        limit=TEXT.limit,
        done=done,
        reads_cases=allowed(caller.roles, Action.read_cases),
    )
