"""People first: who writes next, and when the links wait for a request that is being answered.

While a backlog comes in, a link writes one transaction after the other and computes in between. People would wait
behind that twice: for SQLite's one writer, and for Python's one running thread. So a link lets whoever wants to write
go first (``WriteTurns``), and does not begin its next piece of work while a request is being answered (``Courtesy``).
Both have a limit: a link comes to its turn however busy people are.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

LINK_PATIENCE_S = 0.25
"""So long a link lets people write before it: four frames a second still drain 60,000 messages a minute."""
COURTESY_S = 0.05
"""So long a link waits for a request that is being answered, longer than most take."""
LOOK_S = 0.002


class WriteTurns:
    """A lock for the one writer of a database, which gives people the first turn.

    ``with turns:`` is a person's turn, ``with turns.behind_people():`` a link's. Whoever has it may take it again.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._owner: int | None = None
        self._depth = 0
        self._people = 0
        self._overdue = 0

    def __enter__(self) -> None:
        """A person's turn."""
        with self._free:
            if not self._again():
                self._people += 1
                try:
                    while self._owner is not None or self._overdue:
                        self._free.wait()
                finally:
                    self._people -= 1
                self._take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The turn is over."""
        self._leave()

    @contextmanager
    def behind_people(self) -> Iterator[None]:
        """A link's turn: after the people who wait, unless it has been patient for long."""
        until = time.monotonic() + LINK_PATIENCE_S
        with self._free:
            if not self._again():
                while (self._owner is not None or self._people) and time.monotonic() < until:
                    self._free.wait(until - time.monotonic())
                self._overdue += 1
                try:
                    while self._owner is not None:
                        self._free.wait()
                finally:
                    self._overdue -= 1
                self._take()
        try:
            yield
        finally:
            self._leave()

    def _again(self) -> bool:
        if self._owner == threading.get_ident():
            self._depth += 1
            return True
        return False

    def _take(self) -> None:
        self._owner, self._depth = threading.get_ident(), 1

    def _leave(self) -> None:
        with self._free:
            self._depth -= 1
            if self._depth == 0:
                self._owner = None
                self._free.notify_all()


class Courtesy:
    """Knows whether a request is being answered now."""

    def __init__(self) -> None:
        self._open = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While the block runs, a request is being answered; on the event loop only."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def after_you(self) -> None:
        """Return once no request is being answered, or after COURTESY_S."""
        until = time.monotonic() + COURTESY_S
        while self._open and time.monotonic() < until:  # noqa: ASYNC110 - another loop than ours may answer requests
            await asyncio.sleep(LOOK_S)
