"""Periods and series, from the daily rows of each center.

Daily rows come on the bulk lane, every version of each, so a period is exact even after a long outage; a day
that is still on its way is missing from its period and from everything after it, never counted by half.

Whole months and years are read as one row (``node.status.spans``), days only where a period begins or ends within a
month. Of all days before a period only ``held`` and ``in_transit`` are summed up, by the database, so that the balance
of a period is one of daily rows alone. The other stocks (by grade, by status) are today's, less what changed since.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.orm import Session

from node.status.spans import days_before, spans_before, sums_after, sums_from
from node.status.tables import DayCounterRow, SpanCounterRow
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
    since = sums_from(session, codes, period.first)
    after = sums_after(session, codes, period.last)
    found = {}
    for code in codes:
        change = Counter(since.get(code, {}))
        change.subtract(after.get(code, {}))
        found[code] = Change(_opening(opening.get(code, {}), totals.get(code), since.get(code, {}), period), change)
    return found


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
    sums: dict[str, dict[str, int]] = {}
    for table, which in ((SpanCounterRow, (spans_before(before),)), (DayCounterRow, days_before(before))):
        values = [func.sum(_number(session, table, name)) for name in names]
        rows = session.execute(select(table.code, *values).where(table.code.in_(codes), *which).group_by(table.code))
        for code, *counts in rows:
            kept = sums.setdefault(code, dict.fromkeys(names, 0))
            for name, count in zip(names, counts, strict=True):
                kept[name] += int(count)
    return sums


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
    place = {start.isoformat(): position for position, start in enumerate(starts)}
    series = {code: [0] * len(starts) for code in codes}
    for code, day, count in _counts(session, codes, metric, period, by):
        series[code][place[by.start(date.fromisoformat(day)).isoformat()]] += count
    if stock:
        opening = read_sums(session, codes, [metric], period.first)
        return {code: _running(steps, opening.get(code, {}).get(metric, 0)) for code, steps in series.items()}
    return series


def _counts(
    session: Session, codes: Sequence[str], metric: str, period: Period, by: By
) -> Iterator[tuple[str, str, int]]:
    """A counter of each center and day, or month by its first day, where it is not zero."""
    if by is not By.MONTH:
        yield from counted_days(session, codes, metric, period.first, period.last)
        return
    assert period.first is not None
    value = _metric(session, SpanCounterRow, metric)
    span = SpanCounterRow.span.between(period.first.isoformat()[:7], period.last.isoformat()[:7])
    whole = func.length(SpanCounterRow.span) == len("2026-03")
    months = select(SpanCounterRow.code, SpanCounterRow.span, value)
    for code, month, count in session.execute(months.where(SpanCounterRow.code.in_(codes), span, whole, value != 0)):
        yield code, f"{month}-01", count
    cut = [(period.last + timedelta(days=1), By.MONTH.next(By.MONTH.start(period.last)) - timedelta(days=1))]
    if period.first.day > 1:
        cut.append((period.first.replace(day=1), period.first - timedelta(days=1)))
    for first, last in cut:
        for code, day, count in counted_days(session, codes, metric, first, last):
            yield code, day, -count


def counted_days(
    session: Session, codes: Sequence[str], metric: str, first: date | None, last: date
) -> list[tuple[str, str, int]]:
    """A counter of each center and day where it is not zero."""
    value = _metric(session, DayCounterRow, metric)
    rows = select(DayCounterRow.code, DayCounterRow.day, value)
    found = session.execute(rows.where(*_within(codes, first, last), value != 0))
    return [(code, day, count) for code, day, count in found]


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


def _within(codes: Sequence[str], first: date | None, last: date) -> list[ColumnElement[bool]]:
    conditions = [DayCounterRow.code.in_(codes), DayCounterRow.day <= last.isoformat()]
    if first is not None:
        conditions.append(DayCounterRow.day >= first.isoformat())
    return conditions


Table = type[DayCounterRow] | type[SpanCounterRow]


def _metric(session: Session, table: Table, metric: str) -> ColumnElement[int]:
    """What a series tells; ``closed`` is kept net of reopenings, and told with them."""
    value = _number(session, table, metric)
    return value + _number(session, table, "reopened") if metric == "closed" else value


def _number(session: Session, table: Table, name: str) -> ColumnElement[int]:
    """A counter of a row, zero where it is not in it, on either database."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import JSON  # noqa: PLC0415 - memory

        return func.coalesce(cast(cast(table.counters, JSON)[name].astext, BigInteger), 0)
    return func.coalesce(func.json_extract(table.counters, f'$."{name}"'), 0)
