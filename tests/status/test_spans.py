"""Months and years are always the sum of their days, however days are written and read."""

import json
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from node.center import Center
from node.status.days import By, Period, read_changes, read_series, read_sums, steps
from node.status.spans import sums_after, sums_from, write_day
from node.status.tables import DayCounterRow, SpanCounterRow
from tests.status.lives import CENTERS

NAMES = ("registered", "closed", "reopened", "held", "in_transit", "by_grade.high")

days = st.dates(date(2024, 11, 1), date(2026, 2, 15))
counted = st.dictionaries(st.sampled_from(NAMES), st.integers(-3, 9), max_size=4)
written = st.lists(st.tuples(st.sampled_from(CENTERS[:3]), days, counted), max_size=25)
lived = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(center: Center, rows: list[tuple[str, date, dict[str, int]]]) -> dict[tuple[str, date], dict[str, int]]:
    """Write days, some of them twice; what they count in the end."""
    known = {}
    with center.database.write() as session:
        for table in (DayCounterRow, SpanCounterRow):
            session.query(table).delete()
        for code, day, counters in rows:
            row = session.get(DayCounterRow, (code, day.isoformat()))
            if row is None:
                row = DayCounterRow(code=code, day=day.isoformat(), incarnation="i", version=1, counters="{}")
                session.add(row)
                session.flush()
            write_day(session, row, counters)
            known[code, day] = counters
    return known


def summed(known: dict[tuple[str, date], dict[str, int]], code: str, first: date, last: date) -> dict[str, int]:
    total: Counter[str] = Counter()
    for (one, day), counters in known.items():
        if one == code and first <= day <= last:
            total.update(counters)
    return {name: count for name, count in total.items() if count}


def nonzero(counters: object) -> dict[str, int]:
    assert isinstance(counters, dict | Counter)
    return {name: count for name, count in counters.items() if count}


@lived
@given(rows=written, first=days, length=st.integers(0, 400))
def test_a_period_is_the_sum_of_its_days(
    county: Center, rows: list[tuple[str, date, dict[str, int]]], first: date, length: int
) -> None:
    known = write(county, rows)
    last, codes = first + timedelta(days=length), CENTERS[:3]
    with county.database.read() as session:
        since, after = sums_from(session, codes, first), sums_after(session, codes, last)
        changes = read_changes(session, codes, Period(first, last), {})
        before = read_sums(session, codes, ["held", "closed"], first)
        series = {
            by: read_series(session, codes, "closed", Period(first, last), steps(Period(first, last), by, 500), by)
            for by in By
        }
    for code in codes:
        assert nonzero(since.get(code, {})) == summed(known, code, first, date.max)
        assert nonzero(after.get(code, {})) == summed(known, code, last + timedelta(days=1), date.max)
        assert nonzero(changes[code].change) == summed(known, code, first, last)
        earlier = summed(known, code, date.min, first - timedelta(days=1))
        for name, count in before.get(code, {}).items():
            assert count == earlier.get(name, 0)
        inside = summed(known, code, first, last)
        assert {sum(series[by][code]) for by in By} == {inside.get("closed", 0) + inside.get("reopened", 0)}


@pytest.mark.parametrize("span", ["2026", "2026-01"])
def test_a_day_that_is_written_anew_counts_once(county: Center, span: str) -> None:
    write(county, [(CENTERS[0], date(2026, 1, 5), {"closed": 3}), (CENTERS[0], date(2026, 1, 5), {"closed": 1})])
    with county.database.read() as session:
        kept = session.scalars(select(SpanCounterRow.counters).where(SpanCounterRow.span == span)).one()
    assert json.loads(kept) == {"closed": 1}
