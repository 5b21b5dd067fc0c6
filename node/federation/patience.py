"""How long a wire waits for what, and for how long it stays away after a failure.

150 villages lose a restarted broker in the same instant. Every pause is therefore drawn at random from 20 to
100 % of a limit that grows with each failure in a row. On loopback it grows to a second only: an attempt
costs nothing there, and the broker is usually back at once. A refused key is tried slowly from the start:
only a person can change that.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

GROWTH = 1.7
"""Factor from one limit to the next."""

SHORTEST_SHARE = 0.2
"""Of the limit; even the luckiest waits a little."""


@dataclass(frozen=True)
class Patience:
    """Times of a wire, in seconds.

    Attributes:
        connect_within: for the connection, TLS, the login and the subscriptions together.
        ping_every: between two questions whether the broker is still there.
        stall_after: without any progress, a connection is thrown away.
        stable_after: a connection that lived this long starts the pauses over.
        first_pause: limit after the first failure.
        first_pause_if_refused: the same if the broker does not accept the key.
        longest_pause: limit after many failures.
        longest_pause_on_loopback: the same for a broker on this machine.
    """

    connect_within: float = 5.0
    ping_every: float = 10.0
    stall_after: float = 30.0
    stable_after: float = 10.0
    first_pause: float = 0.5
    first_pause_if_refused: float = 5.0
    longest_pause: float = 15.0
    longest_pause_on_loopback: float = 1.0

    def pause(self, failures: int, chance: float, *, local: bool, refused: bool) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            failures: how many in a row, one at least.
            chance: drawn from [0, 1).
            local: the broker is on this machine.
            refused: it does not accept the key.
        """
        first = self.first_pause_if_refused if refused else self.first_pause
        longest = self.longest_pause_on_loopback if local and not refused else self.longest_pause
        limit = min(longest, first * GROWTH ** min(failures - 1, 20))
        return limit * (SHORTEST_SHARE + (1 - SHORTEST_SHARE) * chance)


async def at_most(seconds: float, event: asyncio.Event) -> None:
    """Wait until something happens, at most so long; the event is taken."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
