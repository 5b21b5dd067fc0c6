"""Party data goes when its time is over: bodies of a case's log, its state, its files, what was asked. Heads stay.

Theory of operation. ``Policy.purge_years`` says how many years after its end a case is kept; 0, the beginning, purges
nothing. A dossier in the archive is kept as long as the archive says, if that is longer. A case whose time is over is
marked first, and purged when it is still over WAITED later: people can see what is to go, and a clock that was set
wrongly destroys nothing. What stays is what a superior knows of a case: its header. The signed heads still verify
(``liandong verify``). Each center does so with its own copy. What was purged stands in the audit log.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from node.access import Access
from node.attachments.purging import drop_files_of
from node.audit.trail import SYSTEM, Event, record
from node.cases.sheet import header_of
from node.cases.tables import CallRow, CaseRow, EntryRow, HeldBackRow, LostEntryRow, RequestRow
from node.center import Center
from node.db import Base
from node.unit import Unit, unit_of
from protocol.case import CaseState
from protocol.codes import Retention

YEAR: Final = timedelta(days=365.25)
ARCHIVED_YEARS: Final = {Retention.SHORT: 10, Retention.LONG: 30}
"""国家档案局令第8号; what is kept for ever is never purged."""
WAITED: Final = timedelta(days=30)
"""From mark to purge."""
BATCH: Final = 50
"""Cases of one transaction: people never wait behind it."""


class PurgeRow(Base):
    """When an ended case is to be looked at again, was marked, was purged."""

    __tablename__ = "purges"

    case_id: Mapped[str] = mapped_column(primary_key=True)
    years: Mapped[int]
    """The rule under which it was looked at; another rule looks anew."""
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When its time is over; None for what is kept for ever."""
    marked_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Purged:
    """What a round did: cases looked at, marked, purged."""

    looked: int
    marked: int
    purged: int


def over_at(state: CaseState, years: int) -> datetime | None:
    """When the time of a case is over; None while it is open, or kept for ever."""
    if state.end is None or not years:
        return None
    if state.archive is None:
        return state.end.at + years * YEAR
    kept = ARCHIVED_YEARS.get(state.archive.retention)
    return None if kept is None else max(state.end.at + years * YEAR, state.archive.at + kept * YEAR)


def go_on(center: Center) -> Purged:
    """Look at some cases, mark and purge those whose time is over; a chore, each step in a short transaction.

    Raises:
        DatabaseUnavailable: it goes on with the next round.
    """
    years = center.policy.purge_years
    if not years:
        return Purged(0, 0, 0)
    return Purged(_look(center, years), _mark(center, years), _purge_marked(center, years))


def _look(center: Center, years: int) -> int:
    now = center.clock.now()
    known = select(PurgeRow.case_id).where(or_(PurgeRow.years == years, PurgeRow.purged_at.is_not(None)))
    old = select(CaseRow.id).where(
        CaseRow.ended.is_(True),
        CaseRow.access == Access.FULL,
        CaseRow.registered_at < now - years * YEAR,
        CaseRow.id.not_in(known),
    )
    with center.database.read() as session:
        case_ids = list(session.scalars(old.order_by(CaseRow.registered_at).limit(BATCH)))
    if case_ids:
        with unit_of(center, behind_people=True) as unit:
            for case_id in case_ids:
                state = unit.book.state(case_id)
                due = over_at(state, years) if state is not None else None
                unit.session.merge(PurgeRow(case_id=case_id, years=years, due_at=due))
    return len(case_ids)


def _mark(center: Center, years: int) -> int:
    now = center.clock.now()
    ripe = (PurgeRow.due_at <= now, PurgeRow.marked_at.is_(None), PurgeRow.purged_at.is_(None))
    with center.database.read() as session:
        case_ids = list(session.scalars(select(PurgeRow.case_id).where(*ripe).limit(BATCH)))
    if case_ids:
        with unit_of(center, behind_people=True) as unit:
            for case_id in case_ids:
                _judge(unit, case_id, years)
    return len(case_ids)


def _judge(unit: Unit, case_id: str, years: int) -> bool:
    """Write down when the time of a case is over by what is known now; says whether it is."""
    state = unit.book.state(case_id)
    due = over_at(state, years) if state is not None else None
    over = due is not None and due <= unit.now
    row = unit.session.get_one(PurgeRow, case_id)
    row.years, row.due_at = years, due
    row.marked_at = (row.marked_at or unit.now) if over else None
    return over


def _purge_marked(center: Center, years: int) -> int:
    ripe = (PurgeRow.marked_at <= center.clock.now() - WAITED, PurgeRow.purged_at.is_(None))
    with center.database.read() as session:
        case_ids = list(session.scalars(select(PurgeRow.case_id).where(*ripe).limit(BATCH)))
    if not case_ids:
        return 0
    with unit_of(center, behind_people=True) as unit:
        gone = [case_id for case_id in case_ids if _judge(unit, case_id, years)]
        for case_id in gone:
            purge(unit, case_id)
            unit.session.get_one(PurgeRow, case_id).purged_at = unit.now
    return len(gone)


def purge(unit: Unit, case_id: str) -> None:
    """Take everything of an ended case away but its header and the signed heads of its log; recorded."""
    sheet = unit.book.sheet(case_id)
    state = sheet.state
    assert state is not None
    assert state.ended
    sheet.header = header_of(state)
    sheet.state = sheet.counted = sheet.invitation = sheet.view_until = sheet.header_told = None
    sheet.dirty = True
    bodies = update(EntryRow).where(EntryRow.case_id == case_id).values(salt=None, body=None)
    unit.session.execute(bodies, execution_options={"synchronize_session": False})
    for table in (RequestRow, HeldBackRow, LostEntryRow, CallRow):
        unit.session.execute(delete(table).where(table.case_id == case_id))
    drop_files_of(unit, [case_id])
    record(unit.session, unit.now, SYSTEM, Event.CASE_PURGED, case_id=case_id, subject=state.number)
