"""The trace: every event of a simulation in one line, and a digest over all, which tells one run from another."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator

from protocol.errors import RemoteError
from protocol.wire import Ack, Data, Hello, StatusFrame, read_frame

KEPT = 4000
"""Events that are kept for printing; the digest is over all."""


class Trace:
    """What happened.

    Args:
        now: virtual time.
        names: short names of centers by code.
    """

    def __init__(self, now: Callable[[], float], names: dict[str, str]) -> None:
        self._now = now
        self._names = names
        self._digest = hashlib.blake2b(digest_size=8)
        self._events: deque[tuple[float, str, str, str | bytes]] = deque(maxlen=KEPT)
        self.count = 0

    def note(self, who: str, event: str, detail: str | bytes = "") -> None:
        """Something happened at a center; ``detail`` is a text or a frame."""
        now = self._now()
        told = detail.encode() if isinstance(detail, str) else detail
        self._digest.update(b"%.9f %s %s " % (now, who.encode(), event.encode()) + told)
        self._events.append((now, who, event, detail))
        self.count += 1

    def digest(self) -> str:
        """The digest over all events so far."""
        return self._digest.hexdigest()

    def lines(self) -> Iterator[str]:
        """The last events, readable."""
        for at, who, event, detail in self._events:
            told = describe(detail) if isinstance(detail, bytes) else detail
            yield f"{at:10.3f}  {self._names.get(who, who):10} {event:16} {self._short(told)}"

    def _short(self, text: str) -> str:
        for code, name in self._names.items():
            text = text.replace(code, name)
        return text


def describe(data: bytes) -> str:
    """A frame in a few words."""
    try:
        header = read_frame(data).header
    except RemoteError as error:
        return f"unreadable frame ({error})"
    way = f"{header.sender}->{header.receiver} session {header.session[:6]}{header.session[24:]}"
    match header:
        case Hello():
            answering = f"{header.answering[:6]}{header.answering[24:]}" if header.answering else "nobody"
            positions = " ".join(f"{lane}:out {p.out.seq} in {p.into.seq}" for lane, p in header.lanes.items())
            return f"{way} HELLO answering {answering} {positions}"
        case Data():
            return f"{way} DATA {header.lane} {header.first}-{header.last}"
        case Ack():
            return f"{way} ACK {header.lane} {header.seq}{' gap' if header.gap else ''}"
        case StatusFrame():
            return f"{way} STATUS"
        case _:
            return way
