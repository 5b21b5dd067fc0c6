"""Lists of cases: everything that this center may see, by queue, filtered and searched; the warning of a duplicate."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.cases.queues import Here, Queue
from node.center import Center
from node.errors_http import language_of
from node.ledgers.export import ledger_answer
from node.web.case_lines import PAGE, QUERY_MAX, SORTS, Wanted, conditions_of, read_page, similar
from node.web.center import center_of
from node.web.queue_words import QUEUE_WORDS
from node.web.rendering import render
from node.web.session import signed_in
from node.words import words
from protocol.entries import PLACE_MAX

router = APIRouter()

NAVIGATED = {Queue.VISITS: "visits", Queue.JOINT: "joint"}
"""Queues that have an item of their own in the navigation."""

Text = Annotated[str, Query(max_length=QUERY_MAX)]


def here_of(center: Center) -> Here:
    """Where and when queues are read."""
    return Here(center.code, center.clock.now(), center.policy.near_days)


def queue_of(name: str) -> Queue | None:
    """The queue of this name, None for none; an address that somebody mistyped shows everything."""
    return Queue(name) if name in set(Queue) else None


def wanted_of(queue: str, q: str, *, sort: str = "", page: int = 1, **filters: str) -> Wanted:
    """What an address asks for; a search without a queue looks at ended cases too."""
    chosen = queue_of(queue) or (None if q or filters.get("status") else Queue.OPEN)
    return Wanted(queue=chosen, q=q.strip(), sort=sort if sort in SORTS else SORTS[0], page=page, **filters)


@router.get("/cases")
def case_list(
    request: Request,
    *,
    queue: Text = "",
    q: Text = "",
    grade: Text = "",
    category: Text = "",
    status: Text = "",
    holder: Text = "",
    sort: Text = "urgent",
    page: int = 1,
) -> Response:
    """Cases, by queue and filters; a search without a queue looks at ended ones too."""
    caller = signed_in(request, Action.read_cases)
    center, language = center_of(request), language_of(request)
    wanted = wanted_of(queue, q, grade=grade, category=category, status=status, holder=holder, sort=sort, page=page)
    chosen = wanted.queue
    with center.database.read() as session:
        found = read_page(session, here_of(center), wanted)
    filters = {"queue": queue, "q": wanted.q, "grade": grade, "category": category, "status": status, "holder": holder}
    kept = {name: value for name, value in {**filters, "sort": wanted.sort}.items() if value}
    return render(
        request,
        "cases.html",
        caller=caller,
        page=found,
        per_page=PAGE,
        wanted=wanted,
        query=wanted.q,
        queues=QUEUE_WORDS,
        filtered=bool(q or grade or category or status or holder),
        nav_key=NAVIGATED.get(chosen, "cases") if chosen is not None else "cases",
        ledger="/cases/ledger.xlsx?" + urlencode(kept),
        address=lambda number: "/cases?" + urlencode({**kept, "page": number}),
        choices={name: words(language, name) for name in ("grade", "category", "status")},
    )


@router.get("/cases/ledger.xlsx")
def ledger(
    request: Request,
    *,
    queue: Text = "",
    q: Text = "",
    grade: Text = "",
    category: Text = "",
    status: Text = "",
    holder: Text = "",
    full: bool = False,
) -> Response:
    """The ledger of what the list shows, as Excel."""
    caller = signed_in(request, Action.export_ledger)
    center = center_of(request)
    wanted = wanted_of(queue, q, grade=grade, category=category, status=status, holder=holder)
    return ledger_answer(center, request, caller, conditions_of(here_of(center), wanted), full=full)


@router.get("/cases/similar")
def similar_cases(
    request: Request, category: Text = "", place: Annotated[str, Query(max_length=PLACE_MAX)] = ""
) -> Response:
    """The warning that this may be registered already: a part of the form."""
    caller = signed_in(request, Action.register)
    center = center_of(request)
    with center.database.read() as session:
        found = similar(session, here_of(center), category, place)
    return render(request, "similar.html", caller=caller, similar=found)
