"""The link: one state machine between parent and child, the same on both sides.

Pure: no IO, no clock, no randomness; what it wants done it says in actions (``protocol.actions``).

Theory of operation
-------------------
Each side keeps, per lane, an outbox of messages numbered without gaps in commit order. A session begins with
HELLO in both directions; each HELLO tells what its sender has *offered* (up to which number, and the digest
chain over it) and what it has *applied* of the other's messages. From there the sender streams DATA frames
and keeps at most WINDOW_BYTES unacknowledged; the receiver applies them in database transactions, one after
the other, and only then says ACK. An ACK is cumulative.

    OFFLINE    -- wire up ----------------------------> GREETING
    GREETING   -- HELLO that answers our session -----> COMPARING, or LINKED with nothing to look up
    COMPARING  -- all digests looked up --------------> LINKED
    COMPARING, LINKED -- silence, HELLO of a stranger > GREETING, as a new session
    any        -- wire down --------------------------> OFFLINE
    any        -- positions that can't be ------------> STOPPED

A session pairs one id of ours with one of the peer's, for good: who leaves the pair takes a new id. Only a
HELLO that answers our present id is fresh; its positions count, those of a HELLO from the past do not. A
HELLO that answers nothing, or another id, is answered by one that names its session, so both sides get a
fresh one.

Failures and their answers:

* A frame is lost: the next one shows a gap, the receiver says ``ACK gap``, the sender goes back to the last
  acknowledged number. If nothing follows, the sender's timer does the same.
* A frame comes twice, or overlaps: what is already taken is dropped, the rest is taken, the ACK is said
  again.
* A frame of an earlier session comes late: it is ignored.
* The peer falls silent: after SILENCE_S we greet again until it answers.
* The peer begins a new session (it was restarted): we greet anew at once, though not within GREET_S of
  pairing.
* Our apply fails (disk full, database locked): the frames taken are forgotten, nothing is acknowledged or
  asked for, the sender's timer brings them back.
* Positions that can't be (a peer behind what it has acknowledged, ahead of what we offered, another digest at
  the same place, another incarnation): somebody's database went back in time. The link stops with a reason
  and never guesses.
"""

from collections.abc import Sequence

from protocol.actions import (
    START,
    Action,
    Apply,
    Compare,
    LaneRecord,
    Load,
    MarkAcked,
    Position,
    SendAck,
    SendData,
    SendHello,
    State,
    Stopped,
    StopReason,
)
from protocol.errors import BadFrame
from protocol.keys import from_text, to_text
from protocol.lane import RESEND_MAX_S, RESEND_S, Flight, Incoming, Outgoing
from protocol.messages import Lane
from protocol.wire import PROTOCOL_VERSION, Ack, Data, Hello, InPosition, LanePositions, OutPosition

__all__ = [
    "FRAME_BUDGET",
    "GREET_MAX_S",
    "GREET_S",
    "KEEPALIVE_S",
    "RESEND_MAX_S",
    "RESEND_S",
    "ROOM",
    "SILENCE_S",
    "START",
    "WINDOW_BYTES",
    "Action",
    "Apply",
    "Compare",
    "LaneRecord",
    "Link",
    "Load",
    "MarkAcked",
    "Position",
    "SendAck",
    "SendData",
    "SendHello",
    "State",
    "StopReason",
    "Stopped",
]

WINDOW_BYTES = 256 * 1024
"""Unacknowledged payload in flight: a half-open socket with a full buffer can hang the client above this."""
FRAME_BUDGET = WINDOW_BYTES // 4
"""Payload of one frame. Four fit into the window: one is applied, one waits for that and is read meanwhile, one
is on its way and one being loaded. None is so large that people wait long behind its commit."""
ROOM = {Lane.CASE: WINDOW_BYTES - FRAME_BUDGET, Lane.BULK: WINDOW_BYTES // 4}
"""The most in flight when a frame is loaded: behind bulk there is always room for two frames of cases."""
GREET_S = 2.0
"""First patience with an unanswered HELLO; doubles up to GREET_MAX_S."""
GREET_MAX_S = 30.0
KEEPALIVE_S = 10.0
"""After this long without a word from us we say ACK again, as a sign of life."""
SILENCE_S = 35.0
"""A peer that said nothing for this long is greeted anew: three signs of life were missed."""


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
        self._out: dict[Lane, Outgoing] = {}
        self._in: dict[Lane, Incoming] = {}
        for lane in Lane:
            record = lanes.get(lane, LaneRecord())
            self._out[lane] = Outgoing(record.last, record.offered, record.acked, record.acked)
            self._in[lane] = Incoming(record.applied, record.applied, record.peer_incarnation)
        self._base = ""
        self._round = 0
        self._greet_at = 0.0
        self._greet_patience = GREET_S
        self._paired_at = 0.0
        self._spoke_at = 0.0

    # --- what the owner may ask -----------------------------------------------------------------------------

    def positions(self) -> dict[Lane, LanePositions]:
        """Both directions of all lanes, as HELLO tells them."""
        return {lane: self._positions(self._out[lane].offered, self._in[lane]) for lane in Lane}

    @staticmethod
    def _positions(offered: Position, incoming: Incoming) -> LanePositions:
        applied = incoming.applied
        return LanePositions(
            out=OutPosition(seq=offered.seq, digest=to_text(offered.digest)),
            into=InPosition(seq=applied.seq, digest=to_text(applied.digest), incarnation=incoming.incarnation),
        )

    def offered(self, lane: Lane) -> Position:
        """What the peer may hold of ours, as far as we know."""
        return self._out[lane].offered

    def acked(self, lane: Lane) -> Position:
        """What the peer's database holds of ours."""
        return self._out[lane].acked

    def applied_position(self, lane: Lane) -> Position:
        """What our database holds of the peer's."""
        return self._in[lane].applied

    def peer_incarnation(self, lane: Lane) -> str | None:
        """The incarnation that our applied position belongs to."""
        return self._in[lane].incarnation

    def taken(self, lane: Lane) -> int:
        """Number of the last of the peer's messages that is applied, or waits for that."""
        return self._in[lane].taken.seq

    def bytes_in_flight(self) -> int:
        """Unacknowledged payload."""
        return sum(outgoing.in_flight() for outgoing in self._out.values())

    # --- the wire comes and goes ----------------------------------------------------------------------------

    def wire_up(self, session: str, now: float) -> list[Action]:
        """The wire is there: begin a session of this (fresh, random) id."""
        if self.state is State.STOPPED:
            return []
        self._base, self._round = session, 0
        self._greet_patience = GREET_S
        return self._greet_as(session, None, now)

    def wire_down(self) -> None:
        """The wire is gone: nothing in flight counts any more."""
        if self.state is not State.STOPPED:
            self.state = State.OFFLINE
        self._unpair()

    def tick(self, now: float) -> list[Action]:
        """Time passes; call it about once a second."""
        match self.state:
            case State.GREETING if now >= self._greet_at:
                return self._greet(None, now)
            case State.COMPARING | State.LINKED if now >= self._greet_at:
                return self._greet_anew(None, now)
            case State.LINKED:
                return self._tend(now)
            case _:
                return []

    def _tend(self, now: float) -> list[Action]:
        """What a link does by itself: send again what nobody acknowledges, give a sign of life."""
        for outgoing in self._out.values():
            outgoing.lose_patience(now)
        actions = self._pump()
        if now - self._spoke_at > KEEPALIVE_S:
            actions.append(self._ack(Lane.CASE, now, gap=False))
        return actions

    # --- frames ---------------------------------------------------------------------------------------------

    def on_hello(self, hello: Hello, now: float) -> list[Action]:
        """The peer greets: answer if it does not know our session yet, compare positions if it does."""
        match self.state:
            case State.OFFLINE | State.STOPPED:
                return []
            case State.GREETING:
                fresh = hello.answering == self.session
                return self._on_answer(hello, now) if fresh else self._answer(hello, now)
            case _:
                if hello.session != self.peer_session:
                    return self._on_stranger(hello, now)
                self._heard(now)
                return [] if hello.answering == self.session else self._answer(hello, now)

    def _answer(self, hello: Hello, now: float) -> list[Action]:
        self._spoke_at = now
        return [SendHello(answering=hello.session)]

    def _on_stranger(self, hello: Hello, now: float) -> list[Action]:
        """Another session of the peer: it was restarted, or this comes late. A new session of ours tells.

        Right after pairing we wait, and hear whether the one that we are paired with is still there:
        otherwise two processes with one identity would make us greet without end.
        """
        if now - self._paired_at < GREET_S:
            self._greet_at = min(self._greet_at, self._paired_at + GREET_S)
            return []
        return self._greet_anew(hello.session, now)

    def _on_answer(self, hello: Hello, now: float) -> list[Action]:
        """A fresh HELLO: pair with its session and compare positions."""
        actions = self._answer(hello, now)
        self.state = State.COMPARING
        self.peer_session = hello.session
        self._paired_at = now
        self._heard(now)
        if PROTOCOL_VERSION not in hello.protocol_versions:
            return [*actions, self._stop(StopReason.INCOMPATIBLE, f"it speaks {hello.protocol_versions}")]
        for lane in Lane:
            theirs = hello.lanes.get(lane)
            if theirs is None:
                return [*actions, self._stop(StopReason.INCOMPATIBLE, f"it has no lane {lane}")]
            reason = self._in[lane].meet(theirs.out, hello.incarnation) or self._out[lane].meet(
                theirs.into, self.incarnation
            )
            if reason is not None:
                return [*actions, self._stop(reason, f"lane {lane}")]
        for lane, outgoing in self._out.items():
            if outgoing.comparing is not None:
                actions.append(Compare(lane, outgoing.comparing))
        return actions + self._link_if_compared(now)

    def on_data(self, data: Data, messages: Sequence[bytes], now: float) -> list[Action]:
        """Messages arrive: take what continues the lane, drop what we hold, ask again where one is missing.

        Raises:
            BadFrame: the frame does not hold the messages that it names, or its digest chain does not add up.
        """
        incoming = self._in[data.lane]
        if not self._of_this_session(data.session, now):
            if self.state in {State.GREETING, State.COMPARING}:
                incoming.missed = True
            return []
        if data.incarnation != incoming.incarnation:
            return []
        if not messages or len(messages) != data.last - data.first + 1:
            raise BadFrame(f"{len(messages)} messages, named {data.first} to {data.last}")
        if data.first > incoming.taken.seq + 1:
            return [self._ack(data.lane, now, gap=True)] if incoming.ask_again(data.first) else []
        if data.last <= incoming.taken.seq:
            return [self._ack(data.lane, now, gap=False)]
        reason = incoming.take(data, messages)
        if reason is not None:
            return [self._stop(reason, f"lane {data.lane} at {incoming.taken.seq}")]
        return self._apply(data.lane)

    def on_ack(self, ack: Ack, now: float) -> list[Action]:
        """The peer's database holds our messages up to a position."""
        if not self._of_this_session(ack.session, now):
            return []
        outgoing = self._out[ack.lane]
        position = Position(ack.seq, from_text(ack.digest))
        if position.seq > 0 and ack.incarnation != self.incarnation:
            return []
        if position.seq > outgoing.offered.seq:
            detail = f"lane {ack.lane}: {position.seq} was never offered"
            return [self._stop(StopReason.SELF_RESTORED, detail)]
        actions: list[Action] = []
        if position.seq > outgoing.acked.seq:
            flight = outgoing.flight_ending_at(position.seq)
            if flight is None:
                return self._compare(ack.lane, position)
            if flight.end != position:
                return [self._stop(StopReason.DIVERGED, f"lane {ack.lane} at {position.seq}")]
            actions = self._acknowledged(ack.lane, position, now)
        if ack.gap and position == outgoing.acked and outgoing.flights:
            outgoing.rewind()
        return actions + self._pump()

    def _compare(self, lane: Lane, position: Position) -> list[Action]:
        """Look a position up that ends no frame on the wire, one at a time."""
        outgoing = self._out[lane]
        if outgoing.comparing is not None:
            return []
        outgoing.comparing = position
        return [Compare(lane, position)]

    def _of_this_session(self, session: str, now: float) -> bool:
        if self.state is not State.LINKED or session != self.peer_session:
            return False
        self._heard(now)
        return True

    # --- answers of the owner -------------------------------------------------------------------------------

    def queued(self, lane: Lane, last: int) -> list[Action]:
        """The outbox holds messages up to ``last``."""
        self._out[lane].last = max(self._out[lane].last, last)
        return self._pump()

    def loaded(self, load: Load, messages: int, end: Position, payload: bytes, now: float) -> list[Action]:
        """The answer to ``Load``: so many messages up to ``end``, packed; already recorded as offered."""
        outgoing = self._out[load.lane]
        if end.seq > outgoing.offered.seq:
            outgoing.offered = end
        if load.ticket != outgoing.ticket:
            return []
        outgoing.loading = False
        if messages == 0:
            outgoing.last = outgoing.sent.seq
            return self._pump()
        assert end.seq == load.after.seq + messages
        outgoing.sent = end
        outgoing.flights.append(Flight(end, len(payload), now))
        self._spoke_at = now
        send = SendData(load.lane, load.after.seq + 1, end.seq, load.after.digest, end.digest, payload)
        return [send, *self._pump()]

    def load_failed(self, load: Load) -> None:
        """The database could not give the messages or record them as offered; the next tick asks again."""
        if load.ticket == self._out[load.lane].ticket:
            self._out[load.lane].loading = False

    def applied(self, lane: Lane, position: Position, now: float) -> list[Action]:
        """Our database has committed the peer's messages up to ``position``."""
        self._in[lane].commit(position)
        actions = self._apply(lane)
        return [self._ack(lane, now, gap=False), *actions] if self.state is State.LINKED else actions

    def apply_failed(self, lane: Lane) -> None:
        """Our database could not commit: forget the frames taken; the peer's timer brings them back."""
        self._in[lane].forget()

    def compared(self, compare: Compare, ours: bytes | None, now: float) -> list[Action]:
        """The answer to ``Compare``: our digest at that number, None where we hold none."""
        lane, position = compare.lane, compare.position
        outgoing = self._out[lane]
        if outgoing.comparing != position:
            return []
        outgoing.comparing = None
        if ours != position.digest:
            return [self._stop(StopReason.DIVERGED, f"lane {lane} at {position.seq}")]
        actions = self._acknowledged(lane, position, now) if position.seq > outgoing.acked.seq else []
        if self.state is State.COMPARING:
            return actions + self._link_if_compared(now)
        return actions + self._pump()

    # --- within ---------------------------------------------------------------------------------------------

    def _greet(self, answering: str | None, now: float) -> list[Action]:
        self._greet_at = now + self._greet_patience
        self._greet_patience = min(self._greet_patience * 2, GREET_MAX_S)
        self._spoke_at = now
        return [SendHello(answering)]

    def _greet_as(self, session: str, answering: str | None, now: float) -> list[Action]:
        self._unpair()
        self.state = State.GREETING
        self.session = session
        return self._greet(answering, now)

    def _greet_anew(self, answering: str | None, now: float) -> list[Action]:
        """Leave the pair, under a new id."""
        self._round += 1
        return self._greet_as(f"{self._base}.{self._round}", answering, now)

    def _unpair(self) -> None:
        self.peer_session = None
        for outgoing in self._out.values():
            outgoing.rewind()

    def _heard(self, now: float) -> None:
        self._greet_at = now + SILENCE_S

    def _link_if_compared(self, now: float) -> list[Action]:
        """Once both sides know each other: ask again for what came too early, and begin to send."""
        if any(outgoing.comparing is not None for outgoing in self._out.values()):
            return []
        self.state = State.LINKED
        self._greet_patience = GREET_S
        actions: list[Action] = []
        for lane, incoming in self._in.items():
            if incoming.missed:
                incoming.missed = False
                actions.append(self._ack(lane, now, gap=True))
        return actions + self._pump()

    def _stop(self, reason: StopReason, detail: str) -> Stopped:
        self._unpair()
        self.state = State.STOPPED
        self.stop = Stopped(reason, detail)
        return self.stop

    def _ack(self, lane: Lane, now: float, *, gap: bool) -> SendAck:
        self._spoke_at = now
        return SendAck(lane, self._in[lane].applied, gap)

    def _acknowledged(self, lane: Lane, position: Position, now: float) -> list[Action]:
        self._out[lane].acknowledge(position, now)
        return [MarkAcked(lane, position)]

    def _apply(self, lane: Lane) -> list[Action]:
        """Begin the next commit of a lane, unless one is under way."""
        action = self._in[lane].next_apply(lane) if self.state is not State.STOPPED else None
        return [action] if action is not None else []

    def _pump(self) -> list[Action]:
        """Ask for the next frame, ``case`` before ``bulk``, while the window has room."""
        if self.state is not State.LINKED or any(outgoing.loading for outgoing in self._out.values()):
            return []
        for lane, outgoing in self._out.items():
            if outgoing.sent.seq < outgoing.last:
                if self.bytes_in_flight() > ROOM[lane]:
                    return []
                return [outgoing.load(lane, FRAME_BUDGET)]
        return []
