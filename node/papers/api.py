"""Papers over HTTP: the dossier of a case and where its parts stand, its papers as files, and blank forms."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.api import CaseId, Here
from node.papers import answers
from node.papers.dossier import Dossier, read_dossier
from node.papers.filling import own_template
from node.papers.forms import FORMS
from protocol.case import Archive
from protocol.codes import Part

router = APIRouter(tags=["papers"])

Making = Annotated[Caller, Depends(require(Action.make_papers))]


class PartOut(BaseModel):
    """A part of the dossier: whether this case needs it, whether it is there, and its papers by name."""

    number: int
    part: Part
    needed: bool
    there: bool
    papers: list[str]


class DossierOut(BaseModel):
    """The dossier of a case; ``missing`` are the parts that are needed and not there."""

    case_id: str
    display_number: str
    parts: list[PartOut]
    missing: list[Part]
    archive: Archive | None


class FormOut(BaseModel):
    """A form; ``own`` says whether this center has put its own template in the place of ours."""

    name: str
    title: str
    number: int
    own: bool


class FormsOut(BaseModel):
    """All forms, in their order in the dossier."""

    items: list[FormOut]


@router.get("/cases/{case_id}/dossier")
def dossier(case_id: CaseId, here: Here, _caller: Annotated[Caller, Depends(require(Action.read_whole))]) -> DossierOut:
    """Where the thirteen parts of the dossier stand (卷宗)."""
    with here.database.read() as session:
        return dossier_out(read_dossier(session, here, case_id))


@router.get("/cases/{case_id}/dossier.zip", response_class=Response)
def whole(request: Request, case_id: CaseId, here: Here, caller: Making) -> Response:
    """All papers of the case in one ZIP file, numbered by their parts, the cover first."""
    return answers.whole(here, request, caller, case_id)


@router.get("/cases/{case_id}/papers/{name}", response_class=Response)
def paper(request: Request, case_id: CaseId, name: str, here: Here, caller: Making) -> Response:
    """One paper of the case as a Word file, filled from its log."""
    return answers.paper(here, request, caller, case_id, name)


@router.get("/papers")
def forms(here: Here, _caller: Making) -> FormsOut:
    """All forms."""
    return FormsOut(
        items=[
            FormOut(name=one.name, title=one.title, number=one.number, own=own_template(here, one) is not None)
            for one in FORMS
        ]
    )


@router.get("/papers/{name}", response_class=Response)
def blank(name: str, here: Here, _caller: Making) -> Response:
    """A blank form as a Word file, to fill by hand."""
    return answers.blank(here, name)


def dossier_out(found: Dossier) -> DossierOut:
    """The dossier as the API shows it."""
    forms_of = {part: [form.name for form in found.forms if form.part is part] for part in Part}
    return DossierOut(
        case_id=found.case.id,
        display_number=found.case.display_number,
        parts=[
            PartOut(number=number, part=one.part, needed=one.needed, there=one.there, papers=forms_of[one.part])
            for number, one in enumerate(found.parts, start=1)
        ],
        missing=found.missing,
        archive=found.state.archive,
    )
