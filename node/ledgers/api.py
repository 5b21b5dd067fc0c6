"""Ledgers over HTTP: what a filter shows, as Excel; foreign ledgers, brought in."""

from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.cases.api import Here
from node.cases.queries import QUERY_MAX, Filter, conditions_of
from node.center import Center
from node.errors_http import language_of
from node.i18n import N_
from node.ledger_file import IMPORTED
from node.ledgers import importing
from node.ledgers.export import ledger_answer
from protocol.codes import CODE_PATTERN, Category, Grade, Status

router = APIRouter(tags=["ledgers"])

Importing = Annotated[Caller, Depends(require(Action.import_ledger))]


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
    return ledger_answer(
        here, request, caller, conditions_of(filter_, here.clock.now(), is_sqlite=here.database.is_sqlite), full=full
    )


class FlawOut(BaseModel):
    """What is wrong with one cell."""

    row: int
    column: str
    head: str
    message: str


class TwinOut(BaseModel):
    """A row that looks like a matter here (its number) or like a row above it (#2)."""

    row: int
    like: str


class ImportOut(BaseModel):
    """An import: what its file holds, and how far it is registered; ``columns`` by their places from 0."""

    id: str
    state: Literal["checked", "running", "done"]
    total: int
    done: int
    heads: list[str] = []
    columns: dict[int, str] = {}
    lacking: list[str] = []
    good: int = 0
    known: int = 0
    flaws: list[FlawOut] = []
    twins: list[TwinOut] = []


def _is_field(name: str) -> str:
    if name not in IMPORTED:
        raise ValueError(N_("There is no such field."))
    return name


FieldName = Annotated[str, AfterValidator(_is_field)]


class ColumnsInput(BaseModel):
    """Which field each column holds, by the column's place from 0."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[Annotated[int, Field(ge=0, le=1000)], FieldName]


class RunInput(BaseModel):
    """Whether rows with flaws are left out, and whether rows that look like something here are registered, too."""

    model_config = ConfigDict(extra="forbid")

    good_only: bool = False
    twins: bool = False


@router.post("/ledger/imports", status_code=201)
def bring(
    request: Request, here: Here, caller: Importing, content: Annotated[bytes, Body(media_type="application/*")]
) -> ImportOut:
    """Bring a ledger in (.xlsx, .xls, CSV; the body is the file). It is checked, and nothing is registered."""
    return _import(request, here, importing.stage(here, "", content, caller.display_name))


@router.get("/ledger/imports/{import_id}")
def see(request: Request, import_id: str, here: Here, _caller: Importing) -> ImportOut:
    """What it holds, and how far it is."""
    return _import(request, here, import_id)


@router.post("/ledger/imports/{import_id}/columns")
def columns(request: Request, import_id: str, given: ColumnsInput, here: Here, _caller: Importing) -> ImportOut:
    """Say which field each column holds; it is checked again."""
    importing.map_columns(here, import_id, dict(given.columns))
    return _import(request, here, import_id)


@router.post("/ledger/imports/{import_id}/run", status_code=202)
def run(
    request: Request, import_id: str, given: RunInput, here: Here, caller: Importing, work: BackgroundTasks
) -> ImportOut:
    """Register the rows; ``done`` tells how far it is. Broken off, it is sent again: what is registered stays."""
    options = {"good_only": given.good_only, "twins": given.twins}
    rows = importing.begin(here, import_id, language_of(request), actor_of(request, caller), **options)
    work.add_task(importing.register, here, import_id, rows, caller.display_name)
    return _import(request, here, import_id)


def _import(request: Request, here: Center, import_id: str) -> ImportOut:
    with here.database.read() as session:
        staged = importing.staged(session, here, import_id, language_of(request))
        row = importing.found(session, import_id)
        known = ImportOut.model_validate({"id": row.id, "state": row.state, "total": row.total, "done": row.done})
        if staged is None:
            return known
        checked = staged.checked
        return known.model_copy(
            update={
                "heads": list(staged.sheet.heads),
                "columns": staged.mapping,
                "lacking": staged.lacking,
                "good": len(checked.matters),
                "known": checked.known,
                "flaws": [
                    FlawOut(row=one.row, column=one.column, head=one.head, message=one.message) for one in checked.flaws
                ],
                "twins": [TwinOut(row=one.row, like=one.like) for one in checked.twins],
            }
        )
