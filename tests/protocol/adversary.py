"""Two links joined by a wire that does everything a wire may do, over stores that keep what was committed.

``World`` is driven by a hypothesis state machine and by seeded random walks. A side's owner here works in two
halves, as the real one does: a job changes the durable store, later its report reaches the link; a restart
may come between.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from protocol.keys import to_text
from protocol.link import (
    ROOM,
    WINDOW_BYTES,
    Action,
    Apply,
    Compare,
    LaneRecord,
    Link,
    Load,
    MarkAcked,
    Position,
    SendAck,
    SendData,
    SendHello,
    State,
)
from protocol.messages import Lane
from protocol.wire import ORIGIN, Ack, Data, Hello, chain

CODES = {"parent": "532923102000", "child": "532923102201"}
OTHER = {"parent": "child", "child": "parent"}
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
CALM_S = 180
"""Within this long after the last fault everything must have arrived: every patience once, at its longest."""
BURST_MAX = 5000
"""More frames and jobs than this without any time passing is a storm."""


@dataclass
class Store:
    """What a center's database holds; survives everything here."""

    incarnation: str
    outbox: dict[Lane, list[bytes]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    digests: dict[Lane, list[bytes]] = field(default_factory=lambda: {lane: [ORIGIN] for lane in Lane})
    offered: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    acked: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    inbox: dict[Lane, list[bytes]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    applied: dict[Lane, bytes] = field(default_factory=lambda: dict.fromkeys(Lane, ORIGIN))
    peer_incarnation: dict[Lane, str | None] = field(default_factory=lambda: dict.fromkeys(Lane))

    def add(self, lane: Lane, message: bytes) -> int:
        """Commit a message to the outbox; returns its number."""
        self.outbox[lane].append(message)
        self.digests[lane] += chain(self.digests[lane][-1], [message])
        return len(self.outbox[lane])

    def position(self, lane: Lane, seq: int) -> Position:
        """A position of our own messages."""
        return Position(seq, self.digests[lane][seq])

    def records(self) -> dict[Lane, LaneRecord]:
        """What a link starts from."""
        return {
            lane: LaneRecord(
                last=len(self.outbox[lane]),
                offered=self.position(lane, self.offered[lane]),
                acked=self.position(lane, self.acked[lane]),
                applied=Position(len(self.inbox[lane]), self.applied[lane]),
                peer_incarnation=self.peer_incarnation[lane],
            )
            for lane in Lane
        }


@dataclass(frozen=True)
class Sent:
    """A frame on the wire."""

    header: Hello | Data | Ack
    payload: bytes = b""


Job = Load | Apply | Compare | MarkAcked
Report = Callable[[], list[Action]]


@dataclass
class Side:
    """One center: its store, its link, and what its owner has still to do."""

    name: str
    store: Store
    link: Link
    jobs: list[Job] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    wire: list[Sent] = field(default_factory=list)


class World:
    """A parent and a child."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sessions = 0
        self.sides: dict[str, Side] = {}
        for name in CODES:
            store = Store(incarnation=f"incarnation-of-{name}")
            self.sides[name] = Side(name, store, self._link(name, store))
            self.connect(name)

    @staticmethod
    def _link(name: str, store: Store) -> Link:
        return Link(CODES[name], CODES[OTHER[name]], store.incarnation, store.records())

    # --- what happens ---------------------------------------------------------------------------------------

    def queue(self, name: str, lane: Lane, message: bytes) -> None:
        """A message is committed."""
        side = self.sides[name]
        last = side.store.add(lane, message)
        self._perform(side, side.link.queued(lane, last))

    def connect(self, name: str) -> None:
        """The wire is there, with a fresh session."""
        self.sessions += 1
        side = self.sides[name]
        self._perform(side, side.link.wire_up(f"{name}-{self.sessions}", self.now))

    def disconnect(self, name: str) -> None:
        """The wire is gone; what it carries may still arrive, also much later."""
        self.sides[name].link.wire_down()

    def restart(self, name: str) -> None:
        """The process dies and comes back with what its store holds."""
        side = self.sides[name]
        side.jobs.clear()
        side.reports.clear()
        side.link = self._link(name, side.store)
        self.connect(name)

    def advance(self, seconds: float) -> None:
        """Time passes for both."""
        self.now += seconds
        for side in self.sides.values():
            self._perform(side, side.link.tick(self.now))

    def drop(self, name: str, index: int) -> None:
        """A frame that ``name`` sent is lost."""
        self.sides[name].wire.pop(index)

    def duplicate(self, name: str, index: int) -> None:
        """A frame that ``name`` sent will arrive once more."""
        wire = self.sides[name].wire
        wire.append(wire[index])

    def deliver(self, name: str, index: int) -> None:
        """A frame that ``name`` sent arrives."""
        sent = self.sides[name].wire.pop(index)
        side = self.sides[OTHER[name]]
        header = sent.header
        if isinstance(header, Hello):
            actions = side.link.on_hello(header, self.now)
        elif isinstance(header, Data):
            actions = side.link.on_data(header, sent.payload.split(b"\n"), self.now)
        else:
            actions = side.link.on_ack(header, self.now)
        self._perform(side, actions)

    def work(self, name: str, index: int) -> None:
        """A job of the owner's is done durably; its report comes later."""
        side = self.sides[name]
        job = side.jobs.pop(index)
        match job:
            case Load():
                side.reports.append(self._load(side, job))
            case Apply():
                side.reports.append(self._apply(side, job))
            case Compare(lane, position):
                digests = side.store.digests[lane]
                ours = digests[position.seq] if position.seq < len(digests) else None
                side.reports.append(lambda: side.link.compared(job, ours, self.now))
            case MarkAcked(lane, position):
                side.store.acked[lane] = max(side.store.acked[lane], position.seq)

    def fail(self, name: str, index: int) -> None:
        """A job of the owner's can't be done now: the database is locked, the disk is full."""
        side = self.sides[name]
        job = side.jobs[index]
        if not isinstance(job, Load | Apply):
            self.work(name, index)
            return
        side.jobs.pop(index)

        def report() -> list[Action]:
            if isinstance(job, Load):
                side.link.load_failed(job)
            else:
                side.link.apply_failed(job.lane)
            return []

        side.reports.append(report)

    def report(self, name: str, index: int) -> None:
        """The outcome of a job reaches the link."""
        side = self.sides[name]
        self._perform(side, side.reports.pop(index)())

    # --- the owner ------------------------------------------------------------------------------------------

    def _perform(self, side: Side, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SendHello() | SendData() | SendAck():
                    side.wire.append(self._frame(side, action))
                case Load() | Apply() | Compare() | MarkAcked():
                    side.jobs.append(action)
                case _:
                    raise AssertionError(f"{side.name}: {action}")
        self.check(side)

    @staticmethod
    def _frame(side: Side, action: SendHello | SendData | SendAck) -> Sent:
        me, peer, session = side.link.me, side.link.peer, side.link.session
        match action:
            case SendHello(answering):
                return Sent(
                    Hello(
                        sender=me,
                        receiver=peer,
                        session=session,
                        answering=answering,
                        incarnation=side.store.incarnation,
                        clock=NOON,
                        lanes=side.link.positions(),
                    )
                )
            case SendData():
                header = Data(
                    sender=me,
                    receiver=peer,
                    session=session,
                    lane=action.lane,
                    incarnation=side.store.incarnation,
                    first=action.first,
                    last=action.last,
                    before=to_text(action.before),
                    digest=to_text(action.digest),
                    payload_digest=to_text(ORIGIN),
                )
                return Sent(header, action.payload)
            case SendAck():
                return Sent(
                    Ack(
                        sender=me,
                        receiver=peer,
                        session=session,
                        lane=action.lane,
                        incarnation=side.link.peer_incarnation(action.lane),
                        seq=action.position.seq,
                        digest=to_text(action.position.digest),
                        gap=action.gap,
                    )
                )

    def _load(self, side: Side, load: Load) -> Report:
        store = side.store
        messages: list[bytes] = []
        for message in store.outbox[load.lane][load.after.seq :][:500]:
            if messages and len(b"\n".join([*messages, message])) > load.budget:
                break
            messages.append(message)
        end = store.position(load.lane, load.after.seq + len(messages))
        store.offered[load.lane] = max(store.offered[load.lane], end.seq)
        payload = b"\n".join(messages)
        return lambda: side.link.loaded(load, len(messages), end, payload, self.now)

    def _apply(self, side: Side, apply: Apply) -> Report:
        store, lane = side.store, apply.lane
        assert apply.first == len(store.inbox[lane]) + 1, "commits continue where the last one ended"
        assert apply.position.seq == apply.first + len(apply.messages) - 1
        store.inbox[lane] += apply.messages
        store.applied[lane] = apply.position.digest
        store.peer_incarnation[lane] = apply.incarnation
        return lambda: side.link.applied(lane, apply.position, self.now)

    # --- what must hold -------------------------------------------------------------------------------------

    def check(self, side: Side) -> None:
        """What holds at every instant."""
        peer = self.sides.get(OTHER[side.name])
        if peer is None:
            return
        in_flight = side.link.bytes_in_flight()
        assert in_flight <= WINDOW_BYTES or in_flight <= ROOM[Lane.CASE] + max(
            len(message) for lane in Lane for message in side.store.outbox[lane]
        ), "the window overflows"
        for lane in Lane:
            arrived = peer.store.inbox[lane]
            assert arrived == side.store.outbox[lane][: len(arrived)], "once, and in order"
            assert side.link.acked(lane).seq <= len(arrived), "acknowledged only what the peer's store holds"
            assert side.store.acked[lane] <= side.link.acked(lane).seq
            assert len(arrived) <= side.store.offered[lane]
        applying = [job.lane for job in side.jobs if isinstance(job, Apply)]
        assert len(applying) == len(set(applying)), "one commit per lane"

    def drained(self) -> bool:
        """Whether everything has arrived and both sides know it."""
        return all(
            side.link.state is State.LINKED
            and all(side.link.acked(lane).seq == len(side.store.outbox[lane]) for lane in Lane)
            for side in self.sides.values()
        )

    def settle(self) -> None:
        """Everything under way arrives, in order, and every job succeeds, without time passing."""
        for _ in range(BURST_MAX):
            moved = False
            for name, side in self.sides.items():
                if side.jobs:
                    self.work(name, 0)
                    moved = True
                if side.reports:
                    self.report(name, 0)
                    moved = True
                if side.wire:
                    self.deliver(name, 0)
                    moved = True
            if not moved:
                return
        raise AssertionError("a storm: frames without end")

    def calm(self) -> float:
        """No more faults; returns how many seconds pass until everything has arrived."""
        began = self.now
        for name, side in self.sides.items():
            if side.link.state is State.OFFLINE:
                self.connect(name)
        self.settle()
        while not self.drained():
            assert self.now - began < CALM_S, "messages do not arrive any more"
            self.advance(1.0)
            self.settle()
        return self.now - began
