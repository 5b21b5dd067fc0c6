"""The loops of a center's federation outlive whatever goes wrong in them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from node.db import DatabaseUnavailable
from node.federation import lanes
from node.federation.runner import Federation
from protocol.messages import Type
from protocol.payloads import Void
from tests.federation_kit import Fed, MovedClock, Wire, county

TOWN = "532923101000"

Result = TypeVar("Result")


def play(directory: Path, scene: Callable[[Fed, Federation], Awaitable[None]]) -> None:
    """Play a scene in a county with one township."""

    async def played() -> None:
        async with county(directory, codes=[TOWN], wire=Wire.MEMORY) as fed:
            await fed.settle()
            assert fed.root.federation is not None
            await scene(fed, fed.root.federation)

    asyncio.run(played())


def once(failure: Exception, then: Callable[..., Result]) -> Callable[..., Result]:
    """Fail at the first call, and do as before at all later ones."""
    failures = [failure]

    def failing(*given: object) -> Result:
        if failures:
            raise failures.pop()
        return then(*given)

    return failing


def test_a_link_that_could_not_begin_begins_a_second_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(fed: Fed, federation: Federation) -> None:
        monkeypatch.setattr(lanes, "read_records", once(DatabaseUnavailable("disk is full"), lanes.read_records))
        await federation.links.pop(TOWN).close()
        await fed.until(lambda: TOWN in federation.links and federation.links[TOWN].linked_once.is_set(), 20)

    play(tmp_path, scene)


def test_what_nobody_foresaw_in_a_frame_does_not_end_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(fed: Fed, federation: Federation) -> None:
        failing = once(ZeroDivisionError("nobody foresaw this"), federation.links[TOWN].frame)
        monkeypatch.setattr(federation.links[TOWN], "frame", failing)
        with fed[TOWN].act() as unit:
            unit.outbox.send(Type.VOID, Void(), fed.root.code)
        await fed.settle()

    play(tmp_path, scene)


def test_the_broker_hears_of_a_new_child_even_if_the_first_word_failed(tmp_path: Path) -> None:
    async def scene(fed: Fed, federation: Federation) -> None:
        heard: list[frozenset[str]] = []

        async def hear() -> None:
            heard.append(frozenset(federation.links))
            if len(heard) == 1:
                raise DatabaseUnavailable("database is locked")

        federation.children_changed = hear
        await fed.revoke(TOWN)
        await fed.until(lambda: len(heard) == 2, 20)

    play(tmp_path, scene)


def test_a_clock_that_is_set_is_shown_on_both_sides_of_a_link_that_stays_up(tmp_path: Path) -> None:
    async def scene(fed: Fed, federation: Federation) -> None:
        await fed[TOWN].stop()
        fed[TOWN].center.clock = ahead = MovedClock()
        await fed[TOWN].start()
        restarted = fed[TOWN].federation
        assert restarted is not None
        await fed.until(restarted.links[fed.root.code].linked_once.is_set, 20)
        await fed.settle()
        upward, session = restarted.links[fed.root.code], federation.links[TOWN].machine.session
        ahead.advance(timedelta(days=-3650))
        await fed.until(lambda: _about(federation.links[TOWN].clock_offset, -3650 * 86400), 20)
        await fed.until(lambda: _about(upward.clock_offset, 3650 * 86400), 20)
        assert federation.links[TOWN].machine.session == session

    play(tmp_path, scene)


def _about(offset: float | None, expected: float) -> bool:
    return offset is not None and abs(offset - expected) < 30
