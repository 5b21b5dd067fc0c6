"""A file of a case is opened: by who reads the case whole, as what the log says it is, never inside a page."""

from typing import Final

from fastapi import Request
from fastapi.responses import FileResponse

from node.access import visible_row
from node.accounts.service import Caller
from node.attachments.documents import AttachmentOut, Presence, attachments_of, check_readable, lost
from node.attachments.keeping import note_missing
from node.attachments.preview import MEDIA_TYPE, make_preview
from node.attachments.store import FileStore
from node.audit.requests import note_look, note_opened
from node.center import Center
from node.i18n import N_
from node.problems import Problem

HEADERS: Final = {
    # Whatever it is, a browser that shows it all the same runs nothing of it, and as nobody.
    "Content-Security-Policy": "sandbox; default-src 'none'",
    # Ranges count bytes of the file, not of a compressed one.
    "Content-Encoding": "identity",
}


def read_attachments(center: Center, case_id: str) -> list[AttachmentOut]:
    """The files of a case; what should be here and is not is asked for again from now on.

    Raises:
        Problem: 404 ``not-found`` where this center does not read the case whole.
    """
    with center.database.read() as session:
        row, access = visible_row(session, case_id, center.clock.now())
        check_readable(access)
        found = attachments_of(session, center.files, row)
        gone = lost(found, session)
    note_missing(center, gone)
    return found


def open_attachment(center: Center, request: Request, caller: Caller, case_id: str, seq: int) -> FileResponse:
    """The bytes of a file, to be saved; who opened it stands in the audit log.

    Raises:
        Problem: 404 ``not-found``; 409 ``not-here`` with how much of it is here.
    """
    found, files = _one(center, case_id, seq)
    note_look(center, request, caller, case_id)
    note_opened(center, request, caller, case_id, seq)
    return FileResponse(
        files.path(found.sha256), media_type=found.type, filename=found.name, headers=HEADERS, stat_result=None
    )


def open_preview(center: Center, request: Request, caller: Caller, case_id: str, seq: int) -> FileResponse:
    """A small picture of a photo or scan, without what the camera wrote into it.

    Raises:
        Problem: 404 ``not-found``, also where there is none of this kind of file; 409 ``not-here``.
    """
    found, files = _one(center, case_id, seq)
    note_look(center, request, caller, case_id)
    path = files.preview(found.sha256)
    if not path.exists() and not make_preview(files.path(found.sha256), found.type, path):
        raise Problem(404, "not-found", N_("There is no preview of this file."))
    return FileResponse(path, media_type=MEDIA_TYPE, headers=HEADERS)


def _one(center: Center, case_id: str, seq: int) -> tuple[AttachmentOut, FileStore]:
    found = next((item for item in read_attachments(center, case_id) if item.seq == seq), None)
    if found is None or center.files is None:
        raise Problem(404, "not-found", N_("The case has no such attachment."))
    if found.presence is Presence.HERE and not center.files.is_sound(found.sha256):
        note_missing(center, [found.sha256])
        found = found.model_copy(update={"presence": Presence.WAITING, "received": 0})
    if found.presence is Presence.ELSEWHERE:
        raise Problem(404, "not-found", N_("The files of a case stay with the centers that follow it."))
    if found.presence is not Presence.HERE:
        raise Problem(
            409,
            N_("not-here"),
            N_("The file is not here yet: {received} of {size} bytes have come. It is fetched by itself."),
            received=found.received,
            size=found.size,
        )
    return found, center.files
