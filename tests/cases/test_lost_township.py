"""A township whose machine is lost comes back under new keys; its villages and its cases find it by themselves."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from node.backup_key import keep_public_half, new_backup_key, read_backup_key
from node.federation import nightly
from node.federation.tables import KeptBackupRow, LossRow, RecoveryRow
from node.fetching import fetch_backup
from tests.cases.scene import COUNTY, FOUR, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.conftest import PostgresServer
from tests.federation_kit import Wire, postgres_urls

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A federation of its own on real brokers, on each kind of database."""
    if request.param == "sqlite":
        with scene_of(tmp_path, wire=Wire.NATS) as scene:
            yield scene
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(tmp_path, wire=Wire.NATS, database_url=urls) as scene:
        yield scene


def place_for(scene: Scene, request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database of the same kind; None for a file of its own."""
    if scene.town.center.database.is_sqlite:
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(server.create_database())


def recovered(desk: Desk) -> bool:
    with desk.center.database.read() as session:
        own = session.get(RecoveryRow, desk.code)
        return own is not None and own.told_at is not None


def lost(desk: Desk) -> list[str]:
    """Running numbers that this center says the township lost."""
    with desk.center.database.read() as session:
        row = session.get(LossRow, TOWN)
        return list(json.loads(row.lost).values()) if row is not None else ["no report"]


def works_again(scene: Scene) -> None:
    """The township is linked with all its neighbours, cases move up and down, and all totals are right."""
    town, village = scene.town, scene.village
    assert {one["peer"]: one["state"] for one in town.links()} == dict.fromkeys(
        [COUNTY, VILLAGE, OTHER_VILLAGE], "linked"
    )
    new = village.registers()
    village.does(new, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    town.does(new, "escalate", reason="重大", triggers=["crosses_villages"])
    scene.settle()
    assert scene.county.case(new)["holder"] == COUNTY
    down = town.registers()
    town.does(down, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    assert scene.other_village.case(down)["holder"] == OTHER_VILLAGE
    scene.run(scene.fed.settle())
    figures = scene.county.get("/status")["subtree"]
    assert figures["registered"] == figures["held"] == registered(scene)


def registered(scene: Scene) -> int:
    """How many different cases there are, by the databases of all centers that hold one."""
    held = {str(item["id"]) for desk in scene for item in desk.get("/cases", holder=desk.code)["items"]}
    return len(held)


def test_a_township_without_any_backup_gets_back_its_children_and_what_others_hold(
    scene: Scene, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    village, other, town = scene.village, scene.other_village, scene.town
    in_village = village.registers(title="在村里")
    up = village.registers(title="上交")
    village.does(up, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    town.does(up, "accept")
    never_left = town.registers(title="从未离开")
    down = town.registers(title="下派")
    town.does(down, "assign", to=OTHER_VILLAGE, **FOUR)
    from_county = scene.county.registers(title="县里交办")
    scene.county.does(from_county, "assign", to=TOWN, **FOUR)
    scene.settle()
    log = town.case(up)["log"]
    scene.stop(TOWN)
    waiting = village.registers(title="镇里不在时上交")
    village.does(waiting, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.stop(OTHER_VILLAGE)
    scene.lose(TOWN, tmp_path / "again", place_for(scene, request))
    town = scene.town
    scene.start(TOWN)
    scene.until(lambda: village.links()[0]["state"] == "linked")
    assert not recovered(town), "one of its villages has not told yet"
    scene.start(OTHER_VILLAGE)
    scene.until(lambda: recovered(town))
    scene.settle()
    assert town.case(up)["log"] == log
    holders = {case: town.case(case)["holder"] for case in (up, down, from_county, waiting)}
    assert holders == {up: TOWN, down: OTHER_VILLAGE, from_county: TOWN, waiting: TOWN}
    assert town.sees(never_left) is None
    assert village.case(in_village)["holder"] == VILLAGE
    assert other.case(down)["log"] == town.case(down)["log"]
    assert lost(town) == lost(scene.county) == ["1"]
    [told] = [one["lost"] for one in scene.county.links() if one["peer"] == TOWN]
    assert list(told.values()) == ["1"], "programs are told, too"
    for desk in (town, scene.county):
        assert "lost its database. Nobody else held the cases with these numbers: 20" in desk.page()
    assert "lost its database" not in village.page()
    works_again(scene)


def test_a_township_revived_from_its_parent_has_all_its_cases_and_children(
    scene: Scene, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    key = new_backup_key()
    village, town = scene.village, scene.town
    never_left = town.registers(title="从未离开")
    town.does(never_left, "accept")
    keep_public_half(town.member.settings.data_dir, read_backup_key(key))
    nightly.back_up_when_due(town.center)  # unless its own chores were faster
    scene.until(lambda: kept(scene.county))
    up = village.registers(title="备份以后上交")
    village.does(up, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    town.does(up, "accept")
    scene.settle()
    logs = {case: town.case(case)["log"] for case in (never_left, up)}
    scene.lose(TOWN, tmp_path / "again", place_for(scene, request), recover=False)
    settings = scene.town.member.settings
    assert fetch_backup(settings, read_backup_key(key), lambda _got, _parts: None) == 1
    scene.reopen(TOWN)
    town = scene.town
    scene.start(TOWN)
    scene.until(lambda: recovered(town))
    scene.settle()
    town.signs_in()
    assert {case: town.case(case)["log"] for case in logs} == logs
    assert lost(town) == lost(scene.county) == []
    works_again(scene)


def kept(desk: Desk) -> bool:
    """Whether this center keeps a whole backup."""
    with desk.center.database.read() as session:
        whole = select(KeptBackupRow.center).where(KeptBackupRow.complete_at.is_not(None))
        return session.scalar(whole.limit(1)) is not None
