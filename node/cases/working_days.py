"""Working days by the State Council's yearly arrangement (国务院办公厅节假日安排)."""

from datetime import UTC, date, datetime, time, timedelta

import chinese_calendar
import structlog

from node.clock import LOCAL_ZONE

log = structlog.get_logger()

SATURDAY = 5


def add_working_days(start: datetime, days: int) -> datetime:
    """The end of the ``days``-th working day after ``start`` (the day of delivery does not count, 民法典 §201).

    A year that the calendar does not know yet is counted by weekdays, which is logged.
    """
    day = start.astimezone(LOCAL_ZONE).date()
    left = days
    while left:
        day += timedelta(days=1)
        left -= _is_working(day)
    return datetime.combine(day, time(23, 59, 59), LOCAL_ZONE).astimezone(UTC)


def working_days(start: datetime, end: datetime) -> int:
    """Working days after the local day of ``start`` up to that of ``end``: what ``add_working_days`` adds."""
    day, last, found = start.astimezone(LOCAL_ZONE).date(), end.astimezone(LOCAL_ZONE).date(), 0
    while day < last:
        day += timedelta(days=1)
        found += _is_working(day)
    return found


def arranged(day: datetime) -> bool:
    """Whether the State Council's arrangement of this local year is known; else days are counted by weekdays."""
    try:
        chinese_calendar.is_workday(day.astimezone(LOCAL_ZONE).date())
    except NotImplementedError:
        return False
    return True


def _is_working(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        log.warning("calendar.unknown_year", year=day.year)
        return day.weekday() < SATURDAY
