"""No case is lost and none counted twice, whatever happens to it on its way through the centers."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.codes import default_level
from protocol.entries import read_entry
from protocol.errors import Refused
from protocol.status import STOCKS, Rate, contribution, merge, period, rates
from tests.status.lives import ACTS, CENTERS, Lives

EVENTS = {
    *("escalated", "assigned", "returned", "reopened", "received", "answered", "satisfied"),
    *("visited", "visits_due", "called", "reported", "reported_in_time"),
    *("subsidies_claimed", "subsidies_approved", "subsidies_yuan"),
}
"""Counters of acts, which no state shows."""

BOUNDED = {"success_rate", "on_time", "visited", "satisfied", "settled_in_the_village", "settled_within_the_township"}
"""Rates whose numerator is part of the denominator."""

Steps = list[tuple[str, int, int]]

LIKELY = ["accept", "mediate", "fail", "close", "settle", "settle", "escalate", "assign", "deliver", "deliver"]
"""Acts that open the way to others; a life of evenly drawn acts hardly begins."""

acts = st.sampled_from([*ACTS, *LIKELY * 3, "register", "register", "tell", "tell", "next day"])
steps = st.lists(st.tuples(acts, st.integers(0, 4), st.integers(0, len(CENTERS) - 1)), min_size=40, max_size=120)

lived = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Each example signs and verifies a hundred entries or two."""


def live(steps: Steps) -> Lives:
    """Live through some steps; those that a rule forbids don't happen."""
    lives = Lives()
    for act, which, where in steps:
        if act == "register":
            lives.register(CENTERS[where])
            continue
        if act == "next day":
            lives.rest()
            lives.next_day()
            continue
        cases = list(lives.logs)
        if not cases:
            continue
        case_id = cases[which % len(cases)]
        if act == "tell":
            if CENTERS[where] in lives.followers(case_id):
                lives.bring(case_id, CENTERS[where])
            continue
        try:
            ACTS[act](lives, case_id, CENTERS[where])
        except Refused:
            continue
    return lives


def balanced(row: Counter[str] | dict[str, int], opening: int = 0) -> bool:
    """Whether what came in is what went out and what is there."""
    into = opening + row.get("registered", 0) + row.get("reopened", 0)
    return into == sum(row.get(name, 0) for name in ("closed", "merged", "held", "in_transit"))


@given(steps)
@lived
def test_registered_is_held_in_transit_closed_and_merged(steps: Steps) -> None:
    lives = live(steps)
    lives.rest()
    total = lives.sum()
    assert total["registered"] == len(lives.logs)
    assert total["registered"] == total["held"] + total["in_transit"] + total["closed"] + total["merged"]
    assert total["in_transit"] == 0


@given(steps)
@lived
def test_a_case_in_flight_counts_at_its_sender(steps: Steps) -> None:
    lives = live(steps)
    for case_id in lives.logs:
        for center in lives.followers(case_id):
            lives.bring(case_id, center)
    flights = [state.custody.flight for state in lives.newest.values() if state.custody.flight is not None]
    for center in CENTERS:
        assert lives.totals[center]["in_transit"] == sum(flight.sender == center for flight in flights)
    total = lives.sum()
    assert total["registered"] == total["held"] + total["in_transit"] + total["closed"] + total["merged"]


@given(steps)
@lived
def test_counting_by_difference_is_counting_anew(steps: Steps) -> None:
    lives = live(steps)
    for center in CENTERS:
        copies = [state for (holder, _), state in lives.copies.items() if holder == center]
        anew = merge(contribution(state, center, default_level) for state in copies)
        by_difference = {name: count for name, count in lives.totals[center].items() if name not in EVENTS}
        assert {k: v for k, v in by_difference.items() if v} == {k: v for k, v in anew.items() if v}


@given(steps)
@lived
def test_an_act_counts_at_the_center_that_acted(steps: Steps) -> None:
    lives = live(steps)
    lives.rest()
    written = Counter((entry.head.center, entry.head.kind) for log in lives.logs.values() for entry in log)
    for center in CENTERS:
        row = lives.totals[center]
        for kind in ("registered", "escalated", "assigned", "returned", "reopened"):
            assert row[kind] == written[center, kind]
        assert row["called"] == written[center, "called"] >= row["reported"] == written[center, "reported"]
        assert row["reported"] >= row["reported_in_time"]
        assert row["received"] == written[center, "delivered"]
        assert row["answered"] == written[center, "visited"]
        assert row["visits_due"] - row["visited"] == written[center, "visit_missed"]


@given(steps)
@lived
def test_an_outcome_counts_once_where_the_case_ended(steps: Steps) -> None:
    lives = live(steps)
    lives.rest()
    ends = Counter((state.end.center, state.end.outcome.value) for state in lives.newest.values() if state.end)
    for center in CENTERS:
        row = lives.totals[center]
        for outcome in ("succeeded", "failed", "withdrawn", "referred", "merged"):
            assert row[outcome] == ends[center, outcome]
        assert row["mediated"] == row["succeeded"] + row["failed"]
        assert row["closed"] == row["mediated"] + row["withdrawn"] + row["referred"]
        assert row["closed"] == row[f"settled_at.{default_level(center)}"]
    flows = {name: count for name, count in lives.sum().items() if name.startswith("flow.")}
    assert sum(flows.values()) == lives.sum()["closed"]


@given(steps)
@lived
def test_the_log_alone_gives_the_same_counts(steps: Steps) -> None:
    lives = live(steps)
    lives.rest()
    again = Lives()
    for case_id, log in lives.logs.items():
        again.logs[case_id] = [read_entry(entry.record) for entry in log]
        for center in lives.followers(case_id):
            again.bring(case_id, center)
    for center in CENTERS:
        assert again.totals[center] == lives.totals[center]


@given(steps)
@lived
def test_no_total_is_below_zero_and_no_part_above_its_whole(steps: Steps) -> None:
    lives = live(steps)
    lives.rest()
    for center in CENTERS:
        assert all(count >= 0 for count in lives.totals[center].values())
    found: dict[str, Rate] = rates(lives.sum())
    assert all(found[name].numerator <= found[name].denominator for name in BOUNDED)


@given(steps, st.integers(0, 12), st.integers(0, 12))
@lived
def test_a_period_balances(steps: Steps, first: int, length: int) -> None:
    lives = live(steps)
    lives.rest()
    days = sorted({day for _, day in lives.days})
    before, within = days[:first], days[first : first + length]
    opening = merge(row for (_, day), row in lives.days.items() if day in before)
    change = merge(row for (_, day), row in lives.days.items() if day in within)
    row = period({name: opening.get(name, 0) for name in STOCKS}, change)
    assert balanced(row, opening.get("held", 0) + opening.get("in_transit", 0))
    assert row["closed"] >= 0
    assert all(row[name] >= 0 for name in STOCKS)


@given(steps)
@lived
def test_days_add_up_to_the_total(steps: Steps) -> None:
    lives = live(steps)
    for center in CENTERS:
        days = merge(row for (code, _), row in lives.days.items() if code == center)
        assert {k: v for k, v in days.items() if v} == {k: v for k, v in lives.totals[center].items() if v}
