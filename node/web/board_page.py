"""The board (看板): what a center and all below it have on their desks, in one look; drill-down to every village."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.center import Center
from node.errors_http import language_of
from node.pulse import Topic
from node.status.api import below
from node.status.board import Board, read_board
from node.web.board_view import PERIODS, RATES, BoardView, board_view
from node.web.center import center_of
from node.web.links import link_rows
from node.web.rendering import render
from node.web.session import reader
from protocol.status import DEFINITION

router = APIRouter()

HIGH_SHOWN: Final = 6
"""Headers of high-grade cases on the board; the list of cases has all."""

TOPICS: Final = (Topic.CASES, Topic.STATUS, Topic.LINKS, Topic.POLICY)
"""What the board is read anew after; the own one is remembered meanwhile, since that is what everybody looks at."""


@router.get("/board")
def board(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.read_status))],
    center: Annotated[str, Query(max_length=12)] = "",
    period: Annotated[str, Query(max_length=10)] = "year",
) -> Response:
    """The board of this center or one below it."""
    here, language = center_of(request), language_of(request)
    chosen = period if period in PERIODS else "year"
    if center in {"", here.code}:
        found, view = here.pulse.remember(f"board {chosen}", TOPICS, lambda: _read(here, here.code, chosen))
    else:
        found, view = _read(here, center, chosen)
    code = center or here.code
    tree = here.directory.tree
    links = link_rows(here, language)
    line = [one for one in reversed(tree.ancestors(code)) if found.has(one)]
    return render(
        request,
        "board.html",
        caller=caller,
        links=links,
        view=view,
        figures=view.status,
        shown=code,
        line=line,
        period=chosen,
        periods=PERIODS,
        rates=RATES,
        definition=DEFINITION,
        down=[row for row in links if row.direction == "down"],
        high_shown=HIGH_SHOWN,
    )


def _read(here: Center, code: str, period: str) -> tuple[Board, BoardView]:
    """The board of a center as it is now.

    Raises:
        Problem: nobody of this code stands below us.
    """
    with here.database.read() as session:
        found = read_board(session, here, here.clock.now())
        return found, board_view(session, here, found, below(found, code), period)
