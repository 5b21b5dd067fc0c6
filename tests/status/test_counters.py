"""Counters: rows merge by addition, read as tables, and carry their rates as pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.codes import Grade, default_level
from protocol.entries import Body, Kind
from protocol.status import (
    COUNT_MAX,
    GROUPS,
    NAMES_MAX,
    SCALARS,
    DayRow,
    Rate,
    Row,
    contribution,
    is_metric,
    merge,
    period,
    rates,
    tabulate,
)
from tests.status.lives import ACTS, TOWN, VILLAGE, Lives

rows = st.dictionaries(st.sampled_from(["registered", "held", "by_grade.high"]), st.integers(-9, 9))


def settled(lives: Lives, center: str) -> str:
    """A case that was registered and settled in one place."""
    case_id = lives.register(center)
    ACTS["settle"](lives, case_id, center)
    return case_id


# ---------------------------------------------------------------- what a case counts


def test_an_unknown_case_counts_nothing() -> None:
    assert not contribution(None, VILLAGE, default_level)


def test_an_open_case_counts_where_it_came_from_and_where_it_is() -> None:
    lives = Lives()
    lives.register(VILLAGE, grade=Grade.HIGH)
    assert lives.totals[VILLAGE] == {
        "registered": 1,
        "by_category.neighbourhood": 1,
        "held": 1,
        "by_grade.high": 1,
        "by_status.registered": 1,
    }


def test_a_settled_case_counts_its_outcome_and_its_way() -> None:
    lives = Lives()
    case_id = lives.register(VILLAGE)
    for act in ("accept", "mediate", "escalate", "deliver", "settle"):
        ACTS[act](lives, case_id, VILLAGE)
    lives.rest()
    town = {name: count for name, count in lives.totals[TOWN].items() if count}
    assert town == {
        "received": 1,
        "by_status.closed": 1,
        "closed": 1,
        "succeeded": 1,
        "mediated": 1,
        "settled_at.township": 1,
        "flow.village.township": 1,
        "visits_due": 1,
        "visited": 1,
        "satisfied": 1,
        "answered": 1,
    }
    village = {name: count for name, count in lives.totals[VILLAGE].items() if count}
    assert village == {"registered": 1, "by_category.neighbourhood": 1, "escalated": 1}


def test_a_duplicate_counts_as_merged_and_nowhere_else() -> None:
    lives = Lives()
    ACTS["merge"](lives, lives.register(VILLAGE), VILLAGE)
    row = lives.totals[VILLAGE]
    assert (row["merged"], row["closed"], row["held"], row["settled_at.village"]) == (1, 0, 0, 0)


def test_reopening_takes_the_outcome_back() -> None:
    lives = Lives()
    case_id = settled(lives, VILLAGE)
    ACTS["reopen"](lives, case_id, VILLAGE)
    row = lives.totals[VILLAGE]
    assert (row["reopened"], row["held"], row["closed"], row["succeeded"], row["mediated"]) == (1, 1, 0, 0, 0)
    assert row["flow.village.village"] == 0
    assert row["visited"] == row["visits_due"] == 1, "a visit that was made stays made"


def test_a_withdrawn_case_is_closed_but_was_not_mediated() -> None:
    lives = Lives()
    ACTS["withdraw"](lives, lives.register(VILLAGE), VILLAGE)
    row = lives.totals[VILLAGE]
    assert (row["closed"], row["withdrawn"], row["mediated"], row["visits_due"]) == (1, 1, 0, 0)


def test_visits_that_fell_due_are_those_made_for_a_planned_day_and_those_missed() -> None:
    lives = Lives()
    case_id = lives.register(VILLAGE)
    for act in ("accept", "mediate", "fail", "visit", "miss a visit", "visit as planned", "visit"):
        ACTS[act](lives, case_id, VILLAGE)
    row = lives.totals[VILLAGE]
    assert (row["visits_due"], row["visited"], row["answered"]) == (2, 1, 3)


@pytest.mark.parametrize(("days", "on_time"), [(0, 1), (2, 0)])
def test_a_case_with_a_deadline_counts_whether_it_was_kept(days: int, on_time: int) -> None:
    lives = Lives()
    case_id = lives.register(TOWN)
    ACTS["assign"](lives, case_id, VILLAGE)
    ACTS["deliver"](lives, case_id, VILLAGE)
    for _ in range(days):
        lives.next_day()
    ACTS["settle"](lives, case_id, VILLAGE)
    assert (lives.totals[VILLAGE]["fell_due"], lives.totals[VILLAGE]["on_time"]) == (1, on_time)


def test_a_center_without_certificate_has_a_level_that_says_so() -> None:
    lives = Lives()
    case_id = settled(lives, VILLAGE)
    counted = contribution(lives.newest[case_id], VILLAGE, lambda _code: "")
    assert counted["flow.unknown.unknown"] == counted["settled_at.unknown"] == 1


def test_accepting_changes_the_status_and_nothing_else() -> None:
    lives = Lives()
    case_id = lives.register(VILLAGE)
    before = dict(lives.totals[VILLAGE])
    lives.write(case_id, Kind.ACCEPTED, Body())
    change = {n: c - before.get(n, 0) for n, c in lives.totals[VILLAGE].items() if c != before.get(n, 0)}
    assert change == {"by_status.registered": -1, "by_status.accepted": 1}


# ---------------------------------------------------------------- rows


@given(st.lists(rows))
def test_rows_merge_in_any_order(found: list[dict[str, int]]) -> None:
    forward, backward = merge(found), merge(reversed(found))
    assert {n: c for n, c in forward.items() if c} == {n: c for n, c in backward.items() if c}
    assert forward.get("held", 0) == sum(row.get("held", 0) for row in found)


def test_a_table_has_every_counter() -> None:
    table = tabulate({"registered": 3, "by_grade.high": 2, "flow.village.county": 1, "by_grade.low": 0})
    assert set(table) == {*SCALARS, *GROUPS}
    assert table["registered"] == 3
    assert table["closed"] == 0
    assert table["by_grade"] == {"high": 2}
    assert table["flow"] == {"village": {"county": 1}}


def test_a_table_leaves_out_what_other_definitions_count() -> None:
    strange = {"registered.x": 1, "by_grade": 2, "by_grade.high.x": 3, "flow.village": 4, "by_moon.full": 5}
    assert tabulate(strange) == tabulate({})


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}(\.[a-z_]{1,9}){0,3}", fullmatch=True), st.integers(-9, 9)))
def test_any_row_has_a_table(counters: dict[str, int]) -> None:
    assert set(tabulate(counters)) == {*SCALARS, *GROUPS}


def row(counters: dict[str, int]) -> dict[str, object]:
    return {
        "code": VILLAGE,
        "incarnation": "i",
        "counter": 1,
        "as_of": "2026-03-02T09:00:00+08:00",
        "counters": counters,
    }


@pytest.mark.parametrize(
    "counters",
    [
        {"Registered": 1},
        {"": 1},
        {"a" * 81: 1},
        {"by_grade..high": 1},
        {"a.b.c.d.e": 1},
        {"registered": COUNT_MAX + 1},
        {"registered": -COUNT_MAX - 1},
        {"registered": 1.5},
        {f"a{'b' * n}": 1 for n in range(39)}
        | {f"{chr(97 + n)}.{chr(97 + m)}": 1 for n in range(26) for m in range(26)},
    ],
)
def test_a_row_from_outside_has_bounds(counters: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Row.model_validate(row(counters))
    with pytest.raises(ValidationError):
        DayRow.model_validate(row(counters) | {"day": "2026-03-02", "version": 1})


def test_a_row_may_hold_counters_that_we_do_not_know() -> None:
    assert Row.model_validate(row({"by_moon.full": 1})).counters == {"by_moon.full": 1}
    assert NAMES_MAX > 100


# ---------------------------------------------------------------- periods and rates


def test_a_period_tells_flows_net_but_every_closing_and_stocks_at_its_end() -> None:
    opening = {"held": 4, "in_transit": 1, "by_status.closed": 7}
    change = {"registered": 3, "closed": -1, "reopened": 2, "held": 2, "succeeded": -1, "by_status.closed": -1}
    assert period(opening, change) | {} == {
        **dict.fromkeys(period({}, {}), 0),
        "registered": 3,
        "reopened": 2,
        "closed": 1,
        "succeeded": -1,
        "held": 6,
        "in_transit": 1,
        "by_status.closed": 6,
    }


@pytest.mark.parametrize(
    "name", ["registered", "closed", "by_grade.high", "flow.village.prefecture", "settled_at.town"]
)
def test_a_counter_of_daily_rows_is_a_metric(name: str) -> None:
    assert is_metric(name)


@pytest.mark.parametrize(
    "name", ["overdue", "success_rate", "", "by_grade", "by_grade.huge", "flow.village", 'x"] --', "registered\n"]
)
def test_nothing_else_is_a_metric(name: str) -> None:
    assert not is_metric(name)


def test_rates_are_pairs_with_their_definition() -> None:
    counters = {
        "registered": 614,
        "mediated": 600,
        "succeeded": 589,
        "closed": 600,
        "settled_at.village": 500,
        "settled_at.township": 90,
        "on_time": 20,
        "fell_due": 25,
        "overdue": 5,
        "visited": 580,
        "visits_due": 600,
        "satisfied": 9,
        "answered": 10,
        "returned": 2,
        "received": 40,
    }
    pairs = {name: (rate.numerator, rate.denominator) for name, rate in rates(counters).items()}
    assert pairs == {
        "success_rate": (589, 600),
        "settled_of_found": (589, 614),
        "on_time": (20, 30),
        "visited": (580, 600),
        "satisfied": (9, 10),
        "settled_in_the_village": (500, 600),
        "settled_within_the_township": (590, 600),
        "returned": (2, 40),
    }
    assert rates({})["success_rate"] == Rate(numerator=0, denominator=0, definition=1)
