"""Lists of cases: everything that this center may see, by queue, filtered and searched; the warning of a duplicate."""

from dataclasses import replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.queues import Queue
from node.errors_http import language_of
from node.ledgers.export import ledger_answer
from node.web.asked import Asked, Text, here_of, kept
from node.web.case_lines import PAGE, Wanted, conditions_of, read_page, similar
from node.web.center import center_of
from node.web.queue_words import QUEUE_WORDS
from node.web.rendering import render
from node.web.session import reader
from node.words import words
from protocol.entries import PLACE_MAX, TITLE_MAX

router = APIRouter()

NAVIGATED: Final = {Queue.VISITS: "visits", Queue.JOINT: "joint", Queue.SUPERVISED: "supervised"}
"""Queues that have an item of their own in the navigation."""


def _in_list(asked: Wanted) -> Wanted:
    """What is asked for; a search without a queue looks at ended cases too."""
    return replace(asked, queue=asked.queue or (None if asked.q or asked.status else Queue.OPEN))


@router.get("/cases")
def case_list(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))], asked: Asked
) -> Response:
    """Cases, by queue and filters; a search without a queue looks at ended ones too."""
    center, language = center_of(request), language_of(request)
    wanted = _in_list(asked)
    with center.database.read() as session:
        found = read_page(session, here_of(center), wanted)
    return render(
        request,
        "cases.html",
        caller=caller,
        page=found,
        per_page=PAGE,
        wanted=wanted,
        query=wanted.q,
        queues=QUEUE_WORDS,
        filtered=bool(asked.q or asked.grade or asked.category or asked.status or asked.holder),
        nav_key=NAVIGATED.get(wanted.queue, "cases") if wanted.queue is not None else "cases",
        ledger="/cases/ledger.xlsx?" + urlencode(kept(asked)),
        address=lambda number: "/cases?" + urlencode({**kept(wanted), "page": number}),
        choices={name: words(language, name) for name in ("grade", "category", "status")},
    )


@router.get("/cases/ledger.xlsx")
def ledger(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.export_ledger))],
    asked: Asked,
    *,
    full: bool = False,
) -> Response:
    """The ledger of what the list shows, as Excel."""
    center = center_of(request)
    conditions = conditions_of(here_of(center), _in_list(asked), is_sqlite=center.database.is_sqlite)
    return ledger_answer(center, request, caller, conditions, full=full)


@router.get("/cases/similar")
def similar_cases(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.register))],
    *,
    category: Text = "",
    place: Annotated[str, Query(max_length=PLACE_MAX)] = "",
    title: Annotated[str, Query(max_length=TITLE_MAX)] = "",
) -> Response:
    """The warning that this may be registered already: a part of the form."""
    center = center_of(request)
    with center.database.read() as session:
        found = similar(session, here_of(center), category=category, place=place, title=title)
    return render(request, "similar.html", caller=caller, similar=found)
