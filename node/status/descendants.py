"""Rows of everyone below: last-value snapshots, and daily rows that come on the bulk lane and go on upward."""

import json
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select

from node.clock import local_day
from node.federation.tables import IdentityRow
from node.status.spans import write_day
from node.status.tables import CounterRow, DayCounterRow
from node.unit import Unit
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import Days
from protocol.status import DayRow, Row

DAYS_PER_MESSAGE = 50
"""Daily rows of one message: about 40 KB before compression."""


CLOCK_TOLERANCE = 30.0
"""Seconds that a child's clock may be wrong before we tell its rows in our time: less is the delay of a frame."""


TWIN_SILENT_S = 150.0
"""So long nobody has told a counter as high as ours before a lower one counts: two signs of life of whoever told it,
and more than any frame is late."""


def store_rows(unit: Unit, sender: str, rows: Sequence[Row]) -> list[str]:
    """Keep the newest row of each descendant; within an incarnation the higher counter wins, a stale one never does.

    Returns:
        Codes of the centers whose rows changed.

    Raises:
        BadRecord: a row is of somebody who is not below the sender.
    """
    changed = []
    for row in rows:
        if row.code != sender and sender not in unit.tree.ancestors(row.code):
            if unit.center.directory.known.was_below(row.code, sender):
                continue
            raise BadRecord(f"{sender} sent a row of {row.code}, who is not below it")
        kept = unit.session.get(CounterRow, row.code)
        if kept is None or kept.incarnation != row.incarnation or kept.counter <= row.counter:
            unit.center.heard[row.code] = unit.center.clock.steady()
        if kept is None:
            kept = CounterRow(code=row.code)
            unit.session.add(kept)
        elif not _is_newer(row, kept, unit):
            continue
        kept.incarnation, kept.counter, kept.as_of = row.incarnation, row.counter, row.as_of
        kept.counters, kept.backlog = json.dumps(row.counters), row.backlog
        changed.append(row.code)
    unit.session.flush()
    return changed


def _is_newer(row: Row, kept: CounterRow, unit: Unit) -> bool:
    """Within an incarnation the counter tells, or the instant where it did not rise; across them the instant.

    A row from the future was told by a wrong clock; what is told by a clock that is right again takes its place. So
    does what is told later with a lower counter, long after one as high as ours was heard for the last time: somebody
    else has counted on under the same identity, and is no more. How long, a clock says that nobody sets.
    """
    ahead = unit.now + timedelta(seconds=CLOCK_TOLERANCE)
    later = row.as_of > kept.as_of or kept.as_of > ahead
    if kept.incarnation == row.incarnation and kept.counter != row.counter:
        outlived = later and row.as_of <= ahead and _silent(unit, row.code) > TWIN_SILENT_S
        return row.counter > kept.counter or outlived
    return later


def _silent(unit: Unit, code: str) -> float:
    """Seconds since a counter of a center was heard that is as high as ours; since we looked first, at least."""
    now = unit.center.clock.steady()
    return now - unit.center.heard.setdefault(code, now)


def on_days(unit: Unit, message: Message, payload: Days) -> None:
    """Keep daily rows of descendants; they go on upward with our own.

    A row may overtake its center's certificate, which travels on the other lane: the child vouches for it.
    """
    for row in payload.rows:
        stranger = unit.tree.known(row.code) and message.sender not in unit.tree.ancestors(row.code)
        if row.code != message.sender and stranger:
            if unit.center.directory.known.was_below(row.code, message.sender):
                continue
            raise BadRecord(f"{message.sender} sent a day of {row.code}, who is not below it")
        kept = unit.session.get(DayCounterRow, (row.code, row.day))
        if kept is None:
            kept = DayCounterRow(code=row.code, day=row.day, incarnation=row.incarnation, version=0, counters="{}")
            unit.session.add(kept)
        elif kept.incarnation == row.incarnation and kept.version >= row.version:
            continue
        kept.incarnation, kept.version, kept.told = row.incarnation, row.version, False
        write_day(unit.session, kept, row.counters)
    unit.session.flush()


def forget_days(unit: Unit, code: str, incarnation: str) -> None:
    """Count no longer what a center did on days that its new database knows nothing of."""
    old = select(DayCounterRow).where(DayCounterRow.code == code, DayCounterRow.incarnation != incarnation)
    for row in unit.session.scalars(old):
        write_day(unit.session, row, {})
        row.version, row.told = row.version + 1, False


def tell_all_days_anew(unit: Unit) -> None:
    """Have the parent told every day of ours once more, for it knows days that our database and its log have forgotten.

    A day that may have been counted after the copy our database went back to, and of which nothing is left here, is
    told to be empty.
    """
    session, today = unit.session, local_day(unit.now)
    ours = {row.day: row for row in session.scalars(select(DayCounterRow).where(DayCounterRow.code == unit.me))}
    begun = local_day(session.scalars(select(IdentityRow.created_at)).one())
    day = date.fromisoformat(max(ours, default=begun))
    while day.isoformat() <= today:
        text = day.isoformat()
        if text not in ours:
            ours[text] = DayCounterRow(code=unit.me, day=text, version=1, counters="{}")
            session.add(ours[text])
        day += timedelta(days=1)
    for row in ours.values():
        row.incarnation, row.told = unit.center.identity.incarnation, False
    session.flush()


def tell_days(unit: Unit, limit: int = 500) -> int:
    """Send daily rows that changed (ours and our descendants') to the parent; returns how many."""
    parent = unit.center.parent
    if parent is None:
        return 0
    rows = unit.session.scalars(
        select(DayCounterRow).where(DayCounterRow.told.is_(False)).order_by(DayCounterRow.day).limit(limit)
    ).all()
    for start in range(0, len(rows), DAYS_PER_MESSAGE):
        batch = rows[start : start + DAYS_PER_MESSAGE]
        days = tuple(
            DayRow(
                code=row.code,
                day=row.day,
                incarnation=row.incarnation,
                version=row.version,
                counters=json.loads(row.counters),
            )
            for row in batch
        )
        unit.outbox.send(Type.DAYS, Days(rows=days), parent)
        for row in batch:
            row.told = True
    return len(rows)
