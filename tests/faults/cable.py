"""The cable between a center and its parent's broker: it can be unplugged, cut, slow, and lose frames.

A relay in this process, between the child's socket and the broker's. It reads NATS' own protocol so as to lose whole
frames, the only way in which a wire over TCP loses anything: packets that get lost come later, and that is delay.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from urllib.parse import urlsplit

CARRIES_FRAME = (b"PUB ", b"HPUB ", b"MSG ", b"HMSG ")
"""Lines of NATS that a payload follows."""

READ_AHEAD = 64
"""Pieces that are on the cable at most; who sends more has to wait, as with a full socket."""

LOOK_AGAIN = 0.01


class Way(StrEnum):
    """The two directions."""

    up = "up"
    down = "down"


class Cable:
    """One cable.

    Args:
        port: of the broker.
        seed: of what gets lost.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.lost = 0
        self.carried = 0
        self._port = port
        self._chance = random.Random(seed)
        self._unplugged: frozenset[Way] = frozenset()
        self._refuses = False
        self._loss = 0.0
        self._delay = 0.0
        self._connections: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"cable {port}", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    @property
    def url(self) -> str:
        """Where its lower end is."""
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def unplug(self, *ways: Way) -> None:
        """Let nothing through, in both directions or one; nobody is told, connections seem to live on."""
        self._unplugged = frozenset(ways or Way)

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._refuses = True
        self._loop.call_soon_threadsafe(self._abort)

    def disturb(self, *, loss: float, delay: float) -> None:
        """Lose this share of all frames, and bring everything so many seconds late."""
        self._loss, self._delay = loss, delay

    def mend(self) -> None:
        """Be a good cable again."""
        self._unplugged, self._refuses, self._loss, self._delay = frozenset(), False, 0.0, 0.0

    def close(self) -> None:
        """Take it away."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def _end(self) -> None:
        self._server.close()
        self._abort()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    def _abort(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _connected(self, below: asyncio.StreamReader, to_child: asyncio.StreamWriter) -> None:
        self._connections.add(to_child)
        if self._refuses:
            to_child.transport.abort()
            return
        try:
            above, to_broker = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            to_child.transport.abort()
            return
        self._connections.add(to_broker)
        ends = (to_child, to_broker)
        for reader, writer, way in ((below, to_broker, Way.up), (above, to_child, Way.down)):
            pump = self._loop.create_task(self._pump(reader, writer, way, ends))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: Way,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        """Carry everything of one direction."""
        on_the_cable: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(READ_AHEAD)
        bringing = self._loop.create_task(self._bring(on_the_cable, writer, way))
        try:
            async for piece in _pieces(reader):
                await on_the_cable.put((self._loop.time() + self._delay, piece))
            await on_the_cable.put(None)
            await bringing
        finally:
            bringing.cancel()
            for end in ends:
                end.transport.abort()
                self._connections.discard(end)

    async def _bring(
        self, on_the_cable: asyncio.Queue[tuple[float, bytes] | None], writer: asyncio.StreamWriter, way: Way
    ) -> None:
        while (due := await on_the_cable.get()) is not None:
            at, piece = due
            await asyncio.sleep(at - self._loop.time())
            while way in self._unplugged:  # noqa: ASYNC110 - it is plugged in by another thread
                await asyncio.sleep(LOOK_AGAIN)
            if piece.startswith(CARRIES_FRAME):
                self.carried += 1
                if self._chance.random() < self._loss:
                    self.lost += 1
                    continue
            if writer.is_closing():
                continue  # nobody takes it any more
            with suppress(OSError):
                writer.write(piece)
                await writer.drain()


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What NATS says, piece by piece; a payload goes with its line."""
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            line = await reader.readuntil(b"\r\n")
            if line.startswith(CARRIES_FRAME):
                line += await reader.readexactly(int(line.split()[-1]) + 2)
            yield line


class Cables:
    """All cables of a county, by the code of the center at the lower end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._cables: dict[str, Cable] = {}

    def __getitem__(self, code: str) -> Cable:
        return self._cables[code]

    def __iter__(self) -> Iterator[Cable]:
        return iter(self._cables.values())

    def between(self, code: str, url: str) -> str:
        """Lay a cable from a center to its parent's broker; the URL of its lower end."""
        port = urlsplit(url).port
        assert port is not None
        cable = self._cables[code] = Cable(port, seed=int(code))
        self._stack.callback(cable.close)
        return cable.url


@contextmanager
def cables() -> Iterator[Cables]:
    """Cables, taken away at the end."""
    with ExitStack() as stack:
        yield Cables(stack)
