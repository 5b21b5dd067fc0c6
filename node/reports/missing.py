"""Who below has not reported: daily inspections by the counters of their days, weekly reports by what came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.clock import local_day
from node.reports.tables import WeeklyReportRow
from node.reports.weekly import WEEK
from node.status.days import By, Period, counted_days
from protocol.reports import monday_of, week_of

if TYPE_CHECKING:
    from node.center import Center

LOOK_BACK = timedelta(days=92)
"""Older inspections are not looked for: who has been silent for a quarter has never reported, as far as we can tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reporting:
    """How a child reports.

    Attributes:
        code: the child.
        inspected_on: the last day on which it, or anyone below it, said what an inspection found.
        silent: centers without centers below them, of its subtree, that have said nothing for longer than the rules
            allow; each with the first day that is missing, None where it has never said anything.
        inspections, zero_reports, found: of the week, in its subtree.
        weekly_version: of its report of that week; 0 where none came.
        weekly_missing_since: the first week without a report, where one is due; None where nothing is missing.
    """

    code: str
    inspected_on: date | None
    silent: dict[str, date | None]
    inspections: int
    zero_reports: int
    found: int
    weekly_version: int
    weekly_missing_since: str | None


def read_reporting(center: "Center", session: Session, week: str) -> list[Reporting]:
    """How each child reports, by code.

    Args:
        center: this center.
        session: a read session.
        week: whose figures and reports are told.
    """
    tree, today = center.directory.tree, date.fromisoformat(local_day(center.clock.now()))
    below = {child: [child, *tree.descendants(child)] for child in sorted(tree.children(center.code))}
    codes = [code for subtree in below.values() for code in subtree]
    last = _last_days(session, codes, today)
    first = monday_of(week)
    days = Period(first, first + WEEK - timedelta(days=1))
    sums = {name: _sums(session, codes, name, days) for name in ("inspections", "zero_reports", "found")}
    reports = select(WeeklyReportRow.center, WeeklyReportRow.version).where(WeeklyReportRow.week == week)
    versions: dict[str, int] = dict(session.execute(reports).all())
    newest = select(WeeklyReportRow.center, func.max(WeeklyReportRow.week)).group_by(WeeklyReportRow.center)
    last_weeks: dict[str, str] = dict(session.execute(newest).all())
    leaves = {code for code in codes if not tree.children(code)}
    allowed = center.policy.inspection_days
    found = []
    for child, subtree in below.items():
        said = [last[code] for code in subtree if code in last]
        late = [code for code in subtree if code in leaves and _is_late(last.get(code), today, allowed)]
        found.append(
            Reporting(
                code=child,
                inspected_on=max(said, default=None),
                silent={code: _following(last.get(code)) for code in late},
                **{name: sum(sums[name].get(code, 0) for code in subtree) for name in sums},
                weekly_version=versions.get(child, 0),
                weekly_missing_since=_missing_week(last_weeks.get(child), today, center.policy.report_weeks),
            )
        )
    return found


def _last_days(session: Session, codes: Sequence[str], today: date) -> dict[str, date]:
    """The last day of each center with an inspection."""
    last: dict[str, date] = {}
    for code, day, count in counted_days(session, codes, "inspections", today - LOOK_BACK, today):
        if count > 0:
            last[code] = max(last.get(code, date.min), date.fromisoformat(day))
    return last


def _sums(session: Session, codes: Sequence[str], name: str, days: Period) -> dict[str, int]:
    sums: dict[str, int] = {}
    for code, _, count in counted_days(session, codes, name, days.first, days.last):
        sums[code] = sums.get(code, 0) + count
    return sums


def _is_late(last: date | None, today: date, allowed: int) -> bool:
    """Whether more days have passed without a statement than the rules allow; today is not over yet."""
    return allowed > 0 and (last is None or (today - last).days > allowed)


def _following(last: date | None) -> date | None:
    return last + timedelta(days=1) if last is not None else None


def _missing_week(last: str | None, today: date, allowed: int) -> str | None:
    """The first week whose report is missing; a report is due when its week, and those the rules allow, are over."""
    if allowed == 0:
        return None
    due = By.WEEK.start(today) - allowed * WEEK  # the monday of the last week whose report is due
    following = monday_of(last) + WEEK if last is not None else due
    return week_of(following) if following <= due else None
