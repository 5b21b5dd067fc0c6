"""The link: one state machine between parent and child, the same on both sides. Pure: no IO, no clock, no randomness.

Theory of operation
-------------------
Each side keeps, per lane, an outbox of messages numbered without gaps in commit order. A session begins with HELLO in both
directions; each HELLO tells what its sender has *offered* (up to which number, and the digest chain over it) and what it has
*applied* of the other's messages. From there the sender streams DATA frames and keeps at most WINDOW_BYTES unacknowledged;
the receiver applies each frame in one database transaction and only then says ACK. An ACK is cumulative.

Failures and their answers:

* A frame is lost: the next one shows a gap, the receiver says ``ACK gap``, the sender goes back to the last acknowledged
  number. If nothing follows, the sender's timer does the same.
* A frame comes twice, or overlaps: what is already applied is dropped, the rest is taken, the ACK is said again.
* The peer falls silent: after SILENCE_S we greet again until it answers.
* Our apply fails (disk full, database locked): the frame is forgotten, nothing is acknowledged, the sender's timer brings it back.
* Positions that can't be (a peer behind what it has acknowledged, ahead of what we offered, another digest at the same place,
  another incarnation): somebody's database went back in time. The link stops with a reason and never guesses.

The machine talks to its owner in actions. ``Load`` asks for messages after a position; before the owner gives them with
``loaded`` it has recorded durably that they are offered. ``Apply`` hands over messages to commit, answered by ``applied`` or
``apply_failed``. ``Compare`` asks for our own digest at a position, answered by ``compared``.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from protocol.errors import BadFrame
from protocol.keys import from_text, to_text
from protocol.messages import Lane
from protocol.wire import ORIGIN, Ack, Data, Hello, InPosition, LanePositions, OutPosition, chain

WINDOW_BYTES = 256 * 1024
"""Unacknowledged payload in flight: a half-open socket with a full buffer can hang the client above this."""
RESEND_S = 3.0
"""First patience with an unacknowledged frame; doubles up to RESEND_MAX_S."""
RESEND_MAX_S = 60.0
GREET_S = 2.0
"""First patience with an unanswered HELLO; doubles up to GREET_MAX_S."""
GREET_MAX_S = 30.0
KEEPALIVE_S = 10.0
"""After this long without a word from us we say ACK again, as a sign of life."""
SILENCE_S = 35.0
"""A peer that said nothing for this long is greeted anew: three signs of life were missed."""


class State(StrEnum):
    """States of a link."""

    OFFLINE = "offline"
    GREETING = "greeting"
    LINKED = "linked"
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Why a link stopped; a person or the recovery must act."""

    PEER_RESTORED = "peer_restored"
    SELF_RESTORED = "self_restored"
    DIVERGED = "diverged"
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, slots=True)
class Position:
    """A number and the digest chain up to it."""

    seq: int = 0
    digest: bytes = ORIGIN


START = Position()


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """What the database knows of a lane when the link starts.

    Attributes:
        last: highest number in our outbox.
        offered: highest position ever offered to the wire.
        acked: highest position that the peer's database holds.
        applied: highest position of the peer's that our database holds.
        peer_incarnation: the incarnation that ``applied`` belongs to.
    """

    last: int = 0
    offered: Position = START
    acked: Position = START
    applied: Position = START
    peer_incarnation: str | None = None


# --- actions -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendHello:
    """Send a HELLO with the present positions."""

    answering: str | None


@dataclass(frozen=True, slots=True)
class SendData:
    """Send a loaded frame."""

    lane: Lane
    first: int
    last: int
    before: bytes
    digest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class SendAck:
    """Acknowledge what is applied of a lane."""

    lane: Lane
    position: Position
    gap: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Load messages after a position, at most ``budget`` bytes packed, record them as offered, answer with ``loaded``."""

    lane: Lane
    after: Position
    ticket: int
    budget: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Commit these messages, first to last, and answer with ``applied`` or ``apply_failed``."""

    lane: Lane
    first: int
    position: Position
    incarnation: str
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MarkAcked:
    """Record that the peer's database holds everything up to this position."""

    lane: Lane
    position: Position


@dataclass(frozen=True, slots=True)
class Compare:
    """Look up our own digest at ``position.seq`` and answer with ``compared``."""

    lane: Lane
    position: Position


@dataclass(frozen=True, slots=True)
class Stopped:
    """The link stopped; record it and tell a person."""

    reason: StopReason
    detail: str


Action = SendHello | SendData | SendAck | Load | Apply | MarkAcked | Compare | Stopped


# --- one direction of one lane -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Flight:
    """A frame on the wire."""

    end: Position
    size: int
    sent_at: float


@dataclass(slots=True)
class _Outgoing:
    """Our messages on one lane."""

    last: int
    offered: Position
    acked: Position
    sent: Position
    flights: deque[_Flight] = field(default_factory=deque)
    ticket: int = 0
    loading: bool = False
    comparing: Position | None = None
    patience: float = RESEND_S

    def rewind(self) -> None:
        """Go back to what the peer holds for certain."""
        self.sent = self.acked
        self.flights.clear()
        self.ticket += 1
        self.loading = False


@dataclass(slots=True)
class _Incoming:
    """The peer's messages on one lane: ``taken`` runs ahead of ``applied`` while commits are under way."""

    applied: Position
    taken: Position
    incarnation: str | None
    missed: bool = False


class Link:
    """The machine. Every input returns the actions to carry out, in order.

    Args:
        me: our code.
        peer: the neighbour's code.
        incarnation: random id of our database.
        lanes: what the database knows; a lane that is absent begins at zero.
    """

    def __init__(self, me: str, peer: str, incarnation: str, lanes: dict[Lane, LaneRecord]) -> None:
        self.me = me
        self.peer = peer
        self.incarnation = incarnation
        self.state = State.OFFLINE
        self.stop: Stopped | None = None
        self.session = ""
        self.peer_session: str | None = None
        self._out: dict[Lane, _Outgoing] = {}
        self._in: dict[Lane, _Incoming] = {}
        for lane in Lane:
            record = lanes.get(lane, LaneRecord())
            self._out[lane] = _Outgoing(record.last, record.offered, record.acked, record.acked)
            self._in[lane] = _Incoming(record.applied, record.applied, record.peer_incarnation)
        self._greet_at = 0.0
        self._greet_patience = GREET_S
        self._heard_at = 0.0
        self._spoke_at = 0.0
        self._to_compare = 0

    # --- what the owner may ask ------------------------------------------------------------------------------------------

    def positions(self) -> dict[Lane, LanePositions]:
        """Both directions of all lanes, as HELLO tells them."""
        return {
            lane: LanePositions(
                out=OutPosition(seq=self._out[lane].offered.seq, digest=to_text(self._out[lane].offered.digest)),
                into=InPosition(
                    seq=self._in[lane].applied.seq,
                    digest=to_text(self._in[lane].applied.digest),
                    incarnation=self._in[lane].incarnation,
                ),
            )
            for lane in Lane
        }

    def acked(self, lane: Lane) -> Position:
        """What the peer's database holds of ours."""
        return self._out[lane].acked

    def applied_position(self, lane: Lane) -> Position:
        """What our database holds of the peer's."""
        return self._in[lane].applied

    def peer_incarnation(self, lane: Lane) -> str | None:
        """The incarnation that our applied position belongs to."""
        return self._in[lane].incarnation

    def bytes_in_flight(self) -> int:
        """Unacknowledged payload."""
        return sum(flight.size for outgoing in self._out.values() for flight in outgoing.flights)

    # --- the wire comes and goes -----------------------------------------------------------------------------------------

    def wire_up(self, session: str, now: float) -> list[Action]:
        """The wire is there: begin a session of this (fresh, random) id."""
        if self.state is State.STOPPED:
            return []
        self.session = session
        self.peer_session = None
        self._greet_patience = GREET_S
        return self._greet(None, now)

    def wire_down(self) -> None:
        """The wire is gone: nothing in flight counts any more."""
        if self.state is not State.STOPPED:
            self.state = State.OFFLINE
        self.peer_session = None
        for outgoing in self._out.values():
            outgoing.rewind()

    def tick(self, now: float) -> list[Action]:
        """Time passes; call it about once a second."""
        if self.state is State.GREETING:
            if now < self._greet_at:
                return []
            return self._greet(None, now)
        if self.state is not State.LINKED:
            return []
        if now - self._heard_at > SILENCE_S:
            for outgoing in self._out.values():
                outgoing.rewind()
            return self._greet(None, now)
        for outgoing in self._out.values():
            if outgoing.flights and now - outgoing.flights[0].sent_at > outgoing.patience:
                outgoing.patience = min(outgoing.patience * 2, RESEND_MAX_S)
                outgoing.rewind()
        actions = self._pump()
        if now - self._spoke_at > KEEPALIVE_S:
            actions.append(self._ack(Lane.CASE, now, gap=False))
        return actions

    # --- frames ----------------------------------------------------------------------------------------------------------

    def on_hello(self, hello: Hello, now: float) -> list[Action]:
        """The peer greets: compare positions, and answer unless this was the answer to ours."""
        if self.state in {State.STOPPED, State.OFFLINE}:
            return []
        self._heard_at = now
        again = hello.session == self.peer_session and self.state is State.LINKED
        actions: list[Action] = []
        if hello.answering != self.session:
            self._spoke_at = now
            actions.append(SendHello(answering=hello.session))
            if again:
                return actions
        elif again:
            return actions
        self.peer_session = hello.session
        self._to_compare = 0
        for lane in Lane:
            stop = self._meet(lane, hello, actions)
            if stop is not None:
                return [*actions, self._stop(stop, f"lane {lane}")]
        if self._to_compare == 0:
            actions.extend(self._linked(now))
        return actions

    def _meet(self, lane: Lane, hello: Hello, actions: list[Action]) -> StopReason | None:
        """Compare one lane with the peer's word; the reason to stop, or None."""
        outgoing, incoming = self._out[lane], self._in[lane]
        outgoing.rewind()
        outgoing.comparing = None
        incoming.taken = incoming.applied
        theirs = hello.lanes.get(lane)
        if theirs is None:
            return StopReason.INCOMPATIBLE
        return self._meet_in(incoming, theirs, hello.incarnation) or self._meet_out(lane, outgoing, theirs, actions)

    @staticmethod
    def _meet_in(incoming: _Incoming, theirs: LanePositions, incarnation: str) -> StopReason | None:
        """Is the peer still the one whose messages we hold, and not behind them?"""
        if incoming.incarnation != incarnation:
            if incoming.applied.seq > 0:
                return StopReason.PEER_RESTORED
            incoming.incarnation = incarnation
        offered, held = theirs.out, incoming.applied
        if offered.seq < held.seq:
            return StopReason.PEER_RESTORED
        if offered.seq == held.seq and from_text(offered.digest) != held.digest:
            return StopReason.DIVERGED
        return None

    def _meet_out(
        self, lane: Lane, outgoing: _Outgoing, theirs: LanePositions, actions: list[Action]
    ) -> StopReason | None:
        """Does the peer hold what it said it holds, of this our database?"""
        held = Position(theirs.into.seq, from_text(theirs.into.digest))
        if held.seq > 0 and theirs.into.incarnation != self.incarnation:
            return StopReason.SELF_RESTORED
        if held.seq < outgoing.acked.seq:
            return StopReason.PEER_RESTORED
        if held.seq > outgoing.offered.seq:
            return StopReason.SELF_RESTORED
        if held.seq == outgoing.acked.seq:
            return None if held.digest == outgoing.acked.digest else StopReason.DIVERGED
        outgoing.comparing = held
        self._to_compare += 1
        actions.append(Compare(lane, held))
        return None

    def on_data(self, data: Data, messages: Sequence[bytes], now: float) -> list[Action]:
        """Messages arrive: take what continues the lane, drop what we hold, ask again where one is missing.

        Raises:
            BadFrame: the digest chain of the frame does not add up.
        """
        incoming = self._in[data.lane]
        if not self._of_this_session(data.session, now):
            incoming.missed = self.state is State.GREETING
            return []
        if data.incarnation != incoming.incarnation:
            return []
        if data.first > incoming.taken.seq + 1:
            return [self._ack(data.lane, now, gap=True)]
        if data.last <= incoming.taken.seq:
            return [self._ack(data.lane, now, gap=False)]
        before = from_text(data.before)
        links = chain(before, messages)
        if len(links) != data.last - data.first + 1 or links[-1] != from_text(data.digest):
            raise BadFrame("digest chain of the frame does not add up")
        known = incoming.taken.seq - data.first + 1
        at_taken = links[known - 1] if known else before
        if at_taken != incoming.taken.digest:
            return [self._stop(StopReason.DIVERGED, f"lane {data.lane} at {incoming.taken.seq}")]
        incoming.taken = Position(data.last, links[-1])
        return [
            Apply(data.lane, data.first + known, incoming.taken, data.incarnation, tuple(messages[known:])),
        ]

    def on_ack(self, ack: Ack, now: float) -> list[Action]:
        """The peer's database holds our messages up to a position."""
        if not self._of_this_session(ack.session, now):
            return []
        outgoing = self._out[ack.lane]
        position = Position(ack.seq, from_text(ack.digest))
        if position.seq > 0 and ack.incarnation != self.incarnation:
            return []
        if position.seq > outgoing.offered.seq:
            return [self._stop(StopReason.SELF_RESTORED, f"lane {ack.lane}: {position.seq} was never offered")]
        if position.seq > outgoing.acked.seq:
            ends = {flight.end.seq: flight.end.digest for flight in outgoing.flights}
            if position.seq not in ends:
                if outgoing.comparing is None:
                    outgoing.comparing = position
                    return [Compare(ack.lane, position)]
                return []
            if ends[position.seq] != position.digest:
                return [self._stop(StopReason.DIVERGED, f"lane {ack.lane} at {position.seq}")]
            return self._acknowledged(ack.lane, position) + self._pump()
        if ack.gap and position.seq == outgoing.acked.seq and outgoing.flights:
            outgoing.rewind()
        return self._pump()

    def _of_this_session(self, session: str, now: float) -> bool:
        if self.state is not State.LINKED or session != self.peer_session:
            return False
        self._heard_at = now
        return True

    # --- answers of the owner --------------------------------------------------------------------------------------------

    def queued(self, lane: Lane, last: int) -> list[Action]:
        """The outbox holds messages up to ``last``."""
        self._out[lane].last = max(self._out[lane].last, last)
        return self._pump()

    def loaded(self, load: Load, messages: int, end: Position, payload: bytes, now: float) -> list[Action]:
        """The answer to ``Load``: so many messages up to ``end``, packed; already recorded as offered."""
        outgoing = self._out[load.lane]
        if end.seq > outgoing.offered.seq:
            outgoing.offered = end
        if load.ticket != outgoing.ticket or self.state is not State.LINKED:
            return []
        outgoing.loading = False
        if messages == 0:
            outgoing.last = outgoing.sent.seq
            return self._pump()
        assert end.seq == load.after.seq + messages
        outgoing.sent = end
        outgoing.flights.append(_Flight(end, len(payload), now))
        self._spoke_at = now
        send = SendData(load.lane, load.after.seq + 1, end.seq, load.after.digest, end.digest, payload)
        return [send, *self._pump()]

    def applied(self, lane: Lane, position: Position, now: float) -> list[Action]:
        """Our database has committed the peer's messages up to ``position``."""
        incoming = self._in[lane]
        assert position.seq > incoming.applied.seq
        incoming.applied = position
        if incoming.taken.seq < position.seq:
            incoming.taken = position
        return [self._ack(lane, now, gap=False)] if self.state is State.LINKED else []

    def apply_failed(self, lane: Lane) -> None:
        """Our database could not commit: forget the frames taken; the peer's timer brings them back."""
        self._in[lane].taken = self._in[lane].applied

    def compared(self, compare: Compare, ours: bytes | None, now: float) -> list[Action]:
        """The answer to ``Compare``: our digest at that number, None where we hold none."""
        outgoing = self._out[compare.lane]
        if outgoing.comparing != compare.position or self.state in {State.OFFLINE, State.STOPPED}:
            return []
        outgoing.comparing = None
        if ours != compare.position.digest:
            return [self._stop(StopReason.DIVERGED, f"lane {compare.lane} at {compare.position.seq}")]
        actions = self._acknowledged(compare.lane, compare.position)
        if self.state is State.GREETING:
            self._to_compare -= 1
            if self._to_compare == 0:
                actions.extend(self._linked(now))
            return actions
        return actions + self._pump()

    # --- within ----------------------------------------------------------------------------------------------------------

    def _greet(self, answering: str | None, now: float) -> list[Action]:
        self.state = State.GREETING
        self._greet_at = now + self._greet_patience
        self._greet_patience = min(self._greet_patience * 2, GREET_MAX_S)
        self._spoke_at = now
        return [SendHello(answering)]

    def _linked(self, now: float) -> list[Action]:
        """Both sides know each other; ask again for what arrived while we were still comparing."""
        self.state = State.LINKED
        self._greet_patience = GREET_S
        actions: list[Action] = []
        for lane, incoming in self._in.items():
            if incoming.missed:
                incoming.missed = False
                actions.append(self._ack(lane, now, gap=True))
        return actions + self._pump()

    def _stop(self, reason: StopReason, detail: str) -> Stopped:
        self.state = State.STOPPED
        self.stop = Stopped(reason, detail)
        return self.stop

    def _ack(self, lane: Lane, now: float, *, gap: bool) -> SendAck:
        self._spoke_at = now
        return SendAck(lane, self._in[lane].applied, gap)

    def _acknowledged(self, lane: Lane, position: Position) -> list[Action]:
        """The peer holds everything up to ``position``: forget those flights."""
        outgoing = self._out[lane]
        outgoing.acked = position
        outgoing.patience = RESEND_S
        while outgoing.flights and outgoing.flights[0].end.seq <= position.seq:
            outgoing.flights.popleft()
        if outgoing.sent.seq < position.seq:
            outgoing.rewind()
        return [MarkAcked(lane, position)]

    def _pump(self) -> list[Action]:
        """Ask for the next frame, ``case`` before ``bulk``, while the window has room."""
        if self.state is not State.LINKED:
            return []
        if any(outgoing.loading for outgoing in self._out.values()):
            return []
        in_flight = self.bytes_in_flight()
        for lane, outgoing in self._out.items():
            if outgoing.sent.seq >= outgoing.last:
                continue
            if in_flight > WINDOW_BYTES // 2:
                return []
            outgoing.loading = True
            return [Load(lane, outgoing.sent, outgoing.ticket, WINDOW_BYTES - in_flight)]
        return []
