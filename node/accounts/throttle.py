"""Throttling of sign-ins: after some failures every further try has to wait, longer each time, never for ever.

Theory of operation. Failures are counted for a user name from an address, for a user name from anywhere, and for an
address (``RULES``). A try that comes too early is refused before any password is looked at, for names that exist and
names that don't alike, and is not counted. Whoever knows the password gets in once the pause is over, and nobody is
shut out for longer than the longest pause, however often others fail in their name (OWASP ASVS 5, 6.3.1).

The counts are in memory: a restart forgets them, and from outside nobody can cause one. There is room for ``KEPT``
of them; an address that floods us with names pushes out old names, and is itself counted all the while.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FORGOTTEN_AFTER = 3600.0
"""Seconds without a failure after which the earlier ones count no longer."""

KEPT = 10_000
"""Counts that are kept, some 2 MB."""


@dataclass(frozen=True)
class Rule:
    """How many failures are free, and the longest pause in seconds; the pause doubles with each failure."""

    free: int
    longest: float

    def pause(self, failures: int) -> float:
        """Seconds after the last failure until the next try is looked at."""
        if failures < self.free:
            return 0.0
        return min(self.longest, 2.0 ** min(failures - self.free, 32))


PAIR, NAME, ADDRESS = Rule(5, 300.0), Rule(20, 60.0), Rule(50, 300.0)
"""A person who mistypes; many who try one name; one who tries many names, or an office behind one address."""


@dataclass(slots=True)
class _Count:
    failures: int
    last: float


_Key = tuple[str | None, str | None]


class Throttle:
    """Counts the failed sign-ins of one center. Called from any thread.

    Args:
        now: seconds that only go on.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._counts: OrderedDict[_Key, _Count] = OrderedDict()

    def wait(self, name: str, address: str) -> float:
        """Seconds until a try of this name from this address is looked at; 0 for now."""
        with self._lock:
            now = self._now()
            return max(self._left(key, rule, now) for key, rule in _rules(name, address))

    def failed(self, name: str, address: str) -> None:
        """A try failed."""
        with self._lock:
            now = self._now()
            for key, _ in _rules(name, address):
                count = self._counts.pop(key, None)
                if count is None or now - count.last > FORGOTTEN_AFTER:
                    count = _Count(0, now)
                self._counts[key] = _Count(count.failures + 1, now)
            while len(self._counts) > KEPT:
                self._counts.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """A try was good: its name starts afresh. The address does not: it may try other names between."""
        with self._lock:
            for key in ((name, address), (name, None)):
                self._counts.pop(key, None)

    def _left(self, key: _Key, rule: Rule, now: float) -> float:
        count = self._counts.get(key)
        if count is None or now - count.last > FORGOTTEN_AFTER:
            return 0.0
        return max(0.0, count.last + rule.pause(count.failures) - now)


def _rules(name: str, address: str) -> Iterator[tuple[_Key, Rule]]:
    yield (name, address), PAIR
    yield (name, None), NAME
    yield (None, address), ADDRESS
