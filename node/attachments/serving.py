"""Files that others ask us for."""

from base64 import b64encode
from collections.abc import Iterable

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.attachments import rows
from node.attachments.gathering import want_again
from node.attachments.store import pieces_of
from node.attachments.tables import FileRow
from node.cases.tables import CaseRow
from node.unit import Unit
from protocol.case import CaseState
from protocol.messages import Message, Type
from protocol.payloads import WANTED_MAX, Absence, AttachmentAbsent, AttachmentPiece, AttachmentWanted

log = structlog.get_logger()


def on_wanted(unit: Unit, message: Message, payload: AttachmentWanted) -> None:
    """Somebody wants pieces of a file: who reads the case whole gets them, sealed where they pass a relay."""
    asker, sha256 = message.sender, payload.sha256
    if not (rows.is_named(unit.session, payload.case_id, sha256) and may_have(unit.session, payload.case_id, asker)):
        _refuse(unit, asker, payload, Absence.NO_ACCESS)
        return
    row = unit.session.get(FileRow, sha256)
    files = unit.center.files
    if row is None or files is None or row.here_at is None or payload.first > pieces_of(row.size):
        _refuse(unit, asker, payload, Absence.NOT_HERE)
        return
    last = min(max(payload.last, payload.first), payload.first + WANTED_MAX - 1)
    try:
        sound = payload.first > 1 or files.is_sound(sha256)  # a damaged file is not sent to anybody
        pieces = list(files.read_pieces(sha256, payload.first, last)) if sound else []
    except OSError as error:
        log.error("attachment.unreadable", sha256=sha256, reason=error.strerror or str(error))
        pieces = []
    if pieces:
        _send(unit, asker, sha256, payload.first, pieces)
        return
    log.error("attachment.lost", sha256=sha256)
    want_again(row)
    _refuse(unit, asker, payload, Absence.NOT_HERE)


def may_have(session: Session, case_id: str, asker: str) -> bool:
    """Whether this center reads the case whole, as far as we know: it follows it, or it is about to hold it."""
    text = session.scalar(select(CaseRow.state).where(CaseRow.id == case_id))
    if text is None:
        return False
    state = CaseState.model_validate_json(text)
    return asker in state.followers or asker == state.in_transit_to


def _send(unit: Unit, asker: str, sha256: str, first: int, pieces: Iterable[bytes]) -> None:
    for number, piece in enumerate(pieces, start=first):
        data = b64encode(piece).decode("ascii")
        unit.outbox.send(Type.ATTACHMENT_PIECE, AttachmentPiece(sha256=sha256, piece=number, data=data), asker)


def _refuse(unit: Unit, asker: str, payload: AttachmentWanted, reason: Absence) -> None:
    absent = AttachmentAbsent(case_id=payload.case_id, sha256=payload.sha256, reason=reason)
    unit.outbox.send(Type.ATTACHMENT_ABSENT, absent, asker)
