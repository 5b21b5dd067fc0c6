"""Working days by the State Council's yearly arrangement (国务院办公厅节假日安排)."""

from datetime import UTC, datetime, time, timedelta

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
        try:
            working = chinese_calendar.is_workday(day)
        except NotImplementedError:
            log.warning("calendar.unknown_year", year=day.year)
            working = day.weekday() < SATURDAY
        left -= working
    return datetime.combine(day, time(23, 59, 59), LOCAL_ZONE).astimezone(UTC)
