"""A center whose database is lost joins again, and gets back what others hold of its cases; the rest is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from node.cases.recovery import ranges
from node.enrolment import revoke
from node.federation.tables import LossRow, RecoveryRow
from tests.cases.scene import COUNTY, FAR_VILLAGE, FOUR, OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import Wire, postgres_urls


@pytest.fixture(params=["sqlite", "postgresql"])
def own_scene_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A federation of its own on real brokers, on each kind of database."""
    if request.param == "sqlite":
        with scene_of(tmp_path, wire=Wire.NATS) as scene:
            yield scene
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(tmp_path, wire=Wire.NATS, database_url=urls) as scene:
        yield scene


def loss(desk: Desk, center: str = VILLAGE) -> dict[str, str]:
    """What this center says was lost."""
    with desk.center.database.read() as session:
        row = session.get(LossRow, center)
        return json.loads(row.lost) if row is not None else {"": "no report"}


def ended(desk: Desk) -> bool:
    with desk.center.database.read() as session:
        own = session.get(RecoveryRow, desk.code)
        return own is not None and own.told_at is not None


def totals(scene: Scene) -> dict[str, int]:
    """The county's totals of all centers."""
    subtree = scene.county.get("/status")["subtree"]
    return {name: subtree[name] for name in ("registered", "held", "in_transit", "closed", "merged")}


def conserved(figures: dict[str, int]) -> bool:
    return figures["registered"] == sum(figures[name] for name in ("held", "in_transit", "closed", "merged"))


def been_in_town(scene: Scene) -> str:
    """A case of the village that the township follows."""
    case = scene.village.registers()
    scene.village.does(case, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    scene.town.does(case, "return", reason="先在村里调解")
    scene.settle()
    return case


def come_back(scene: Scene, tmp_path: Path, code: str = VILLAGE) -> None:
    """The machine of a center is lost; it joins again and hears from everybody."""
    scene.lose(code, tmp_path / "again")
    scene.start(code)
    scene.settle()
    assert ended(scene[code])


def test_what_others_hold_comes_back_with_custody_and_the_rest_is_named(
    own_scene_on_each: Scene, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    scene = own_scene_on_each
    never_left = scene.village.registers()
    given_away = scene.village.registers()
    scene.village.does(given_away, "escalate", reason="涉多村", triggers=["crosses_villages"])
    returned = been_in_town(scene)
    assigned = scene.town.registers()
    shared = scene.village.registers()
    scene.village.does(shared, "accept")
    scene.village.does(shared, "joint", partners=[OTHER_VILLAGE, FAR_VILLAGE], reason="三村交界")
    viewed = scene.village.registers(grade="high")
    scene.settle()
    scene.other_village.asks(shared, "joint/accept")
    scene.town.asks(viewed, "view", reason="督查")
    scene.settle()
    logs = {case: scene.village.case(case)["log"] for case in (given_away, returned, shared, viewed)}
    scene.stop(VILLAGE)
    scene.town.does(assigned, "assign", to=VILLAGE, **FOUR)
    url = None
    if not scene.village.center.database.is_sqlite:
        name = postgres_server.create_database()
        url = postgres_server.url(name)
    scene.lose(VILLAGE, tmp_path / "again", url)
    assert scene.village.sees(returned) is None
    scene.start(VILLAGE)
    scene.settle()
    assert ended(scene.village)
    assert {case: scene.village.case(case)["log"] for case in logs} == logs
    holders = {case: scene.village.case(case)["holder"] for case in (given_away, returned, shared, viewed, assigned)}
    assert holders == {given_away: TOWN} | dict.fromkeys((returned, shared, viewed, assigned), VILLAGE)
    assert scene.village.sees(never_left) is None
    assert list(loss(scene.village).values()) == list(loss(scene.town).values()) == ["1"]
    # People go on where they were, and no number is given twice.
    scene.village.does(returned, "accept")
    scene.far_village.asks(shared, "joint/accept")
    number = scene.village.case(scene.village.registers())["number"]
    assert number.endswith("-0006")
    scene.settle()
    for desk in (scene.village, scene.other_village, scene.far_village):
        assert desk.case(shared)["log"] == scene.village.case(shared)["log"]
    assert scene.town.case(returned)["log"] == scene.village.case(returned)["log"]


def test_nothing_is_written_to_a_shared_case_while_somebody_may_know_more_of_it(
    own_scene: Scene, tmp_path: Path
) -> None:
    scene = own_scene
    case = been_in_town(scene)
    scene.village.does(case, "accept")
    scene.village.does(case, "joint", partners=[OTHER_VILLAGE, FAR_VILLAGE], reason="三村交界")
    scene.settle()
    for desk in (scene.other_village, scene.far_village):
        desk.asks(case, "joint/accept")
    scene.settle()
    with scene.offline(OTHER_TOWN):  # the last word reaches one partner only
        scene.village.does(case, "notes", text="最后一句")
        scene.settle()
        scene.stop(OTHER_VILLAGE)
        scene.lose(VILLAGE, tmp_path / "again")
        scene.start(VILLAGE)
        scene.settle()
        refused = scene.village.refused(case, "notes", text="接着写")
        assert (refused.status, refused.type) == (409, "recovering")
        assert set(refused.document["centers"]) == {OTHER_VILLAGE, FAR_VILLAGE}
        noted = scene.town.asks(case, "notes", text="镇里问")
        scene.settle()
        assert scene.town.answer_to(case, noted) == ("pending", None)
        # What nobody else was told of goes on.
        scene.village.does(scene.village.registers(), "accept")
    scene.start(OTHER_VILLAGE)
    scene.settle()
    assert ended(scene.village)
    assert scene.town.answer_to(case, noted) == ("granted", None)
    texts = [entry["data"].get("text") for entry in scene.village.case(case)["log"]]
    assert texts[-2:] == ["最后一句", "镇里问"]
    scene.settle()
    assert scene.far_village.case(case)["log"] == scene.village.case(case)["log"]


def test_a_transfer_that_died_with_its_sender_arrives_once(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    case = scene.village.registers()
    scene.village.does(case, "accept")
    scene.village.does(case, "joint", partners=[OTHER_VILLAGE], reason="两村交界")
    scene.settle()
    scene.other_village.asks(case, "joint/accept")
    scene.settle()
    scene.stop(TOWN)
    scene.village.does(case, "escalate", reason="谈不拢", triggers=["crosses_villages"])
    scene.stop(VILLAGE)
    scene.start(TOWN)
    come_back(scene, tmp_path)
    # Nobody ever heard of the transfer: the village has the case, once.
    assert {desk.case(case)["holder"] for desk in (scene.village, scene.other_village)} == {VILLAGE}
    scene.village.does(case, "escalate", reason="谈不拢", triggers=["crosses_villages"])
    scene.settle()
    assert scene.town.case(case)["holder"] == TOWN


def test_who_is_revoked_is_not_waited_for(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    case = been_in_town(scene)
    scene.village.does(case, "joint", partners=[OTHER_VILLAGE], reason="两村交界")
    scene.settle()
    scene.other_village.asks(case, "joint/accept")
    scene.settle()
    scene.stop(OTHER_VILLAGE)
    scene.lose(VILLAGE, tmp_path / "again")
    scene.start(VILLAGE)
    scene.settle()
    assert scene.village.refused(case, "accept").type == "recovering"
    revoke(scene.town.center, OTHER_VILLAGE)
    scene.settle()
    scene.village.does(case, "accept")
    assert ended(scene.village)


def test_counters_tell_what_there_is(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    for _ in range(3):
        scene.village.registers()
    case = scene.village.registers()
    scene.village.does(case, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    come_back(scene, tmp_path)
    scene.run(scene.fed.settle())
    figures = totals(scene)
    assert conserved(figures)
    assert figures["registered"] == 1, "three that never left are lost, and count nowhere"
    period = scene.county.get("/status", **{"from": "2020-01-01"})["subtree"]
    assert period["registered"] == 1
    assert loss(scene.town) == loss(scene.village)


def test_a_center_that_was_never_there_recovers_nothing(own_scene: Scene) -> None:
    with own_scene.village.center.database.read() as session:
        assert session.scalars(select(RecoveryRow)).all() == []
    assert own_scene.county.code == COUNTY


@pytest.mark.parametrize(("numbers", "written"), [([], ""), ([1], "1"), ([1, 2, 3, 7], "1-3,7"), ([2, 4, 5], "2,4-5")])
def test_numbers_are_named_as_people_write_them(numbers: list[int], written: str) -> None:
    assert ranges(numbers) == written
