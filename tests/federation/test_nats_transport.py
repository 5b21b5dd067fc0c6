"""The real transport, on a real broker that comes, goes, freezes and changes its mind."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from node.federation.broker import SupervisedBroker
from node.federation.nats_transport import MAX_BACKLOG, NatsTransport
from node.federation.nats_wire import Wire
from node.federation.nkey import BadSeed, new_user_seed, public_of
from node.federation.patience import Patience
from node.federation.transport import TransportDown
from tests.federation.brokers import ANNA, BERT, IMPATIENT, QUICK, Keys, Listener, Town, free_port, town
from tests.freezing import freeze


async def until_error(transport: NatsTransport, text: str) -> None:
    """Wait until the transport's last error tells of this."""
    async with asyncio.timeout(5):
        while text not in (transport.last_error or ""):  # noqa: ASYNC110 - nobody is told of an attempt
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- coming and going


def test_a_center_may_start_before_its_broker(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA))
            began = time.monotonic()
            await anna.start(f"dn.{ANNA}")
            with pytest.raises(TransportDown):
                await anna.transport.publish(f"up.{ANNA}", b"too early")
            with pytest.raises(TransportDown):
                await anna.transport.round_trip()
            assert time.monotonic() - began < 0.1
            assert isinstance(anna.transport, NatsTransport)
            await until_error(anna.transport, "no broker listens at nats://127.0.0.1")
            assert anna.states == []
            await here.broker.start()
            began = time.monotonic()
            await anna.connected()
            assert time.monotonic() - began < 2.0
            assert anna.transport.last_error is None

    asyncio.run(scene())


def test_a_wire_comes_back_when_its_broker_comes_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            await here.broker.stop()
            await anna.disconnected()
            with pytest.raises(TransportDown, match=r"closed the connection|no broker listens"):
                await anna.transport.publish(f"up.{ANNA}", b"into the void")
            await asyncio.sleep(0.5)  # several attempts fail
            await here.broker.start()
            began = time.monotonic()
            await anna.connected()
            await hub.connected()
            assert time.monotonic() - began < 2.0
            await hub.transport.publish(f"dn.{ANNA}", b"again")
            assert await anna.heard() == [(f"dn.{ANNA}", b"again")]
            assert anna.states == [True, False, True]

    asyncio.run(scene())


def test_a_revoked_child_says_why_and_comes_in_again_once_it_is_enrolled_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA, patience=QUICK))
            await anna.start(f"dn.{ANNA}")
            await anna.connected()
            await here.broker.reload(here.keys.config(BERT, port=here.port))
            await anna.disconnected()
            assert isinstance(anna.transport, NatsTransport)
            await until_error(anna.transport, "refuses this center's key: not enrolled there, or revoked")
            await here.broker.reload(here.keys.config(ANNA, BERT, port=here.port))
            await anna.states_are(True, False, True)

    asyncio.run(scene())


def test_a_subject_that_is_not_permitted_is_told_while_the_wire_stays_up(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA))
            await anna.start(f"dn.{ANNA}", f"dn.{BERT}")
            await anna.connected()
            assert "does not permit this" in str(anna.transport.last_error)
            assert f'subscription to "dn.{BERT}"' in str(anna.transport.last_error)
            await anna.transport.publish(f"up.{BERT}", b"forged")
            await anna.transport.round_trip()
            assert f'publish to "up.{BERT}"' in str(anna.transport.last_error)
            assert anna.states == [True]

    asyncio.run(scene())


def test_something_else_on_the_broker_s_port_is_survived(tmp_path: Path) -> None:
    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async def scene() -> None:
        async with town(tmp_path, start=False) as here:
            wrong = await asyncio.start_server(web_server, "127.0.0.1", here.port)
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA))
            await anna.start(f"dn.{ANNA}")
            assert isinstance(anna.transport, NatsTransport)
            await until_error(anna.transport, "expecting INFO")
            wrong.close()
            await wrong.wait_closed()
            await here.broker.start()
            await anna.connected()

    asyncio.run(scene())


# ---------------------------------------------------------------- half-open connections


class Relay:
    """A line between a center and its broker that can become slow, or swallow everything without a word."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._delay = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    def freeze(self) -> None:
        """Read no more on the connections that are open now; new ones work."""
        self._flows.clear()
        self._flows = asyncio.Event()
        self._flows.set()

    def slow_down(self, delay: float) -> None:
        """Rest so many seconds after each piece of 16 KB."""
        self._delay = delay

    async def open(self) -> None:
        """Listen."""
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self._server = await asyncio.start_server(self._pair, sock=sock, limit=8 * 1024)
        self.url = f"nats://127.0.0.1:{sock.getsockname()[1]}"

    async def close(self) -> None:
        """Hang up."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _pair(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._copy(source, sink, self._flows))
            self._tasks.add(task)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        while data := await source.read(16 * 1024):
            await flows.wait()
            if sink.transport.is_closing():
                break
            sink.write(data)
            await sink.drain()
            if self._delay:
                await asyncio.sleep(self._delay)
        sink.close()


@asynccontextmanager
async def anna_behind_a_relay(here: Town, patience: Patience) -> AsyncIterator[tuple[Listener, Relay]]:
    relay = Relay(here.port)
    await relay.open()
    try:
        seed = here.keys.children[ANNA][0]
        anna = Listener(here.transport(seed, ANNA, url=relay.url, patience=patience))
        await anna.start(f"dn.{ANNA}")
        await anna.connected()
        yield anna, relay
    finally:
        await here.close()
        await relay.close()


async def publish_much(anna: Listener) -> None:
    for _ in range(2 * MAX_BACKLOG // 250_000 + 40):
        await anna.transport.publish(f"up.{ANNA}", bytes(250_000))
        await asyncio.sleep(0)


def test_a_line_that_swallows_everything_is_noticed_and_replaced(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here, anna_behind_a_relay(here, IMPATIENT) as (anna, relay):
            relay.freeze()
            began = time.monotonic()
            await anna.disconnected()
            assert 0.2 < time.monotonic() - began < 2.0
            assert "does not answer" in str(anna.transport.last_error)
            await anna.states_are(True, False, True)

    asyncio.run(scene())


def test_a_dead_line_full_of_unsent_frames_neither_eats_memory_nor_hangs(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here, anna_behind_a_relay(here, Patience()) as (anna, relay):
            relay.freeze()
            with pytest.raises(TransportDown, match="far behind"):
                await publish_much(anna)
            # The link sees no acknowledgements and gives the wire up; the watchdog would need half a minute.
            began = time.monotonic()
            await anna.transport.rebuild()
            assert anna.states == [True, False]
            await anna.states_are(True, False, True)
            assert time.monotonic() - began < Patience().ping_every, "it waited for the watchdog"
            await anna.transport.round_trip()

    asyncio.run(scene())


def test_a_dead_line_full_of_unsent_frames_is_noticed_and_replaced(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here, anna_behind_a_relay(here, IMPATIENT) as (anna, relay):
            relay.freeze()
            with pytest.raises(TransportDown, match="far behind"):
                await publish_much(anna)
            began = time.monotonic()
            await anna.states_are(True, False, True)
            assert time.monotonic() - began < 2.0

    asyncio.run(scene())


def test_a_slow_line_that_still_moves_is_not_taken_for_dead(tmp_path: Path) -> None:
    patience = replace(IMPATIENT, stall_after=1)

    async def scene() -> None:
        async with town(tmp_path) as here, anna_behind_a_relay(here, patience) as (anna, relay):
            hub = await here.hub()
            relay.slow_down(0.06)
            for number in range(4):
                await anna.transport.publish(f"up.{ANNA}", bytes([number]) * 200_000)
            began = time.monotonic()
            await anna.transport.round_trip()
            assert time.monotonic() - began > 2 * patience.stall_after, "the line was not slow enough for this test"
            assert len(await hub.heard(4)) == 4
            assert anna.states == [True]

    asyncio.run(scene())


def test_a_frozen_broker_is_left_and_met_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA, patience=IMPATIENT))
            await anna.start(f"dn.{ANNA}")
            await anna.connected()
            assert here.broker.pid is not None
            freeze(here.broker.pid)
            await anna.disconnected()
            os.kill(here.broker.pid, signal.SIGCONT)
            await anna.states_are(True, False, True)
            assert here.broker.restarts == 0

    asyncio.run(scene())


def test_an_attempt_that_hangs_can_be_given_up_too(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            assert here.broker.pid is not None
            freeze(here.broker.pid)
            anna = Listener(here.transport(here.keys.children[ANNA][0], ANNA))
            await anna.start(f"dn.{ANNA}")
            await asyncio.sleep(0.1)  # the kernel has taken the connection, the broker says nothing
            os.kill(here.broker.pid, signal.SIGKILL)
            began = time.monotonic()
            await anna.transport.rebuild()
            await anna.connected()
            assert time.monotonic() - began < 2.0

    asyncio.run(scene())


def test_a_wire_that_its_owner_gives_up_is_made_anew_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            began = time.monotonic()
            await anna.transport.rebuild()
            assert not anna.transport.connected
            await anna.states_are(True, False, True)
            assert time.monotonic() - began < 0.1
            await anna.transport.publish(f"up.{ANNA}", b"anew")
            assert await hub.heard() == [(f"up.{ANNA}", b"anew")]

    asyncio.run(scene())


# ---------------------------------------------------------------- frames


def test_frames_arrive_whole_and_in_order(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            sent = [number.to_bytes(2, "big") * (number * 97 % 5_000 + 1) for number in range(500)]
            for data in sent:
                await anna.transport.publish(f"up.{ANNA}", data)
            assert [data for _, data in await hub.heard(500)] == sent

    asyncio.run(scene())


def test_a_frame_that_the_broker_would_not_take_is_refused_before_it_leaves(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna = await here.child(ANNA)
            with pytest.raises(ValueError, match="1048577 bytes; the broker takes 1048576"):
                await anna.transport.publish(f"up.{ANNA}", bytes(1024 * 1024 + 1))
            assert anna.states == [True]

    asyncio.run(scene())


def test_an_owner_who_fails_on_one_frame_still_gets_the_next(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, heard = await here.hub(), asyncio.Event()

            def on_frame(_subject: str, data: bytes) -> None:
                if data == b"bad":
                    raise RuntimeError("owner's trouble")
                heard.set()

            up = asyncio.Event()
            anna = here.transport(here.keys.children[ANNA][0], ANNA)
            await anna.start([f"dn.{ANNA}"], on_frame, lambda _connected: up.set())
            await up.wait()
            await hub.transport.publish(f"dn.{ANNA}", b"bad")
            await hub.transport.publish(f"dn.{ANNA}", b"good")
            await asyncio.wait_for(heard.wait(), 5)
            assert anna.connected

    asyncio.run(scene())


def test_a_round_trip_that_nobody_waits_for_any_more_does_no_harm(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            assert here.broker.pid is not None
            freeze(here.broker.pid)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anna.transport.round_trip()
            os.kill(here.broker.pid, signal.SIGCONT)
            assert 0 < await anna.transport.round_trip() < 1
            await hub.transport.publish(f"dn.{ANNA}", b"still reading")
            assert await anna.heard() == [(f"dn.{ANNA}", b"still reading")]
            assert anna.states == [True]

    asyncio.run(scene())


def test_a_round_trip_ends_when_its_connection_does(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            anna = await here.child(ANNA)
            assert here.broker.pid is not None
            freeze(here.broker.pid)
            waiting = asyncio.create_task(anna.transport.round_trip())
            await asyncio.sleep(0.05)
            await anna.transport.rebuild()
            with pytest.raises(TransportDown):
                await asyncio.wait_for(waiting, 1)
            os.kill(here.broker.pid, signal.SIGCONT)

    asyncio.run(scene())


def test_what_was_published_before_the_close_arrives_and_nothing_is_left_running(tmp_path: Path) -> None:
    async def scene() -> None:
        async with town(tmp_path) as here:
            hub, anna = await here.hub(), await here.child(ANNA)
            await anna.transport.publish(f"up.{ANNA}", b"goodbye")
            await anna.transport.close()
            await anna.transport.close()
            assert await hub.heard() == [(f"up.{ANNA}", b"goodbye")]
            assert anna.states == [True, False]
            await hub.transport.close()
            await here.broker.stop()
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())


# ---------------------------------------------------------------- many at once


def test_a_town_of_150_villages_comes_back_from_a_restart_without_a_stampede(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[float] = []

    class NotedWire(Wire):
        def __init__(self, *, require_tls: bool) -> None:
            dialled.append(time.monotonic())
            super().__init__(require_tls=require_tls)

    async def scene(ending: AsyncExitStack) -> None:
        keys = Keys(children={f"532923102{number:03}": new_user_seed() for number in range(150)})
        broker = SupervisedBroker(tmp_path, keys.config(*keys.children, port=free_port()))
        connected_at: list[float] = []
        everybody = asyncio.Event()

        def on_state(connected: bool) -> None:
            if connected:
                connected_at.append(time.monotonic())
                if len(connected_at) == len(keys.children):
                    everybody.set()

        await broker.start()
        ending.push_async_callback(broker.stop)
        began = time.monotonic()
        for code, (seed, _) in keys.children.items():
            village = NatsTransport(
                broker.client_url, seed=seed, inbox_prefix=f"_INBOX_{code}", ca_file=None, name=code
            )
            await village.start([f"dn.{code}"], lambda _subject, _data: None, on_state)
            ending.push_async_callback(village.close)
        await everybody.wait()
        unhurried = time.monotonic() - began
        everybody.clear()
        connected_at.clear()
        monkeypatch.setattr("node.federation.nats_transport.Wire", NotedWire)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        while broker.restarts == 0:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        back_at = time.monotonic()
        await everybody.wait()
        assert connected_at[-1] - back_at < 2.0 + unhurried
        first_tries = dialled[: len(keys.children)]
        assert first_tries[-1] - first_tries[0] > 0.2, "they all came in the same instant"

    async def within_two_minutes() -> None:
        async with asyncio.timeout(120), AsyncExitStack() as ending:
            await scene(ending)

    asyncio.run(within_two_minutes())


def test_pauses_grow_and_are_drawn_at_random() -> None:
    patience = Patience()

    def pause(failures: int, chance: float, *, local: bool = False, refused: bool = False) -> float:
        return round(patience.pause(failures, chance, local=local, refused=refused), 3)

    assert (pause(1, 0), pause(1, 1)) == (0.1, 0.5)
    assert (pause(4, 0), pause(4, 1)) == (0.491, 2.456)
    assert (pause(100, 0), pause(100, 1)) == (3.0, 15.0)
    assert (pause(100, 0, local=True), pause(100, 1, local=True)) == (0.2, 1.0)
    assert (pause(1, 0, refused=True), pause(1, 1, refused=True, local=True)) == (1.0, 5.0)
    assert pause(100, 1, refused=True, local=True) == 15.0


# ---------------------------------------------------------------- what is refused from the start


@pytest.mark.parametrize("url", ["nats://192.168.1.5:4222", "nats://town.example", "nats://10.0.0.1,nats://localhost"])
def test_a_broker_elsewhere_is_never_spoken_to_in_the_clear(url: str) -> None:
    with pytest.raises(ValueError, match="over TLS only"):
        NatsTransport(url, seed=None, inbox_prefix="_INBOX_x", ca_file=None, name="x")


@pytest.mark.parametrize("url", ["", "localhost:4222", "http://localhost", "nats://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a broker's URL reads"):
        NatsTransport(url, seed=None, inbox_prefix="_INBOX_x", ca_file=None, name="x")


def test_a_seed_gives_its_public_key_and_a_damaged_one_gives_an_error() -> None:
    seed, public = new_user_seed()
    assert (public_of(seed), public_of(f" {seed}\n")) == (public, public)
    assert seed.startswith("SU")
    swapped = seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:]
    for damaged in ("", "SU", seed[:-1], swapped, seed.lower(), public, "种子"):
        with pytest.raises(BadSeed):
            NatsTransport("nats://localhost", seed=damaged, inbox_prefix="_INBOX_x", ca_file=None, name="x")
