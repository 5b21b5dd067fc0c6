"""The only door to the wall clock, so that tests and the simulator can hold the time in their hands."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Asia/Shanghai")
"""China has one time zone; days (ledgers, daily rows, deadlines) are days of this zone."""


STEP_S = 1.0
"""A time server moves a clock by less than this between two looks; who sets it by hand moves it by more."""


class Clock(Protocol):
    """Tells the current instant."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...

    def steady(self) -> float:
        """Return seconds since some instant, by a clock that nobody sets."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """Return seconds since some instant, by a clock that nobody sets."""
        return time.monotonic()


class ClockWatch:
    """Notices that a clock was set, by an administrator or a time server: it parts from one that nobody sets.

    Args:
        clock: may be set.
        steady: seconds of a clock that only ever runs on.
    """

    def __init__(self, clock: Clock, steady: Callable[[], float]) -> None:
        self._clock = clock
        self._steady = steady
        self._apart = self._now_apart()

    def was_set(self) -> bool:
        """Whether it was set by more than STEP_S since this was last asked."""
        before, self._apart = self._apart, self._now_apart()
        return abs(self._apart - before) > STEP_S

    def _now_apart(self) -> float:
        return self._clock.now().timestamp() - self._steady()


def local_day(instant: datetime) -> str:
    """Return the local day of an instant as ``YYYY-MM-DD``."""
    return instant.astimezone(LOCAL_ZONE).date().isoformat()
