"""A center comes under another parent, by decision or because its parent was merged; nothing is lost on the way."""

from pathlib import Path

import pytest
from sqlalchemy import select

from node.federation.tables import LinkRow
from node.rehoming.deciding import merge, merge_progress, move
from node.trouble import EnrolmentRefused
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Scene,
    scene_of,
)
from tests.rehoming.books import balanced, counters, holders, in_flight, total, until

pytestmark = pytest.mark.slow


def links(scene: Scene, code: str) -> dict[str, tuple[str, str]]:
    """Direction and state of a center's links, by peer."""
    with scene[code].member.read() as session:
        rows = session.execute(select(LinkRow.peer, LinkRow.direction, LinkRow.state)).all()
        return {row.peer: (row.direction, row.state) for row in rows}


def moved(scene: Scene, child: str, parent: str) -> None:
    """Wait until a center stands under its new parent, everybody knows, and both ends of the old link are gone."""

    def done() -> bool:
        known = all(desk.center.directory.tree.parent(child) == parent for desk in scene if desk.member.running)
        linked = links(scene, child).get(parent) == ("up", "linked") and len(links(scene, child)) == 1
        return known and linked and not any(child in links(scene, desk.code) for desk in scene if desk.code != parent)

    until(scene, done)
    scene.settle()


def test_a_village_moves_under_another_township_with_its_cases(each_scene: Scene) -> None:
    scene = each_scene
    village = scene[VILLAGE]
    own = village.registers(grade="high", title="own")
    up = village.registers(title="up")
    village.does(up, "escalate", reason="跨村", triggers=["crosses_villages"])
    down = scene.town.registers(title="down")
    scene.town.does(down, "assign", to=VILLAGE, **FOUR)
    assert balanced(scene)
    before = total(scene)
    assert scene.town.get("/status")["subtree"]["registered"] == 3
    move(scene.county.center, VILLAGE, OTHER_TOWN)
    moved(scene, VILLAGE, OTHER_TOWN)
    assert balanced(scene)
    assert total(scene) == before
    assert holders(scene) == {own: VILLAGE, up: TOWN, down: VILLAGE}
    assert scene.town.get("/status")["subtree"]["registered"] == 1
    assert scene.other_town.get("/status")["subtree"]["registered"] == 2
    assert scene.county.get("/status")["subtree"]["registered"] == 3
    assert (scene.other_town.sees(own), scene.town.sees(own), scene.county.sees(own)) == ("header", None, "header")
    village.does(own, "escalate", reason="重大", triggers=[])
    village.does(down, "return", reason="不归我们了")
    scene.town.does(up, "return", reason="你们办")
    scene.settle()
    assert holders(scene) == {own: OTHER_TOWN, up: VILLAGE, down: TOWN}
    assert scene.town.refused(scene.town.registers(), "assign", to=VILLAGE, **FOUR).status == 422
    assert balanced(scene)


def test_what_waits_on_the_old_link_goes_the_new_way_and_counts_once(scene: Scene) -> None:
    village, town = scene[VILLAGE], scene.town
    for_village = town.registers(title="for the village")
    given = village.registers(title="given to the neighbour")
    scene.settle()
    scene.stop(VILLAGE)
    town.does(for_village, "assign", to=VILLAGE, **FOUR)
    asked = town.registers(title="joint")
    town.does(asked, "joint", partners=[FAR_VILLAGE], reason="跨界")
    village.does(given, "handoff", to=FAR_VILLAGE, reason="在你村")
    to_town = village.registers(title="to the township")
    village.does(to_town, "escalate", reason="跨村", triggers=["crosses_villages"])
    move(scene.county.center, VILLAGE, OTHER_TOWN)
    scene.start(VILLAGE)
    moved(scene, VILLAGE, OTHER_TOWN)
    until(scene, lambda: not in_flight(scene))
    held = holders(scene)
    assert (held[for_village], held[to_town], held[given]) == (VILLAGE, TOWN, VILLAGE)
    assert scene[FAR_VILLAGE].sees(given) == "invited"
    for case in (for_village, to_town):
        assert town.kinds(case) == village.kinds(case)
        assert town.kinds(case).count("delivered") == 1
    scene[FAR_VILLAGE].asks(given, "handoff/accept")
    scene.settle()
    assert holders(scene)[given] == FAR_VILLAGE
    assert balanced(scene)


def test_a_link_to_the_new_parent_never_takes_the_wire_to_the_old_one(scene: Scene) -> None:
    village = scene[VILLAGE].member.federation
    assert village is not None
    go_over, village.parent_changed = village.parent_changed, None  # it sees the new link before the new parent
    move(scene.county.center, VILLAGE, OTHER_TOWN)
    until(scene, lambda: TOWN not in village.links)
    assert OTHER_TOWN in links(scene, VILLAGE)
    village.parent_changed = go_over
    moved(scene, VILLAGE, OTHER_TOWN)


def test_a_village_may_move_there_and_back(scene: Scene) -> None:
    case = scene[VILLAGE].registers()
    for parent in (OTHER_TOWN, TOWN, OTHER_TOWN):
        move(scene.county.center, VILLAGE, parent)
        moved(scene, VILLAGE, parent)
        scene[VILLAGE].does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
        scene.settle()
        assert holders(scene)[case] == parent
        scene[parent].does(case, "return", reason="你们办")
        scene.settle()
        assert holders(scene)[case] == VILLAGE
    assert move(scene.county.center, VILLAGE, OTHER_TOWN) is False
    assert balanced(scene)


def test_a_village_may_come_directly_under_the_county_and_go_back(scene: Scene) -> None:
    move(scene.county.center, VILLAGE, COUNTY)
    moved(scene, VILLAGE, COUNTY)
    case = scene[VILLAGE].registers()
    scene[VILLAGE].does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
    scene.settle()
    assert holders(scene)[case] == COUNTY
    move(scene.county.center, VILLAGE, TOWN)
    moved(scene, VILLAGE, TOWN)
    assert balanced(scene)


def test_a_merged_townships_villages_come_under_its_successor(each_scene: Scene) -> None:
    scene = each_scene
    village, other, town = scene[VILLAGE], scene[OTHER_VILLAGE], scene.town
    kept = village.registers(title="kept")
    up = village.registers(title="up")
    village.does(up, "escalate", reason="跨村", triggers=["crosses_villages"])
    down = town.registers(title="down")
    town.does(down, "assign", to=OTHER_VILLAGE, **FOUR)
    closed = town.registers(title="closed")
    for act, given in (("accept", {}), ("mediations", SESSION), ("fail", {"reason": "谈不拢"}), ("close", {})):
        town.does(closed, act, **given)
    joint = town.registers(title="joint")
    town.does(joint, "joint", partners=[OTHER_TOWN], reason="跨镇")
    scene.settle()
    scene.other_town.asks(joint, "joint/accept", members=[])
    scene.settle()
    before = total(scene)
    merge(scene.county.center, TOWN, OTHER_TOWN)
    moved(scene, VILLAGE, OTHER_TOWN)
    moved(scene, OTHER_VILLAGE, OTHER_TOWN)
    until(scene, lambda: TOWN not in holders(scene).values() and not in_flight(scene))
    scene.settle()
    held = holders(scene)
    assert held == {kept: VILLAGE, up: OTHER_TOWN, down: OTHER_VILLAGE, closed: OTHER_TOWN, joint: OTHER_TOWN}
    after = total(scene)
    for name in ("registered", "held", "in_transit", "closed", "merged"):
        assert after[name] == before[name], name
    assert balanced(scene)
    assert counters(scene, TOWN)["registered"] == 3
    board = scene.county.get("/status")
    assert [(child["code"], child["subtree"]["registered"]) for child in board["children"]] == [
        (OTHER_TOWN, 2),
        (TOWN, 3),
    ]
    other.does(down, "return", reason="办不了")
    village.does(kept, "escalate", reason="跨村", triggers=["crosses_villages"])
    scene.settle()
    assert holders(scene)[down] == holders(scene)[kept] == OTHER_TOWN, "what the old one gave comes back to the new"

    def finished() -> bool:
        with scene.county.member.read() as session:
            return merge_progress(scene.county.center, session, TOWN).finished

    until(scene, finished)


def test_a_village_that_was_off_line_during_the_merger_follows_when_it_comes_back(scene: Scene) -> None:
    village = scene[VILLAGE]
    scene.stop(VILLAGE)
    case = village.registers()
    village.does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
    merge(scene.county.center, TOWN, OTHER_TOWN)
    moved(scene, OTHER_VILLAGE, OTHER_TOWN)
    scene.start(VILLAGE)
    moved(scene, VILLAGE, OTHER_TOWN)
    until(scene, lambda: not in_flight(scene))
    held = holders(scene)[case]
    if held == VILLAGE:  # the old township refused it, naming its successor
        assert village.case(case)["log"][-1]["data"]["successor"] == OTHER_TOWN
        village.does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
        scene.settle()
    assert holders(scene)[case] == OTHER_TOWN
    assert balanced(scene)


def test_a_village_whose_township_was_lost_goes_on_to_its_new_parent_when_that_is_back(
    scene: Scene, tmp_path: Path
) -> None:
    village = scene[VILLAGE]
    case = village.registers()
    scene.settle()
    scene.stop(TOWN)
    village.does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
    move(scene.county.center, VILLAGE, OTHER_TOWN)
    scene.lose(TOWN, tmp_path / "again")
    scene.start(TOWN)
    moved(scene, VILLAGE, OTHER_TOWN)
    until(scene, lambda: not in_flight(scene))
    assert holders(scene)[case] == TOWN, "it was on its way there"
    new = village.registers()
    village.does(new, "escalate", reason="跨村", triggers=["crosses_villages"])
    scene.settle()
    assert holders(scene)[new] == OTHER_TOWN


REFUSED: list[tuple[str, str, str, str]] = [
    (COUNTY, "532923999999", TOWN, "no center 532923999999"),
    (COUNTY, VILLAGE, "532923999999", "no center 532923999999"),
    (COUNTY, TOWN, TOWN, "below itself"),
    (COUNTY, TOWN, VILLAGE, "below itself"),
    (COUNTY, COUNTY, TOWN, "below itself"),
    (TOWN, VILLAGE, OTHER_TOWN, f"run it at {COUNTY}"),
    (OTHER_TOWN, VILLAGE, OTHER_TOWN, f"run it at {COUNTY}"),
]


@pytest.mark.parametrize(("at", "child", "parent", "reason"), REFUSED)
def test_what_cannot_move_is_refused_with_its_reason(
    shared_scene: Scene, at: str, child: str, parent: str, reason: str
) -> None:
    with pytest.raises(EnrolmentRefused, match=reason):
        move(shared_scene[at].center, child, parent)


def test_two_centers_are_not_sent_below_each_other_while_neither_has_moved(tmp_path: Path) -> None:
    with scene_of(tmp_path, started=False) as scene:
        assert move(scene.county.center, TOWN, OTHER_TOWN)
        with pytest.raises(EnrolmentRefused, match="below itself"):
            move(scene.county.center, OTHER_TOWN, TOWN)
