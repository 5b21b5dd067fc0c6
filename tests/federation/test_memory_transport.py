"""The in-memory twin behaves as the real transport does: most tests here run on both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from node.federation.memory_transport import MemoryBroker, MemoryTransport
from node.federation.transport import Transport, TransportDown, subject_matches
from tests.federation.brokers import ANNA, BERT, QUICK, Listener, town


class Ground:
    """A hub and Anna's village on either kind of broker, and the broker's life in the test's hands."""

    hub: Listener
    anna: Listener

    def make(self) -> Transport:
        """Make Anna's transport."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the broker."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start the broker again."""
        raise NotImplementedError

    async def revoke(self) -> None:
        """Let Anna in no more."""
        raise NotImplementedError


@asynccontextmanager
async def memory_ground(_directory: Path) -> AsyncIterator[Ground]:
    broker = MemoryBroker()

    class Memory(Ground):
        hub = Listener(
            MemoryTransport(broker, "hub", may_publish=["dn.*"], may_subscribe=["up.*", "st.*", "_INBOX_hub.>"])
        )

        def make(self) -> Transport:
            rights = [f"up.{ANNA}", f"st.{ANNA}"], [f"dn.{ANNA}", f"_INBOX_{ANNA}.>"]
            return MemoryTransport(broker, ANNA, may_publish=rights[0], may_subscribe=rights[1])

        async def stop(self) -> None:
            broker.stop()

        async def start(self) -> None:
            broker.start()

        async def revoke(self) -> None:
            broker.revoke(ANNA)

    ground = Memory()
    ground.anna = Listener(ground.make())
    yield ground
    await ground.anna.transport.close()
    await ground.hub.transport.close()


@asynccontextmanager
async def real_ground(directory: Path) -> AsyncIterator[Ground]:
    async with town(directory) as here:

        class Real(Ground):
            hub = Listener(here.transport(here.keys.hub[0], "hub", patience=QUICK))

            def make(self) -> Transport:
                return here.transport(here.keys.children[ANNA][0], ANNA, patience=QUICK)

            async def stop(self) -> None:
                await here.broker.stop()

            async def start(self) -> None:
                await here.broker.start()

            async def revoke(self) -> None:
                await here.broker.reload(here.keys.config(BERT, port=here.port))

        ground = Real()
        ground.anna = Listener(ground.make())
        yield ground


@pytest.fixture(params=["memory", "real"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def on(kind: str, directory: Path) -> AsyncIterator[Ground]:
    """Lay the ground, with hub and Anna connected."""
    async with asyncio.timeout(10), (memory_ground if kind == "memory" else real_ground)(directory) as ground:
        await ground.hub.start("up.*", "st.*")
        await ground.anna.start(f"dn.{ANNA}")
        assert ground.anna.states == [], "start returns before it is connected"
        await ground.hub.connected()
        await ground.anna.connected()
        yield ground


def test_frames_go_to_who_listens_in_their_order(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            for number in range(5):
                await ground.anna.transport.publish(f"up.{ANNA}", bytes([number]))
            assert await ground.hub.heard(5) == [(f"up.{ANNA}", bytes([number])) for number in range(5)]
            await ground.hub.transport.publish(f"dn.{BERT}", b"not for Anna")
            await ground.hub.transport.publish(f"dn.{ANNA}", b"for Anna")
            assert await ground.anna.heard() == [(f"dn.{ANNA}", b"for Anna")]

    asyncio.run(scene())


def test_a_publisher_is_never_called_back_from_inside_its_publish(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            await ground.anna.transport.publish(f"up.{ANNA}", b"1")
            assert ground.hub.frames == []
            await ground.hub.heard()

    asyncio.run(scene())


def test_a_frame_on_a_forbidden_subject_vanishes_and_is_told(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            assert ground.anna.transport.last_error is None
            await ground.anna.transport.publish(f"up.{BERT}", b"forged")
            await ground.anna.transport.publish(f"up.{ANNA}", b"honest")
            assert await ground.hub.heard() == [(f"up.{ANNA}", b"honest")]
            await ground.anna.settled()
            assert f'permissions violation for publish to "up.{BERT}"' in str(ground.anna.transport.last_error)
            assert ground.anna.states == [True]

    asyncio.run(scene())


def test_a_forbidden_subscription_hears_nothing_and_is_told(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            nosy = Listener(ground.make())
            await nosy.start("dn.*", f"dn.{ANNA}")
            await nosy.connected()
            assert 'permissions violation for subscription to "dn.*"' in str(nosy.transport.last_error)
            await ground.hub.transport.publish(f"dn.{BERT}", b"not for Anna")
            await ground.hub.transport.publish(f"dn.{ANNA}", b"for Anna")
            assert await nosy.heard() == [(f"dn.{ANNA}", b"for Anna")]
            await nosy.transport.close()

    asyncio.run(scene())


def test_a_stopped_broker_disconnects_everybody_and_a_started_one_has_them_back(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            await ground.stop()
            await ground.anna.disconnected()
            assert ground.anna.transport.last_error
            with pytest.raises(TransportDown):
                await ground.anna.transport.publish(f"up.{ANNA}", b"into the void")
            with pytest.raises(TransportDown):
                await ground.anna.transport.round_trip()
            await ground.start()
            await ground.anna.states_are(True, False, True)
            await ground.hub.states_are(True, False, True)
            await ground.anna.transport.publish(f"up.{ANNA}", b"back")
            assert await ground.hub.heard() == [(f"up.{ANNA}", b"back")]

    asyncio.run(scene())


def test_a_revoked_center_is_cut_off_and_stays_out(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            await ground.revoke()
            await ground.anna.states_are(True, False)
            await ground.anna.transport.rebuild()
            while "refuses this center's key" not in str(ground.anna.transport.last_error):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert ground.anna.states == [True, False]
            assert ground.hub.states == [True]

    asyncio.run(scene())


def test_a_given_up_wire_is_made_anew(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            await ground.anna.transport.rebuild()
            assert not ground.anna.transport.connected
            await ground.anna.states_are(True, False, True)
            assert ground.anna.transport.last_error is None

    asyncio.run(scene())


def test_a_closed_transport_stays_closed(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with on(kind, tmp_path) as ground:
            await ground.anna.transport.close()
            await ground.anna.transport.close()
            assert ground.anna.states == [True, False]
            await ground.stop()
            await ground.start()
            await ground.hub.states_are(True, False, True)
            await ground.hub.transport.publish(f"dn.{ANNA}", b"anybody there?")
            await ground.hub.settled()
            assert (ground.anna.states, ground.anna.frames) == ([True, False], [])

    asyncio.run(scene())


# ---------------------------------------------------------------- the twin alone


def test_frames_under_way_are_lost_when_the_twin_stops() -> None:
    async def scene() -> None:
        broker = MemoryBroker()
        one, other = Listener(MemoryTransport(broker, "one")), Listener(MemoryTransport(broker, "other"))
        for listener in (one, other):
            await listener.start("up.1")
            await listener.connected()
        await one.transport.publish("up.1", b"lost")
        broker.stop()
        broker.start()
        await other.states_are(True, False, True)
        await one.transport.publish("up.1", b"kept")
        assert await other.heard() == [("up.1", b"kept")]

    asyncio.run(scene())


def test_a_simulator_decides_when_the_twin_delivers() -> None:
    agenda: list[Callable[[], None]] = []
    broker = MemoryBroker(call_soon=agenda.append)

    def work_off() -> None:
        while agenda:
            agenda.pop(0)()

    async def scene() -> None:
        one, other = Listener(MemoryTransport(broker, "one")), Listener(MemoryTransport(broker, "other"))
        await one.start()
        await other.start("up.*")
        assert one.states == other.states == []
        work_off()
        assert one.states == other.states == [True]
        await one.transport.publish("up.1", b"frame")
        assert other.frames == []
        work_off()
        assert other.frames == [("up.1", b"frame")]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("pattern", "subject", "covered"),
    [
        ("up.1", "up.1", True),
        ("up.1", "up.2", False),
        ("up.1", "up.1.2", False),
        ("up.*", "up.1", True),
        ("up.*", "up", False),
        ("up.*", "up.1.2", False),
        ("up.*", "up.*", True),
        ("up.*", "up.>", False),
        ("up.1", "up.*", False),
        ("up.>", "up.1", True),
        ("up.>", "up.1.2", True),
        ("up.>", "up", False),
        ("up.>", "up.>", True),
        ("*.1", ">", False),
        (">", "anything.at.all", True),
    ],
)
def test_a_pattern_covers_what_nats_says_it_covers(pattern: str, subject: str, *, covered: bool) -> None:
    assert subject_matches(pattern, subject) is covered
