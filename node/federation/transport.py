"""The narrow interface between a link and whatever carries its frames.

A transport carries bytes on subjects, and may lose them. It promises three things only: what arrives was sent
by somebody whom the broker lets publish on that subject, the owner is told when the wire comes and goes, and
nothing ever blocks on a wire that is not there. Everything else (order, repetition, proof of arrival) is the
link's work.

`NatsTransport` is the real one, `MemoryTransport` its twin for tests and for the simulator.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

OnFrame = Callable[[str, bytes], None]
"""Called on the event loop with the subject and the bytes of each frame that arrives."""

OnState = Callable[[bool], None]
"""Called on the event loop with true when the wire is up and every subject is subscribed, with false when it
is lost."""


class TransportDown(Exception):
    """The wire is down, or takes nothing more just now; the frame was not sent."""


class Transport(Protocol):
    """Carries frames between a center and the broker of its parent, or its own broker."""

    @property
    def connected(self) -> bool:
        """Whether the wire is up and subscribed."""
        ...

    @property
    def last_error(self) -> str | None:
        """The last failure in words for people: unreachable, not trusted, not enrolled, not permitted.

        A new connection clears it; a refused subject sets it again while the wire stays up.
        """
        ...

    async def start(self, subjects: Sequence[str], on_frame: OnFrame, on_state: OnState) -> None:
        """Return at once; connect and keep connecting in the background until `close`.

        Args:
            subjects: what to listen to, again after every reconnection.
            on_frame: receives the frames. An exception it raises is logged, the wire goes on.
            on_state: hears of every change of `connected`. The first call is always ``True``.
        """
        ...

    async def publish(self, subject: str, data: bytes) -> None:
        """Hand over one frame; it leaves with the next turn of the event loop.

        Nothing says whether it arrives.

        Raises:
            TransportDown: not connected (said at once, never waited for), or the wire is far behind.
            ValueError: the frame is larger than the broker takes.
        """
        ...

    async def round_trip(self) -> float:
        """Return the seconds that the broker takes to answer; frames published before have reached it then.

        Waits as long as the wire does not fail; a caller with less patience puts `asyncio.timeout` around it.

        Raises:
            TransportDown: not connected, or the wire failed meanwhile.
        """
        ...

    async def rebuild(self) -> None:
        """Throw the connection away and make a new one at once; for an owner who no longer trusts it."""
        ...

    async def close(self) -> None:
        """Let go of what was published, disconnect, and stay disconnected. Harmless when repeated."""
        ...


def subject_matches(pattern: str, subject: str) -> bool:
    """Tell whether a NATS pattern (``*`` one token, ``>`` the rest) covers a subject.

    The subject may be a pattern itself, as a subscription is; then the answer is whether all that it could
    receive is covered, which is how a broker decides about permissions.
    """
    wanted, given = pattern.split("."), subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or given[position] == ">":
            return False
        if part not in ("*", given[position]):
            return False
    return len(wanted) == len(given)
