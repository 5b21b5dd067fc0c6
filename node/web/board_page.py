"""The board (看板): what a center and all below it have on their desks, in one look; drill-down to every village."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.errors_http import language_of
from node.status.api import below
from node.status.board import read_board
from node.web.board_view import PERIODS, RATES, board_view
from node.web.center import center_of
from node.web.links import link_rows
from node.web.rendering import render
from node.web.session import reader
from protocol.status import DEFINITION

router = APIRouter()

HIGH_SHOWN: Final = 6
"""Headers of high-grade cases on the board; the list of cases has all."""


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
    with here.database.read() as session:
        found = read_board(session, here, here.clock.now())
        code = below(found, center or None)
        view = board_view(session, here, found, code, chosen)
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
