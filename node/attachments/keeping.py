"""Files that are kept, and those that are not: what no case names any more goes, what is gone is asked for again."""

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import ColumnElement, select

from node.attachments.gathering import want_again
from node.attachments.store import FileStore
from node.attachments.tables import AttachmentRow, FileRow
from node.cases.tables import RequestRow
from protocol.payloads import RequestState

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from node.center import Center

log = structlog.get_logger()

BATCH = 100
"""Files that are removed in one transaction."""
CHECKED_EVERY = timedelta(days=1)
"""How often the directory is compared with the rows; at the start of a process too."""
STRAY_AGE = timedelta(days=1)
"""A file without a row may be on its way to one; after a day it is none."""


def tidy(center: "Center") -> int:
    """Remove what no case names; now and then look whether everything is where it should be.

    Returns:
        How many files were removed.
    """
    if center.files is None:
        return 0
    gone = _remove_unnamed(center, center.files)
    now = center.clock.now()
    if center.files.checked_at is None or now - center.files.checked_at >= CHECKED_EVERY:
        center.files.checked_at = now
        note_missing(center, _missing(center, center.files))
        gone += _remove_strays(center, center.files)
    return gone


def _remove_unnamed(center: "Center", files: FileStore) -> int:
    """The row goes first, and the file in the same transaction: nobody can name it meanwhile."""
    with center.database.read() as session:
        if session.scalar(select(FileRow.sha256).where(_unnamed()).limit(1)) is None:
            return 0
    with center.database.write(behind_people=True) as session:
        rows = session.scalars(select(FileRow).where(_unnamed()).limit(BATCH).with_for_update()).all()
        for row in rows:
            session.delete(row)
        session.flush()
        for row in rows:
            files.remove(row.sha256)
    log.info("attachments.removed", files=len(rows))
    return len(rows)


def _unnamed() -> ColumnElement[bool]:
    """No case names it, and no request of ours waits that would."""
    named = select(AttachmentRow.seq).where(AttachmentRow.sha256 == FileRow.sha256).exists()
    asked = select(RequestRow.id).where(RequestRow.id == FileRow.request_id, RequestRow.state == RequestState.PENDING)
    return ~named & ~asked.exists()


def _missing(center: "Center", files: FileStore) -> list[str]:
    with center.database.read() as session:
        here = session.execute(select(FileRow.sha256, FileRow.size).where(FileRow.here_at.is_not(None))).all()
    return [sha256 for sha256, size in here if not files.has(sha256, size)]


def note_missing(center: "Center", sha256s: "Collection[str]") -> None:
    """These files are gone from their places, or damaged there: they are asked for again."""
    if not sha256s:
        return
    with center.database.write() as session:
        for row in session.scalars(select(FileRow).where(FileRow.sha256.in_(sha256s)).with_for_update()):
            log.error("attachment.lost", sha256=row.sha256)
            want_again(row)


def _remove_strays(center: "Center", files: FileStore) -> int:
    gone = 0
    before = (center.clock.now() - STRAY_AGE).timestamp()
    with center.database.read() as session:
        for path in files.strays(before):
            sha256, _, kind = path.name.partition(".")
            if not _is_kept(session, sha256, kind):
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _is_kept(session: "Session", sha256: str, kind: str) -> bool:
    """A file and its preview are kept with their row, its pieces until it is here."""
    row = session.get(FileRow, sha256)
    return row is not None and (kind != "part" or row.here_at is None)
