"""Writing and checking the audit log.

Theory of operation. Whoever does something that must leave a trace calls ``record`` in the transaction of the act: if
the row can't be written, the act does not happen, and the other way round. Each row's digest covers the digest of the
row before, so that a row that was changed, taken out or put in later breaks the chain from there on. Somebody with the
database in hand could compute the whole chain anew; that is why its head goes up to the parent every day
(``node.audit.heads``).

Rows hold no party data: a case stands there by its id, a person who works here by the user name.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from node.audit.tables import AuditHeadRow, AuditRow

ORIGIN: Final = "0" * 64
"""The digest before the first row."""

KEPT_DAYS_MIN: Final = 180
"""Days that rows are kept at least: six months by 《网络安全法》§21(3)."""

LOOK_LASTS: Final = timedelta(minutes=10)
"""A person who looks at the same case again within this time, or whose page renews itself, goes on looking."""

SUBJECT_MAX: Final = 200
DETAIL_MAX: Final = 500
"""Characters of a text that somebody else may have made up: a name, a reason."""

BATCH: Final = 1000
"""Rows in memory at once."""


class Event(StrEnum):
    """What leaves a trace."""

    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    SESSION_ENDED = "session_ended"
    REFUSED = "refused"
    CASE_VIEWED = "case_viewed"
    FIELD_SHOWN = "field_shown"
    GLASS_BROKEN = "glass_broken"
    SUBJECT_TOLD = "subject_told"
    PAPERS_MADE = "papers_made"
    FILE_OPENED = "file_opened"
    EXPORTED = "exported"
    IMPORTED = "imported"
    USER_CREATED = "user_created"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    ROLES_CHANGED = "roles_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an event
    SECOND_FACTOR_SET = "second_factor_set"
    SECOND_FACTOR_ENDED = "second_factor_ended"
    TOKEN_MADE = "token_made"  # noqa: S105 - an event
    CHILD_ENROLLED = "child_enrolled"
    CHILD_REVOKED = "child_revoked"
    POLICY_SET = "policy_set"
    PARKED_RETRIED = "parked_retried"
    FRAME_REFUSED = "frame_refused"
    LINK_LIMITED = "link_limited"
    MESSAGE_REFUSED = "message_refused"
    KEY_CHANGED = "key_changed"
    CASE_PURGED = "case_purged"
    DATA_RESEALED = "data_resealed"
    BACKUP_MADE = "backup_made"
    BACKUP_CHECKED = "backup_checked"
    AUDIT_EXPORTED = "audit_exported"
    AUDIT_PURGED = "audit_purged"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a user name, and the address that the request came from."""

    name: str
    address: str = ""


SYSTEM: Final = Actor("system")
"""What a center does by itself."""

COMMAND_LINE: Final = Actor("command line")
"""Whoever may read the data directory; the operating system knows who that was."""


def record(
    session: Session,
    at: datetime,
    actor: Actor,
    event: Event,
    *,
    case_id: str | None = None,
    subject: str = "",
    **detail: str,
) -> None:
    """Write one row, in the transaction of the act.

    Args:
        session: the unit of work of the act.
        at: now.
        actor: who did it.
        event: what was done.
        case_id: the case, where it is about one.
        subject: the user, center or file that it is about.
        detail: what else must be known, as short texts.
    """
    head = _locked_head(session)
    row = AuditRow(
        number=head.number + 1,
        at=at.astimezone(UTC),
        actor=actor.name,
        address=actor.address,
        event=event.value,
        case_id=case_id,
        subject=_plain(subject, SUBJECT_MAX),
        detail=json.dumps({name: _plain(text, DETAIL_MAX) for name, text in sorted(detail.items())}),
    )
    row.digest = digest_of(head.digest, row)
    session.add(row)
    head.number, head.digest = row.number, row.digest
    session.flush()


def _plain(text: str, limit: int) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:limit]


def looked(session: Session, at: datetime, actor: Actor, case_id: str) -> bool:
    """Whether this person's look at a case stands in the log already."""
    recent = (
        select(AuditRow.number)
        .where(
            AuditRow.case_id == case_id,
            AuditRow.actor == actor.name,
            AuditRow.event == Event.CASE_VIEWED,
            AuditRow.at > at - LOOK_LASTS,
            AuditRow.at <= at,
        )
        .limit(1)
    )
    return session.scalar(recent) is not None


def head_of(session: Session) -> AuditHeadRow | None:
    """Where the chain ends; None where nothing was recorded yet."""
    return session.get(AuditHeadRow, 1)


_FIRST: Final = text(
    "INSERT INTO audit_head (id, number, digest, base_number, base_digest, told_number) "
    "VALUES (:id, :zero, :origin, :zero, :origin, :zero) ON CONFLICT (id) DO NOTHING"
)


def _locked_head(session: Session) -> AuditHeadRow:
    wanted = select(AuditHeadRow).where(AuditHeadRow.id == 1).with_for_update()
    head = session.scalar(wanted)
    if head is None:  # two may be the first at once: one of them waits here for the other
        session.execute(_FIRST, {"id": 1, "zero": 0, "origin": ORIGIN})
        head = session.scalars(wanted).one()
    return head


def digest_of(before: str, row: AuditRow) -> str:
    """The digest of a row that stands behind one with digest ``before``."""
    text = json.dumps({"before": before, **document_of(row)}, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def document_of(row: AuditRow) -> dict[str, object]:
    """A row as it is exported and chained, without its digest."""
    return {
        "number": row.number,
        "at": row.at.isoformat(),
        "actor": row.actor,
        "address": row.address,
        "event": row.event,
        "case_id": row.case_id,
        "subject": row.subject,
        "detail": json.loads(row.detail),
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found.

    Attributes:
        rows: how many rows fit.
        bad: number of the first row that does not fit; None where all do.
        number: where the chain ends.
        digest: its head, in hex.
    """

    rows: int
    bad: int | None
    number: int
    digest: str


def verify(session: Session) -> Verdict:
    """Check every row that is kept, and that none is missing at either end."""
    head = head_of(session)
    if head is None:
        orphans = session.scalar(select(func.min(AuditRow.number)))
        return Verdict(0, orphans, 0, ORIGIN)
    found = check_chain(read_rows(session), head.base_number, head.base_digest)
    if found.bad is None and (found.number, found.digest) != (head.number, head.digest):
        return Verdict(found.rows, found.number + 1, found.number, found.digest)
    return found


def check_chain(rows: Iterable[AuditRow], number: int, digest: str) -> Verdict:
    """Check rows that must stand behind row ``number`` with this digest."""
    count = 0
    for row in rows:
        if row.number != number + 1 or row.digest != digest_of(digest, row):
            return Verdict(count, number + 1, number, digest)
        number, digest, count = row.number, row.digest, count + 1
    return Verdict(count, None, number, digest)


def read_rows(session: Session, since: datetime | None = None) -> Iterator[AuditRow]:
    """All rows in their order; without those before ``since``."""
    query = select(AuditRow).order_by(AuditRow.number)
    if since is not None:
        first = session.scalar(select(func.min(AuditRow.number)).where(AuditRow.at >= since))
        query = query.where(AuditRow.number >= (first or 0)) if first is not None else query.where(AuditRow.number < 0)
    with session.scalars(query.execution_options(yield_per=BATCH)) as found:
        yield from found


def purge(session: Session, now: datetime, days: int) -> int:
    """Keep rows no longer than ``days``; what is told of it is recorded. Returns how many rows went.

    Only rows go that the parent's copy of the head covers, or that no parent wants; the chain goes on from where they
    ended.
    """
    assert days >= KEPT_DAYS_MIN
    old = select(func.max(AuditRow.number)).where(AuditRow.at < now - timedelta(days=days))
    last = session.scalar(old)
    row = session.get(AuditRow, last) if last is not None else None
    if row is None:
        return 0
    head = _locked_head(session)
    gone = row.number - head.base_number
    head.base_number, head.base_digest = row.number, row.digest
    session.execute(delete(AuditRow).where(AuditRow.number <= head.base_number))
    record(session, now, SYSTEM, Event.AUDIT_PURGED, rows=str(gone), last=str(head.base_number))
    return gone
