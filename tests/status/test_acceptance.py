"""Real figures of real places, through real nats-servers: what the villages did is what the county sees.

The figures are those of DOMAIN.md: 麻江县 published 614 found, 600 mediated, 589 succeeded for 2024; 盐津县落雁乡 185
found, 179 settled.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from node.accounts.roles import Role
from node.cases import log, service
from node.cases.tables import CaseRow
from node.clock import LOCAL_ZONE
from node.divisions import children_of
from node.status.board import STALE_AFTER
from node.unit import Unit
from protocol.codes import Category, Grade
from protocol.entries import Agreed, Body, Failed, Kind, Mediated, Party
from tests.federation_kit import Fed, Member, county

MAJIANG = "522635000000"
YANJIN, LUOYAN = "530623000000", "530623202000"

FOUND, MEDIATED, SUCCEEDED = 614, 600, 589
ESCALATED = 28
"""Of the mediated ones, so many are settled by the township: every way up and every counter has its share."""
HIGH = 5
"""Of the open ones, so many are of high grade."""


class Fate(StrEnum):
    """What becomes of a matter."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    SUCCEEDS_ABOVE = "succeeds above"
    STAYS_OPEN = "stays open"
    STAYS_OPEN_HIGH = "stays open, high"


def fates() -> list[Fate]:
    """What becomes of each matter of 麻江县, in some order that is always the same."""
    found = (
        [Fate.SUCCEEDS_ABOVE] * ESCALATED
        + [Fate.SUCCEEDS] * (SUCCEEDED - ESCALATED)
        + [Fate.FAILS] * (MEDIATED - SUCCEEDED)
        + [Fate.STAYS_OPEN_HIGH] * HIGH
        + [Fate.STAYS_OPEN] * (FOUND - MEDIATED - HIGH)
    )
    random.Random(614).shuffle(found)
    return found


def register(unit: Unit, grade: Grade = Grade.LOW) -> str:
    matter = service.Registration(
        title="两家为院墙争执",
        category=Category.NEIGHBOURHOOD,
        place="村头",
        parties=(Party(name="杨秀英"), Party(name="李国华")),
        grade=grade,
    )
    return service.register(unit, matter, "受理员").id


def mediate(unit: Unit, case_id: str) -> None:
    held = Mediated(held_at=unit.now, place="调解室", mediators=("王老师",), summary="双方到场，各说各的理。")
    log.write(unit, case_id, Kind.ACCEPTED, Body(), "调解员")
    log.write(unit, case_id, Kind.MEDIATED, held, "调解员")


def settle(unit: Unit, case_id: str) -> None:
    log.write(unit, case_id, Kind.AGREED, Agreed(agreement="李家修墙，杨家让出一尺。"), "调解员")
    log.write(unit, case_id, Kind.CLOSED, Body(), "调解员")


def live(village: Member, fate: Fate) -> None:
    """A matter comes to a village and goes its way there."""
    with village.act() as unit:
        case_id = register(unit, Grade.HIGH if fate is Fate.STAYS_OPEN_HIGH else Grade.LOW)
    if fate in {Fate.STAYS_OPEN, Fate.STAYS_OPEN_HIGH}:
        return
    with village.act() as unit:
        mediate(unit, case_id)
        if fate is Fate.SUCCEEDS:
            settle(unit, case_id)
        elif fate is Fate.FAILS:
            log.write(unit, case_id, Kind.FAILED, Failed(reason="谈不拢"), "调解员")
            log.write(unit, case_id, Kind.CLOSED, Body(), "调解员")
        else:
            state = unit.book.state(case_id)
            assert state is not None
            service.escalate(unit, state, "村里调解不下", frozenset(), "调解员")


def settle_all_held(township: Member) -> None:
    """A township settles whatever its villages sent up."""
    held = select(CaseRow.id).where(CaseRow.holder == township.code, CaseRow.ended.is_(False))
    with township.read() as session:
        case_ids = session.scalars(held).all()
    for case_id in case_ids:
        with township.act() as unit:
            mediate(unit, case_id)
            settle(unit, case_id)


async def live_through(villages: Sequence[Member], parts: Sequence[Fate]) -> None:
    """Matters are spread evenly over villages, and each village goes through its own."""

    def at(number: int, village: Member) -> None:
        for fate in parts[number :: len(villages)]:
            live(village, fate)

    await asyncio.gather(*(asyncio.to_thread(at, number, village) for number, village in enumerate(villages)))


def status(client: TestClient, **query: str) -> dict[str, Any]:
    answer = client.get("/api/v1/status", params={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def is_balanced(found: dict[str, Any]) -> bool:
    """Whether what came in is what went out and what is there."""
    row = found["subtree"]
    into: int = row["registered"]
    if found["opening"] is not None:
        into += found["opening"] + row["reopened"]
    out: int = row["closed"] + row["merged"] + row["held"] + row["in_transit"]
    return into == out


def begin_the_day(fed: Fed) -> None:
    """Go on to ten in the morning, so that no test runs over midnight."""
    now = fed.clock.now().astimezone(LOCAL_ZONE)
    ten = now.replace(hour=10, minute=0)
    fed.clock.advance(ten - now if ten > now else ten + timedelta(days=1) - now)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_county_of_majiang(tmp_path: Path) -> None:
    async def scene() -> None:
        async with county(tmp_path, MAJIANG, acquainted=True) as fed:
            assert len(fed) == 78
            begin_the_day(fed)
            villages, townships = fed.of_level("village"), fed.of_level("township")
            assert (len(townships), len(villages)) == (7, 70)
            await live_through(villages, fates())
            await fed.settle()
            for township in townships:
                await asyncio.to_thread(settle_all_held, township)
            await fed.settle()
            await asyncio.to_thread(look_at_majiang, fed)

    asyncio.run(scene())


def look_at_majiang(fed: Fed) -> None:
    client = fed.root.client(Role.monitor)
    found = status(client)
    assert found["rates"]["success_rate"] == {"numerator": 589, "denominator": 600, "definition": 1}
    assert found["rates"]["settled_of_found"] == {"numerator": 589, "denominator": 614, "definition": 1}
    row = found["subtree"]
    assert (row["registered"], row["mediated"], row["succeeded"], row["failed"]) == (614, 600, 589, 11)
    assert (row["closed"], row["held"], row["in_transit"]) == (600, 14, 0)
    assert row["settled_at"] == {"village": 600 - ESCALATED, "township": ESCALATED}
    assert row["flow"] == {"village": {"village": 600 - ESCALATED, "township": ESCALATED}}
    assert (row["escalated"], row["received"]) == (ESCALATED, ESCALATED)
    assert is_balanced(found)
    check_ages(fed, found)
    check_drill_down(fed, client, found)
    check_high(found)
    check_days(fed, client, row)


def check_ages(fed: Fed, found: dict[str, Any]) -> None:
    assert found["missing"] == []
    assert fed.clock.now() - datetime.fromisoformat(found["oldest_as_of"]) < STALE_AFTER
    assert [(one["stale"], one["online"], one["revoked"]) for one in found["children"]] == [(False, True, False)] * 7


def check_drill_down(fed: Fed, client: TestClient, found: dict[str, Any]) -> None:
    """Every center is seen from above as it sees itself, and the parts are the whole."""
    assert [one["code"] for one in found["children"]] == [one.code for one in fed.of_level("township")]
    for name in ("registered", "closed", "succeeded", "held"):
        assert sum(one["subtree"][name] for one in found["children"]) == found["subtree"][name]
    for child in found["children"]:
        town = status(client, center=child["code"])
        assert (town["own"], town["subtree"]) == (child["own"], child["subtree"])
        itself = status(fed[child["code"]].client(Role.monitor))
        for same in ("own", "subtree", "rates", "missing"):
            assert town[same] == itself[same]
        assert sum(one["own"]["registered"] for one in town["children"]) == town["subtree"]["registered"]
        below = town["children"][0]["code"]
        assert status(client, center=below)["own"] == status(fed[below].client(Role.monitor))["own"]


def check_high(found: dict[str, Any]) -> None:
    assert len(found["high"]) == HIGH
    assert all(one["grade"] == "high" and one["holder"] == one["origin"] for one in found["high"])
    assert "院墙" not in json.dumps(found, ensure_ascii=False)
    assert "杨秀英" not in json.dumps(found, ensure_ascii=False)


def check_days(fed: Fed, client: TestClient, row: dict[str, Any]) -> None:
    """Daily rows tell the same as the totals: all of it happened today."""
    today = fed.clock.now().astimezone(LOCAL_ZONE).date().isoformat()
    day = status(client, from_=today, to=today)
    assert is_balanced(day)
    assert (day["opening"], day["subtree"]) == (0, row)
    series = client.get("/api/v1/status/series", params={"metric": "succeeded"}).json()
    assert (series["steps"][-1], series["total"][-1], sum(series["total"])) == (today, 589, 589)
    assert sum(child["values"][-1] for child in series["children"]) == 589


@pytest.mark.slow
def test_the_township_of_luoyan(tmp_path: Path) -> None:
    async def scene() -> None:
        villages = [each.code for each in children_of(LUOYAN)]
        async with county(tmp_path, YANJIN, codes=villages) as fed:
            begin_the_day(fed)
            assert len(fed.of_level("village")) == 7, "five villages and two communities"
            parts = [Fate.SUCCEEDS] * 179 + [Fate.FAILS] * 2 + [Fate.STAYS_OPEN] * 4
            await live_through(fed.of_level("village"), parts)
            await fed.settle()
            await asyncio.to_thread(look_at_luoyan, fed)

    asyncio.run(scene())


def look_at_luoyan(fed: Fed) -> None:
    settled_of_found = {"numerator": 179, "denominator": 185, "definition": 1}
    itself = status(fed[LUOYAN].client(Role.monitor))
    assert itself["rates"]["settled_of_found"] == settled_of_found
    assert itself["missing"] == []
    assert is_balanced(itself)
    above = fed.root.client(Role.director)
    assert status(above, center=LUOYAN)["rates"]["settled_of_found"] == settled_of_found
    assert status(above)["rates"]["settled_of_found"] == settled_of_found
