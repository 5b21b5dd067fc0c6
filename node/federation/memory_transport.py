"""The in-memory twin of the broker: same subjects, same permissions, same losses, no sockets.

Frames are delivered in the order in which they were published, each in its own turn of the event loop, so
that a publisher is never called back from inside its own `publish`. A simulator that owns time passes its own
`call_soon`.

As with the real broker, a frame on a subject that one may not use vanishes, and only `last_error` tells; a
frame that is under way when the broker stops is lost.
"""

import asyncio
from collections.abc import Callable, Sequence

from node.federation.transport import OnFrame, OnState, TransportDown, subject_matches

CallSoon = Callable[[Callable[[], None]], object]
"""Runs a function a little later, keeping the order."""

EVERYTHING = (">",)


class MemoryBroker:
    """Routes frames between the `MemoryTransport`s that name it.

    Args:
        call_soon: how deliveries are scheduled; the running event loop's own without it.
    """

    def __init__(self, call_soon: CallSoon | None = None) -> None:
        self._call_soon = call_soon
        self._clients: list[MemoryTransport] = []
        self._running = True
        self._run = 0

    @property
    def running(self) -> bool:
        """Whether clients can be connected."""
        return self._running

    def stop(self) -> None:
        """Go away as a killed process does: everybody is disconnected, frames under way are lost."""
        self._running = False
        self._run += 1
        for client in list(self._clients):
            client.lose("the broker closed the connection")

    def start(self) -> None:
        """Come back; everybody who waits is connected in the next turn."""
        self._running = True
        for client in self._clients:
            self.later(client.try_connect)

    def revoke(self, name: str) -> None:
        """Disconnect the clients of that name and let them in no more."""
        for client in self._clients:
            if client.name == name:
                client.revoked = True
                client.lose("the broker refuses this center's key: not enrolled there, or revoked")

    def join(self, client: "MemoryTransport") -> None:
        """Take in a client that was started."""
        self._clients.append(client)
        self.later(client.try_connect)

    def leave(self, client: "MemoryTransport") -> None:
        """Forget a client that was closed."""
        if client in self._clients:
            self._clients.remove(client)

    def route(self, subject: str, data: bytes) -> None:
        """Deliver a frame to everybody who listens when its turn comes."""
        run = self._run

        def deliver() -> None:
            if run == self._run:
                for client in list(self._clients):
                    client.receive(subject, data)

        self.later(deliver)

    def later(self, action: Callable[[], None]) -> None:
        """Run an action in a later turn."""
        (self._call_soon or asyncio.get_running_loop().call_soon)(action)


class MemoryTransport:
    """A `Transport` over a `MemoryBroker`.

    Args:
        broker: the broker to connect to.
        name: whose connection this is.
        may_publish: patterns of subjects it may publish on.
        may_subscribe: patterns of subjects it may listen to.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        name: str,
        *,
        may_publish: Sequence[str] = EVERYTHING,
        may_subscribe: Sequence[str] = EVERYTHING,
    ) -> None:
        self.name = name
        self.revoked = False
        self._broker = broker
        self._may_publish = tuple(may_publish)
        self._may_subscribe = tuple(may_subscribe)
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
        """The last failure in words for people."""
        return self._last_error

    async def start(self, subjects: Sequence[str], on_frame: OnFrame, on_state: OnState) -> None:
        """Return at once; connected in a later turn, if the broker runs."""
        assert self._on_frame is None, "a transport is started once"
        self._subjects = tuple(subjects)
        self._on_frame = on_frame
        self._on_state = on_state
        self._broker.join(self)

    async def publish(self, subject: str, data: bytes) -> None:
        """Hand over one frame.

        Raises:
            TransportDown: not connected.
        """
        if not self._connected:
            raise TransportDown(self._last_error or "not connected")
        if any(subject_matches(pattern, subject) for pattern in self._may_publish):
            self._broker.route(subject, data)
        else:
            self._last_error = f'permissions violation for publish to "{subject}"'

    async def round_trip(self) -> float:
        """Return zero: memory answers at once.

        Raises:
            TransportDown: not connected.
        """
        if not self._connected:
            raise TransportDown(self._last_error or "not connected")
        return 0.0

    async def rebuild(self) -> None:
        """Disconnect and connect again."""
        self.lose("given up by its owner")
        if self._on_frame is not None:
            self._broker.later(self.try_connect)

    async def close(self) -> None:
        """Disconnect and stay disconnected."""
        self._broker.leave(self)
        self.lose("closed")
        self._on_frame = self._on_state = None

    def try_connect(self) -> None:
        """Be connected if the broker runs; called by the broker."""
        if self._connected or self._on_state is None:
            return
        if not self._broker.running:
            self._last_error = "no broker listens"
            return
        if self.revoked:
            return
        self._connected = True
        self._last_error = None
        for subject in self._subjects:
            if not self._may_listen(subject):
                self._last_error = f'permissions violation for subscription to "{subject}"'
        self._on_state(True)

    def lose(self, reason: str) -> None:
        """Be disconnected; called by the broker."""
        if self._connected:
            self._connected = False
            self._last_error = reason
            if self._on_state is not None:
                self._on_state(False)

    def receive(self, subject: str, data: bytes) -> None:
        """Take a frame if this client listens to its subject; called by the broker."""
        if self._connected and self._on_frame is not None and any(self._hears(own, subject) for own in self._subjects):
            self._on_frame(subject, data)

    def _hears(self, own: str, subject: str) -> bool:
        return subject_matches(own, subject) and self._may_listen(own)

    def _may_listen(self, subject: str) -> bool:
        return any(subject_matches(pattern, subject) for pattern in self._may_subscribe)
