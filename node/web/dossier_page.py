"""The dossier of a case as a page: what is there, what is missing, each paper to print; and the blank forms."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.papers import answers
from node.papers.api import dossier_out
from node.papers.dossier import read_dossier
from node.papers.filling import own_template
from node.papers.forms import BY_NAME, FORMS
from node.web.case_offers import offered
from node.web.case_view import read_case, situation_of
from node.web.center import center_of
from node.web.rendering import render
from node.web.session import reader

router = APIRouter()

FILING = frozenset({Action.inquire, Action.file, Action.archive, Action.fulfil, Action.follow_up, Action.mediate})
"""What completes a dossier."""


@router.get("/cases/{case_id}/dossier")
def dossier(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_whole))], case_id: str) -> Response:
    """Where the parts stand."""
    center = center_of(request)
    with center.database.read() as session:
        found = read_dossier(session, center, case_id)
        case = read_case(session, case_id, center.clock.now())
    possible = offered(situation_of(center, case), caller.roles)
    return render(
        request,
        "dossier.html",
        caller=caller,
        case=found.case,
        dossier=dossier_out(found),
        titles={form.name: form.title for form in FORMS},
        subsidised=found.state.subsidy is not None,
        actions=[action for action in possible if action.action in FILING],
    )


@router.get("/cases/{case_id}/dossier.zip")
def whole(request: Request, caller: Annotated[Caller, Depends(reader(Action.make_papers))], case_id: str) -> Response:
    """All papers in one file."""
    return answers.whole(center_of(request), request, caller, case_id)


@router.get("/cases/{case_id}/papers/{name}")
def paper(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.make_papers))], case_id: str, name: str
) -> Response:
    """One paper."""
    return answers.paper(center_of(request), request, caller, case_id, name)


@router.get("/papers")
def papers(request: Request, caller: Annotated[Caller, Depends(reader(Action.make_papers))]) -> Response:
    """The blank forms."""
    center = center_of(request)
    own = {name for name, form in BY_NAME.items() if own_template(center, form) is not None}
    return render(request, "papers.html", caller=caller, forms=FORMS, own=own)


@router.get("/papers/{name}")
def blank(request: Request, _caller: Annotated[Caller, Depends(reader(Action.make_papers))], name: str) -> Response:
    """A blank form."""
    return answers.blank(center_of(request), name)
