"""The simulated wire: brokers, the ways to them, and everything that goes wrong there.

A center with children has a ``Hub`` (its nats-server); each child has a ``Way`` to it. Frames keep their order, as on
TCP, unless the weather says otherwise. A frame that is under way when its wire breaks is lost. Whatever a ``Way``
lets through or loses is decided by its ``Weather``.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from random import Random

from node.federation.transport import OnFrame, OnState, TransportDown, subject_matches
from tests.sim.loop import Life, SimLoop
from tests.sim.trace import Trace

RECONNECT_S = (0.05, 2.0)
"""How long a client pauses before it connects again."""
HASTE = 0.5
"""How often somebody hostile is faster than the true frame."""


@dataclass(slots=True)
class Weather:
    """What happens to frames on a way; each number is a probability.

    Attributes:
        open: whether the wire can be there at all; if not, both ends know.
        inward, outward: whether frames get through to the hub, and from it; if not, nobody is told.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    forge: float = 0.0
    slow: float = 0.0
    open: bool = True
    inward: bool = True
    outward: bool = True

    def clear(self) -> None:
        """Fine weather."""
        fine = Weather()
        for each in fields(Weather):
            setattr(self, each.name, getattr(fine, each.name))


Forger = Callable[[str, str, bytes], Iterator[bytes]]
"""Given the way, the subject and a frame on it: what somebody hostile puts on the same subject."""


@dataclass(slots=True)
class Way:
    """The way between a child and its parent's hub."""

    code: str
    weather: Weather = field(default_factory=Weather)
    arrives: dict[bool, float] = field(default_factory=dict)
    """When the last frame inward and outward arrives: the next one comes after it."""


class Hub:
    """A broker: routes frames between its clients."""

    def __init__(self, network: "Network", code: str) -> None:
        self.network = network
        self.code = code
        self.running = True
        self.clients: list[SimTransport] = []

    def stop(self) -> None:
        """Die: all wires break, what is in transit vanishes."""
        self.running = False
        for client in list(self.clients):
            client.lose("the broker closed the connection")

    def start(self) -> None:
        """Come back; clients connect in their time."""
        self.running = True
        for client in list(self.clients):
            client.connect_later()


class Network:
    """All hubs and ways."""

    def __init__(self, loop: SimLoop, random: Random, trace: Trace, forger: Forger) -> None:
        self.loop = loop
        self.random = random
        self.trace = trace
        self.hubs: dict[str, Hub] = {}
        self.ways: dict[str, Way] = {}
        self._forger = forger

    def add(self, code: str, parent: str | None) -> None:
        """A center, and its way to its parent."""
        self.hubs[code] = Hub(self, code)
        if parent is not None:
            self.ways[code] = Way(code)

    def carry(self, sender: "SimTransport", subject: str, data: bytes) -> None:
        """Bring a frame to everybody who listens."""
        listeners = [client for client in sender.hub.clients if client.listens(subject)]
        copies = [data]
        way = self.ways[sender.way or subject.partition(".")[2]]
        if self.random.random() < way.weather.forge:
            forged = list(self._forger(way.code, subject, data))
            copies = [*forged, data] if self.random.random() < HASTE else [*copies, *forged]
        for copy in copies:
            for client in listeners:
                self._send(sender, client, way, subject, copy)

    def _send(self, sender: "SimTransport", client: "SimTransport", way: Way, subject: str, data: bytes) -> None:
        weather, random = way.weather, self.random
        inward = client.way is None
        if random.random() < weather.drop or not (weather.inward if inward else weather.outward):
            self.trace.note(way.code, "net lost", data)
            return
        if random.random() < weather.corrupt:
            data = _damaged(data, random)
        for _copy in range(2 if random.random() < weather.duplicate else 1):
            delay = random.uniform(0.001, 0.02) if random.random() >= weather.slow else random.uniform(0.1, 8.0)
            at = self.loop.time() + delay
            if random.random() >= weather.reorder:
                at = max(at, way.arrives.get(inward, 0.0))
                way.arrives[inward] = at
            else:
                at += random.uniform(0.0, 3.0)
            self.loop.call_at(at, client.receive, client.connection, sender, sender.connection, subject, data)

    def answers(self, client: "SimTransport") -> bool:
        """Whether a question to the hub comes back."""
        if client.way is None:
            return True
        weather = self.ways[client.way].weather
        return weather.inward and weather.outward


def _damaged(data: bytes, random: Random) -> bytes:
    """The same bytes with one bit turned, or cut off."""
    at = random.randrange(len(data))
    if random.random() < 0.2:
        return data[:at]
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


class SimTransport:
    """A ``node.federation.transport.Transport`` over the simulated network.

    Args:
        hub: the broker.
        life: of the process that owns it.
        way: code of the child whose way leads to the hub; None for the hub's own center.
        before, after: called around each publish; where processes die.
    """

    def __init__(
        self, hub: Hub, life: Life, way: str | None, before: Callable[[], None], after: Callable[[], None]
    ) -> None:
        self.hub = hub
        self.life = life
        self.way = way
        self.connection = 0
        self._before = before
        self._after = after
        self._subjects: tuple[str, ...] = ()
        self._on_frame: OnFrame | None = None
        self._on_state: OnState | None = None
        self._connected = False
        self._last_error: str | None = None

    @property
    def connected(self) -> bool:
        """Whether the wire is up and subscribed."""
        return self._connected

    @property
    def last_error(self) -> str | None:
        """The last failure."""
        return self._last_error

    async def start(self, subjects: Sequence[str], on_frame: OnFrame, on_state: OnState) -> None:
        """Return at once; connected later."""
        self._subjects, self._on_frame, self._on_state = tuple(subjects), on_frame, on_state
        self.hub.clients.append(self)
        self.connect_later()

    async def publish(self, subject: str, data: bytes) -> None:
        """Hand over one frame."""
        if not self._connected:
            raise TransportDown(self._last_error or "not connected")
        self._before()
        self.hub.network.trace.note(self.life.name, "publish", data)
        self.hub.network.carry(self, subject, data)
        self._after()

    async def round_trip(self) -> float:
        """Wait for an answer of the hub; for ever, where none comes back."""
        if not self._connected:
            raise TransportDown(self._last_error or "not connected")
        if not self.hub.network.answers(self):
            await asyncio.Event().wait()
        return 0.0

    async def rebuild(self) -> None:
        """Disconnect and connect again."""
        self.lose("given up by its owner")

    async def close(self) -> None:
        """Disconnect and stay disconnected."""
        self._on_frame = None
        self.lose("closed")
        self._on_state = None
        if self in self.hub.clients:
            self.hub.clients.remove(self)

    def vanish(self) -> None:
        """The process that owned this died: its socket is closed, nobody is told."""
        self._connected = False
        self._on_frame = self._on_state = None
        if self in self.hub.clients:
            self.hub.clients.remove(self)

    def listens(self, subject: str) -> bool:
        """Whether this client gets frames on a subject."""
        return self._connected and any(subject_matches(own, subject) for own in self._subjects)

    def connect_later(self) -> None:
        """Try to connect in a while."""
        loop, random = self.hub.network.loop, self.hub.network.random
        loop.call_later(random.uniform(*RECONNECT_S), self._connect)

    def _connect(self) -> None:
        if self._connected or self._on_state is None or not self.life.alive or not self.hub.running:
            return
        if self.way is not None and not self._way_open():
            self._last_error = "unreachable"
            self.connect_later()
            return
        self._connected = True
        self.connection += 1
        self.hub.network.trace.note(self.life.name, "wire up", self.hub.code)
        self._on_state(True)

    def _way_open(self) -> bool:
        assert self.way is not None
        weather = self.hub.network.ways[self.way].weather
        return weather.open and weather.inward and weather.outward

    def lose(self, reason: str) -> None:
        """Be disconnected, and connect again in a while."""
        if not self._connected:
            return
        self._connected = False
        self._last_error = reason
        self.hub.network.trace.note(self.life.name, "wire down", self.hub.code)
        if self._on_state is not None:
            self._on_state(False)
            self.connect_later()

    def receive(self, connection: int, sender: "SimTransport", sent_over: int, subject: str, data: bytes) -> None:
        """Take a frame, unless the wire has broken since it was sent."""
        if not self._connected or connection != self.connection or self._on_frame is None or not self.life.alive:
            return
        if sender.life.alive and sender.connection != sent_over and sender.way is not None:
            return
        self.hub.network.trace.note(self.life.name, "receive", data)
        self._on_frame(subject, data)
