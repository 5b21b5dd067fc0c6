"""What the tests of this folder share: a real broker with keys for its people, and somebody who listens."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from nats.aio.client import Client

from node.federation.broker import BrokerConfig, SupervisedBroker
from node.federation.broker_tls import TlsFiles
from node.federation.nats_transport import NatsTransport
from node.federation.nkey import new_user_seed
from node.federation.patience import Patience
from node.federation.transport import Transport

PARENT, ANNA, BERT = "532923102000", "532923102201", "532923102202"
"""谢官营镇 and two of its villages, as far as a broker is concerned."""

QUICK = Patience(connect_within=5, first_pause_if_refused=0.3, longest_pause=0.5)
"""Patience of tests that wait for a wire to come back; a busy machine's pause is no stalled wire to it."""

IMPATIENT = replace(QUICK, connect_within=2, ping_every=0.1, stall_after=0.3)
"""Patience of tests that wait for a stalled wire to be noticed."""


def free_port() -> int:
    """Return a TCP port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Keys:
    """Seeds and public keys of a parent and its children."""

    hub: tuple[str, str] = field(default_factory=new_user_seed)
    children: dict[str, tuple[str, str]] = field(default_factory=lambda: {ANNA: new_user_seed(), BERT: new_user_seed()})

    def config(self, *codes: str, port: int, host: str = "127.0.0.1", tls: TlsFiles | None = None) -> BrokerConfig:
        """Return a configuration in which these children are enrolled."""
        return BrokerConfig(
            code=PARENT,
            host=host,
            port=port,
            hub_key=self.hub[1],
            children={code: self.children[code][1] for code in codes},
            tls=tls,
        )


class Listener:
    """Remembers what a transport tells, and lets a test wait for it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.frames: list[tuple[str, bytes]] = []
        self.states: list[bool] = []
        self._told = asyncio.Event()

    async def start(self, *subjects: str) -> None:
        """Start the transport; do not wait."""
        await self.transport.start(subjects, self._on_frame, self._on_state)

    async def connected(self) -> None:
        """Wait until it is connected."""
        await self._until(lambda: self.transport.connected)

    async def disconnected(self) -> None:
        """Wait until it is disconnected."""
        await self._until(lambda: not self.transport.connected)

    async def states_are(self, *states: bool) -> None:
        """Wait until exactly these changes were told."""
        await self._until(lambda: self.states == list(states))

    async def heard(self, count: int = 1) -> list[tuple[str, bytes]]:
        """Wait for so many frames; return all."""
        await self._until(lambda: len(self.frames) >= count)
        return self.frames

    async def settled(self) -> list[tuple[str, bytes]]:
        """Return the frames when everything that the broker had for this one has come."""
        await self.transport.round_trip()
        await asyncio.sleep(0)
        return self.frames

    async def _until(self, condition: "Condition") -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._told.clear()
                await self._told.wait()

    def _on_frame(self, subject: str, data: bytes) -> None:
        self.frames.append((subject, data))
        self._told.set()

    def _on_state(self, connected: bool) -> None:
        self.states.append(connected)
        self._told.set()


class Condition(Protocol):
    """What is waited for."""

    def __call__(self) -> bool:
        """Whether it has come."""
        ...


class Town:
    """A running broker, and everybody who was connected to it in this test."""

    def __init__(self, directory: Path, keys: Keys, config: BrokerConfig) -> None:
        self.directory = directory
        self.keys = keys
        self.broker = SupervisedBroker(directory, config)
        self._open: list[Transport] = []

    @property
    def port(self) -> int:
        """Port of the broker."""
        return self.broker.config.port

    async def hub(self) -> Listener:
        """Connect the parent itself."""
        transport = self.transport(self.keys.hub[0], "hub")
        return await self._connect(transport, ["up.*", "st.*"])

    async def child(self, code: str) -> Listener:
        """Connect a child."""
        transport = self.transport(self.keys.children[code][0], code)
        return await self._connect(transport, [f"dn.{code}"])

    def transport(
        self,
        seed: str,
        name: str,
        *,
        url: str | None = None,
        ca_file: Path | None = None,
        patience: Patience | None = None,
    ) -> NatsTransport:
        """Make a transport that is closed with the town."""
        transport = NatsTransport(
            url or self.broker.client_url,
            seed=seed,
            inbox_prefix=f"_INBOX_{name}",
            ca_file=ca_file,
            name=name,
            patience=patience,
        )
        self._open.append(transport)
        return transport

    async def close(self) -> None:
        """Disconnect everybody and stop the broker."""
        for transport in self._open:
            await transport.close()
        await self.broker.stop()

    async def _connect(self, transport: NatsTransport, subjects: Sequence[str]) -> Listener:
        listener = Listener(transport)
        await listener.start(*subjects)
        await listener.connected()
        return listener


@asynccontextmanager
async def town(
    directory: Path, *, start: bool = True, host: str = "127.0.0.1", tls: TlsFiles | None = None
) -> AsyncIterator[Town]:
    """Run a broker in which Anna's and Bert's villages are enrolled."""
    keys = Keys()
    here = Town(directory, keys, keys.config(ANNA, BERT, port=free_port(), host=host, tls=tls))
    try:
        async with asyncio.timeout(30):
            if start:
                await here.broker.start()
            yield here
    finally:
        await here.close()


class Stranger:
    """A plain NATS client with somebody's key, free to try what our own transport never would."""

    def __init__(self) -> None:
        self.client = Client()
        self.complaints: list[str] = []

    async def refused(self) -> str:
        """Return what the broker complained of since the last question, nothing if all went well."""
        await asyncio.sleep(0)  # nats-py's PING would overtake what was just published
        await self.client.flush()
        complaints, self.complaints = self.complaints, []
        return "; ".join(complaints)

    async def complain(self, error: Exception) -> None:
        """Take a complaint of the broker."""
        self.complaints.append(str(error))


@asynccontextmanager
async def stranger(url: str, seed: str | None) -> AsyncIterator[Stranger]:
    """Connect a plain client."""
    one = Stranger()
    try:
        await one.client.connect(url, nkeys_seed_str=seed, error_cb=one.complain, allow_reconnect=False)
        yield one
    finally:
        with contextlib.suppress(OSError):
            await one.client.close()
