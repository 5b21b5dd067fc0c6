"""Attachments over HTTP. Mounted under ``/api/v1``."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.attachments.adding import add, check_may_add, described
from node.attachments.documents import AttachmentList
from node.attachments.opening import open_attachment, open_preview, read_attachments
from node.attachments.receiving import Upload, receive
from node.attachments.store import FileStore
from node.audit.requests import note_look
from node.cases.api import ACT_RESPONSES, CaseId, Here, case_answer
from node.cases.documents import RequestAnswer, request_out
from node.cases.tables import RequestRow
from node.center import Center
from node.i18n import N_
from node.idempotency import KEY_MAX, Attempt
from node.problems import Problem
from node.unit import unit_of
from protocol.records import NUMBER_MAX

router = APIRouter(tags=["attachments"])

Seq = Annotated[int, Path(ge=1, le=NUMBER_MAX)]
Reading = Annotated[Caller, Depends(require(Action.read_whole))]
Opening = Annotated[Caller, Depends(require(Action.open_file))]

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "part": {"type": "string", "description": "Part of the dossier."},
                        "note": {"type": "string", "description": "What the files show."},
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
        }
    ],
}
"""What an upload is made of: it is read as it arrives, so nothing of this is a parameter of the route."""


def store_of(center: Center) -> FileStore:
    """Where this center keeps files.

    Raises:
        Problem: 503, where it has no data directory.
    """
    if center.files is None:
        raise Problem(503, "unavailable", N_("This center keeps no files."))
    return center.files


async def _upload(
    request: Request, case_id: CaseId, here: Here, caller: Annotated[Caller, Depends(require(Action.attach))]
) -> AsyncIterator[tuple[Upload, Caller]]:
    """The form, read only for somebody who may add files."""
    await run_in_threadpool(check_may_add, here, case_id)
    async with receive(request, store_of(here)) as upload:
        yield upload, caller


@router.post("/cases/{case_id}/attachments", response_model=None, responses=ACT_RESPONSES, openapi_extra=FORM)
def attach(
    request: Request, case_id: CaseId, here: Here, sent: Annotated[tuple[Upload, Caller], Depends(_upload)]
) -> Response:
    """Add files to the case: photos, scans, recordings, films, PDF; all of one form or none."""
    upload, caller = sent
    files = described(upload)
    recognised = "\n".join(given.model_dump_json() for given, _ in files).encode()
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= KEY_MAX:
        raise Problem(422, "invalid", N_("An Idempotency-Key has 1 to {limit} characters."), limit=KEY_MAX)
    trying = Attempt(key, f"POST {request.url.path}", recognised)
    with unit_of(here) as unit:
        if replay := trying.begin(unit.session, here.clock, caller):
            return replay
        done = add(unit, store_of(here), case_id, files, caller.display_name)
        if isinstance(done, RequestRow):
            return trying.answer(unit.session, RequestAnswer(request=request_out(done)), 202)
        return trying.answer(unit.session, case_answer(unit, done), 200)


@router.get("/cases/{case_id}/attachments")
def attachments(request: Request, case_id: CaseId, here: Here, caller: Reading) -> AttachmentList:
    """The files of a case, and how much of each is here."""
    found = read_attachments(here, case_id)
    note_look(here, request, caller, case_id)
    return AttachmentList(items=found)


@router.get("/cases/{case_id}/attachments/{seq}", response_class=FileResponse)
def attachment(request: Request, case_id: CaseId, seq: Seq, here: Here, caller: Opening) -> FileResponse:
    """One file, to be saved. 409 ``not-here`` while it is still on its way."""
    return open_attachment(here, request, caller, case_id, seq)


@router.get("/cases/{case_id}/attachments/{seq}/preview", response_class=FileResponse)
def preview(request: Request, case_id: CaseId, seq: Seq, here: Here, caller: Opening) -> FileResponse:
    """A small picture of a photo or scan, without what the camera wrote into it."""
    return open_preview(here, request, caller, case_id, seq)
