"""A village is merged into another one: every case goes over, nothing is lost, nothing counts twice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from node.enrolment import revoke
from node.rehoming.deciding import merge, merge_progress
from node.trouble import EnrolmentRefused
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    MATTER,
    OTHER_TOWN,
    SESSION,
    TOWN,
    Desk,
    Json,
    Scene,
    scene_of,
)
from tests.rehoming.books import balanced, counters, holders, total, until
from tests.rehoming.merging import NEW, OLD, gone_over, lives, merged, settled

pytestmark = pytest.mark.slow


def centers(desk: Desk) -> dict[str, Json]:
    """What the API says of all centers, by code."""
    answer = desk.request("GET", "/centers")
    assert answer.status_code == 200, answer.text
    return {str(one["code"]): one for one in answer.json()}


@dataclass(frozen=True)
class Merger:
    """A village that was merged, and its cases as it saw them before; each test has its own of them.

    Attributes:
        scene: the federation.
        cases: by what became of them.
        before: each as the old village saw it, but for the one that it had escalated.
    """

    scene: Scene
    cases: dict[str, str]
    before: dict[str, Json]


@pytest.fixture(scope="module")
def merger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Merger]:
    """A merger that is done."""
    with scene_of(tmp_path_factory.mktemp("merger")) as scene:
        cases = lives(scene)
        before = {name: scene[OLD].case(case) for name, case in cases.items() if name != "escalated"}
        merged(scene)
        yield Merger(scene, cases, before)


def test_every_case_of_a_merged_village_goes_to_its_successor(each_scene: Scene) -> None:
    scene = each_scene
    cases = lives(scene)
    before, held_before = total(scene), holders(scene)
    assert balanced(scene)
    merged(scene)
    held = holders(scene)
    assert held.keys() == held_before.keys() == set(cases.values())
    expected = {case: NEW if holder == OLD else holder for case, holder in held_before.items()}
    assert held == expected
    assert held[cases["escalated"]] == TOWN
    assert len([case for case, holder in held_before.items() if holder == OLD]) == 10
    after = total(scene)
    assert balanced(scene)
    for name in ("registered", "held", "in_transit", "closed", "merged", "withdrawn", "received", "escalated"):
        assert after[name] == before[name], name
    assert counters(scene, OLD)["registered"] == 10
    assert counters(scene, OLD)["closed"] == 2
    assert counters(scene, OLD)["held"] == 0
    until(scene, lambda: settled(scene))


def test_history_deadline_and_giver_go_along(merger: Merger) -> None:
    scene, cases, before = merger.scene, merger.cases, merger.before
    new = scene[NEW]
    for name in ("registered", "mediating", "agreed", "failed", "given back", "assigned"):
        after = new.case(cases[name])
        assert after["log"][: len(before[name]["log"])] == before[name]["log"], name
        assert after["deadline"] == before[name]["deadline"]
        added = [entry["kind"] for entry in after["log"][len(before[name]["log"]) :]]
        assert added == ["rehomed", "delivered", *(["replaced"] if name == "given back" else [])]
        assert (after["number"], after["status"], after["origin"]) == (
            before[name]["number"],
            before[name]["status"],
            before[name]["origin"],
        )
    assert new.refused(cases["agreed"], "close").type == "wrong-status", "the new term needs its own acceptance"
    new.does(cases["agreed"], "accept")
    new.does(cases["agreed"], "close")
    new.does(cases["given back"], "return", reason="村里办不了")
    scene.settle()
    assert holders(scene)[cases["given back"]] == TOWN
    scene.town.does(cases["given back"], "return", reason="还是你们办")
    scene.settle()
    assert holders(scene)[cases["given back"]] == NEW, "what the old village had escalated comes back to its successor"


def test_ended_cases_stay_readable_and_are_reopened_at_the_successor(merger: Merger) -> None:
    scene, cases, closed = merger.scene, merger.cases, merger.before["closed"]
    new, before, counted = scene[NEW], total(scene), counters(scene, NEW)
    after = new.case(cases["closed"])
    assert (after["access"], after["status"], after["holder"]) == ("full", "closed", NEW)
    assert after["log"][: len(closed["log"])] == closed["log"]
    new.does(cases["closed"], "follow-ups", held_at="2026-03-02T10:00:00+08:00", method="上门", satisfied=True)
    new.does(cases["closed"], "reopen", reason="又堵了")
    scene.settle()
    row = total(scene)
    assert row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]
    assert counters(scene, OLD)["closed"] == 2, "what ended there stays counted there"
    assert counters(scene, NEW)["closed"] == counted["closed"] - 1, "and is taken off where it was taken up again"
    new.does(cases["closed"], "accept")
    new.does(cases["closed"], "mediations", **SESSION)
    new.does(cases["closed"], "fail", reason="谈不拢")
    new.does(cases["closed"], "close")
    scene.settle()
    row = total(scene)
    assert row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]
    assert (row["closed"], row["reopened"]) == (before["closed"], before["reopened"] + 1)


def test_the_successor_takes_part_where_the_old_village_did(merger: Merger) -> None:
    scene, cases = merger.scene, merger.cases
    lead, partner = cases["joint lead"], cases["joint partner"]
    state = scene[NEW].state(lead)
    assert (state.holder, state.accepted_partners) == (NEW, [FAR_VILLAGE])
    assert scene[FAR_VILLAGE].case(lead)["joint"]["lead"] == NEW
    scene[FAR_VILLAGE].asks(lead, "joint/entries", text="我村照办")
    scene.settle()
    assert scene[NEW].kinds(lead)[-1] == "joint_noted"
    assert scene[NEW].state(partner).accepted_partners == [], "its partner is itself now"
    assert "replaced" in scene[NEW].kinds(partner)


def test_a_partner_elsewhere_is_replaced_by_the_successor_who_gets_the_whole_log(scene: Scene) -> None:
    far, new = scene[FAR_VILLAGE], scene[NEW]
    case = far.registers()
    far.does(case, "accept")
    far.does(case, "joint", partners=[OLD], reason="跨界")
    scene.settle()
    scene[OLD].asks(case, "joint/accept", members=[])
    scene.settle()
    far.does(case, "mediations", **SESSION)
    agreement = far.does(case, "agree", agreement="各让一步")["log"][-1]["seq"]
    scene.settle()
    assert new.sees(case) is None
    merged(scene)
    until(scene, lambda: new.sees(case) == "full")
    scene.settle()
    assert far.state(case).accepted_partners == [NEW]
    assert new.state(case) == far.state(case)
    assert far.refused(case, "close").type == "not-countersigned"
    new.asks(case, "joint/countersign", agreement_seq=agreement)
    scene.settle()
    assert far.does(case, "close")["status"] == "closed"


def test_an_invitation_that_waits_goes_to_the_successor(scene: Scene) -> None:
    far = scene[FAR_VILLAGE]
    case = far.registers()
    far.does(case, "joint", partners=[OLD], reason="跨界")
    scene.settle()
    assert scene[OLD].sees(case) == "invited"
    merged(scene)
    until(scene, lambda: scene[NEW].sees(case) == "invited")
    scene.settle()
    assert scene[OLD].sees(case) is None
    scene[NEW].asks(case, "joint/accept", members=[])
    scene.settle()
    assert far.state(case).accepted_partners == [NEW]


def test_the_old_code_answers_with_its_successor(scene: Scene) -> None:
    case = scene.town.registers()
    own = scene[OTHER_TOWN].registers()
    merged(scene)
    for desk in scene:
        known = centers(desk)
        assert (known[OLD]["successor"], known[OLD]["takes_part"]) == (NEW, True)
        assert known[NEW]["successor"] is None
    refused = scene[OLD].post("/cases", MATTER)
    assert refused.status_code == 409
    assert (refused.json()["type"], refused.json()["successor"]) == ("retired", NEW)
    for found in (
        scene.town.refused(case, "assign", to=OLD, **FOUR),
        scene.town.refused(case, "joint", partners=[OLD], reason="跨村"),
        scene[FAR_VILLAGE].refused(scene[FAR_VILLAGE].registers(), "handoff", to=OLD, reason="给你们"),
        scene[OTHER_TOWN].refused(own, "joint", partners=[OLD], reason="跨村"),
    ):
        assert (found.status, found.type, found.document["successor"]) == (409, "retired", NEW)


def test_a_transfer_by_somebody_who_does_not_know_yet_comes_back_and_names_the_successor(scene: Scene) -> None:
    far = scene[FAR_VILLAGE]
    case = scene[OLD].registers()
    scene[OLD].does(case, "handoff", to=FAR_VILLAGE, reason="在你村")
    scene.settle()
    far.asks(case, "handoff/accept")
    scene.settle()
    scene.stop(OTHER_TOWN)
    merge(scene.town.center, OLD, NEW)
    far.does(case, "return", reason="不在我村")
    scene.start(OTHER_TOWN)
    gone_over(scene)
    [bounced] = [entry for entry in far.case(case)["log"] if entry["kind"] == "bounced"]
    assert bounced["data"]["successor"] == NEW
    assert NEW in bounced["data"]["reason"]
    assert holders(scene)[case] == FAR_VILLAGE
    assert far.does(case, "return", reason="不在我村")["in_transit_to"] == NEW, (
        "whoever tries again reaches the successor"
    )
    scene.settle()
    assert holders(scene)[case] == NEW


def test_an_old_village_that_is_off_line_does_its_part_when_it_comes_back(scene: Scene) -> None:
    cases = lives(scene)
    assert balanced(scene)
    scene.stop(OLD)
    waiting = scene.town.registers()
    scene.town.does(waiting, "assign", to=OLD, **FOUR)
    merge(scene.town.center, OLD, NEW)
    late = scene[OLD].registers()
    center = scene.town.center
    with center.database.read() as session:
        progress = merge_progress(center, session, OLD)
    assert not progress.finished
    assert progress.backlog > 0
    assert progress.held == 10, "as last told"
    scene.start(OLD)
    gone_over(scene)
    held = holders(scene)
    assert held[waiting] == held[late] == held[cases["mediating"]] == NEW
    row = total(scene)
    assert row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]
    until(scene, lambda: settled(scene))


def test_a_merged_village_may_be_revoked_and_still_answers(scene: Scene) -> None:
    cases = lives(scene)
    merged(scene)
    until(scene, lambda: settled(scene))
    revoke(scene.town.center, OLD)
    until(scene, lambda: not scene.county.center.directory.tree.known(OLD))
    known = centers(scene.county)
    assert (known[OLD]["successor"], known[OLD]["takes_part"]) == (NEW, False)
    case = scene.town.registers()
    assert scene.town.refused(case, "assign", to=OLD, **FOUR).document["successor"] == NEW
    scene[NEW].does(cases["closed"], "reopen", reason="又堵了")
    scene.settle()
    row = total(scene)
    assert row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]


def test_a_transfer_that_waited_for_a_village_cut_off_comes_back_and_names_the_successor(scene: Scene) -> None:
    scene.stop(OLD)
    case = scene.town.registers()
    scene.town.does(case, "assign", to=OLD, **FOUR)
    merge(scene.town.center, OLD, NEW)
    assert revoke(scene.town.center, OLD) == 1
    bounced = scene.town.case(case)["log"][-1]
    assert (bounced["kind"], bounced["data"]["successor"]) == ("bounced", NEW)
    center = scene.town.center
    with center.database.read() as session:
        assert merge_progress(center, session, OLD).revoked


def test_merging_twice_changes_nothing(merger: Merger) -> None:
    scene = merger.scene
    version = scene.town.center.directory.tree.claims[OLD].version
    logs = {case: scene[holder].kinds(case) for case, holder in holders(scene).items()}
    assert merge(scene.town.center, OLD, NEW) is False
    scene.settle()
    assert scene.town.center.directory.tree.claims[OLD].version == version
    assert {case: scene[holder].kinds(case) for case, holder in holders(scene).items()} == logs


def test_a_village_of_another_township_may_succeed_if_the_county_says_so(scene: Scene) -> None:
    lives(scene)
    merged(scene, OLD, FAR_VILLAGE, at=COUNTY)
    assert OLD not in holders(scene).values()
    until(scene, lambda: not total(scene)["in_transit"])
    assert balanced(scene)


def test_a_successor_may_be_merged_in_its_turn(scene: Scene) -> None:
    cases = lives(scene)
    merged(scene)
    merged(scene, NEW, FAR_VILLAGE, at=COUNTY)
    tree = scene.county.center.directory.tree
    assert tree.heir(OLD) == tree.heir(NEW) == FAR_VILLAGE
    held = holders(scene)
    assert held[cases["mediating"]] == held[cases["closed"]] == held[cases["joint partner"]] == FAR_VILLAGE
    row = total(scene)
    assert row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]


REFUSED: list[tuple[str, str, str, str]] = [
    (TOWN, "532923999999", NEW, "no center 532923999999"),
    (TOWN, OLD, "532923999999", "no center 532923999999"),
    (TOWN, OLD, OLD, "into itself"),
    (COUNTY, OLD, OTHER_TOWN, "different levels"),
    (COUNTY, COUNTY, TOWN, "is the root"),
    (TOWN, OLD, FAR_VILLAGE, f"run it at {COUNTY}"),
    (OTHER_TOWN, OLD, NEW, f"run it at {TOWN}"),
    (OLD, OLD, NEW, f"run it at {TOWN}"),
]


@pytest.mark.parametrize(("at", "old", "new", "reason"), REFUSED)
def test_what_cannot_be_merged_is_refused_with_its_reason(
    shared_scene: Scene, at: str, old: str, new: str, reason: str
) -> None:
    with pytest.raises(EnrolmentRefused, match=reason):
        merge(shared_scene[at].center, old, new)


def test_no_circles_no_second_thoughts(scene: Scene) -> None:
    merge(scene.town.center, OLD, NEW)
    tries: list[tuple[Callable[[], object], str]] = [
        (lambda: merge(scene.town.center, NEW, OLD), "circle"),
        (lambda: merge(scene.county.center, FAR_VILLAGE, OLD), f"merged into {NEW}"),
        (lambda: merge(scene.county.center, OLD, FAR_VILLAGE), f"merged into {NEW} before"),
    ]
    scene.settle()
    for attempt, reason in tries:
        with pytest.raises(EnrolmentRefused, match=reason):
            attempt()
