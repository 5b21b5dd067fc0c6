"""The subsidies (以案定补) of a month: who claims what, what was approved, the sum; as a page and as Excel."""

import tempfile
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.cases.subsidies_api import MONTH, ClaimsOut, claims_of
from node.center import Center
from node.clock import LOCAL_ZONE
from node.errors_http import language_of
from node.i18n import N_, Language, translate
from node.ledgers.columns import Cell
from node.ledgers.export import workbook_answer
from node.ledgers.workbook import write_workbook
from node.web.center import center_of
from node.web.rendering import render
from node.web.session import reader
from node.words import place_name, word

router = APIRouter()

COLUMNS: Final = (
    (N_("Sequence"), 6),
    (N_("Case number"), 22),
    (N_("Type of dispute"), 14),
    (N_("Risk"), 9),
    (N_("Mediator's center"), 18),
    (N_("Mediator"), 14),
    (N_("Yuan"), 8),
    (N_("Claimed on"), 12),
    (N_("Status"), 10),
)

Month = Annotated[str | None, Query(pattern=MONTH)]


@router.get("/subsidies")
def subsidies(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))], month: Month = None
) -> Response:
    """The claims of a month."""
    claims = _claims(center_of(request), month)
    return render(request, "subsidies.html", caller=caller, claims=claims)


@router.get("/subsidies.xlsx")
def sheet(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.export_ledger))], month: Month = None
) -> Response:
    """The same as Excel, a line for each mediator; without parties."""
    center, language = center_of(request), language_of(request)
    claims = _claims(center, month)
    title = translate(language, N_("Subsidies of {month}, {place} center"), month=claims.month,
                      place=place_name(center.name))  # fmt: skip
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    rows = _rows(center, claims, language)
    note = translate(language, N_("Approved together: {yuan} yuan"), yuan=claims.yuan)
    columns = [(translate(language, name), width) for name, width in COLUMNS]
    write_workbook(file, sheet=claims.month, title=title, note=note, columns=columns, rows=rows)
    with center.database.write() as session:
        actor = actor_of(request, caller)
        record(session, center.clock.now(), actor, Event.EXPORTED, subject="subsidies.xlsx", cases=str(len(rows)))
    return workbook_answer(file, f"{title}.xlsx")


def _claims(center: Center, month: str | None) -> ClaimsOut:
    with center.database.read() as session:
        return claims_of(session, center.clock.now(), month, None)


def _rows(center: Center, claims: ClaimsOut, language: Language) -> list[list[Cell]]:
    tree, rows = center.directory.tree, list[list[Cell]]()
    for claim in claims.items:
        for share in claim.subsidy.shares:
            rows.append(
                [
                    len(rows) + 1,
                    claim.display_number,
                    word(language, "category", claim.category),
                    word(language, "grade", claim.grade),
                    place_name(tree.name(share.center)),
                    share.mediator,
                    share.yuan,
                    claim.subsidy.at.astimezone(LOCAL_ZONE).date(),
                    word(language, "subsidy_state", claim.subsidy.state),
                ]
            )
    return rows
