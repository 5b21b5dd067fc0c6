"""A ledger is brought in: chosen, checked, its columns named, registered with progress."""

from typing import Annotated, Final

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request, UploadFile
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.errors_http import language_of
from node.i18n import translate
from node.ledger_file import IMPORTED
from node.ledgers import importing
from node.ledgers.export import workbook_answer
from node.ledgers.template import template
from node.problems import Problem
from node.web.center import center_of
from node.web.forms import Sent
from node.web.rendering import render, see_other
from node.web.session import reader

router = APIRouter()

SHOWN: Final = 200
"""Flaws that the page shows; whoever mends these checks again."""


@router.get("/cases/import")
def choose(request: Request, caller: Annotated[Caller, Depends(reader(Action.import_ledger))]) -> Response:
    """Choose a file."""
    return render(request, "import.html", caller=caller, error="")


@router.get("/cases/import/template.xlsx")
def empty(request: Request, _caller: Annotated[Caller, Depends(reader(Action.import_ledger))]) -> Response:
    """The template to fill."""
    language = language_of(request)
    return workbook_answer(template(language), f"{translate(language, 'Ledger')}.xlsx")


@router.post("/cases/import")
def chosen(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.import_ledger))], file: UploadFile
) -> Response:
    """Keep the file and show what it holds."""
    center = center_of(request)
    try:
        import_id = importing.stage(center, file.filename or "", file.file.read(), caller.display_name)
    except Problem as problem:
        error = str(problem.document(language_of(request))["detail"])
        return render(request, "import.html", caller=caller, error=error, status=422)
    return see_other(f"/cases/import/{import_id}")


@router.get("/cases/import/{import_id}")
def checked(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.import_ledger))], import_id: str
) -> Response:
    """What the file holds, or how far it is registered."""
    center, language = center_of(request), language_of(request)
    with center.database.read() as session:
        staged = importing.staged(session, center, import_id, language)
        row = importing.found(session, import_id)
        return render(
            request,
            "import_checked.html",
            caller=caller,
            row=row,
            staged=staged,
            shown=SHOWN,
            lacking=[translate(language, IMPORTED[name]) for name in (staged.lacking if staged else ())],
            fields=[(name, translate(language, title)) for name, title in IMPORTED.items()],
        )


@router.post("/cases/import/{import_id}/columns")
def mapped(
    request: Request, _caller: Annotated[Caller, Depends(reader(Action.import_ledger))], import_id: str, sent: Sent
) -> Response:
    """Say which field each column holds."""
    places = range(len(IMPORTED) + 200)
    chosen_fields = {place: sent.one(f"column-{place}") for place in places if sent.has(f"column-{place}")}
    mapping = {place: name for place, name in chosen_fields.items() if name in IMPORTED}
    importing.map_columns(center_of(request), import_id, mapping)
    return see_other(f"/cases/import/{import_id}")


@router.post("/cases/import/{import_id}/run")
def run(
    request: Request,
    caller: Annotated[Caller, Depends(reader(Action.import_ledger))],
    import_id: str,
    work: BackgroundTasks,
    rows: Annotated[str, Form()] = "all",
    twins: Annotated[str, Form()] = "",
) -> Response:
    """Register the rows; the page tells how far it is."""
    center = center_of(request)
    good_only = rows == "good"
    actor, language = actor_of(request, caller), language_of(request)
    matters = importing.begin(center, import_id, language, actor, good_only=good_only, twins=bool(twins))
    answer = see_other(f"/cases/import/{import_id}")
    work.add_task(importing.register, center, import_id, matters, caller.display_name)
    answer.background = work
    return answer
