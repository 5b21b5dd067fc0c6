"""The real transport: core NATS through nats-py, one client per connection.

Theory of operation

nats-py can reconnect by itself. This transport does not let it, for reasons each of which was met:

- an authorization error ends its client for good, though a center may be enrolled again an hour later;
- with endless attempts, the first `connect` to a dead server never returns;
- its reconnection waits for the old socket to close politely, which on a half-open connection takes 15
  minutes;
- its read loop ends silently when a PONG answers a `flush` whose caller has given up.

So one supervising task makes a client, lets it live for one connection (`allow_reconnect=False`), ends it
through our own `Wire` whatever state it is in, and makes the next. `rebuild` is the same step asked for from
outside. Nothing is buffered while disconnected: the link keeps what it sent until the peer's database has it,
a second copy here would only be stale.

Watching for progress. Every `ping_every` seconds nats-py sends a PING; a healthy server answers, so bytes
come in. On a slow line a PONG can be minutes behind our own frames; then the bytes that the peer's machine
acknowledges are the progress. A connection that shows neither for `stall_after` seconds is thrown away. That
covers the unplugged cable, the frozen server, and the dead read loop.

How long it waits between attempts is told in `node.federation.patience`.
"""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from node.federation.broker_tls import needs_tls
from node.federation.nats_failures import explain, is_permission, is_refusal
from node.federation.nats_wire import Wire
from node.federation.nkey import public_of
from node.federation.patience import Patience
from node.federation.transport import OnFrame, OnState, TransportDown

MAX_BACKLOG = 64 * 1024 * 1024
"""Bytes that may wait for the socket. The windows of all links of a town are less; this only keeps a stalled wire
from eating memory."""

MAX_UNREAD = 64 * 1024 * 1024
"""Bytes that may wait for `on_frame`; more are dropped, and the link asks again."""

PROGRESS_BYTES = 1024
"""Acknowledged bytes that count as progress while more wait; a few PINGs in a dead server's socket do not."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("node.federation.wire")


class NatsTransport:
    """A `Transport` over a NATS server.

    Args:
        url: ``nats://host:port`` or ``tls://host:port``; several of one cluster are separated by commas.
        seed: the NKey seed to log in with; ``None`` for a server that asks for none (tests).
        inbox_prefix: where nats-py would listen for answers, ``_INBOX_<code>``; the broker permits no other.
        ca_file: the only authority that may have signed the server's certificate; the system's with ``None``.
        name: shown in the broker's log.
        jitter: draws from [0, 1).
        patience: times.

    Raises:
        ValueError: a URL outside loopback without TLS, or a seed that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: str | None,
        inbox_prefix: str,
        ca_file: Path | None,
        name: str,
        jitter: Callable[[], float] = random.random,
        patience: Patience | None = None,
    ) -> None:
        if seed is not None:
            public_of(seed)
        self._urls = [each.strip() for each in url.split(",")]
        parts = [urlsplit(each) for each in self._urls]
        if not all(part.scheme in ("nats", "tls") and part.hostname for part in parts):
            raise ValueError(f"{url}: a broker's URL reads nats://host:port or tls://host:port")
        self._local = all(not needs_tls(part.hostname or "") for part in parts)
        self._tls = ca_file is not None or any(part.scheme == "tls" for part in parts)
        if not self._local and not self._tls:
            raise ValueError(f"{url}: outside of this machine a broker is spoken to over TLS only (tls://...)")
        self._where = ", ".join(self._urls)
        self._seed = seed
        self._inbox_prefix = inbox_prefix
        self._ca_file = ca_file
        self._name = name
        self._jitter = jitter
        self._patience = patience or Patience()
        self._subjects: tuple[str, ...] = ()
        self._on_frame: OnFrame | None = None
        self._on_state: OnState | None = None
        self._client: Client | None = None
        self._wire: Wire | None = None
        self._connected = False
        self._refused = False
        self._last_error: str | None = None
        self._hurry = asyncio.Event()
        self._probes: set[asyncio.Task[None]] = set()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the wire is up and subscribed."""
        return self._connected

    @property
    def last_error(self) -> str | None:
        """The last failure in words for people."""
        return self._last_error

    async def start(self, subjects: Sequence[str], on_frame: OnFrame, on_state: OnState) -> None:
        """Return at once; connect and keep connecting in the background until `close`."""
        assert self._supervisor is None, "a transport is started once"
        self._subjects = tuple(subjects)
        self._on_frame = on_frame
        self._on_state = on_state
        self._supervisor = asyncio.create_task(self._supervise(), name=f"wire {self._name}")

    async def publish(self, subject: str, data: bytes) -> None:
        """Hand over one frame; nats-py's flusher writes it with the next turn of the event loop.

        Raises:
            TransportDown: not connected, or more than `MAX_BACKLOG` bytes wait already.
            ValueError: the frame is larger than the broker takes.
        """
        client, wire = self._live()
        if wire.buffered + client.pending_data_size > MAX_BACKLOG:
            raise TransportDown("the wire is far behind")
        try:
            await client.publish(subject, data)
        except nats.errors.MaxPayloadError as error:
            raise ValueError(f"a frame of {len(data)} bytes; the broker takes {client.max_payload}") from error
        except nats.errors.Error as error:
            raise TransportDown(explain(error, self._where)) from error

    async def round_trip(self) -> float:
        """Return the seconds from a PING to its PONG.

        Raises:
            TransportDown: not connected, or the wire failed meanwhile.
        """
        client, wire = self._live()
        loop = asyncio.get_running_loop()
        began = loop.time()
        if not await self._answered(client, wire):
            raise TransportDown(self._last_error or "not connected")
        return loop.time() - began

    async def rebuild(self) -> None:
        """Throw the connection away and make a new one at once."""
        self._hurry.set()
        if self._wire is not None:
            self._wire.abort()
        if self._connected:
            self._last_error = "given up by its owner"
            self._tell(connected=False)

    async def close(self) -> None:
        """Let go of what was published, disconnect, and stay disconnected."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        if self._connected:
            with contextlib.suppress(TransportDown, TimeoutError):
                async with asyncio.timeout(1):
                    await self.round_trip()
        supervisor.cancel()
        await asyncio.wait([supervisor])

    # ------------------------------------------------------------ the supervising task

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._hurry.clear()
            self._refused = False
            connected_at = await self._one_connection()
            if connected_at is not None and loop.time() - connected_at >= self._patience.stable_after:
                failures = 0
            failures += 1
            pause = self._patience.pause(failures, self._jitter(), local=self._local, refused=self._refused)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()

    async def _one_connection(self) -> float | None:
        """Live through one connection; return since when it was up, or None if it never was."""
        loop = asyncio.get_running_loop()
        connected_at = None
        wire = self._wire = Wire(require_tls=self._tls)
        client = self._client = Client()
        client._transport = wire  # noqa: SLF001 - nats-py has no public way to bring one's own socket
        try:
            async with asyncio.timeout(self._patience.connect_within):
                await self._connect(client, wire)
            connected_at = loop.time()
            self._tell(connected=True)
            await self._watch(wire)
            if not self._hurry.is_set():
                self._note(client.last_error or nats.errors.UnexpectedEOF())
        except nats.errors.NoServersError:
            assert self._last_error, "nats-py has told its error callback why"
        except Exception as error:  # noqa: BLE001 - whatever nats-py raises, the center tries again
            self._note(error)
        finally:
            if self._connected:
                self._tell(connected=False)
            await self._discard(client, wire)
        return connected_at

    async def _connect(self, client: Client, wire: Wire) -> None:
        async def on_error(error: Exception) -> None:
            if client is self._client:
                self._note(error)

        await client.connect(
            list(self._urls),
            name=self._name,
            nkeys_seed_str=self._seed,
            inbox_prefix=self._inbox_prefix,
            tls=self._tls_context() if self._tls else None,
            error_cb=on_error,
            allow_reconnect=False,
            # Each server of the list is tried twice, without a pause in between; pauses are ours.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=max(1, round(self._patience.connect_within)),
            ping_interval=self._patience.ping_every,  # type: ignore[arg-type] # it is slept, a float does
            # `_watch` decides, knowing more; and nats-py's own end of a stalled connection may hang.
            max_outstanding_pings=1_000_000,
            pending_size=-1,
        )
        self._last_error = None
        for subject in self._subjects:
            await client.subscribe(subject, cb=self._on_message, pending_bytes_limit=MAX_UNREAD)
        # The answer comes after all that the subscriptions may have caused, refusals included.
        if not await self._answered(client, wire):
            raise ConnectionResetError

    async def _answered(self, client: Client, wire: Wire) -> bool:
        """Wait until the broker has taken all that was sent before; return false if the connection ends first."""
        await asyncio.sleep(0)
        # nats-py writes a PING at once, past what its flusher has not taken yet.
        while client.pending_data_size > 0 and not wire.gone.is_set():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        # Never cancelled while the connection lives: a PONG for a cancelled flush ends nats-py's read loop.
        probe = asyncio.create_task(client.flush(timeout=24 * 3600))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)
        gone = asyncio.create_task(wire.gone.wait())
        try:
            await asyncio.wait([probe, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        return probe.done() and not probe.cancelled() and probe.exception() is None and not wire.gone.is_set()

    async def _watch(self, wire: Wire) -> None:
        """Return when the connection is gone.

        Raises:
            TimeoutError: it is there, but nothing has moved for too long.
        """
        loop = asyncio.get_running_loop()
        received, acknowledged, moved_at = wire.received, wire.acknowledged, loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience.ping_every):
                    await wire.gone.wait()
                return
            draining = wire.unacknowledged > 0 and wire.acknowledged - acknowledged >= PROGRESS_BYTES
            if wire.received > received or draining:
                received, acknowledged, moved_at = wire.received, wire.acknowledged, loop.time()
            elif loop.time() - moved_at >= self._patience.stall_after:
                raise TimeoutError

    async def _discard(self, client: Client, wire: Wire) -> None:
        """End a client in whatever state it is; nothing it still does may touch the next one."""
        wire.abort()
        self._client = self._wire = None
        for probe in self._probes:
            probe.cancel()
        # After the abort nothing in here waits for the peer; an assertion means it never came to connecting.
        with contextlib.suppress(nats.errors.Error, OSError, AssertionError):
            await client.close()

    async def _on_message(self, message: Msg) -> None:
        assert self._on_frame is not None
        try:
            self._on_frame(message.subject, message.data)
        except Exception:  # noqa: BLE001 - logged; the owner's trouble does not stop the wire
            _log.exception("frame-handler-failed", wire=self._name, subject=message.subject)

    def _note(self, error: BaseException) -> None:
        self._last_error = explain(error, self._where)
        self._refused = is_refusal(error)
        if is_permission(error):
            _log.warning("wire-not-permitted", wire=self._name, error=self._last_error)

    def _live(self) -> tuple[Client, Wire]:
        if not self._connected or self._client is None or self._wire is None or self._wire.gone.is_set():
            raise TransportDown(self._last_error or "not connected")
        return self._client, self._wire

    def _tell(self, *, connected: bool) -> None:
        self._connected = connected
        assert self._on_state is not None
        try:
            self._on_state(connected)
        except Exception:  # noqa: BLE001 - logged; the owner's trouble does not stop the wire
            _log.exception("state-handler-failed", wire=self._name, connected=connected)

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=None if self._ca_file is None else str(self._ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
