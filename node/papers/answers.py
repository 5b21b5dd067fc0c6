"""Papers as answers, for the API and the pages alike: files to keep, each look at a case's people in the audit log."""

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from node.accounts.service import Caller
from node.audit.requests import note_papers
from node.center import Center
from node.papers.dossier import WHOLE, facts_in, form_named, packed, read_dossier
from node.papers.facts import blank_facts
from node.papers.filling import MEDIA_TYPE, SUFFIX, fill

ZIP: Final = "application/zip"


def paper(center: Center, request: Request, caller: Caller, case_id: str, name: str) -> Response:
    """One paper of a case.

    Raises:
        Problem: 404 ``not-found``, 409 ``template-broken``.
    """
    form = form_named(name)
    with center.database.read() as session:
        dossier = read_dossier(session, center, case_id)
    content = fill(center, form, facts_in(center, dossier))
    note_papers(center, request, caller, dossier.case.id, name)
    return file_answer(content, MEDIA_TYPE, f"{dossier.case.display_number}_{dossier.name_of(form)}")


def whole(center: Center, request: Request, caller: Caller, case_id: str) -> Response:
    """All papers of a case in one file.

    Raises:
        Problem: 404 ``not-found``, 409 ``template-broken``.
    """
    with center.database.read() as session:
        dossier = read_dossier(session, center, case_id)
    content = packed(center, dossier)
    note_papers(center, request, caller, dossier.case.id, WHOLE)
    return file_answer(content, ZIP, f"卷宗_{dossier.case.display_number}.zip")


def blank(center: Center, name: str) -> Response:
    """A blank form.

    Raises:
        Problem: 404 ``not-found``, 409 ``template-broken``.
    """
    form = form_named(name)
    return file_answer(fill(center, form, blank_facts(center)), MEDIA_TYPE, f"{form.title}{SUFFIX}")


def file_answer(content: bytes, media_type: str, name: str) -> Response:
    """A file that browsers keep instead of showing it."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)
