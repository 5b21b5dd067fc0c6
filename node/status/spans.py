"""Spans: sums of daily rows by month and by year, kept in the transaction that changes a day.

A county has sixty thousand daily rows for each year. A board that adds up a year reads a row for each center instead,
and days only where a period begins or ends within a month.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from node.status.counters import read_counters
from node.status.tables import DayCounterRow, SpanCounterRow
from protocol.status import Counters


def write_day(session: Session, row: DayCounterRow, counters: Mapping[str, int]) -> None:
    """Give a daily row its counters, and its month and year the difference. The only way to write a daily row.

    Args:
        session: a unit of work.
        row: the row, in the session already.
        counters: what it counts from now on.
    """
    difference = Counter(counters)
    difference.subtract(json.loads(row.counters))
    row.counters = _text(counters)
    for span in (row.day[:4], row.day[:7]):
        kept = session.get(SpanCounterRow, (row.code, span))
        if kept is None:
            kept = SpanCounterRow(code=row.code, span=span, counters="{}")
            session.add(kept)
            session.flush()
        total = Counter(difference)
        total.update(json.loads(kept.counters))
        kept.counters = _text(total)


def sums_from(session: Session, codes: Sequence[str], first: date | None) -> dict[str, Counters]:
    """Sums of all days of these centers from ``first`` on; of all their days where it is None."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    spans = func.length(SpanCounterRow.span) == len("2026")
    if first is not None:
        year, month = _year(first), _month(first)
        if month.endswith("-01"):
            spans = and_(spans, SpanCounterRow.span >= year)
        else:
            rest = and_(SpanCounterRow.span >= month, SpanCounterRow.span <= f"{year}-12")
            spans = or_(and_(spans, SpanCounterRow.span > year), rest)
    _add(sums, _read_spans(session, codes, spans))
    if first is not None and first.day > 1:
        for code, text in _read_days(session, codes, *days_before(first)):
            sums[code].subtract(json.loads(text))
    return dict(sums)


def sums_after(session: Session, codes: Sequence[str], last: date) -> dict[str, Counters]:
    """Sums of all days of these centers after ``last``."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    year, month = _year(last), _month(last)
    months = and_(SpanCounterRow.span > month, SpanCounterRow.span <= f"{year}-12")
    years = and_(func.length(SpanCounterRow.span) == len(year), SpanCounterRow.span > year)
    _add(sums, _read_spans(session, codes, or_(months, years)))
    rest = DayCounterRow.day > last.isoformat(), DayCounterRow.day <= f"{month}-31"
    _add(sums, _read_days(session, codes, *rest))
    return dict(sums)


def spans_before(day: date) -> ColumnElement[bool]:
    """Years before a day's year, and months of this year before its month."""
    year, month = _year(day), _month(day)
    years = and_(func.length(SpanCounterRow.span) == len(year), SpanCounterRow.span < year)
    return or_(years, and_(SpanCounterRow.span > year, SpanCounterRow.span < month))


def days_before(day: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Days of a day's month before it."""
    return DayCounterRow.day >= day.replace(day=1).isoformat(), DayCounterRow.day < day.isoformat()


def _read_spans(session: Session, codes: Sequence[str], which: ColumnElement[bool]) -> list[tuple[str, str]]:
    rows = select(SpanCounterRow.code, SpanCounterRow.counters).where(SpanCounterRow.code.in_(codes), which)
    return [(code, text) for code, text in session.execute(rows)]


def _read_days(session: Session, codes: Sequence[str], *which: ColumnElement[bool]) -> list[tuple[str, str]]:
    rows = select(DayCounterRow.code, DayCounterRow.counters).where(DayCounterRow.code.in_(codes), *which)
    return [(code, text) for code, text in session.execute(rows)]


def _add(sums: dict[str, Counter[str]], rows: Iterable[tuple[str, str]]) -> None:
    for code, text in rows:
        sums[code].update(read_counters(text))


def _year(day: date) -> str:
    return day.isoformat()[:4]


def _month(day: date) -> str:
    return day.isoformat()[:7]


def _text(counters: Mapping[str, int]) -> str:
    return json.dumps({name: count for name, count in sorted(counters.items()) if count})
