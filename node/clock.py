"""The only door to the wall clock, so that tests and the simulator can hold the time in their hands."""

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Asia/Shanghai")
"""China has one time zone; days (ledgers, daily rows, deadlines) are days of this zone."""


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)


def local_day(instant: datetime) -> str:
    """Return the local day of an instant as ``YYYY-MM-DD``."""
    return instant.astimezone(LOCAL_ZONE).date().isoformat()
