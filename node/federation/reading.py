"""Reading messages that came: parsed, opened, their bodies' digests and their signatures checked; no database.

Reading a message takes as long as applying it. So the messages of a frame that waits for the commit before it are
read meanwhile, and their signatures are verified by another process where there is one (``node.federation.verifier``).
Nothing is applied that was not verified: ``Reader.take`` waits.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from node.cases import arrivals
from node.federation.verifier import Verdicts
from protocol.errors import BadRecord
from protocol.keys import Signed
from protocol.messages import PAYLOADS, Message, Type, read_message, read_payload
from protocol.payloads import Entries
from protocol.records import Frozen
from protocol.sealing import open_message

if TYPE_CHECKING:
    from node.center import Center

Payload = Frozen | arrivals.VerifiedEntries


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came, read.

    Attributes:
        outer: as it travelled.
        message: as its source wrote it; None where it is for somebody else.
        payload: what it says; None where it is for somebody else, or of a type that we don't know.
        signed: what authors of its entries should have signed.
    """

    outer: Message
    message: Message | None = None
    payload: Payload | None = None
    signed: tuple[Signed, ...] = ()


class Reader:
    """Reads what comes over one link.

    Args:
        center: our center.
        peer: the neighbour.
    """

    def __init__(self, center: "Center", peer: str) -> None:
        self._center = center
        self._peer = peer
        self._ahead: dict[bytes, tuple[_Batch, int]] = {}

    def expect(self, lines: Sequence[bytes]) -> "_Batch":
        """Messages that will be taken later; ``read`` of what this returns, in another thread, reads them ahead."""
        batch = _Batch(self._center, self._peer, lines)
        self._ahead.update((line, (batch, place)) for place, line in enumerate(lines))
        return batch

    def take(self, lines: Sequence[bytes]) -> list[Arrival | None]:
        """These messages, verified; None for one that can't be read, or is not signed as it should be.

        It is read again when its turn comes: the certificate that it needs may stand before it.
        """
        found = [self._ahead.pop(line, None) for line in lines]
        missing = [line for line, place in zip(lines, found, strict=True) if place is None]
        now = _Batch(self._center, self._peer, missing)
        places = iter(range(len(missing)))
        return [batch.arrival(place) for batch, place in (place or (now, next(places)) for place in found)]

    def forget(self) -> None:
        """What was expected does not come, or comes again."""
        self._ahead.clear()


@dataclass
class _Batch:
    """Messages that are read together, by whoever is first to need them."""

    center: "Center"
    peer: str
    lines: Sequence[bytes]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _arrivals: list[Arrival | None] | None = None
    _verdicts: Verdicts | None = None

    def read(self) -> None:
        """Read all, and have their signatures verified; returns before that is done."""
        with self._lock:
            if self._arrivals is None:
                arrivals = [_try_read(self.center, self.peer, line) for line in self.lines]
                signed = [one for arrival in arrivals if arrival is not None for one in arrival.signed]
                self._verdicts = self.center.verifier.begin(signed)
                self._arrivals = arrivals

    def arrival(self, place: int) -> Arrival | None:
        """One message, verified."""
        if self._verdicts is not None or self._arrivals is None:
            self._verify()
        assert self._arrivals is not None
        return self._arrivals[place]

    def _verify(self) -> None:
        """Wait for the verdicts; what does not verify counts as unread."""
        self.read()
        with self._lock:
            assert self._arrivals is not None
            if self._verdicts is None:
                return
            verdicts = iter(self._verdicts.result())
            for place, arrival in enumerate(self._arrivals):
                if arrival is not None and not all(list(islice(verdicts, len(arrival.signed)))):
                    self._arrivals[place] = None
            self._verdicts = None


def read_verified(center: "Center", peer: str, line: bytes) -> Arrival:
    """Read one message and verify its signatures here and now.

    Raises:
        RemoteError: it can't be read, or is not signed as it should be.
    """
    arrival = _read(center, peer, line)
    if not all(signed.verifies() for signed in arrival.signed):
        raise BadRecord("signature does not verify")
    return arrival


def _try_read(center: "Center", peer: str, line: bytes) -> Arrival | None:
    try:
        return _read(center, peer, line)
    except Exception:  # noqa: BLE001 - whatever it is, it comes again when the message has its turn
        return None


def _read(center: "Center", peer: str, line: bytes) -> Arrival:
    """Open and read a message for us; of one for somebody else, the envelope."""
    outer = read_message(line)
    if outer.destination != center.code:
        return Arrival(outer)
    message = outer
    keys_of = center.directory.known.keys_of
    if outer.type == Type.SEALED:
        message = open_message(outer, center.identity.sealing, keys_of(outer.sender))
    elif outer.sender != peer:
        raise BadRecord(f"unsealed message of {outer.sender} came from {peer}")
    if message.type not in PAYLOADS:
        return Arrival(outer, message)
    payload = read_payload(message)
    if isinstance(payload, Entries):
        entries, signed = arrivals.read_entries(payload, keys_of)
        return Arrival(outer, message, entries, signed)
    return Arrival(outer, message, payload)
