"""The main job, over HTTP with real users, end to end, over real brokers and on both databases."""

from datetime import timedelta
from pathlib import Path

import pytest

from node.accounts.roles import Role
from tests.cases.scene import (
    COUNTY,
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Json,
    Scene,
    scene_of,
)
from tests.conftest import PostgresServer
from tests.federation_kit import Wire, postgres_urls


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_main_job_over_real_brokers(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if database == "sqlite":
        with scene_of(tmp_path, wire=Wire.NATS) as scene:
            the_main_job(scene)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with postgres_urls(server) as urls, scene_of(tmp_path, wire=Wire.NATS, database_url=urls) as scene:
        the_main_job(scene)


def the_main_job(scene: Scene) -> None:
    """One matter's long life: every call of DESIGN section 8, by people whose role it is."""
    case = up_and_down(scene)
    jointly(scene, case)
    through_requests(scene, case)
    to_its_end(scene, case)
    and_beyond(scene, case)
    assert_all_followers_hold_the_same_log(scene, case)


def up_and_down(scene: Scene, place: str = "谢官营三组") -> str:
    """Registered at a village, escalated, assigned to another, returned, escalated, assigned from the county."""
    village, town, other_village, county = scene.village, scene.town, scene.other_village, scene.county

    case = village.registers(role=Role.clerk, place=place, description="下雨天污水倒灌", grade="medium")
    gated = village.refused(case, "escalate", role=Role.clerk, reason="太大")
    assert (gated.status, gated.type, gated.document["missing"]) == (409, "escalation-gated", ["mediation"])
    village.does(case, "accept", role=Role.clerk)
    village.does(case, "mediations", role=Role.mediator, **SESSION)
    sent = village.does(case, "escalate", role=Role.clerk, reason="涉及两个村", triggers=["crosses_villages"])
    assert (sent["holder"], sent["in_transit_to"], sent["epoch"]) == (None, TOWN, 2)
    scene.settle()
    assert_held_by(scene, case, TOWN, epoch=2, followers=[VILLAGE, TOWN])

    town.does(case, "accept", role=Role.dispatcher)
    town.does(case, "assign", role=Role.dispatcher, to=OTHER_VILLAGE, instructions="先勘验", **FOUR)
    scene.settle()
    assert_held_by(scene, case, OTHER_VILLAGE, epoch=3, followers=[VILLAGE, TOWN, OTHER_VILLAGE])
    assert other_village.case(case)["deadline"] is not None
    assigned = entry(other_village.case(case), "assigned")
    assert {name: assigned["data"][name] for name in FOUR} == FOUR

    other_village.does(case, "accept", role=Role.clerk)
    other_village.does(case, "return", role=Role.dispatcher, reason="不在我村地界")
    scene.settle()
    assert_held_by(scene, case, TOWN, epoch=4)
    assert entry(village.case(case), "returned")["data"]["reason"] == "不在我村地界"

    town.does(case, "escalate", role=Role.clerk, reason="两镇交界")
    scene.settle()
    assert_held_by(scene, case, COUNTY, epoch=5)
    county.does(case, "accept")
    until = (scene.fed.clock.now() + timedelta(days=30)).isoformat()
    four = {name: value for name, value in FOUR.items() if name != "working_days"}
    county.does(case, "assign", to=OTHER_TOWN, deadline=until, **four)
    scene.settle()
    assert_held_by(scene, case, OTHER_TOWN, epoch=6, followers=[VILLAGE, TOWN, OTHER_VILLAGE, COUNTY, OTHER_TOWN])
    return case


def jointly(scene: Scene, case: str) -> None:
    """Two townships together: invitation, joint entries, the lead handed over and taken."""
    town, other_town = scene.town, scene.other_town
    other_town.does(case, "accept")
    members = [{"name": "周副镇长", "role": "组长"}]
    other_town.does(case, "joint", partners=[TOWN, COUNTY], reason="跨镇界", members=members)
    scene.settle()
    accepted = town.asks(case, "joint/accept", members=[{"name": "吴所长", "role": "副组长"}])
    declined = scene.county.asks(case, "joint/decline", reason="镇里办得了")
    scene.settle()
    assert town.answer_to(case, accepted) == ("granted", None)
    assert scene.county.answer_to(case, declined) == ("granted", None)
    joint = other_town.case(case)["joint"]
    assert joint["lead"] == OTHER_TOWN
    assert {one["code"]: one["status"] for one in joint["partners"]} == {TOWN: "accepted", COUNTY: "declined"}
    assert [(one["name"], one["center"]) for one in joint["members"]] == [("周副镇长", OTHER_TOWN), ("吴所长", TOWN)]

    written = town.asks(case, "joint/entries", role=Role.mediator, text="我方已走访三户")
    other_town.does(case, "joint/entries", role=Role.mediator, text="我方已调取档案")
    scene.settle()
    assert town.answer_to(case, written) == ("granted", None)
    notes = [one["data"] for one in town.case(case)["log"] if one["kind"] == "joint_noted"]
    assert {(note["center"], note["text"]) for note in notes} == {
        (TOWN, "我方已走访三户"),
        (OTHER_TOWN, "我方已调取档案"),
    }

    other_town.does(case, "handoff", to=TOWN, reason="沟在沙龙")
    scene.settle()
    town.asks(case, "handoff/accept")
    scene.settle()
    assert_held_by(scene, case, TOWN, epoch=7)
    joint = town.case(case)["joint"]
    assert joint["lead"] == TOWN
    assert {"code": OTHER_TOWN, "status": "accepted", "countersigned": False} in joint["partners"]


def through_requests(scene: Scene, case: str) -> None:
    """What others say to a case that they do not hold; every asker is answered."""
    village, town, county, other_town = scene.village, scene.town, scene.county, scene.other_town
    asked = [
        (village, village.asks(case, "notes", role=Role.clerk, text="昨晚又淹了")),
        (county, county.asks(case, "urge", text="五日内报结果")),
        (county, county.asks(case, "view", reason="督查")),
    ]
    scene.settle()
    assert all(desk.answer_to(case, request) == ("granted", None) for desk, request in asked)
    order = entry(town.case(case), "urged")
    assert (order["data"]["by"], order["center"], order["data"]["request"]["actor"]) == (
        COUNTY,
        TOWN,
        "director 同志",
    )
    answered = other_town.asks(case, f"urge/{order['seq']}/answer", text="本周内挖通")
    scene.settle()
    assert other_town.answer_to(case, answered) == ("granted", None)

    ordered = county.asks(case, "joint/lead", to=OTHER_TOWN, reason="纠纷发生地在祥城")
    scene.settle()
    assert county.answer_to(case, ordered) == ("granted", None)
    assert_held_by(scene, case, OTHER_TOWN, epoch=8)
    recalled = town.asks(case, "recall", reason="协商后仍由我镇牵头")
    scene.settle()
    assert town.answer_to(case, recalled) == ("granted", None)
    assert_held_by(scene, case, TOWN, epoch=9)


def to_its_end(scene: Scene, case: str) -> None:
    """Graded, corrected, mediated, agreed, countersigned, closed."""
    town, other_town = scene.town, scene.other_town
    town.does(case, "accept", role=Role.mediator)
    town.does(case, "grade", role=Role.dispatcher, grade="high", reason="扬言上访")
    town.does(case, "correct", role=Role.dispatcher, changes={"place": "谢官营四组"}, reason="组别写错")
    town.does(case, "mediations", role=Role.mediator, **{**SESSION, "outcome": "基本谈拢"})
    agreed = town.does(case, "agree", role=Role.mediator, agreement="两村各清一半", due_on="2027-01-31")
    open_yet = town.refused(case, "close", role=Role.clerk)
    assert (open_yet.status, open_yet.type, open_yet.document["missing"]) == (409, "not-countersigned", [OTHER_TOWN])
    scene.settle()
    signed = other_town.asks(case, "joint/countersign", agreement_seq=agreed["agreement_seq"])
    scene.settle()
    assert other_town.answer_to(case, signed) == ("granted", None)
    closed = town.does(case, "close", role=Role.clerk)
    assert (closed["status"], closed["place"], closed["grade"]) == ("closed", "谢官营四组", "high")
    scene.settle()
    assert scene.village.case(case)["status"] == "closed"


def and_beyond(scene: Scene, case: str) -> None:
    """Visited, reopened at a village's request, failed, reopened by the holder, referred."""
    village, town = scene.village, scene.town
    visit: Json = {"held_at": "2026-03-09T10:00:00+08:00", "method": "上门", "fulfilled": False, "satisfied": False}
    town.does(case, "follow-ups", role=Role.mediator, **visit)
    visited = village.asks(case, "follow-ups", role=Role.clerk, **visit, note="沟又堵了")
    reopened = village.asks(case, "reopen", reason="协议没有履行")
    scene.settle()
    assert [village.answer_to(case, one) for one in (visited, reopened)] == [("granted", None)] * 2
    assert town.case(case)["status"] == "accepted"
    town.does(case, "mediations", role=Role.mediator, **SESSION)
    town.does(case, "fail", role=Role.mediator, reason="各执一词")
    town.does(case, "close", role=Role.clerk)
    town.does(case, "reopen", reason="当事人要求")
    assert town.does(case, "withdraw", reason="自行和解")["status"] == "withdrawn"
    town.does(case, "reopen", reason="和解破裂")
    town.does(case, "refer", to="祥云县人民法院", reason="当事人起诉")
    scene.settle()
    assert village.case(case)["status"] == "referred"


# --- what must hold all along ----------------------------------------------------------------------


def assert_held_by(scene: Scene, case: str, holder: str, *, epoch: int, followers: list[str] | None = None) -> None:
    """Every full copy says the same about custody."""
    copies = {desk.code: desk.case(case) for desk in scene if desk.sees(case) == "full"}
    assert holder in copies
    for code, copy in copies.items():
        assert (copy["holder"], copy["in_transit_to"], copy["epoch"]) == (holder, None, epoch), code
    if followers is not None:
        assert copies[holder]["followers"] == followers
        assert set(copies) == set(followers)


def assert_all_followers_hold_the_same_log(scene: Scene, case: str) -> None:
    """Full followers have every entry, in order."""
    logs = {code: scene[code].case(case)["log"] for code in scene.town.case(case)["followers"]}
    assert len(logs) == 5
    [first, *others] = logs.values()
    assert [one["seq"] for one in first] == list(range(1, len(first) + 1))
    assert all(log == first for log in others)


def entry(case: Json, kind: str) -> Json:
    """The only entry of a kind."""
    [found] = [one for one in case["log"] if one["kind"] == kind]
    return dict(found)
