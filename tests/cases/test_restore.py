"""A database that went back in time is noticed, healed by the neighbours, and goes on; nothing is held twice."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.federation.healing import awaited
from node.federation.tables import LinkRow
from protocol.entries import Noted
from tests.cases.scene import COUNTY, FOUR, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Scene, scene_of
from tests.federation_kit import Member, Wire

pytestmark = pytest.mark.slow


@pytest.fixture
def own_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A federation of its own, in which nobody waits for a twin to show itself: there is none."""
    monkeypatch.setattr("protocol.link.CALM_S", 0.0)
    with scene_of(tmp_path) as scene:
        yield scene


def healed(desk: Desk) -> bool:
    """Whether nobody is awaited any more, and this database is a restored one."""
    with desk.member.read() as session:
        return bool(desk.center.identity.former) and not awaited(session)


def whole_again(scene: Scene, desk: Desk) -> None:
    """Wait until a restored center is healed, its links run, and nothing moves any more."""
    scene.until(lambda: healed(desk))
    scene.until(lambda: all(link["state"] == "linked" for each in scene for link in each.links()))
    scene.settle()


def same_everywhere(scene: Scene, case: str) -> str | None:
    """The holder of a case, whose log all full followers share byte for byte."""
    logs = {}
    for desk in scene:
        if desk.sees(case) == "full":
            with desk.member.act() as unit:
                logs[desk.code] = unit.book.records(case)
    holders = {desk.code for desk in scene if (row := desk.row(case)) is not None and row.holder == desk.code}
    assert len(holders) <= 1, holders
    first = next(iter(logs.values()))
    assert all(log == first for log in logs.values()), {code: len(log) for code, log in logs.items()}
    return holders.pop() if holders else None


def last_text(desk: Desk, case: str) -> str:
    """What the last entry of a case's log says."""
    with desk.member.act() as unit:
        entry = unit.book.entry(case, desk.state(case).seq)
        assert entry is not None
        assert isinstance(entry.body, Noted)
        return entry.body.text


def totals(scene: Scene) -> dict[str, int]:
    subtree = scene.county.get("/status")["subtree"]
    return {name: subtree[name] for name in ("registered", "held", "in_transit", "closed", "merged")}


def test_a_village_gets_back_what_it_sent_and_was_sent(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    old = scene.village.registers()
    scene.settle()
    copy = scene.fed.copy(VILLAGE, tmp_path / "copy.db")

    escalated = scene.village.registers()
    for case in (old, escalated):
        scene.village.does(case, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    scene.town.does(old, "accept")
    assigned = scene.town.registers()
    scene.town.does(assigned, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    scene.village.does(assigned, "accept")
    scene.settle()

    scene.roll_back(VILLAGE, copy)
    whole_again(scene, scene.village)
    assert same_everywhere(scene, old) == TOWN
    assert same_everywhere(scene, escalated) == TOWN
    assert same_everywhere(scene, assigned) == VILLAGE
    assert scene.village.kinds(assigned)[-1] == "accepted"
    new = scene.village.registers()
    numbers = {scene.village.case(case)["number"] for case in (old, escalated, new)}
    assert len(numbers) == 3, "a number that came back is given to nobody else"
    scene.village.does(new, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    assert same_everywhere(scene, new) == TOWN
    assert scene.village.links()[0]["state"] == "linked"
    assert scene.village.links()[0]["stop_reason"] is None


def test_what_was_written_before_anybody_knew_gives_way_and_becomes_a_note(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    case = scene.village.registers()
    scene.settle()
    copy = scene.fed.copy(VILLAGE, tmp_path / "copy.db")
    scene.village.does(case, "escalate", reason="涉多村", triggers=["crosses_villages"])
    scene.settle()
    scene.town.does(case, "accept")
    scene.settle()

    scene.stop(TOWN)
    scene.roll_back(VILLAGE, copy)
    scene.village.does(case, "notes", text="电话联系了张三")
    other = scene.village.registers()
    scene.start(TOWN)
    whole_again(scene, scene.village)
    assert same_everywhere(scene, case) == TOWN
    assert "电话联系了张三" in last_text(scene.town, case)
    assert same_everywhere(scene, other) == VILLAGE


def test_headers_that_tell_more_than_the_village_knows_are_told_anew(own_scene: Scene, tmp_path: Path) -> None:
    """What was done never left the village, but its ancestors were told of it."""
    scene = own_scene
    high, low = scene.village.registers(grade="high"), scene.village.registers()
    scene.settle()
    copy = scene.fed.copy(VILLAGE, tmp_path / "copy.db")
    scene.village.does(high, "accept")
    scene.village.does(low, "grade", grade="high", reason="扬言报复")
    scene.settle()
    assert scene.county.case(high)["status"] == "accepted"
    assert scene.sees(low) == {VILLAGE: "full", TOWN: "header", COUNTY: "header"}

    scene.roll_back(VILLAGE, copy)
    whole_again(scene, scene.village)
    assert scene.county.case(high)["status"] == "registered"
    assert scene.sees(low) == {VILLAGE: "full"}


def test_a_case_that_was_moved_twice_has_one_holder_again(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    case = scene.town.registers()
    scene.settle()
    copy = scene.fed.copy(TOWN, tmp_path / "copy.db")
    scene.town.does(case, "escalate", reason="重大", triggers=["crosses_villages"])
    scene.settle()
    scene.county.does(case, "accept")
    scene.settle()

    scene.stop(COUNTY)
    scene.roll_back(TOWN, copy)
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.until(lambda: scene.village.sees(case) == "full")
    scene.village.does(case, "accept")
    scene.start(COUNTY)
    whole_again(scene, scene.town)
    assert same_everywhere(scene, case) == COUNTY
    assert scene.village.sees(case) is None, "the village has no part in it any more"
    note = last_text(scene.county, case)
    assert VILLAGE in note
    assert "签收" in note
    scene.until(lambda: (figures := totals(scene))["registered"] == 1 == figures["held"])


def test_a_frozen_case_does_not_move_while_a_neighbour_is_awaited(own_scene: Scene, tmp_path: Path) -> None:
    scene = own_scene
    case = scene.town.registers()
    scene.settle()
    copy = scene.fed.copy(TOWN, tmp_path / "copy.db")
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    scene.stop(VILLAGE)
    note = scene.town.registers()
    scene.town.does(note, "escalate", reason="重大", triggers=["crosses_villages"])
    scene.settle()
    scene.roll_back(TOWN, copy)
    scene.until(lambda: scene.town.links()[0]["state"] == "linked")
    assert scene.town.refused(case, "assign", to=OTHER_VILLAGE, **FOUR).type == "custody-frozen"
    new = scene.town.registers()
    scene.town.does(new, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.start(VILLAGE)
    whole_again(scene, scene.town)
    assert same_everywhere(scene, case) == VILLAGE
    assert same_everywhere(scene, new) == OTHER_VILLAGE
    assert same_everywhere(scene, note) == COUNTY


@pytest.mark.parametrize("wire", Wire)
def test_two_processes_of_one_village_are_noticed_within_five_seconds(tmp_path: Path, wire: Wire) -> None:
    with scene_of(tmp_path, wire=wire) as scene:
        case = scene.village.registers()
        scene.settle()
        copy = scene.fed.copy(VILLAGE, tmp_path / "copy.db")
        scene.village.does(case, "escalate", reason="涉多村", triggers=["crosses_villages"])
        scene.settle()
        began = time.monotonic()
        twin = scene.run(scene.fed.clone(VILLAGE, copy))
        scene.until(lambda: stop_reason(scene.fed[TOWN], VILLAGE) == "peer_forked")
        scene.until(lambda: stop_reason(scene.fed[VILLAGE], TOWN) == "self_forked")
        scene.until(lambda: stop_reason(twin, TOWN) == "self_forked")
        assert time.monotonic() - began < 5
        assert f"{VILLAGE}: two computers run with its identity; one of them must be switched off" in scene.town.page(
            "/links"
        )
        ours = "another computer runs with our identity; one of the two must be switched off"
        assert f"{TOWN}: {ours}" in scene.village.page("/links")
        other = scene.village.registers()
        refused = scene.village.refused(other, "escalate", reason="涉多村", triggers=["crosses_villages"])
        assert refused.type == "custody-frozen"
        assert same_everywhere(scene, case) == TOWN


def stop_reason(member: Member, peer: str) -> str | None:
    """Why a link stands still, as its page shows it."""
    with member.read() as session:
        link = session.get(LinkRow, peer)
        assert link is not None
        return link.stop_reason
