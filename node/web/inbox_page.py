"""The inbox of who dispatches (收件箱): queues, a list, and beside it the chosen case with what can be done now."""

from dataclasses import dataclass, replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from node.access import Access
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import note_look
from node.cases.documents import CaseDocument
from node.cases.path import TRANSFERS, Stop, stops_of
from node.cases.queues import Queue, by_holder
from node.center import Center
from node.errors_http import language_of
from node.i18n import Language
from node.web.asked import Asked, Text, here_of, kept
from node.web.case_action import CaseAction
from node.web.case_lines import read_page
from node.web.case_log import LogLine, log_lines
from node.web.case_offers import leading, offered
from node.web.case_path import Delivery, delivery_of
from node.web.case_view import read_case, situation_of
from node.web.center import center_of
from node.web.links import link_rows
from node.web.queue_words import QUEUE_ICONS, QUEUE_WORDS
from node.web.rendering import render
from node.web.session import reader
from node.words import words

router = APIRouter()

TO_DO: Final = (Queue.TO_ACCEPT, Queue.CAME_BACK, Queue.NEW, Queue.ORDERS, Queue.LATE, Queue.TODAY, Queue.INVITED)
FOLLOWED: Final = (Queue.HELD, Queue.AWAY, Queue.IN_TRANSIT, Queue.JOINT, Queue.SUPERVISED)

KEYS: Final = {"accept": "s", "assign": "a", "return": "r", "escalate": "e"}
"""Keys that press a button, while the list has the focus."""

BAR: Final = 5
"""Buttons in the decision bar; the others stand in a menu."""

BAR_PHONE: Final = 2
"""The same on a phone: one row, so that the case stays in sight."""


@dataclass(frozen=True, slots=True)
class Detail:
    """The chosen case beside the list."""

    case: CaseDocument
    log: list[LogLine]
    stops: list[Stop]
    delivery: Delivery | None
    actions: list[CaseAction]
    leading: CaseAction | None
    arrival: LogLine | None


@router.get("/inbox")
def inbox(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))], asked: Asked, case: Text = ""
) -> Response:
    """A queue and one of its cases."""
    center, language = center_of(request), language_of(request)
    here = here_of(center)
    chosen = asked.queue or (Queue.OPEN if asked.holder or asked.q else Queue.TO_ACCEPT)
    wanted = replace(asked, queue=chosen)
    tree = center.directory.tree
    with center.database.read() as session:
        found = read_page(session, here, wanted)
        selected = case or (found.lines[0].id if found.lines else "")
        detail = _detail(session, center, selected, caller, language) if selected else None
        held = by_holder(session, here, tree.children(center.code))
    if detail is not None and detail.case.access == Access.FULL:
        note_look(center, request, caller, selected)
    links = link_rows(center, language)
    return render(
        request,
        "inbox.html",
        caller=caller,
        page=found,
        wanted=wanted,
        selected=selected,
        by_hand=bool(case),
        address=Address(kept(wanted)),
        queues=[(one, QUEUE_WORDS[one], QUEUE_ICONS[one]) for one in TO_DO],
        followed=[(one, QUEUE_WORDS[one], QUEUE_ICONS[one]) for one in FOLLOWED],
        title=QUEUE_WORDS[chosen],
        offline=frozenset(row.peer for row in links if row.condition in ("down", "stopped")),
        links=links,
        children=[(code, held.get(code, 0)) for code in tree.children(center.code)],
        choices={name: words(language, name) for name in ("grade", "category")},
        detail=detail,
        keys=KEYS,
        bar=BAR,
        bar_phone=BAR_PHONE,
    )


def _detail(session: Session, center: Center, case_id: str, caller: Caller, language: Language) -> Detail:
    view = read_case(session, case_id, center.clock.now())
    log = log_lines(center, view.document, language)
    situation = situation_of(center, view)
    actions = offered(situation, caller.roles)
    moved = next((entry.seq for entry in reversed(view.document.log or []) if entry.kind in TRANSFERS), None)
    return Detail(
        case=view.document,
        log=log,
        stops=stops_of(view.document.log or []),
        delivery=delivery_of(session, center, view.document),
        actions=actions,
        leading=leading(situation, actions),
        arrival=next((line for line in log if line.seq == moved), None),
    )


class Address:
    """Addresses of this inbox with one thing changed."""

    def __init__(self, kept: dict[str, str]) -> None:
        self._kept = kept

    def case(self, case_id: str) -> str:
        """With this case beside the list."""
        return "/inbox?" + urlencode({**self._kept, "case": case_id})

    def page(self, number: int) -> str:
        """Another page of the list."""
        return "/inbox?" + urlencode({**self._kept, "page": number})
