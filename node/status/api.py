"""Status over HTTP: the board, periods and series, as DESIGN section 8 fixes them. Mounted under ``/api/v1``.

Without ``from`` and ``to`` the counters are totals: what is now (``held``), and what happened since the center
began, net (``closed`` counts those that are closed now). With them, rows are sums of daily rows: flows are what
happened in these local days, ``closed`` every closing; stocks (``held``, ``in_transit``, ``by_grade``,
``by_status``) are as of the last day's end; ``opening`` is the subtree's ``held`` and ``in_transit`` before the
first day. Nobody wrote down how many cases were overdue on a past day: ``overdue`` is told where the period
reaches today, else it is null. Rates of a period are of net counters: who is reopened loses the outcome that day.
"""

import re
from datetime import date, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from node.accounts.authorise import require
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.cases.api import Here
from node.center import Center
from node.clock import local_day
from node.i18n import N_
from node.invalid import Invalid
from node.problems import Problem
from node.status.board import Board, read_board, read_high
from node.status.days import By, Change, Period, add_up, merge_changes, read_changes, read_series, steps
from protocol.codes import Category, CenterCode, Grade, Status
from protocol.records import Instant
from protocol.status import DEFINITION, GAUGE, Counters, Rate, is_metric, period, rates, tabulate

router = APIRouter(tags=["status"])

STEPS_MAX = 1100
"""Steps of one series: three years of days."""

STEPS_DEFAULT = {By.DAY: 30, By.WEEK: 12, By.MONTH: 12}
"""Steps of a series that does not say where it begins."""

LAST_DAY = date(2999, 12, 31)
"""Later days are typing errors, and the calendar needs room for the end of a step."""

TableOut = dict[str, int | dict[str, int | dict[str, int]] | None]
"""Scalars, and groups as nested tables; null where a number can't be known."""


class ChildOut(BaseModel):
    """A child's own counters and those of its subtree.

    ``as_of`` is when it last reported, null if never; ``stale``, whether that is more than three minutes ago.
    ``online`` is null where nobody here can know. ``backlog`` counts messages that its parent lacked then.
    """

    code: CenterCode
    name: str
    level: str
    as_of: Instant | None
    stale: bool
    online: bool | None
    revoked: bool
    backlog: int
    own: TableOut
    subtree: TableOut


class HighOut(BaseModel):
    """The header of an open high-grade case."""

    id: str
    number: str
    display_number: str
    category: Category
    grade: Grade
    status: Status
    origin: CenterCode
    holder: CenterCode | None
    in_transit_to: CenterCode | None
    deadline: Instant | None
    overdue: bool
    joint: bool
    supervised: bool
    registered_at: Instant


class StatusOut(BaseModel):
    """Counters of a center (``own``) and of it and all below it (``subtree``).

    ``oldest_as_of`` is the age of the oldest part of the total, ``missing`` who of the subtree has never reported.
    """

    center: CenterCode
    as_of: Instant | None
    definition: int
    own: TableOut
    subtree: TableOut
    opening: int | None
    rates: dict[str, Rate]
    children: list[ChildOut]
    high: list[HighOut]
    oldest_as_of: Instant | None
    missing: list[CenterCode]


class ChildSeriesOut(BaseModel):
    """The series of a child's subtree."""

    code: CenterCode
    name: str
    level: str
    values: list[int]


class SeriesOut(BaseModel):
    """A counter step by step; ``steps`` are first days, the first and the last step may be cut by ``from`` and ``to``.

    ``total`` is the sum of ``own`` and ``children``.
    """

    center: CenterCode
    metric: str
    by: By
    first: date
    last: date
    definition: int
    steps: list[date]
    own: list[int]
    children: list[ChildSeriesOut]
    total: list[int]
    oldest_as_of: Instant | None
    missing: list[CenterCode]


def _day(value: object) -> object:
    """Refuse what pydantic would also read as a date, such as seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(N_("Give a date such as 2026-03-01."))
    return value


Day = Annotated[date, BeforeValidator(_day), Field(le=LAST_DAY)]
From = Annotated[Day | None, Query(alias="from", description="First local day.")]
To = Annotated[Day | None, Query(description="Last local day, included.")]
Which = Annotated[CenterCode | None, Query(description="This center or one below it; this one by default.")]
Reading = Annotated[Caller, Depends(require(Action.read_status))]


@router.get("/status")
def read_status(here: Here, _caller: Reading, center: Which = None, from_: From = None, to: To = None) -> StatusOut:
    """Counters of this center or one below it, each child's, and the rates that follow."""
    now = here.clock.now()
    today = date.fromisoformat(local_day(now))
    days = None if from_ is None and to is None else _period(from_, to or today)
    with here.database.read() as session:
        board = read_board(session, here, now)
        code = below(board, center)
        return status_of(here, session, board, code, days)


@router.get("/status/series")
def read_status_series(
    here: Here, _caller: Reading, metric: str, by: By = By.DAY, center: Which = None, from_: From = None, to: To = None
) -> SeriesOut:
    """A counter by day, week or month: of each child's subtree, and the total."""
    if not is_metric(metric):
        raise _invalid("metric", N_("There is no such counter in daily rows."))
    now = here.clock.now()
    last = to or date.fromisoformat(local_day(now))
    days = _period(from_ or _default_first(by, last), last)
    starts = steps(days, by, STEPS_MAX)
    if len(starts) > STEPS_MAX:
        raise _invalid("from", N_("This is too long a time for a series; take longer steps."))
    with here.database.read() as session:
        board = read_board(session, here, now)
        code = below(board, center)
        series = read_series(session, board.subtree(code), metric, days, starts, by)
    children = [
        ChildSeriesOut(
            code=child,
            name=here.directory.tree.name(child),
            level=here.directory.tree.level(child),
            values=add_up((series[one] for one in board.subtree(child)), len(starts)),
        )
        for child in board.children(code)
    ]
    assert days.first is not None
    return SeriesOut(
        center=code,
        metric=metric,
        by=by,
        first=days.first,
        last=days.last,
        definition=DEFINITION,
        steps=starts,
        own=series[code],
        children=children,
        total=add_up(series.values(), len(starts)),
        oldest_as_of=board.oldest(code),
        missing=board.missing(code),
    )


class _Totals:
    """Counters as they are now."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def own(self, code: str) -> TableOut:
        """A center's own counters."""
        return _table(self.board.part(code).counters)

    def subtree(self, code: str) -> TableOut:
        """Counters of a center and all below it."""
        return _table(self.board.total(code))

    def rates(self, code: str) -> dict[str, Rate]:
        """Rates of a center and all below it."""
        return rates(self.board.total(code))

    def opening(self, code: str) -> int | None:
        """What was held or in transit before; None where there is no before."""
        del code
        return None


class _Days(_Totals):
    """Counters of a period."""

    def __init__(self, session: Session, board: Board, code: str, days: Period, today: date) -> None:
        super().__init__(board)
        codes = board.subtree(code)
        totals = {one: board.part(one).counters for one in codes if board.part(one).as_of is not None}
        self._changes = read_changes(session, codes, days, totals)
        self._now = days.last >= today

    def own(self, code: str) -> TableOut:
        return self._told(self._changes[code], self.board.part(code).counters)

    def subtree(self, code: str) -> TableOut:
        return self._told(self._merged(code), self.board.total(code))

    def rates(self, code: str) -> dict[str, Rate]:
        overdue = self.board.total(code).get(GAUGE, 0) if self._now else 0
        return rates({**self._merged(code).change, GAUGE: overdue})

    def opening(self, code: str) -> int | None:
        opening = self._merged(code).opening
        return opening.get("held", 0) + opening.get("in_transit", 0)

    def _merged(self, code: str) -> Change:
        return merge_changes(self._changes, self.board.subtree(code))

    def _told(self, change: Change, current: Counters) -> TableOut:
        table = _table(period(change.opening, change.change))
        table[GAUGE] = current.get(GAUGE, 0) if self._now else None
        return table


def status_of(here: Center, session: Session, board: Board, code: str, days: Period | None) -> StatusOut:
    """What is told of one center of the board: totals, or what happened in a period."""
    today = date.fromisoformat(local_day(board.now))
    table = _Totals(board) if days is None else _Days(session, board, code, days, today)
    return _status(here, session, board, code, table)


def _status(here: Center, session: Session, board: Board, code: str, counted: _Totals) -> StatusOut:
    tree = here.directory.tree
    children = [
        ChildOut(
            code=child,
            name=tree.name(child),
            level=tree.level(child),
            as_of=board.part(child).as_of,
            stale=board.stale(child),
            online=board.online(child),
            revoked=board.revoked(child),
            backlog=board.part(child).backlog,
            own=counted.own(child),
            subtree=counted.subtree(child),
        )
        for child in board.children(code)
    ]
    high = read_high(session, board.subtree(code), board.now)
    return StatusOut(
        center=code,
        as_of=board.part(code).as_of,
        definition=DEFINITION,
        own=counted.own(code),
        subtree=counted.subtree(code),
        opening=counted.opening(code),
        rates=counted.rates(code),
        children=children,
        high=[HighOut.model_validate(one, from_attributes=True) for one in high],
        oldest_as_of=board.oldest(code),
        missing=board.missing(code),
    )


def _table(counters: Counters) -> TableOut:
    return cast("TableOut", tabulate(counters))


def below(board: Board, center: str | None) -> str:
    """The center that is asked for.

    Raises:
        Problem: 404 where it is neither this one nor below it; what others count is none of its business.
    """
    code = center or board.me
    if not board.has(code):
        raise Problem(404, N_("not-found"), N_("There is no such center here or below."))
    return code


def _period(first: date | None, last: date) -> Period:
    if first is not None and first > last:
        raise _invalid("from", N_("The first day lies after the last one."))
    return Period(first, last)


def _default_first(by: By, last: date) -> date:
    first = by.start(last)
    for _ in range(STEPS_DEFAULT[by] - 1):
        first = by.start(max(first, date.min + timedelta(days=1)) - timedelta(days=1))
    return first


def _invalid(field: str, message: str) -> Invalid:
    return Invalid([{"type": "value_error", "loc": ("query", field), "ctx": {"error": message}}])
