"""The dossier of a case as a page: what is there, what is missing, each paper to print; and the blank forms."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from node.accounts.roles import Action
from node.papers import answers
from node.papers.api import dossier_out
from node.papers.dossier import read_dossier
from node.papers.filling import own_template
from node.papers.forms import BY_NAME, FORMS
from node.web.case_offers import offered
from node.web.case_view import read_case, situation_of
from node.web.center import center_of
from node.web.rendering import render
from node.web.session import signed_in

router = APIRouter()

FILING = frozenset({Action.inquire, Action.file, Action.archive, Action.fulfil, Action.follow_up, Action.mediate})
"""What completes a dossier."""


@router.get("/cases/{case_id}/dossier")
def dossier(request: Request, case_id: str) -> Response:
    """Where the parts stand."""
    caller = signed_in(request, Action.read_cases)
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
def whole(request: Request, case_id: str) -> Response:
    """All papers in one file."""
    caller = signed_in(request, Action.make_papers)
    return answers.whole(center_of(request), request, caller, case_id)


@router.get("/cases/{case_id}/papers/{name}")
def paper(request: Request, case_id: str, name: str) -> Response:
    """One paper."""
    caller = signed_in(request, Action.make_papers)
    return answers.paper(center_of(request), request, caller, case_id, name)


@router.get("/papers")
def papers(request: Request) -> Response:
    """The blank forms."""
    caller = signed_in(request, Action.make_papers)
    center = center_of(request)
    own = {name for name, form in BY_NAME.items() if own_template(center, form) is not None}
    return render(request, "papers.html", caller=caller, forms=FORMS, own=own)


@router.get("/papers/{name}")
def blank(request: Request, name: str) -> Response:
    """A blank form."""
    signed_in(request, Action.make_papers)
    return answers.blank(center_of(request), name)
