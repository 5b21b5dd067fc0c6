"""Periods and series, from the daily rows of each center.

Daily rows come on the bulk lane, every version of each, so a period is exact even after a long outage; a day
that is still on its way is missing from its period and from everything after it, never counted by half.

The rows of the period are read, and those after it. Of all days before only ``held`` and ``in_transit`` are summed
up, by the database, so that the balance of a period is one of daily rows alone. The other stocks (by grade, by status)
are today's, less what changed since.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Session

from node.status.tables import DayCounterRow
from protocol.status import BALANCED, STOCKS, Counters


class By(StrEnum):
    """How long the steps of a series are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def start(self, day: date) -> date:
        """The first day of the step that a day belongs to; weeks begin on Monday."""
        match self:
            case By.DAY:
                return day
            case By.WEEK:
                return day - timedelta(days=day.weekday())
            case By.MONTH:
                return day.replace(day=1)

    def next(self, start: date) -> date:
        """The first day of the next step."""
        match self:
            case By.DAY:
                return start + timedelta(days=1)
            case By.WEEK:
                return start + timedelta(days=7)
            case By.MONTH:
                return (start + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True)
class Period:
    """Local days from ``first`` to ``last``, both included; from the very first one where ``first`` is None."""

    first: date | None
    last: date


@dataclass(frozen=True)
class Change:
    """What daily rows say of one center and one period.

    Attributes:
        opening: stocks before the period.
        change: sum of the rows in it; closings net of reopenings.
    """

    opening: Counters = field(default_factory=dict)
    change: Counters = field(default_factory=dict)


def read_changes(
    session: Session, codes: Sequence[str], period: Period, totals: Mapping[str, Counters]
) -> dict[str, Change]:
    """What daily rows say of each of these centers.

    Args:
        session: any session.
        codes: the centers.
        period: the days.
        totals: their counters now, as far as they have reported.
    """
    opening = read_sums(session, codes, BALANCED, period.first)
    change: dict[str, Counter[str]] = defaultdict(Counter)
    since: dict[str, Counter[str]] = defaultdict(Counter)
    last = period.last.isoformat()
    rows = select(DayCounterRow.code, DayCounterRow.day, DayCounterRow.counters)
    for code, day, text in session.execute(rows.where(*_within(codes, period.first, None))):
        counters = json.loads(text)
        since[code].update(counters)
        if day <= last:
            change[code].update(counters)
    return {
        code: Change(_opening(opening.get(code, {}), totals.get(code), since[code], period), change[code])
        for code in codes
    }


def _opening(sums: Counters, total: Counters | None, since: Counters, period: Period) -> Counters:
    """Stocks before a period."""
    if period.first is None or total is None:
        return sums
    others = [name for name in STOCKS if name not in BALANCED]
    return {**sums, **{name: total.get(name, 0) - since.get(name, 0) for name in others}}


def read_sums(
    session: Session, codes: Sequence[str], names: Sequence[str], before: date | None
) -> dict[str, dict[str, int]]:
    """Sums of some counters over all days before one, for each of these centers."""
    if before is None:
        return {}
    sums = [func.sum(_number(session, name)) for name in names]
    rows = session.execute(
        select(DayCounterRow.code, *sums)
        .where(DayCounterRow.code.in_(codes), DayCounterRow.day < before.isoformat())
        .group_by(DayCounterRow.code)
    )
    return {code: {name: int(value) for name, value in zip(names, values, strict=True)} for code, *values in rows}


def read_series(
    session: Session, codes: Sequence[str], metric: str, period: Period, starts: Sequence[date], by: By
) -> dict[str, list[int]]:
    """A counter step by step for each of these centers.

    Of a stock it tells what there was at the end of each step, else what happened in it; ``closed`` counts every
    closing.

    Args:
        session: any session.
        codes: the centers.
        metric: name of the counter.
        period: the days that count.
        starts: the first day of each step.
        by: how long the steps are.
    """
    stock = metric in STOCKS
    value = _number(session, metric)
    if metric == "closed":
        value += _number(session, "reopened")
    place = {start.isoformat(): position for position, start in enumerate(starts)}
    series = {code: [0] * len(starts) for code in codes}
    rows = select(DayCounterRow.code, DayCounterRow.day, value).where(
        *_within(codes, period.first, period.last), value != 0
    )
    for code, day, count in session.execute(rows):
        series[code][place[by.start(date.fromisoformat(day)).isoformat()]] += count
    if stock:
        opening = read_sums(session, codes, [metric], period.first)
        return {code: _running(steps, opening.get(code, {}).get(metric, 0)) for code, steps in series.items()}
    return series


def steps(period: Period, by: By, limit: int) -> list[date]:
    """The first days of the steps that a period touches, at most one more than ``limit``."""
    assert period.first is not None
    found: list[date] = []
    start = by.start(period.first)
    while start <= period.last and len(found) <= limit:
        found.append(start)
        start = by.next(start)
    return found


def add_up(series: Iterable[Sequence[int]], length: int) -> list[int]:
    """The sum of series, step by step."""
    total = [0] * length
    for one in series:
        for position, count in enumerate(one):
            total[position] += count
    return total


def merge_changes(changes: Mapping[str, Change], codes: Iterable[str]) -> Change:
    """The sum of what daily rows say of these centers."""
    opening: Counter[str] = Counter()
    change: Counter[str] = Counter()
    for code in codes:
        if code in changes:
            opening.update(changes[code].opening)
            change.update(changes[code].change)
    return Change(opening, change)


def _running(steps_: Sequence[int], opening: int) -> list[int]:
    found: list[int] = []
    for count in steps_:
        opening += count
        found.append(opening)
    return found


def _within(codes: Sequence[str], first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [DayCounterRow.code.in_(codes)]
    if first is not None:
        conditions.append(DayCounterRow.day >= first.isoformat())
    if last is not None:
        conditions.append(DayCounterRow.day <= last.isoformat())
    return conditions


def _number(session: Session, name: str) -> ColumnElement[int]:
    """A counter of a daily row, zero where it is not in it, on either database."""
    if session.get_bind().dialect.name == "postgresql":
        return func.coalesce(cast(cast(DayCounterRow.counters, JSON)[name].astext, BigInteger), 0)
    return func.coalesce(func.json_extract(DayCounterRow.counters, f'$."{name}"'), 0)
