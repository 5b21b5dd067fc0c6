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
    paired     -- silence, HELLO of a stranger -------> GREETING, as a new session
    any        -- wire down --------------------------> OFFLINE
    GREETING   -- a database that went back in time --> HEALING, until a new session
    any        -- what can't be, a fork --------------> STOPPED, for a while

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
* The peer is behind what we took from it, or says another digest: its database went back in time. We wait,
  and give it back what we took of its messages when it asks (RECOVER, RETURN). It comes again as an heir: under
  a new incarnation that names its former ones.
* The peer holds more of ours than we ever offered: *our* database went back in time. We get our own messages
  back (``protocol.retrieval``), and only then go on.
* The peer is behind what it has acknowledged: it gets that again, from the last common position.
* Two processes of the same identity answer the same session, and we knew both before it began: a fork. Only a
  process that lives can answer a session that is fresh. The link stops, both are told; after STOPPED_S we look
  again.
* Anything else that can't be (another digest at the same place on a peer that is not behind): the link stops
  with a reason, says so to the peer, and looks again after STOPPED_S.
"""

from collections.abc import Sequence

from protocol.actions import (
    START,
    Action,
    Apply,
    Compare,
    Healed,
    LaneRecord,
    Load,
    MarkAcked,
    Position,
    Restored,
    Rewind,
    SendAck,
    SendData,
    SendHello,
    SendRecover,
    Serve,
    State,
    Stopped,
    StopReason,
    TakeBack,
)
from protocol.errors import BadFrame
from protocol.keys import from_text, to_text
from protocol.lane import RESEND_MAX_S, RESEND_S, Flight, Incoming, Outgoing
from protocol.messages import Lane
from protocol.retrieval import RECOVER_S, Missing, Retrieval
from protocol.wire import (
    PROTOCOL_VERSION,
    Ack,
    Data,
    Hello,
    InPosition,
    LanePositions,
    OutPosition,
    Recover,
    Return,
)

__all__ = [
    "CALM_S",
    "FRAME_BUDGET",
    "GREET_MAX_S",
    "GREET_S",
    "KEEPALIVE_S",
    "RECOVER_S",
    "RESEND_MAX_S",
    "RESEND_S",
    "ROOM",
    "SILENCE_S",
    "START",
    "STOPPED_S",
    "WINDOW_BYTES",
    "Action",
    "Apply",
    "Compare",
    "Healed",
    "LaneRecord",
    "Link",
    "Load",
    "MarkAcked",
    "Position",
    "Restored",
    "Rewind",
    "SendAck",
    "SendData",
    "SendHello",
    "SendRecover",
    "Serve",
    "State",
    "StopReason",
    "Stopped",
    "TakeBack",
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
CALM_S = 4.0
"""So long after pairing nobody gets anything back: another process of the same identity would have shown itself."""
PROCESSES_MAX = 8
"""Processes of the peer that we remember, newest last."""
STOPPED_S = 60.0
"""A link that stopped looks again after so long."""
TOLD = {StopReason.PEER_FORKED: StopReason.SELF_FORKED}
"""What a peer's reason means for us, where that is not the same."""


class Link:
    """The machine. Every input returns the actions to carry out, in order.

    Args:
        me: our code.
        peer: the neighbour's code.
        incarnation: random id of our database.
        lanes: what the database knows; a lane that is absent begins at zero.
        former: our earlier incarnations.
    """

    def __init__(
        self, me: str, peer: str, incarnation: str, lanes: dict[Lane, LaneRecord], former: Sequence[str] = ()
    ) -> None:
        self.me = me
        self.peer = peer
        self.incarnation = incarnation
        self.former = tuple(former)
        self.state = State.OFFLINE
        self.stop: Stopped | None = None
        self.session = ""
        self.peer_session: str | None = None
        self._peer_process: str | None = None
        self._processes: tuple[str, ...] = ()
        self._processes_before: tuple[str, ...] = ()
        self._told = False
        self._held: dict[Lane, Position] = {}
        self._retrieval: Retrieval | None = None
        self._out: dict[Lane, Outgoing] = {}
        self._in: dict[Lane, Incoming] = {}
        for lane in Lane:
            record = lanes.get(lane, LaneRecord())
            self._out[lane] = Outgoing(record.last, record.offered, record.acked, record.acked, record.kept)
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
        return {lane: self._positions(self._out[lane], self._in[lane]) for lane in Lane}

    @staticmethod
    def _positions(outgoing: Outgoing, incoming: Incoming) -> LanePositions:
        offered, applied, kept = outgoing.offered, incoming.applied, outgoing.kept
        return LanePositions(
            out=OutPosition(seq=offered.seq, digest=to_text(offered.digest)),
            into=InPosition(seq=applied.seq, digest=to_text(applied.digest), incarnation=incoming.incarnation),
            kept=OutPosition(seq=kept.seq, digest=to_text(kept.digest)) if kept.seq > 0 else None,
        )

    @property
    def telling(self) -> StopReason | None:
        """What a HELLO of ours says of why the link stopped; what the peer told us it knows."""
        return self.stop.reason if self.state is State.STOPPED and self.stop and not self._told else None

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
        self._base, self._round = session, 0
        self._greet_patience = GREET_S
        return self._greet_as(session, None, now)

    def wire_down(self) -> None:
        """The wire is gone: nothing in flight counts any more."""
        self.state = State.OFFLINE
        self._unpair()

    def tick(self, now: float) -> list[Action]:
        """Time passes; call it about once a second."""
        match self.state:
            case State.GREETING if now >= self._greet_at:
                return self._greet(None, now)
            case State.COMPARING | State.LINKED | State.HEALING | State.STOPPED if now >= self._greet_at:
                return self._greet_anew(None, now)
            case State.LINKED:
                return self._tend(now)
            case State.HEALING if self._retrieval is not None:
                return self._retrieval.tick(now)
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
        fresh = hello.answering == self.session
        if hello.process is not None:
            self._processes = (*self._processes, hello.process)[-PROCESSES_MAX:]
        match self.state:
            case State.OFFLINE:
                return []
            case State.STOPPED:
                return self._on_hello_while_stopped(hello, now)
            case _ if fresh and hello.stopped is not None:
                return self._on_told(hello.stopped, now)
            case State.GREETING:
                return self._on_answer(hello, now) if fresh else self._answer(hello, now)
            case _ if fresh and self._is_another(hello.process):
                return self._on_fork(hello, now)
            case _:
                if hello.session != self.peer_session:
                    return self._on_stranger(hello, now)
                self._heard(now)
                return [] if fresh else self._answer(hello, now)

    def _is_another(self, process: str | None) -> bool:
        """Whether this is not the process that we are paired with; one that does not name itself is not suspected."""
        return None not in {process, self._peer_process} and process != self._peer_process

    def _on_fork(self, hello: Hello, now: float) -> list[Action]:
        """Two processes answer one session of ours. Both live if we had heard of this one before the session began.

        Else the first may have ended meanwhile and this one may have taken its place: a new session will tell.
        """
        if hello.process not in self._processes_before:
            return self._greet_anew(hello.session, now)
        first = self.peer_session
        stopped = self._stop(StopReason.PEER_FORKED, f"processes {self._peer_process} and {hello.process}", now)
        return [SendHello(answering=first), SendHello(answering=hello.session), stopped]

    def _on_told(self, reason: str, now: float) -> list[Action]:
        """The peer has stopped the link and says why."""
        known = StopReason(reason) if reason in set(StopReason) else StopReason.INCOMPATIBLE
        stopped = self._stop(TOLD.get(known, known), "the peer says so", now)
        self._told = True
        return [stopped]

    def _on_hello_while_stopped(self, hello: Hello, now: float) -> list[Action]:
        """Tell why we stopped; where it was the peer who stopped, a plain HELLO says that it looks again."""
        if not self._told:
            return self._answer(hello, now) if hello.stopped is None else []
        return self._greet_anew(hello.session, now) if hello.stopped is None else []

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
        self._peer_process = hello.process
        self._paired_at = now
        self._heard(now)
        if PROTOCOL_VERSION not in hello.protocol_versions:
            return [*actions, self._stop(StopReason.INCOMPATIBLE, f"it speaks {hello.protocol_versions}", now)]
        reasons: dict[StopReason, str] = {}
        for lane in Lane:
            theirs = hello.lanes.get(lane)
            if theirs is None:
                return [*actions, self._stop(StopReason.INCOMPATIBLE, f"it has no lane {lane}", now)]
            for reason in self._meet(lane, theirs, hello):
                reasons.setdefault(reason, f"lane {lane}")
        if StopReason.DIVERGED in reasons:
            return [*actions, self._stop(StopReason.DIVERGED, reasons[StopReason.DIVERGED], now)]
        if StopReason.SELF_RESTORED in reasons:
            return [*actions, *self._on_self_restored(hello, reasons[StopReason.SELF_RESTORED])]
        if StopReason.PEER_RESTORED in reasons:
            return [*actions, self._heal(StopReason.PEER_RESTORED, reasons[StopReason.PEER_RESTORED])]
        for lane, outgoing in self._out.items():
            if outgoing.comparing is not None:
                actions.append(Compare(lane, outgoing.comparing))
        return actions + self._link_if_compared(now)

    def _meet(self, lane: Lane, theirs: LanePositions, hello: Hello) -> list[StopReason]:
        """What does not fit in one lane."""
        incoming, outgoing = self._in[lane], self._out[lane]
        found = [
            incoming.meet(theirs.out, hello.incarnation, hello.former),
            outgoing.meet(theirs.into, {self.incarnation, *self.former}),
        ]
        self._held[lane] = Position(theirs.into.seq, from_text(theirs.into.digest))
        if theirs.kept is not None and theirs.kept.seq > incoming.taken.seq:
            found.append(StopReason.SELF_RESTORED)
        return [reason for reason in found if reason is not None]

    # --- after a restore ------------------------------------------------------------------------------------

    def _heal(self, reason: StopReason, detail: str) -> Stopped:
        """Nothing moves until a new session, but the pair stays."""
        for outgoing in self._out.values():
            outgoing.rewind()
        self.state = State.HEALING
        self.stop = Stopped(reason, detail)
        return self.stop

    def _on_self_restored(self, hello: Hello, detail: str) -> list[Action]:
        skip: dict[Lane, Position] = {}
        for lane, theirs in hello.lanes.items():
            if theirs.kept is not None and theirs.kept.seq > self._in[lane].taken.seq:
                skip[lane] = Position(theirs.kept.seq, from_text(theirs.kept.digest))
        stated = (theirs.into.incarnation for theirs in hello.lanes.values())
        known = frozenset(incarnation for incarnation in stated if incarnation is not None)
        stopped = self._heal(StopReason.SELF_RESTORED, detail)
        return [stopped, Restored(known, skip, hello.incarnation)]

    def recover(self, now: float) -> list[Action]:
        """The answer to ``Restored``: custody is frozen here; get back what the peer holds of ours."""
        if self.state is not State.HEALING:
            return []
        self._retrieval = Retrieval(
            {
                lane: Missing(outgoing.acked, self._held[lane])
                for lane, outgoing in self._out.items()
                if self._held[lane].seq > outgoing.acked.seq
            }
        )
        return self._retrieval.ask(now)

    def on_recover(self, recover: Recover, now: float) -> list[Action]:
        """The peer asks for its own messages back."""
        if recover.session != self.peer_session:
            return []
        self._heard(now)
        incoming = self._in[recover.lane]
        if now - self._paired_at < CALM_S or incoming.taken != incoming.applied:
            return []
        return [Serve(recover.lane, recover.after, incoming.applied)]

    def on_return(self, header: Return, messages: Sequence[bytes], now: float) -> list[Action]:
        """Messages of ours come back.

        Raises:
            BadFrame: they are not those that the peer said it holds.
        """
        if header.session != self.peer_session or self._retrieval is None:
            return []
        self._heard(now)
        found = self._retrieval.on_return(header, messages)
        if isinstance(found, StopReason):
            return self._stop_and_tell(found, f"lane {header.lane} at {header.last}", now)
        return [found] if found is not None else []

    def taken_back(self, done: TakeBack, now: float) -> list[Action]:
        """Our database holds messages that came back."""
        outgoing = self._out[done.lane]
        outgoing.acked = outgoing.sent = done.end
        outgoing.offered = max(outgoing.offered, done.end, key=lambda position: position.seq)
        return self._retrieval.taken_back(done.lane, done.end, now) if self._retrieval is not None else []

    def take_back_failed(self) -> None:
        """Our database could not take them."""
        if self._retrieval is not None:
            self._retrieval.failed()

    # --- messages -------------------------------------------------------------------------------------------

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
            return self._stop_and_tell(reason, f"lane {data.lane} at {incoming.taken.seq}", now)
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
            return self._stop_and_tell(StopReason.DIVERGED, f"lane {ack.lane}: {position.seq} was never offered", now)
        actions: list[Action] = []
        if position.seq > outgoing.acked.seq:
            flight = outgoing.flight_ending_at(position.seq)
            if flight is None:
                return self._compare(ack.lane, position)
            if flight.end != position:
                return self._stop_and_tell(StopReason.DIVERGED, f"lane {ack.lane} at {position.seq}", now)
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
            return self._on_mismatch(lane, position, now)
        actions: list[Action] = []
        if position.seq > outgoing.acked.seq:
            actions = self._acknowledged(lane, position, now)
        elif position.seq < outgoing.acked.seq and self.state is State.COMPARING:
            outgoing.go_back(position)
            actions = [Rewind(lane, position)]
        if self.state is State.COMPARING:
            return actions + self._link_if_compared(now)
        return actions + self._pump()

    def _on_mismatch(self, lane: Lane, position: Position, now: float) -> list[Action]:
        """The peer holds something else at a place that we offered: our database is a copy from another past."""
        detail = f"lane {lane} at {position.seq}"
        if self.state is State.COMPARING and position.seq > self._out[lane].acked.seq:
            return [self._heal(StopReason.SELF_RESTORED, detail), Restored(frozenset(), {})]
        return self._stop_and_tell(StopReason.DIVERGED, detail, now)

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
        self._processes_before = self._processes
        return self._greet(answering, now)

    def _greet_anew(self, answering: str | None, now: float) -> list[Action]:
        """Leave the pair, under a new id."""
        self._round += 1
        return self._greet_as(f"{self._base}.{self._round}", answering, now)

    def _unpair(self) -> None:
        self.peer_session = self._peer_process = self._retrieval = None
        for outgoing in self._out.values():
            outgoing.rewind()

    def _heard(self, now: float) -> None:
        self._greet_at = now + SILENCE_S

    def _link_if_compared(self, now: float) -> list[Action]:
        """Once both sides know each other: ask again for what came too early, and begin to send."""
        if any(outgoing.comparing is not None for outgoing in self._out.values()):
            return []
        self.state = State.LINKED
        self.stop = None
        self._greet_patience = GREET_S
        actions: list[Action] = []
        for lane, incoming in self._in.items():
            if incoming.missed:
                incoming.missed = False
                actions.append(self._ack(lane, now, gap=True))
        return actions + self._pump()

    def _stop(self, reason: StopReason, detail: str, now: float) -> Stopped:
        self._unpair()
        self.state = State.STOPPED
        self.stop = Stopped(reason, detail)
        self._told = False
        self._greet_at = now + STOPPED_S
        return self.stop

    def _stop_and_tell(self, reason: StopReason, detail: str, now: float) -> list[Action]:
        tell = SendHello(self.peer_session)
        return [self._stop(reason, detail, now), tell]

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
