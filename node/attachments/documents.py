"""Attachments as the API and the pages show them: what the log says, and how much of each file is here."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import Access
from node.attachments.store import FileStore
from node.attachments.tables import AttachmentRow, FileRow
from node.cases.tables import CaseRow, EntryRow
from node.i18n import N_
from node.problems import Problem
from protocol.codes import Part
from protocol.entries import Attached, EntryHead, parse_body
from protocol.payloads import PIECE_BYTES
from protocol.records import Instant


class Presence(StrEnum):
    """How much of a file is here."""

    HERE = "here"
    COMING = "coming"
    WAITING = "waiting"
    ELSEWHERE = "elsewhere"


class AttachmentOut(BaseModel):
    """A file of a case.

    Attributes:
        seq: the entry that names it.
        name: as people call it.
        type: media type, judged by its content.
        size: bytes.
        sha256: of its bytes.
        part: the part of the dossier that it belongs to.
        note: what it shows.
        center: whose people added it.
        actor: who.
        at: when.
        presence: ``here``; ``coming``; ``waiting`` until somebody gives it; ``elsewhere`` for one who reads the case
            for a while only, and gets no files.
        received: bytes that are here.
    """

    seq: int
    name: str
    type: str
    size: int
    sha256: str
    part: Part | None
    note: str | None
    center: str
    actor: str
    at: Instant
    presence: Presence
    received: int


class AttachmentList(BaseModel):
    """All files of a case, in the order in which they were added."""

    items: list[AttachmentOut]


def check_readable(access: Access) -> None:
    """Only who reads a case whole knows of its files.

    Raises:
        Problem: 404 ``not-found``.
    """
    if access is not Access.FULL:
        raise Problem(404, "not-found", N_("Only a center that reads the whole case has its attachments."))


def attachments_of(session: Session, files: FileStore | None, row: CaseRow) -> list[AttachmentOut]:
    """The files of a case that may be read whole; one whose entry has lost its body has no name, and is left out."""
    named = (
        select(AttachmentRow, FileRow, EntryRow.head, EntryRow.body)
        .join(FileRow, FileRow.sha256 == AttachmentRow.sha256)
        .join(EntryRow, (EntryRow.case_id == AttachmentRow.case_id) & (EntryRow.seq == AttachmentRow.seq))
        .where(AttachmentRow.case_id == row.id, EntryRow.body.is_not(None))
        .order_by(AttachmentRow.seq)
    )
    follows = row.access == Access.FULL
    return [
        _out(file, EntryHead.model_validate_json(head), str(body), _presence(file, files, follows=follows))
        for _, file, head, body in session.execute(named)
    ]


def _presence(file: FileRow, files: FileStore | None, *, follows: bool) -> Presence:
    if file.here_at is not None and files is not None and files.has(file.sha256, file.size):
        return Presence.HERE
    if not follows:
        return Presence.ELSEWHERE
    return Presence.COMING if file.got else Presence.WAITING


def _out(file: FileRow, head: EntryHead, text: str, presence: Presence) -> AttachmentOut:
    body = parse_body(head.kind, text)
    assert isinstance(body, Attached)
    here = presence is Presence.HERE
    return AttachmentOut(
        seq=head.seq,
        name=body.name,
        type=body.type,
        size=body.size,
        sha256=body.sha256,
        part=body.part,
        note=body.note,
        center=body.center,
        actor=head.actor,
        at=head.at,
        presence=presence,
        received=body.size if here else min(file.got * PIECE_BYTES, body.size),
    )


def lost(items: Sequence[AttachmentOut], session: Session) -> list[str]:
    """Which of these should be here and are not."""
    absent = [item.sha256 for item in items if item.presence is not Presence.HERE]
    here = select(FileRow.sha256).where(FileRow.sha256.in_(absent), FileRow.here_at.is_not(None))
    return list(session.scalars(here)) if absent else []
