"""The attachments of a case: what there is, what is on its way, and a form that adds more, without scripts too."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from node.accounts.roles import Action, allowed
from node.accounts.service import Caller
from node.attachments.adding import add, check_may_add, described
from node.attachments.api import store_of
from node.attachments.content import ACCEPTED
from node.attachments.opening import open_attachment, open_preview, read_attachments
from node.attachments.preview import has_preview
from node.attachments.receiving import FILES_MAX, Upload, receive
from node.attachments.store import MEGABYTE
from node.audit.requests import note_look
from node.cases.tables import RequestRow
from node.errors_http import language_of
from node.idempotency import Attempt
from node.problems import Problem
from node.unit import unit_of
from node.web.case_view import CaseView, read_case
from node.web.center import center_of
from node.web.forms import form_key
from node.web.refusals import refusal_text
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import words
from protocol.entries import Kind
from protocol.rules import RULES

router = APIRouter()

TOLD: Final = frozenset({409, 413, 422, 507})
"""Refusals that are told above the form; whatever else is wrong is a page of its own."""


Reading = Annotated[Caller, Depends(reader(Action.read_whole))]
Opening = Annotated[Caller, Depends(reader(Action.open_file))]


async def _form(
    request: Request, case_id: str, caller: Annotated[Caller, Depends(reader(Action.attach))]
) -> AsyncIterator[tuple[Caller, Upload | Problem]]:
    """What was sent, or why it was not taken; read only for somebody who may add files."""
    center = center_of(request)
    await run_in_threadpool(check_may_add, center, case_id)
    async with AsyncExitStack() as stack:
        try:
            sent: Upload | Problem = await stack.enter_async_context(receive(request, store_of(center)))
        except Problem as problem:
            sent = problem
        yield caller, sent


@router.get("/cases/{case_id}/attachments")
def attachments(request: Request, caller: Reading, case_id: str, done: str = "") -> Response:
    """What there is."""
    return _page(request, caller, case_id, done=done)


@router.post("/cases/{case_id}/attachments")
def attach(
    request: Request, case_id: str, form: Annotated[tuple[Caller, Upload | Problem], Depends(_form)]
) -> Response:
    """Add files and show what there is now, or say above the form why nothing was saved."""
    (caller, sent), center = form, center_of(request)
    fields = sent.fields if isinstance(sent, Upload) else {}
    try:
        if isinstance(sent, Problem):
            raise sent
        files = described(sent)
        recognised = "\n".join(given.model_dump_json() for given, _ in files).encode()
        trying = Attempt(fields.get("form") or None, f"{case_id}/attachments", recognised)
        with unit_of(center) as unit:
            replay = trying.begin(unit.session, center.clock, caller)
            if replay is not None:
                return see_other(bytes(replay.body).decode())
            done = add(unit, store_of(center), case_id, files, caller.display_name)
            path = f"/cases/{case_id}/attachments?done={'asked' if isinstance(done, RequestRow) else 'added'}"
            trying.answer(unit.session, path.encode())
        return see_other(path)
    except Problem as problem:
        if problem.status not in TOLD:
            raise
        error = refusal_text(problem, center, language_of(request))
        return _page(request, caller, case_id, error=error, status=problem.status, values=fields)


@router.get("/cases/{case_id}/attachments/{seq}")
def attachment(request: Request, caller: Opening, case_id: str, seq: int) -> Response:
    """One file, to be saved."""
    return open_attachment(center_of(request), request, caller, case_id, seq)


@router.get("/cases/{case_id}/attachments/{seq}/preview")
def preview(request: Request, caller: Opening, case_id: str, seq: int) -> Response:
    """A small picture."""
    return open_preview(center_of(request), request, caller, case_id, seq)


def _page(
    request: Request,
    caller: Caller,
    case_id: str,
    *,
    done: str = "",
    error: str = "",
    status: int = 200,
    values: dict[str, str] | None = None,
) -> Response:
    center, language = center_of(request), language_of(request)
    found = read_attachments(center, case_id)
    with center.database.read() as session:
        case = read_case(session, case_id, center.clock.now())
    note_look(center, request, caller, case_id)
    store = store_of(center)
    return render(
        request,
        "attachments.html",
        caller=caller,
        status=status,
        case=case.document,
        found=found,
        has_preview=has_preview,
        may_attach=may_attach(center.code, case) and allowed(caller.roles, Action.attach),
        parts=words(language, "parts"),
        accepted=ACCEPTED,
        limit=store.limits.file // MEGABYTE,
        most=FILES_MAX,
        values={**(values or {}), "form": form_key()},
        errors={"file": error} if error else {},
        done=done,
    )


def may_attach(me: str, case: CaseView) -> bool:
    """Whether this center may add files: as the holder, or by asking it as one who follows the case."""
    state = case.state
    return state is not None and me in state.followers and state.status in RULES[Kind.ATTACHED].statuses
