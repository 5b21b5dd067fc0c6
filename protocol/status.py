"""Counters: what a center counts of its own cases, how rows merge, and which rates follow.

A counter is a number under a flat name (``registered``, ``by_grade.high``, ``flow.village.township``); rows
merge by addition. Each case contributes to its own centers through ``contribution``: a row changes by the
difference of a case's contributions before and after an entry, so counting costs the same with ten cases or a
million. Acts that leave no trace in the state (escalated, returned, ...) are counted from the entry itself.

At rest, over all centers: ``registered = held + in_transit + closed + merged``. For a period of daily rows:
``opening + registered + reopened = closed + merged + held + in_transit``, where ``closed`` counts every closing
of the period; rows hold the net change, so closings are net ``closed`` plus ``reopened``. Outcomes stay net: a
case that is reopened takes its outcome back on that day, so that periods add up to the total.

``overdue`` is a gauge: it changes as time passes, without any entry. It stands in rows, never in daily rows.

Definitions are versioned (``DEFINITION``); a rate is a pair of numerator and denominator with that version,
never a bare percentage, because places define their rates differently.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import Field

from protocol.case import CaseState, End, Outcome
from protocol.codes import Category, CenterCode, Grade, Status
from protocol.entries import Entry, Kind, Reported, SubsidyJudged, Visited, VisitMissed
from protocol.records import Count, Frozen, Instant, Number, Token

LEVEL = r"[a-z]{1,20}"
UNKNOWN_LEVEL = "unknown"
"""Level of a center that we have no certificate of."""

DEFINITION = 1
"""Version of the definitions below (DOMAIN.md, indicators version 1)."""

Counters = Mapping[str, int]

NAMES_MAX = 500
"""Counters of one row; version 1 has at most about a hundred."""

COUNT_MAX = 2**53
"""Every JSON reader takes numbers up to here exactly."""

ROWS_MAX = 2000
"""Rows of one snapshot: more don't fit into a frame."""

CounterName = Annotated[str, Field(max_length=80, pattern=r"^[a-z_]{1,40}(\.[a-z_]{1,40}){0,3}$")]
Change = Annotated[int, Field(ge=-COUNT_MAX, le=COUNT_MAX)]
CounterMap = Annotated[dict[CounterName, Change], Field(max_length=NAMES_MAX)]
"""A flat row as it comes from outside. Names that we don't know are kept: a newer center may count more."""

SCALARS = (
    "registered",
    "held",
    "in_transit",
    "closed",
    "merged",
    "reopened",
    "mediated",
    "succeeded",
    "failed",
    "withdrawn",
    "referred",
    "overdue",
    "escalated",
    "assigned",
    "returned",
    "received",
    "joint",
    "visited",
    "visits_due",
    "satisfied",
    "answered",
    "on_time",
    "fell_due",
    "called",
    "reported",
    "reported_in_time",
    "subsidies_claimed",
    "subsidies_approved",
    "subsidies_yuan",
    "inspections",
    "zero_reports",
    "found",
)
"""Plain counters, always shown, zero where nothing was counted."""

GROUPS = ("by_grade", "by_category", "by_status", "settled_at", "flow")
"""Counters shown as tables: open cases by grade, registered ones by category, held and ended ones by status,
closed ones by the level where they ended, and by origin level and level where they ended."""

GAUGE = "overdue"
"""The one counter that depends on the time of reading."""

BALANCED = ("held", "in_transit")
"""The stocks of the balance."""

STOCKS = (
    *BALANCED,
    *(f"by_grade.{grade}" for grade in Grade),
    *(f"by_status.{status}" for status in Status),
)
"""Counters that say how many there are, not how many there were: in a period they are told as of its end."""

_PATHS: dict[str, tuple[str, ...]] = {
    "by_grade": (r"|".join(Grade),),
    "by_category": (r"|".join(Category),),
    "by_status": (r"|".join(Status),),
    "settled_at": (LEVEL,),
    "flow": (LEVEL, LEVEL),
}
"""What may stand below each group, step by step."""

_METRIC = re.compile(
    "|".join(
        [
            *(re.escape(name) for name in SCALARS if name != GAUGE),
            *(r"\.".join([group, *(f"(?:{step})" for step in steps)]) for group, steps in _PATHS.items()),
        ]
    )
)

_EVENTS = {
    Kind.ESCALATED: "escalated",
    Kind.ASSIGNED: "assigned",
    Kind.RETURNED: "returned",
    Kind.REOPENED: "reopened",
    Kind.DELIVERED: "received",
    Kind.CALLED: "called",
    Kind.REPORTED: "reported",
    Kind.SUBSIDY_CLAIMED: "subsidies_claimed",
}


class DayRow(Frozen):
    """One center's changes of one local day; ``version`` rises with every change of the row."""

    code: CenterCode
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    incarnation: Token
    version: Number
    definition: int = DEFINITION
    counters: CounterMap


class Row(Frozen):
    """One center's own counters as of an instant; within an incarnation the higher counter wins."""

    code: CenterCode
    incarnation: Token
    counter: Count
    as_of: Instant
    definition: int = DEFINITION
    counters: CounterMap
    backlog: Count = 0


class Snapshot(Frozen):
    """What travels in a STATUS frame: the sender's own row and changed rows of its descendants."""

    rows: Annotated[tuple[Row, ...], Field(max_length=ROWS_MAX)]


class Rate(Frozen):
    """A rate as a pair, with the version of its definition."""

    numerator: int
    denominator: int
    definition: int = DEFINITION


def contribution(state: CaseState | None, me: str, level_of: Callable[[str], str]) -> Counter[str]:
    """What this case adds to the row of center ``me``.

    Args:
        state: the case as ``me`` knows it; None before it exists.
        me: the counting center.
        level_of: level of a center by its code.
    """
    counted: Counter[str] = Counter()
    if state is None:
        return counted
    if state.origin == me:
        counted["registered"] = 1
        counted[f"by_category.{state.category}"] = 1
    if state.custody.flight is not None and state.custody.flight.sender == me and not state.ended:
        counted["in_transit"] = 1
    if state.holder == me:
        counted[f"by_status.{state.status}"] = 1
        if state.joint:
            counted["joint"] = 1
        if not state.ended:
            counted["held"] = 1
            counted[f"by_grade.{state.grade}"] = 1
    if me in state.late:
        counted["fell_due"] = state.late.count(me)
    if state.end is not None and state.end.center == me:
        counted.update(_ended(state.end, state.origin, level_of))
    for taken in state.taken_back:
        if me in {taken.end.center, taken.by}:
            ended = _ended(taken.end, state.origin, level_of)
            counted.update(ended) if taken.end.center == me else counted.subtract(ended)
    return counted


def _ended(end: End, origin: str, level_of: Callable[[str], str]) -> Counter[str]:
    """What an end counts, once, where the case ended; a duplicate counts as merged and nowhere else."""
    if end.outcome is Outcome.MERGED:
        return Counter({"merged": 1})
    here, found = level_of(end.center) or UNKNOWN_LEVEL, level_of(origin) or UNKNOWN_LEVEL
    counted = Counter({"closed": 1, end.outcome.value: 1, f"settled_at.{here}": 1, f"flow.{found}.{here}": 1})
    if end.outcome in {Outcome.SUCCEEDED, Outcome.FAILED}:
        counted["mediated"] = 1
    if end.on_time is not None:
        counted.update({"fell_due": 1, "on_time": int(end.on_time)})
    return counted


def changes(
    before: CaseState | None, after: CaseState, entry: Entry, me: str, level_of: Callable[[str], str]
) -> dict[str, int]:
    """How the row of ``me`` changes by this entry; empty where it does not."""
    delta: Counter[str] = Counter()
    if before is None or not _counts_alike(before, after):
        delta.update(contribution(after, me, level_of))
        delta.subtract(contribution(before, me, level_of))
    delta.update(events(entry, after, me))
    return {name: count for name, count in delta.items() if count}


_UNCOUNTED = frozenset({"seq", "mediations"})
"""What of a state counts nothing, and changes with most entries."""


def _counts_alike(before: CaseState, after: CaseState) -> bool:
    """Whether nothing that may count has changed; a fold leaves alone what it does not change."""
    then, now = vars(before), vars(after)
    return all(now[name] is value for name, value in then.items() if name not in _UNCOUNTED)


def events(entry: Entry, after: CaseState, me: str) -> Counter[str]:
    """What an entry counts by itself, whatever became of the case, at the center that wrote it."""
    counted: Counter[str] = Counter()
    if entry.head.center != me:
        return counted
    event = _EVENTS.get(Kind(entry.head.kind))
    if event is not None and not _took_over(after, entry):
        counted[event] += 1
    body = entry.body
    if isinstance(body, SubsidyJudged) and body.approved and after.subsidy is not None:
        counted.update({"subsidies_approved": 1, "subsidies_yuan": after.subsidy.yuan})
    if isinstance(body, Reported):
        counted["reported_in_time"] += int(after.calls[body.call_seq].in_time)
    if isinstance(body, VisitMissed) or (isinstance(body, Visited) and body.visit_on is not None):
        counted["visits_due"] += 1
        counted["visited"] += int(isinstance(body, Visited))
    if isinstance(body, Visited) and body.satisfied is not None:
        counted["answered"] += 1
        counted["satisfied"] += int(body.satisfied)
    return counted


def _took_over(state: CaseState, entry: Entry) -> bool:
    """Whether this is a successor's taking delivery: nobody gave the case to it, it stands in for a center."""
    return entry.head.kind == Kind.DELIVERED and state.custody.came_by is Kind.REHOMED


def merge(rows: Iterable[Counters]) -> dict[str, int]:
    """The sum of rows."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return dict(total)


Table = dict[str, "int | Table"]
"""A row as people and the API read it: scalars, and groups as nested tables."""


def tabulate(counters: Counters) -> Table:
    """A flat row as nested tables, all scalars and groups present; unknown names are left out."""
    table: Table = {name: counters.get(name, 0) for name in SCALARS}
    groups: dict[str, Table] = {group: {} for group in GROUPS}
    table.update(groups)
    for name, count in counters.items():
        group, *steps = name.split(".")
        if count and group in groups and len(steps) == len(_PATHS[group]):
            place = groups[group]
            for step in steps[:-1]:
                inner = place.setdefault(step, {})
                assert isinstance(inner, dict)
                place = inner
            place[steps[-1]] = count
    return table


def is_metric(name: str) -> bool:
    """Whether daily rows may hold a counter of this name (``by_grade.high``, ``flow.village.county``)."""
    return _METRIC.fullmatch(name) is not None


def period(opening: Counters, change: Counters) -> dict[str, int]:
    """A row of a period: what happened in it, and of the stocks what there was at its end.

    Args:
        opening: stocks before the period.
        change: sum of the daily rows of the period.
    """
    row = {**change, **{name: opening.get(name, 0) + change.get(name, 0) for name in STOCKS}}
    row["closed"] = change.get("closed", 0) + change.get("reopened", 0)
    return row


def rates(counters: Counters) -> dict[str, Rate]:
    """The indicators of DOMAIN.md as pairs, from net counters (a total, or the plain sum of daily rows).

    ``settled_of_found`` of one center may exceed one: a township settles what its villages found.
    """

    def pair(numerator: int, denominator: int) -> Rate:
        return Rate(numerator=numerator, denominator=denominator)

    def get(name: str) -> int:
        return counters.get(name, 0)

    village, township = get("settled_at.village"), get("settled_at.township")
    return {
        "success_rate": pair(get("succeeded"), get("mediated")),
        "settled_of_found": pair(get("succeeded"), get("registered")),
        "on_time": pair(get("on_time"), get("fell_due") + get("overdue")),
        "visited": pair(get("visited"), get("visits_due")),
        "satisfied": pair(get("satisfied"), get("answered")),
        "settled_in_the_village": pair(village, get("closed")),
        "settled_within_the_township": pair(village + township, get("closed")),
        "returned": pair(get("returned"), get("received")),
    }
