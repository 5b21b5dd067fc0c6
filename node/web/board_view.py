"""The board in words and figures: the balance, rates with what they are made of, a row for each part, series.

Figures are read anew whenever the page is; series (small lines and months) at most once a minute, since a year of
daily rows of a whole county is much to add up for a line that moves by a pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.access import visible
from node.cases.documents import CaseItem, case_items
from node.cases.queues import Here, Queue, condition
from node.cases.tables import CaseRow
from node.center import Center
from node.clock import local_day
from node.i18n import N_
from node.status.api import StatusOut, TableOut, status_of
from node.status.board import Board
from node.status.days import By, Period, add_up, read_series, steps
from protocol.status import Rate, rates

PERIODS: Final = {
    "month": N_("This month"),
    "year": N_("This year"),
    "all": N_("Since the beginning"),
}

RATES: Final = {
    "success_rate": N_("Success rate"),
    "on_time": N_("On time"),
    "settled_in_the_village": N_("Settled in the village"),
    "settled_within_the_township": N_("Settled within the township"),
    "visited": N_("Visited"),
    "satisfied": N_("Satisfied"),
}
"""The rates on the board; what they are made of, says ``protocol.status.rates``."""

WEEKS: Final = 12
MONTHS: Final = 12
SERIES_KEY: Final = "series"
JOINT_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A row of the table: a child with all below it, or the center itself alone."""

    code: str
    itself: bool
    table: TableOut
    success: Rate
    village: Rate
    weeks: tuple[int, ...]
    as_of: datetime | None
    stale: bool
    online: bool | None
    has_below: bool

    def number(self, name: str) -> int:
        """A plain counter."""
        value = self.table.get(name)
        return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class Series:
    """What changes slowly: registered by week for each part, registered and closed by month."""

    weeks: Mapping[str, tuple[int, ...]]
    months: tuple[tuple[date, int, int], ...]


@dataclass(frozen=True, slots=True)
class BoardView:
    """Everything on the board."""

    status: StatusOut
    parts: tuple[Part, ...]
    series: Series
    flow: tuple[tuple[str, tuple[int, ...]], ...]
    flow_levels: tuple[str, ...]
    joint: tuple[CaseItem, ...]
    joint_number: int
    oldest: str | None
    silent: tuple[str, ...]
    balanced: bool

    def number(self, name: str) -> int:
        """A plain counter of the whole."""
        value = self.status.subtree.get(name)
        return value if isinstance(value, int) else 0


def board_view(session: Session, center: Center, board: Board, code: str, period: str) -> BoardView:
    """Read the board of one center."""
    today = date.fromisoformat(local_day(board.now))
    status = status_of(center, session, board, code, _days(period, today))
    series = center.pulse.remember(f"{SERIES_KEY} {code}", (), lambda: _series(session, board, code, today))
    parts = [_part(board, one.code, one.subtree, series, itself=False) for one in status.children]
    if status.children:
        parts.append(_part(board, code, status.own, series, itself=True))
    levels, flow = _flow(status)
    joint_number, joint = _joint(session, center, board, code)
    return BoardView(
        status=status,
        parts=tuple(parts),
        series=series,
        flow=flow,
        flow_levels=levels,
        joint=joint,
        joint_number=joint_number,
        oldest=_oldest(board, code),
        silent=tuple(one for one in board.subtree(code) if board.part(one).as_of is not None and board.stale(one)),
        balanced=_balanced(status),
    )


def _joint(session: Session, center: Center, board: Board, code: str) -> tuple[int, tuple[CaseItem, ...]]:
    """How many joint mediations are under way there, led by somebody of this part, and the most urgent ones."""
    here = Here(center.code, board.now, center.policy.near_days)
    under_way = [visible(board.now), condition(Queue.JOINT, here)]
    if code != center.code:
        under_way.append(CaseRow.holder.in_(board.subtree(code)))
    number = session.scalar(select(func.count()).select_from(CaseRow).where(*under_way)) or 0
    shown = select(CaseRow).where(*under_way).order_by(CaseRow.deadline.is_(None), CaseRow.deadline).limit(JOINT_SHOWN)
    return number, tuple(case_items(session, list(session.scalars(shown)), board.now))


def _days(period: str, today: date) -> Period | None:
    match period:
        case "month":
            return Period(today.replace(day=1), today)
        case "year":
            return Period(today.replace(month=1, day=1), today)
        case _:
            return None


def _part(board: Board, code: str, table: TableOut, series: Series, *, itself: bool) -> Part:
    counters = _flat(table)
    found = rates(counters)
    part = board.part(code)
    return Part(
        code=code,
        itself=itself,
        table=table,
        success=found["success_rate"],
        village=found["settled_in_the_village"],
        weeks=series.weeks[f"{code} itself" if itself else code],
        as_of=part.as_of,
        stale=board.stale(code),
        online=board.online(code),
        has_below=bool(board.children(code)) and not itself,
    )


def _flat(table: TableOut) -> dict[str, int]:
    """The counters that rates are made of, as a flat row."""
    flat = {name: value for name, value in table.items() if isinstance(value, int)}
    settled = table.get("settled_at")
    if isinstance(settled, dict):
        flat |= {f"settled_at.{level}": number for level, number in settled.items() if isinstance(number, int)}
    return flat


def _series(session: Session, board: Board, code: str, today: date) -> Series:
    weeks, registered = _by(session, board, code, "registered", By.WEEK, today, WEEKS)
    months, opened = _by(session, board, code, "registered", By.MONTH, today, MONTHS)
    _, closed = _by(session, board, code, "closed", By.MONTH, today, MONTHS)
    whole = (add_up(opened.values(), len(months)), add_up(closed.values(), len(months)))
    lines = {
        child: tuple(add_up((registered[one] for one in board.subtree(child)), len(weeks)))
        for child in board.children(code)
    }
    lines[f"{code} itself"] = tuple(registered[code])
    return Series(lines, tuple(zip(months, *whole, strict=True)))


def _by(
    session: Session, board: Board, code: str, metric: str, by: By, today: date, count: int
) -> tuple[list[date], Mapping[str, list[int]]]:
    first = by.start(today)
    for _ in range(count - 1):
        first = by.start(date.fromordinal(first.toordinal() - 1))
    days = Period(first, today)
    starts = steps(days, by, count)
    return starts, read_series(session, board.subtree(code), metric, days, starts, by)


def _flow(status: StatusOut) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Where cases registered at each level were settled; levels from below upward."""
    table = cast("dict[str, dict[str, int]]", status.subtree["flow"])
    known = [level for level in ("village", "township", "county") if level in table or _reached(table, level)]
    others = sorted({*table, *(to for row in table.values() for to in row)} - set(known))
    levels = (*known, *others)
    return levels, tuple((level, tuple(table.get(level, {}).get(to, 0) for to in levels)) for level in levels)


def _reached(table: Mapping[str, Mapping[str, int]], level: str) -> bool:
    return any(level in row for row in table.values())


def _oldest(board: Board, code: str) -> str | None:
    """Whose part is the oldest one."""
    known = [(part.as_of, one) for one in board.subtree(code) if (part := board.part(one)).as_of is not None]
    return min(known)[1] if known else None


def _balanced(status: StatusOut) -> bool:
    """Whether what came in is what went out and what is there (protocol.status, at rest)."""

    def number(name: str) -> int:
        value = status.subtree.get(name)
        return value if isinstance(value, int) else 0

    out = number("closed") + number("merged") + number("held") + number("in_transit")
    if status.opening is None:
        return number("registered") == out
    return status.opening + number("registered") + number("reopened") == out
