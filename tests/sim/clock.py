"""The clocks on the centers' walls: virtual time, and whatever somebody turned them by."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 3, 2, 1, tzinfo=UTC)
"""Nine in the morning in Yunnan, on a working day."""


class SimClock:
    """One center's clock.

    Args:
        elapsed: seconds since the beginning, as calendars count them.
    """

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self.wrong_by = timedelta(0)

    def now(self) -> datetime:
        """What the clock shows."""
        return BEGIN + timedelta(seconds=self._elapsed()) + self.wrong_by

    def steady(self) -> float:
        """Nobody turns this one."""
        return self._elapsed()
