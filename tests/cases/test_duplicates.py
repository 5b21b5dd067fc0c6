"""Duplicates: found among our own open cases, merged under one number, counted once, both histories kept."""

import pytest

from node.accounts.roles import Role
from node.cases.duplicates import titles_alike
from tests.cases.scene import OTHER_TOWN, OTHER_VILLAGE, TOWN, Json, Scene, refusal

HERE: Json = {"title": "排水沟堵塞淹了菜地", "place": "杉阳四组", "category": "neighbourhood"}


def registered(scene: Scene, **changes: object) -> str:
    return scene.village.registers(**{**HERE, **changes})


def similar(scene: Scene, **query: str) -> list[str]:
    asked = {name: str(HERE[name]) for name in ("title", "place", "category")} | query
    return [item["id"] for item in scene.village.get("/duplicates", **asked)["items"]]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("排水沟堵塞", "排水沟堵塞", True),
        ("排水沟堵塞", "排水沟又堵塞了", True),
        ("排水沟堵塞", "邻居噪音", False),
        ("", "邻居噪音", False),
        ("沟", "沟", False),
    ],
)
def test_titles_are_alike_by_their_pairs_of_letters(one: str, other: str, alike: bool) -> None:
    assert (titles_alike(one, other) >= 0.4) is alike


def test_the_same_type_at_the_same_place_or_by_a_similar_title_is_shown(scene: Scene) -> None:
    same_place = registered(scene, title="邻居噪音", place="杉阳")
    same_title = registered(scene, title="排水沟堵塞淹菜地", place="别处")
    others = [
        registered(scene, title="另一件", place="远处"),
        registered(scene, category="contract"),
        scene.town.registers(**HERE),
    ]
    ended = registered(scene)
    scene.village.does(ended, "withdraw", reason="r")
    found = similar(scene)
    assert {same_place, same_title} <= set(found)
    assert not {*others, ended}.intersection(found)


def test_what_is_asked_badly_is_refused(scene: Scene) -> None:
    for query in ({"category": "gossip"}, {"place": ""}, {"title": "长" * 201}):
        answer = scene.village.request("GET", "/duplicates", query={**{k: str(v) for k, v in HERE.items()}, **query})
        assert (refusal(answer).status, refusal(answer).type) == (422, "invalid")
    assert scene.village.request("GET", "/duplicates", query=HERE, role=Role.monitor).status_code == 403


def test_merged_cases_count_once_and_keep_both_histories(scene: Scene) -> None:
    before = scene.village.get("/status")["own"]
    kept, other = registered(scene), registered(scene)
    number = scene.village.case(kept)["display_number"]
    scene.village.does(other, "notes", text="同一件事")
    document = scene.village.does(other, "merge", into=number)
    assert document["status"] == "merged"
    assert document["log"][-1]["data"] == {"into": kept, "number": number}
    assert scene.village.kinds(other) == ["registered", "noted", "merged"]
    last = scene.village.case(kept)["log"][-1]
    assert (last["kind"], last["data"]) == ("absorbed", {"case_id": other, "number": document["display_number"]})
    after = scene.village.get("/status")["own"]
    changed = {name: after[name] - before[name] for name in ("registered", "held", "merged", "closed")}
    assert changed == {"registered": 2, "held": 1, "merged": 1, "closed": 0}


def test_a_joint_partner_who_has_it_too_merges_its_own(scene: Scene) -> None:
    joint = scene.town.registers()
    scene.town.does(joint, "joint", partners=[OTHER_TOWN], reason="跨镇")
    scene.settle()
    scene.other_town.asks(joint, "joint/accept")
    scene.settle()
    own = scene.other_town.registers()
    scene.other_town.does(own, "merge", into=joint)
    scene.settle()
    last = scene.town.case(joint)["log"][-1]
    assert (last["kind"], last["data"]["case_id"], last["data"]["by"]) == ("absorbed", own, OTHER_TOWN)
    assert scene.other_town.case(joint)["log"] == scene.town.case(joint)["log"]


def test_a_merge_that_makes_no_sense_is_refused_and_changes_nothing(scene: Scene) -> None:
    kept, other, foreign = registered(scene), registered(scene), scene.far_village.registers()
    before = [scene.village.case(case) for case in (kept, other)]
    for into, status, type_ in ((other, 422, "invalid"), (foreign, 422, "invalid"), ("没有", 422, "invalid")):
        found = scene.village.refused(other, "merge", into=into)
        assert (found.status, found.type) == (status, type_)
    assert [scene.village.case(case) for case in (kept, other)] == before
    scene.village.does(other, "merge", into=kept)
    third = registered(scene)
    assert scene.village.refused(third, "merge", into=other).type == "already-merged"
    assert scene.village.refused(other, "reopen", reason="r").type == "wrong-status"


def test_two_who_merge_at_once_never_end_both(scene: Scene) -> None:
    first = scene.town.registers()
    scene.town.does(first, "joint", partners=[OTHER_TOWN], reason="跨镇")
    scene.settle()
    scene.other_town.asks(first, "joint/accept")
    second = scene.other_town.registers()
    scene.other_town.does(second, "joint", partners=[TOWN], reason="跨镇")
    scene.settle()
    scene.town.asks(second, "joint/accept")
    scene.settle()
    found = scene.town.refused(first, "merge", into=second)
    assert (found.status, found.type) == (409, "first-stays")
    scene.other_town.does(second, "merge", into=first)
    scene.settle()
    assert [scene.county.case(case)["status"] for case in (first, second)] == ["registered", "merged"]


def test_who_has_only_the_header_of_a_case_merges_nothing_into_it(scene: Scene) -> None:
    high = scene.other_village.registers(grade="high")
    scene.settle()
    own = scene.town.registers()
    assert scene.town.case(high)["access"] == "header"
    assert scene.town.refused(own, "merge", into=high).document["detail"] == f"There is no case {high} here."
    assert scene.town.case(high)["holder"] == OTHER_VILLAGE
