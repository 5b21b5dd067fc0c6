"""The page of a case: what it is about, its way, its log, who takes part, and what can be done now.

Telephone and identity numbers are masked. One of them is shown by a request of its own, which is logged; the page
that is fetched after that masks it again.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from node.accounts.roles import Action, allowed
from node.accounts.service import Caller
from node.attachments.opening import read_attachments
from node.audit.requests import note_look, note_shown, note_subject
from node.cases.path import stops_of
from node.cases.refusals import told
from node.cases.subject import subject_record
from node.errors_http import language_of
from node.i18n import N_, Language, translate
from node.papers.answers import file_answer
from node.problems import Problem
from node.web.attachments_page import may_attach
from node.web.case_actions import BY_ACT
from node.web.case_log import log_lines
from node.web.case_offers import leading, offered, open_urges, why_not_closed
from node.web.case_path import delivery_of
from node.web.case_view import CaseView, agreement_of, planned_visits, read_case, situation_of
from node.web.center import center_of
from node.web.joint_view import joint_view
from node.web.rendering import render
from node.web.session import reader
from protocol import dossier

router = APIRouter()

SHOWN_ACTIONS: Final = 5
"""Buttons beside each other; the others stand in a menu."""

REGISTERED: Final = "register"

SENSITIVE: Final = ("phone", "id_number")
"""Fields of a party that are masked until somebody asks for one."""


@router.get("/cases/{case_id}")
def case_page(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))], case_id: str, done: str = ""
) -> Response:
    """The case, as far as this center may see it."""
    return _page(request, caller, case_id, done=done)


@router.post("/cases/{case_id}/parties/{number}/{name}")
def show_field(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.show_field))],
    case_id: str,
    number: int,
    name: str,
) -> Response:
    """The case with one masked field of one party in clear; who asked for it is logged."""
    return _page(request, caller, case_id, shown=(number, name))


@router.get("/cases/{case_id}/parties/{number}/record")
def record_of_party(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.make_papers))], case_id: str, number: int
) -> Response:
    """What this center holds of one party, as a file for that person; logged."""
    center = center_of(request)
    with center.database.read() as session:
        found = subject_record(session, center, case_id, number)
    note_subject(center, request, caller, case_id, str(number + 1))
    content = found.model_dump_json(indent=1, exclude_none=True).encode()
    return file_answer(content, "application/json", f"{found.case}_{number + 1}.json")


def _page(
    request: Request, caller: Caller, case_id: str, *, done: str = "", shown: tuple[int, str] | None = None
) -> Response:
    center, language = center_of(request), language_of(request)
    with center.database.read() as session:
        case = read_case(session, case_id, center.clock.now())
        delivery = delivery_of(session, center, case.document)
    if shown is not None:
        _check_shown(case, shown)
        note_shown(center, request, caller, case.document.id, party=str(shown[0] + 1), field=shown[1])
    if case.state is not None:
        note_look(center, request, caller, case.document.id)
    situation = situation_of(center, case)
    actions = offered(situation, caller.roles)
    return render(
        request,
        "case.html",
        caller=caller,
        case=case.document,
        state=case.state,
        joint=joint_view(case, language),
        agreement=agreement_of(case),
        log=log_lines(center, case.document, language),
        stops=stops_of(case.document.log or []),
        delivery=delivery,
        why=why_not_closed(situation, caller.roles),
        orders=open_urges(case.state) if case.state is not None else [],
        visits=planned_visits(case),
        attachments=read_attachments(center, case_id) if case.state is not None else [],
        may_attach=may_attach(center.code, case) and allowed(caller.roles, Action.attach),
        lacking=dossier.missing(case.state) if case.state is not None else [],
        actions=actions,
        leading=leading(situation, actions),
        shown_actions=SHOWN_ACTIONS,
        shown=shown,
        requests=_requests(case, language),
        done=BY_ACT[done].label if done in BY_ACT else N_("Register") if done == REGISTERED else "",
    )


def _check_shown(case: CaseView, shown: tuple[int, str]) -> None:
    """Only what is there, and masked, can be shown.

    Raises:
        Problem: 404 ``not-found``.
    """
    number, name = shown
    parties = case.document.parties or []
    if not 0 <= number < len(parties) or name not in SENSITIVE or getattr(parties[number], name) is None:
        raise Problem(404, N_("not-found"), N_("There is nothing at this address."))


def _requests(case: CaseView, language: Language) -> list[dict[str, str]]:
    """Our requests, the newest first, with the reason of a refusal in words."""
    return [
        {"kind": request.kind, "state": request.state, "why": _why(request.reason, language)}
        for request in reversed(case.document.requests)
        if request.mine
    ]


def _why(reason: str | None, language: Language) -> str:
    if not reason:
        return ""
    message = told(reason)
    words = reason if "{" in message else message
    return translate(language, words)
