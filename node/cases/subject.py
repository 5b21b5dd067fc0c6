"""What this center holds of one party of one case, for that person (个人信息保护法 §45); corrections are entries (§46).

Per case on purpose: no register of persons exists, and none can be derived. What others said of the person stays with
the person who hands this out; here stand only the entries that name them, who has the case, and who looked at it.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import Access, visible_row
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.cases.tables import EntryRow
from node.center import Center
from node.i18n import N_
from node.problems import Problem
from protocol.case import CaseState
from protocol.codes import CenterCode
from protocol.entries import Corrected, Party, Registered, parse_body, read_head
from protocol.records import Instant

LOOKS = (Event.CASE_VIEWED, Event.FIELD_SHOWN, Event.PAPERS_MADE, Event.SUBJECT_TOLD)


class NamedIn(BaseModel):
    """An entry that names the person."""

    seq: int
    kind: str
    at: Instant
    center: CenterCode
    actor: str


class Version(BaseModel):
    """What the case said of the person from this entry on."""

    seq: int
    at: Instant
    party: Party


class Look(BaseModel):
    """Somebody here who looked at the people of the case."""

    at: Instant
    actor: str
    event: str


class SubjectRecord(BaseModel):
    """What this center holds of one party.

    Attributes:
        as_of: when this was written.
        center: who holds it: the center that answers.
        case: the case's number.
        party: what stands there now.
        versions: what stood there, from entry to entry.
        named_in: entries that name them.
        shared_with: centers that hold the whole case, this one too.
        looks: who looked at the people of the case here, as long as the audit log is kept.
    """

    as_of: Instant
    center: CenterCode
    case: str
    party: Party
    versions: list[Version]
    named_in: list[NamedIn]
    shared_with: list[CenterCode]
    looks: list[Look]


def subject_record(session: Session, center: Center, case_id: str, number: int) -> SubjectRecord:
    """What we hold of a party.

    Args:
        session: a reading session.
        center: this center.
        case_id: the case.
        number: which of its parties, counted from zero.

    Raises:
        Problem: 404 ``not-found`` where this center does not read the case whole, or it has no such party.
    """
    now = center.clock.now()
    row, access = visible_row(session, case_id, now)
    if access is not Access.FULL or row.state is None:
        raise Problem(404, "not-found", N_("Only a center that reads the whole case knows its parties."))
    state = CaseState.model_validate_json(row.state)
    if not 0 <= number < len(state.parties):
        raise Problem(404, "not-found", N_("The case has no such party."))
    party = state.parties[number]
    entries = session.scalars(select(EntryRow).where(EntryRow.case_id == case_id).order_by(EntryRow.seq)).all()
    return SubjectRecord(
        as_of=now,
        center=center.code,
        case=state.number,
        party=party,
        versions=_versions(entries, number),
        named_in=[_named(entry) for entry in entries if entry.body is not None and party.name in entry.body],
        shared_with=sorted(state.followers),
        looks=_looks(session, case_id, now),
    )


def _versions(entries: Sequence[EntryRow], number: int) -> list[Version]:
    found: list[Version] = []
    for entry in entries:
        if entry.body is None:
            continue
        body = parse_body(entry.kind, entry.body)
        parties = body.parties if isinstance(body, Registered) else None
        if isinstance(body, Corrected):
            parties = body.changes.parties
        if parties is not None and number < len(parties):
            found.append(Version(seq=entry.seq, at=entry.at, party=parties[number]))
    return found


def _named(entry: EntryRow) -> NamedIn:
    actor = read_head(entry.head).actor
    return NamedIn(seq=entry.seq, kind=entry.kind, at=entry.at, center=entry.center, actor=actor)


def _looks(session: Session, case_id: str, now: datetime) -> list[Look]:
    query = select(AuditRow.at, AuditRow.actor, AuditRow.event).order_by(AuditRow.number)
    query = query.where(AuditRow.case_id == case_id, AuditRow.event.in_(LOOKS), AuditRow.at <= now)
    return [Look(at=row.at, actor=row.actor, event=row.event) for row in session.execute(query)]
