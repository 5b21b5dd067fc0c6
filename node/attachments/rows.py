"""Attachments as rows: a projection of the log, kept in the transaction that writes the entries."""

from collections.abc import Iterable

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from node.attachments.tables import AttachmentRow, FileRow
from node.rows import insert_unless_there
from protocol.entries import Attached, Entry


def project(session: Session, entries: Iterable[Entry]) -> None:
    """Keep which files these entries, just written, name; whatever is not here is wanted from now on."""
    for entry in entries:
        head, body = entry.head, entry.body
        if not isinstance(body, Attached):
            continue
        values = {"sha256": body.sha256, "size": body.size, "center": body.center}
        session.execute(insert(AttachmentRow).values(case_id=head.case_id, seq=head.seq, **values))
        know(session, body.sha256, body.size)


def know(session: Session, sha256: str, size: int) -> None:
    """Have a row of this file; two units that name it at the same instant don't disturb each other."""
    insert_unless_there(session, FileRow, sha256=sha256, size=size, got=0, asked=0, tries=0)


def forget(session: Session, case_id: str, after_seq: int = 0) -> None:
    """The end of a log, or all of it, was taken away: what stood there names no file any more."""
    ours = AttachmentRow.case_id == case_id
    session.execute(delete(AttachmentRow).where(ours, AttachmentRow.seq > after_seq))


def is_named(session: Session, case_id: str, sha256: str) -> bool:
    """Whether a case names this file."""
    named = select(AttachmentRow.seq).where(AttachmentRow.case_id == case_id, AttachmentRow.sha256 == sha256)
    return session.scalar(named.limit(1)) is not None
