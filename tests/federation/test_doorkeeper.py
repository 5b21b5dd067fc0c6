"""Who sends what no center sends is counted, told, and not listened to for a while; nobody else waits for it."""

import asyncio
import os
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard
from sqlalchemy import select

from node.accounts.roles import Role
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.federation.doorkeeper import (
    CALM_S,
    FORGIVEN_S,
    PATIENCE,
    PAUSE_MAX_S,
    PAUSE_S,
    TOLD_EVERY_S,
    WAITING_MAX,
    Doorkeeper,
    FairQueue,
)
from node.federation.tables import LinkRow
from node.status.reporting import own_row
from protocol.messages import Lane, Type
from protocol.payloads import Void
from protocol.wire import FRAME_MAX_BYTES
from tests.federation.brokers import stranger
from tests.federation_kit import Fed, Member, county

TOWN = "532923102000"
ANNA, BERT = "532923102201", "532923102202"


class Time:
    """Seconds that pass as a test likes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def door(time: Time) -> Doorkeeper:
    return Doorkeeper(time)


def refuse(door: Doorkeeper, times: int, peer: str = ANNA) -> None:
    for _ in range(times):
        door.refused(peer, "no frame")


def test_a_few_refused_frames_are_forgiven(door: Doorkeeper, time: Time) -> None:
    refuse(door, PATIENCE)
    assert door.lets_in(ANNA)
    for _ in range(3 * PATIENCE):
        time.now += FORGIVEN_S
        refuse(door, 1)
    assert door.lets_in(ANNA)


def test_who_goes_on_is_not_listened_to_and_each_pause_is_longer(door: Doorkeeper, time: Time) -> None:
    refuse(door, PATIENCE + 1)
    pauses = []
    for _ in range(10):
        began = time.now
        while not door.lets_in(ANNA):
            time.now += PAUSE_S / 2
        pauses.append(time.now - began)
        assert door.lets_in(BERT)
        refuse(door, 10)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == PAUSE_MAX_S


def test_who_goes_on_after_that_is_put_out_at_the_broker_for_as_long(door: Doorkeeper, time: Time) -> None:
    out = []
    for _ in range(4):
        refuse(door, PATIENCE + 1)
        out.append(door.out())
        while not door.lets_in(ANNA):
            time.now += PAUSE_S / 2
        assert door.out() == frozenset()
    assert out == [frozenset(), frozenset(), frozenset({ANNA}), frozenset({ANNA})]


def test_who_was_repaired_begins_again_with_a_short_pause(door: Doorkeeper, time: Time) -> None:
    for _ in range(8):
        refuse(door, PATIENCE + 1)
        time.now += PAUSE_MAX_S
    time.now += CALM_S + 1
    refuse(door, PATIENCE + 1)
    time.now += PAUSE_S
    assert door.lets_in(ANNA)


def test_news_are_few_whatever_comes(door: Doorkeeper, time: Time) -> None:
    refuse(door, 1)
    [first] = door.news()
    assert (first.peer, first.refused, first.limited_s) == (ANNA, 1, None)
    refuse(door, PATIENCE)
    [limited] = door.news()
    assert limited.limited_s == PAUSE_S
    refuse(door, 500)
    assert door.news() == []
    time.now += TOLD_EVERY_S
    [rest] = door.news()
    assert rest.refused == 500


def test_frames_are_read_in_turn_and_a_flood_does_not_grow(door: Doorkeeper) -> None:
    del door

    async def play() -> None:
        queue: FairQueue[int] = FairQueue()
        assert all(queue.put(ANNA, number, 10) for number in range(WAITING_MAX))
        assert not queue.put(ANNA, -1, 10)
        assert not queue.put(BERT, -1, 100 * 1024 * 1024)
        assert queue.put(BERT, 7, 10)
        queue.put_first("wire", 0)
        came = [await queue.get() for _ in range(3)]
        assert came == [("wire", 0), (ANNA, 0), (BERT, 7)]
        rest = [await queue.get() for _ in range(WAITING_MAX - 1)]
        assert [number for _, number in rest] == list(range(1, WAITING_MAX))
        assert queue.empty()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put(BERT, 8, 1)
        assert await waiting == (BERT, 8)

    asyncio.run(play())


# --- a child with its own key against a real broker and a real center ----------------------------------------------


def play_attack(directory: Path, attack: Callable[[Fed, Member, Member], Awaitable[None]]) -> None:
    """A township, and two villages of which one is hostile from the first moment on: it never starts."""

    async def played() -> None:
        async with county(directory, codes=[ANNA, BERT], started=False, acquainted=True) as fed:
            for member in fed:
                if member.code != ANNA:
                    await member.start()
            await attack(fed, fed[TOWN], fed[ANNA])

    asyncio.run(played())


def garbage() -> list[bytes]:
    """What a hostile center may put on its own subjects."""
    nested = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    bomb = zstandard.compress(bytes(64 * 1024 * 1024))
    return [
        b"",
        b"\0" * 64,
        os.urandom(300),
        os.urandom(FRAME_MAX_BYTES * 3),
        nested,
        b"LD" + nested,
        bomb,
        zlib.compress(bytes(8 * 1024 * 1024)),
    ]


def test_garbage_gets_its_sender_limited_and_shown_and_the_others_go_on(tmp_path: Path) -> None:
    async def attack(fed: Fed, town: Member, anna: Member) -> None:
        assert anna.settings.link_seed_file is not None
        assert town.broker is not None
        seed = anna.settings.link_seed_file.read_text(encoding="ascii")
        url = town.broker.config.client_url
        async with stranger(url, seed) as hostile:
            pieces = garbage()
            for number in range(400):
                subject = f"{('up', 'st')[number % 2]}.{ANNA}"
                await hostile.client.publish(subject, pieces[number % len(pieces)])
            assert await hostile.refused() == ""  # they are its own subjects
            with fed[BERT].act() as unit:
                for _ in range(30):
                    unit.outbox.send(Type.VOID, Void(), TOWN)
            await fed.until(lambda: link(town, ANNA).limited_until is not None)
            await fed.until(lambda: acked(fed[BERT]))
            assert link(town, ANNA).refused > PATIENCE
            assert link(town, BERT).refused == 0
        # What it is, everybody can see who looks after the township.
        told = town.client(Role.admin).get("/metrics").text
        assert f'liandong_frames_refused_total{{peer="{ANNA}"}}' in told
        assert f'liandong_frames_refused_total{{peer="{BERT}"}}' not in told
        shown = [one for one in town.client(Role.admin).get("/api/v1/links").json() if one["peer"] == ANNA]
        assert shown[0]["refused"] > PATIENCE
        with town.read() as session:
            events = session.scalars(select(AuditRow.event).where(AuditRow.subject == ANNA)).all()
            assert own_row(session, town.center, town.center.clock.now()).code == TOWN
        assert Event.FRAME_REFUSED in events
        assert Event.LINK_LIMITED in events
        assert len(events) < 20, "a flood does not fill the audit log"
        # Its true owner is heard again.
        await fed[ANNA].start()
        await fed.settle()

    play_attack(tmp_path, attack)


class Shown(NamedTuple):
    """What the link's row says."""

    refused: int
    limited_until: datetime | None


def link(member: Member, peer: str) -> Shown:
    with member.read() as session:
        row = session.execute(select(LinkRow.refused, LinkRow.limited_until).where(LinkRow.peer == peer)).one()
        return Shown(*row)


def acked(member: Member) -> bool:
    federation = member.federation
    assert federation is not None
    machine = federation.links[TOWN].machine
    return all(machine.acked(lane).seq == machine.offered(lane).seq for lane in Lane) and bool(
        machine.acked(Lane.CASE).seq
    )
