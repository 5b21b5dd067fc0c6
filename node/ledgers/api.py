"""Ledgers over HTTP: what a filter shows, as Excel."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.api import Here
from node.cases.queries import QUERY_MAX, Filter, conditions_of
from node.ledgers.export import ledger_answer
from protocol.codes import CODE_PATTERN, Category, Grade, Status

router = APIRouter(tags=["ledgers"])


@router.get("/ledger.xlsx", response_class=Response)
def ledger(
    request: Request,
    here: Here,
    caller: Annotated[Caller, Depends(require(Action.export_ledger))],
    status: Status | None = None,
    grade: Grade | None = None,
    category: Category | None = None,
    holder: Annotated[str | None, Query(pattern=CODE_PATTERN)] = None,
    overdue: bool | None = None,  # noqa: FBT001 - a query parameter
    q: Annotated[str | None, Query(max_length=QUERY_MAX)] = None,
    full: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """The ledger of the cases that this center may see, as Excel; ``full`` with parties in clear, for directors."""
    filter_ = Filter(status=status, grade=grade, category=category, holder=holder, overdue=overdue, q=q)
    return ledger_answer(here, request, caller, conditions_of(filter_, here.clock.now()), full=full)
