"""Getting our own messages back after our database went back in time; one lane after the other.

Pure, like the link that it belongs to. The peer keeps the frames that it took from us. We ask for what comes after
the last position of ours that the peer acknowledged in *this* database, and go on until we have everything that the
peer holds. Each answer is stored and acted upon in one transaction; a crash goes on from there.

The chain of digests shows that what comes back is what we sent: it begins at our own position and must end at the
peer's. Only where the peer keeps the frames no longer is there a gap, and the chain begins anew behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.actions import Action, Healed, Position, SendRecover, StopReason, TakeBack
from protocol.errors import BadFrame
from protocol.keys import from_text
from protocol.messages import Lane
from protocol.wire import Return, chain

RECOVER_S = 3.0
"""Patience with an answer to RECOVER; a peer that has just met us waits a little before it gives one."""


@dataclass(slots=True)
class Missing:
    """What a lane lacks: everything between ``have`` and ``until``."""

    have: Position
    until: Position


class Retrieval:
    """What is still to be got back from one peer."""

    def __init__(self, missing: dict[Lane, Missing]) -> None:
        self._missing = missing
        self._storing = False
        self._ask_at = 0.0

    def ask(self, now: float) -> list[Action]:
        """Ask for what comes next; nothing is left where everything is here."""
        for lane, missing in self._missing.items():
            self._ask_at = now + RECOVER_S
            return [SendRecover(lane, missing.have.seq)]
        return [Healed()]

    def tick(self, now: float) -> list[Action]:
        """Ask again where no answer comes."""
        return self.ask(now) if not self._storing and now >= self._ask_at else []

    def on_return(self, header: Return, messages: Sequence[bytes]) -> TakeBack | StopReason | None:
        """Messages came back; None where they are not those that we wait for.

        Raises:
            BadFrame: it says more than the peer told us that it holds, or nothing where it holds something.
        """
        missing = self._missing.get(header.lane)
        if missing is None or self._storing or header.first <= missing.have.seq:
            return None
        end = self._end(missing, header, messages)
        if end.seq > missing.until.seq or end.seq <= missing.have.seq:
            raise BadFrame(f"messages up to {end.seq} come back, {missing.have.seq} to {missing.until.seq} are missing")
        if end.seq == missing.until.seq and end != missing.until:
            return StopReason.DIVERGED
        self._storing = True
        gap = not messages or header.first > missing.have.seq + 1
        return TakeBack(header.lane, header.first, tuple(messages), end, missing.until, gap)

    @staticmethod
    def _end(missing: Missing, header: Return, messages: Sequence[bytes]) -> Position:
        if not messages:
            return missing.until
        if header.first == missing.have.seq + 1:
            return Position(header.last, chain(missing.have.digest, messages)[-1])
        return Position(header.last, from_text(header.digest))

    def taken_back(self, lane: Lane, end: Position, now: float) -> list[Action]:
        """Our database holds them; ask for the next."""
        self._storing = False
        missing = self._missing[lane]
        missing.have = end
        if end == missing.until:
            del self._missing[lane]
        return self.ask(now)

    def failed(self) -> None:
        """Our database could not take them; the next tick asks again."""
        self._storing = False
