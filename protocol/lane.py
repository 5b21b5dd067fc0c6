"""One lane of a link, each direction by itself: what is sent and acknowledged, what is taken and applied.

Positions of a lane never pass each other:

    ours        acked <= sent <= offered
                the peer's database holds what is acked; a wire may have seen what is offered
    the peer's  applied <= taken
                our database holds what is applied; what is taken is in a commit or waits for it
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from protocol.actions import Apply, Load, Position, StopReason
from protocol.errors import BadFrame
from protocol.keys import from_text
from protocol.messages import Lane
from protocol.wire import (
    FRAME_MAX_MESSAGES,
    FRAME_MAX_PLAIN_BYTES,
    Data,
    InPosition,
    OutPosition,
    chain,
)

RESEND_S = 3.0
"""First patience with an unacknowledged frame; doubles up to RESEND_MAX_S, falls back when acks come."""
RESEND_MAX_S = 60.0
WAITING_MAX_BYTES = 8 * FRAME_MAX_PLAIN_BYTES
"""Messages that wait for our commit: a full window of the peer's fits, however well it was compressed."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A frame on the wire."""

    end: Position
    size: int
    sent_at: float


@dataclass(slots=True)
class Outgoing:
    """Our messages on one lane.

    Attributes:
        last: highest number in our outbox.
        kept: the position after which our outbox still keeps its messages.
        ticket: rises with every rewind, so that what was loaded before it is not sent after it.
        loading: a ``Load`` of the present ticket is under way.
        comparing: a position of the peer's that we look up in our database.
        resent: highest number sent before a rewind; acks up to there do not tell how long the way takes.
        patience: seconds until an unacknowledged frame is sent again.
    """

    last: int
    offered: Position
    acked: Position
    sent: Position
    kept: Position
    flights: deque[Flight] = field(default_factory=deque)
    ticket: int = 0
    loading: bool = False
    comparing: Position | None = None
    resent: int = 0
    patience: float = RESEND_S

    def in_flight(self) -> int:
        """Unacknowledged payload in bytes."""
        return sum(flight.size for flight in self.flights)

    def rewind(self) -> None:
        """Go back to what the peer holds for certain."""
        self.resent = max(self.resent, self.sent.seq)
        self.sent = self.acked
        self.flights.clear()
        self.ticket += 1
        self.loading = False
        self.comparing = None

    def lose_patience(self, now: float) -> None:
        """Go back, and be more patient, where the oldest frame waits for its ack too long."""
        if self.flights and now - self.flights[0].sent_at > self.patience:
            self.patience = min(self.patience * 2, RESEND_MAX_S)
            self.rewind()

    def load(self, lane: Lane, budget: int) -> Load:
        """Ask for the next frame."""
        self.loading = True
        return Load(lane, self.sent, self.ticket, budget)

    def meet(self, theirs: InPosition, incarnations: Collection[str]) -> StopReason | None:
        """Does the peer hold what it said it holds, of this our database?

        Where it holds more or less than we knew, ``comparing`` is what must be looked up first.

        Args:
            theirs: what the peer holds of ours.
            incarnations: ours, the earlier ones too.
        """
        self.patience = RESEND_S
        held = Position(theirs.seq, from_text(theirs.digest))
        if held.seq > self.offered.seq or (held.seq > 0 and theirs.incarnation not in incarnations):
            return StopReason.SELF_RESTORED
        if held.seq < self.kept.seq:
            return StopReason.PEER_RESTORED
        if held.seq != self.acked.seq:
            self.comparing = held
        elif held.digest != self.acked.digest:
            return StopReason.DIVERGED
        return None

    def go_back(self, position: Position) -> None:
        """The peer's database went back in time: it gets again what comes after this position."""
        assert position.seq < self.acked.seq
        self.acked = position
        self.rewind()

    def flight_ending_at(self, seq: int) -> Flight | None:
        """The frame on the wire whose last message has this number."""
        return next((flight for flight in self.flights if flight.end.seq == seq), None)

    def acknowledge(self, position: Position, now: float) -> None:
        """The peer holds everything up to ``position``: forget those flights, learn how long it took."""
        assert position.seq > self.acked.seq
        self.acked = position
        if self.sent.seq < position.seq:
            self.rewind()
        if self.flights and self.resent < self.flights[0].end.seq <= position.seq:
            took = now - self.flights[0].sent_at
            self.patience = min(max(RESEND_S, 2 * took), RESEND_MAX_S)
        while self.flights and self.flights[0].end.seq <= position.seq:
            self.flights.popleft()


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame's messages that wait for our commit."""

    end: Position
    messages: tuple[bytes, ...]
    size: int


@dataclass(slots=True)
class Incoming:
    """The peer's messages on one lane.

    Attributes:
        incarnation: the peer's, that ``taken`` belongs to; None before the first HELLO.
        waiting: taken, waiting for the commit under way.
        applying: where the commit under way will bring us.
        missed: messages came before we could take any.
        told: the frame at which we last asked for a missing one; None where nothing is missing.
    """

    applied: Position
    taken: Position
    incarnation: str | None
    waiting: deque[Taken] = field(default_factory=deque)
    applying: Position | None = None
    missed: bool = False
    told: int | None = None

    def meet(self, offered: OutPosition, incarnation: str, former: Collection[str]) -> StopReason | None:
        """Is the peer still the one whose messages we took, or its heir, and not behind them?

        Args:
            offered: how far the peer has offered its messages.
            incarnation: the peer's.
            former: its earlier ones.
        """
        self.told = None
        if self.taken.seq > 0 and self.incarnation not in {incarnation, *former}:
            return StopReason.PEER_RESTORED
        if offered.seq < self.taken.seq:
            return StopReason.PEER_RESTORED
        if offered.seq == self.taken.seq and from_text(offered.digest) != self.taken.digest:
            return StopReason.PEER_RESTORED
        self.incarnation = incarnation
        return None

    def ask_again(self, first: int) -> bool:
        """Whether to ask for what is missing before ``first``: once, and again when the peer went back."""
        asking = self.told is None or first <= self.told
        self.told = first
        return asking

    def take(self, data: Data, messages: Sequence[bytes]) -> StopReason | None:
        """Take what continues the lane; a frame that finds no room is as good as lost.

        Raises:
            BadFrame: the digest chain of the frame does not add up.
        """
        before = from_text(data.before)
        links = chain(before, messages)
        if links[-1] != from_text(data.digest):
            raise BadFrame("digest chain of the frame does not add up")
        known = self.taken.seq - data.first + 1
        if (links[known - 1] if known else before) != self.taken.digest:
            return StopReason.DIVERGED
        size = sum(len(message) for message in messages)
        if size + sum(taken.size for taken in self.waiting) <= WAITING_MAX_BYTES:
            self.taken = Position(data.last, links[-1])
            self.told = None
            self.waiting.append(Taken(self.taken, tuple(messages[known:]), size))
        return None

    def next_apply(self, lane: Lane) -> Apply | None:
        """The next commit: as many waiting frames as fit into one, unless a commit is under way."""
        if self.applying is not None or not self.waiting:
            return None
        assert self.incarnation is not None
        batch: list[Taken] = []
        count = size = 0
        while self.waiting:
            count += len(self.waiting[0].messages)
            size += self.waiting[0].size
            if batch and (count > FRAME_MAX_MESSAGES or size > FRAME_MAX_PLAIN_BYTES):
                break
            batch.append(self.waiting.popleft())
        self.applying = batch[-1].end
        messages = tuple(message for taken in batch for message in taken.messages)
        return Apply(lane, self.applied.seq + 1, self.applying, self.incarnation, messages)

    def commit(self, position: Position) -> None:
        """Our database holds everything up to ``position``."""
        assert position == self.applying
        self.applied = position
        self.applying = None

    def forget(self) -> None:
        """Our database could not commit: the peer's timer brings everything back, we do not ask for it."""
        self.applying = None
        self.waiting.clear()
        self.taken = self.applied
        self.told = 0
