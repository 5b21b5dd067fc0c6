"""What a center does by itself now and then."""

from typing import TYPE_CHECKING

from sqlalchemy import select

from node import rekeying
from node.attachments import keeping
from node.audit import heads
from node.cases import arrivals, log, purging, recovery, reseed, supervision, visiting
from node.cases.tables import CaseRow
from node.federation import healing, inbox, kept_backups
from node.federation.retention import purge_old
from node.federation.tables import ParkedRow
from node.rehoming import work
from node.status.descendants import tell_days as send_days
from node.status.tables import DayCounterRow
from node.unit import unit_of

if TYPE_CHECKING:
    from node.center import Center

BATCH = 200
"""Rows of one chore in one transaction: people never wait behind it."""


def run(center: "Center") -> None:
    """All chores, each in a short transaction of its own and only where there is something to do."""
    recovery.go_on(center)
    while reseed.go_on(center):
        pass
    work.go_on(center)
    healing.finish(center)
    tell_overdue(center)
    supervision.order_by_rule(center)
    visiting.note_missed(center)
    purge_views(center)
    purging.go_on(center)
    rekeying.go_on(center)
    kept_backups.tidy(center)
    keeping.tidy(center)
    heads.tend(center)
    purge_old(center.database, center.clock)


def retry_parked(center: "Center") -> tuple[int, int]:
    """Apply what is parked again: after an upgrade unknown types may be known.

    Returns:
        How many messages were applied, and how many stay parked.
    """
    with center.database.read() as session:
        if session.scalar(select(ParkedRow.id).limit(1)) is None:
            return 0, 0
    return inbox.retry_parked(center)


def tell_days(center: "Center") -> int:
    """Send changed daily rows to the parent; returns how many."""
    with center.database.read() as session:
        if session.scalar(select(DayCounterRow.day).where(DayCounterRow.told.is_(False)).limit(1)) is None:
            return 0
    with unit_of(center, behind_people=True) as unit:
        return send_days(unit)


def tell_overdue(center: "Center") -> int:
    """Tell our ancestors of cases whose deadline passed; returns how many."""
    now = center.clock.now()
    late = (
        select(CaseRow.id)
        .where(
            CaseRow.holder == center.code,
            CaseRow.ended.is_(False),
            CaseRow.deadline < now,
            CaseRow.header_told.is_(None),
        )
        .limit(BATCH)
    )
    if center.parent is None:
        return 0
    with center.database.read() as session:
        case_ids = session.scalars(late).all()
    if not case_ids:
        return 0
    with unit_of(center) as unit:
        for case_id in case_ids:
            state = unit.book.state(case_id)
            if state is not None and state.holder == center.code:
                log.tell_ancestors(unit, state)
    return len(case_ids)


def purge_views(center: "Center") -> int:
    """Purge what broken glasses may show no longer; returns how many cases."""
    now = center.clock.now()
    with center.database.read() as session:
        if (
            session.scalar(select(CaseRow.id).where(CaseRow.view_until <= now, CaseRow.state.is_not(None)).limit(1))
            is None
        ):
            return 0
    with unit_of(center) as unit:
        return arrivals.purge_views(unit)
