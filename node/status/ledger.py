"""The ledger: our own counters, changed in the transaction of the case that changes them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from node.clock import local_day
from node.status.spans import write_day
from node.status.tables import CounterRow, DayCounterRow
from protocol.case import CaseState
from protocol.entries import Entry
from protocol.status import changes, events


class Ledger:
    """Counter changes of one unit of work."""

    def __init__(
        self, session: Session, me: str, incarnation: str, now: datetime, level_of: Callable[[str], str]
    ) -> None:
        self._session = session
        self._me = me
        self._incarnation = incarnation
        self._now = now
        self._level_of = level_of
        self._delta: dict[str, Counter[str]] = defaultdict(Counter)
        """Changes by local day."""

    def count(self, before: CaseState | None, after: CaseState, entry: Entry) -> None:
        """Count what ``entry`` changed: today, or where we wrote it ourselves and have it back now, on its own day."""
        at = entry.head.at if entry.head.center == self._me else self._now
        self._delta[local_day(at)].update(changes(before, after, entry, self._me, self._level_of))

    def add(self, day: str, counts: Mapping[str, int]) -> None:
        """Count what no case tells, on a local day."""
        self._delta[day].update(counts)

    def take_back(self, entry: Entry, state: CaseState) -> None:
        """What this entry of ours counted by itself, in this state of its case, does not count any more."""
        self._delta[local_day(entry.head.at)].subtract(events(entry, state, self._me))

    def snapshot(self) -> dict[str, Counter[str]]:
        """What was counted so far, to go back to."""
        return {day: Counter(delta) for day, delta in self._delta.items()}

    def restore(self, snapshot: dict[str, Counter[str]]) -> None:
        """Go back to a snapshot."""
        self._delta = defaultdict(Counter, snapshot)

    def lock(self) -> None:
        """Lock our row now, for a unit that locks what comes behind it before its end."""
        self._total()

    def flush(self) -> None:
        """Add the changes to the total and to today's row."""
        by_day = {day: {name: count for name, count in delta.items() if count} for day, delta in self._delta.items()}
        self._delta.clear()
        if not any(by_day.values()):
            return
        total = self._total()
        total.counter += 1
        total.incarnation = self._incarnation
        total.as_of = self._now
        for day, delta in sorted(by_day.items()):
            if not delta:
                continue
            total.counters = _added(total.counters, delta)
            self._add_to_day(day, delta)
        self._session.flush()

    def _add_to_day(self, day: str, delta: dict[str, int]) -> None:
        row = self._session.get(DayCounterRow, (self._me, day))
        if row is None:
            row = DayCounterRow(code=self._me, day=day, version=0, counters="{}", incarnation=self._incarnation)
            self._session.add(row)
        row.version += 1
        row.incarnation = self._incarnation
        counters = Counter(json.loads(row.counters))
        counters.update(delta)
        write_day(self._session, row, counters)
        row.told = False

    def _total(self) -> CounterRow:
        """Our own row, locked until the unit ends."""
        ours = select(CounterRow).where(CounterRow.code == self._me).with_for_update()
        total = self._session.scalar(ours)
        if total is None:
            # Two units may be a center's first at the same instant.
            first = CounterRow(
                code=self._me,
                incarnation=self._incarnation,
                counter=0,
                as_of=self._now,
                counters="{}",
                backlog=0,
            )
            with suppress(IntegrityError), self._session.begin_nested():
                self._session.add(first)
            total = self._session.scalars(ours).one()
        return total


def _added(text: str, delta: dict[str, int]) -> str:
    counters = Counter(json.loads(text))
    counters.update(delta)
    return json.dumps({name: count for name, count in sorted(counters.items()) if count})
