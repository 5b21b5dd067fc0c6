"""Status through running links: days after an outage, silence, and centers that leave."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from node.clock import local_day
from node.status.board import STALE_AFTER
from tests.conftest import PostgresServer
from tests.federation_kit import DatabaseUrl, Fed, Member, Wire, county, postgres_urls
from tests.status.test_acceptance import begin_the_day, register, status

TOWN, OTHER_TOWN = "532923101000", "532923102000"
VILLAGE, FAR_VILLAGE = "532923101001", "532923102201"
CODES = (VILLAGE, FAR_VILLAGE)

Scene = Callable[[Fed], Coroutine[None, None, None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[DatabaseUrl | None]:
    """Where the centers of a test keep their data: files, or databases of a real PostgreSQL."""
    if request.param == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as url:
        yield url


def play(directory: Path, scene: Scene, *, wire: Wire = Wire.MEMORY, url: DatabaseUrl | None = None) -> None:
    """Play a scene in a county of two townships with a village each."""

    async def played() -> None:
        async with county(directory, codes=CODES, wire=wire, database_url=url) as fed:
            begin_the_day(fed)
            await fed.settle()
            await scene(fed)

    asyncio.run(played())


def matters(center: Member, count: int) -> None:
    for _ in range(count):
        with center.act() as unit:
            register(unit)


def registered_by_day(client: TestClient, first: str, last: str) -> list[int]:
    answer = client.get("/api/v1/status/series", params={"metric": "registered", "from": first, "to": last})
    found: list[int] = answer.json()["total"]
    return found


def child(found: dict[str, Any], code: str) -> dict[str, Any]:
    return next(one for one in found["children"] if one["code"] == code)


@pytest.mark.parametrize("wire", list(Wire))
def test_what_a_village_counts_the_county_knows(tmp_path: Path, wire: Wire, database_url: DatabaseUrl | None) -> None:
    async def scene(fed: Fed) -> None:
        matters(fed[VILLAGE], 3)
        matters(fed[OTHER_TOWN], 1)
        await fed.settle()
        found = status(fed.root.client(Role.monitor))
        assert found["subtree"]["registered"] == 4
        assert [one["subtree"]["registered"] for one in found["children"]] == [3, 1]
        assert found["missing"] == []

    play(tmp_path, scene, wire=wire, url=database_url)


def test_every_day_of_an_outage_is_exact_afterwards(tmp_path: Path) -> None:
    async def scene(fed: Fed) -> None:
        first = local_day(fed.clock.now())
        await fed[TOWN].stop()
        for count in (2, 0, 5):
            matters(fed[VILLAGE], count)
            matters(fed[FAR_VILLAGE], 1)
            fed.clock.advance(timedelta(days=1))
        await fed.settle()
        client = fed.root.client(Role.monitor)
        last = local_day(fed.clock.now())
        assert registered_by_day(client, first, last) == [1, 1, 1, 0]
        assert status(client)["subtree"]["registered"] == 3
        await fed[TOWN].start()
        await fed.settle()
        assert registered_by_day(client, first, last) == [3, 1, 6, 0]
        assert status(client)["subtree"]["registered"] == 10
        period = status(client, from_=first, to=first)
        assert (period["opening"], period["subtree"]["registered"], period["subtree"]["held"]) == (0, 3, 3)

    play(tmp_path, scene)


def test_who_falls_silent_grows_stale_and_is_offline_where_its_parent_looks(tmp_path: Path) -> None:
    async def scene(fed: Fed) -> None:
        await fed[VILLAGE].stop()
        fed.clock.advance(STALE_AFTER)
        await fed.settle()
        await fed.until(lambda: not child(status(fed.root.client(Role.monitor)), TOWN)["stale"])
        above = status(fed.root.client(Role.monitor))
        assert fed.clock.now() - datetime.fromisoformat(above["oldest_as_of"]) > STALE_AFTER
        assert child(above, TOWN)["online"] is True
        grandchild = child(status(fed.root.client(Role.monitor), center=TOWN), VILLAGE)
        assert (grandchild["stale"], grandchild["online"]) == (True, None)
        assert child(status(fed[TOWN].client(Role.monitor)), VILLAGE)["stale"] is True

    play(tmp_path, scene)


def test_a_revoked_village_still_counts_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async def scene(fed: Fed) -> None:
        matters(fed[VILLAGE], 2)
        await fed.settle()
        await fed.revoke(VILLAGE)
        await fed[VILLAGE].stop()
        matters(fed[TOWN], 1)
        await fed.settle()
        found = status(fed.root.client(Role.monitor), center=TOWN)
        assert found["subtree"]["registered"] == 3
        assert child(found, VILLAGE)["revoked"] is True
        assert found["missing"] == []
        fed.clock.advance(timedelta(days=9))
        await fed.until(lambda: not status(fed.root.client(Role.monitor))["children"][0]["stale"])
        oldest = status(fed[TOWN].client(Role.monitor))["oldest_as_of"]
        assert fed.clock.now() - datetime.fromisoformat(oldest) < STALE_AFTER

    play(tmp_path, scene)
