"""Requests: how everyone who does not hold a case speaks to it. The asker is always told, with the reason."""

import pytest

from node.cases.refusals import _TOLD
from protocol.messages import Type
from protocol.payloads import RequestMessage
from protocol.records import Record
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Json,
    Scene,
)

VISIT: Json = {"held_at": "2026-03-09T10:00:00+08:00", "method": "电话", "fulfilled": True, "satisfied": True}


def held_by_town(scene: Scene) -> str:
    """A high-grade case that came from the village to its township; the county sees the header."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    return case


@pytest.fixture(scope="module")
def untouched(sqlite_scene: Scene) -> str:
    """Such a case, for tests that leave it as it is."""
    return held_by_town(sqlite_scene)


# --- granted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "act", "given", "kind", "data"),
    [
        (VILLAGE, "notes", {"text": "又淹了"}, "noted", {"text": "又淹了", "by": VILLAGE}),
        (COUNTY, "notes", {"text": "请重视"}, "noted", {"text": "请重视", "by": COUNTY}),
        (COUNTY, "urge", {"text": "抓紧"}, "urged", {"text": "抓紧", "by": COUNTY}),
        (COUNTY, "view", {"reason": "督查"}, "viewed", {"reason": "督查", "by": COUNTY}),
    ],
)
def test_a_granted_request_becomes_an_entry_of_the_holder_that_contains_it(
    scene: Scene, by: str, act: str, given: Json, kind: str, data: Json
) -> None:
    case = held_by_town(scene)
    request = scene[by].asks(case, act, **given)
    scene.settle()
    assert scene[by].answer_to(case, request) == ("granted", None)
    entry = scene.town.case(case)["log"][-1]
    assert (entry["kind"], entry["center"], entry["actor"]) == (kind, TOWN, "director 同志")
    assert data.items() <= entry["data"].items()
    quoted = entry["data"]["request"]
    assert (quoted["id"], quoted["center"], quoted["actor"]) == (request, by, "director 同志")
    stored = scene.town.state(case)
    assert stored.seq == entry["seq"]


def test_a_supervision_order_is_answered_by_whoever_held_the_case_or_holds_it(scene: Scene) -> None:
    case = held_by_town(scene)
    scene.county.asks(case, "urge", text="第一号", reply_by="2030-01-01T00:00:00+08:00")
    scene.county.asks(case, "urge", text="第二号")
    scene.settle()
    first, second = [entry["seq"] for entry in scene.town.case(case)["log"] if entry["kind"] == "urged"]
    request = scene.village.asks(case, f"urge/{first}/answer", text="已入户")
    scene.town.does(case, f"urge/{second}/answer", text="已研判")
    scene.settle()
    assert scene.village.answer_to(case, request) == ("granted", None)
    answers = {
        entry["data"]["urge_seq"]: entry for entry in scene.town.case(case)["log"] if entry["kind"] == "answered"
    }
    assert answers[first]["data"]["by"] == VILLAGE
    assert "by" not in answers[second]["data"]
    assert all(urge.answered for urge in scene.town.state(case).urges.values())


def test_follow_up_visits_and_reopenings_are_asked_for_after_the_end(scene: Scene) -> None:
    case = held_by_town(scene)
    scene.town.does(case, "accept")
    scene.town.does(case, "mediations", **SESSION)
    scene.town.does(case, "agree", agreement="各清各的沟")
    scene.town.does(case, "close")
    scene.settle()
    visited = scene.village.asks(case, "follow-ups", **VISIT)
    scene.settle()
    assert scene.village.answer_to(case, visited) == ("granted", None)
    reopened = scene.county.asks(case, "reopen", reason="又起纠纷")
    scene.settle()
    assert scene.county.answer_to(case, reopened) == ("granted", None)
    assert scene.town.case(case)["status"] == "accepted"
    assert scene.town.kinds(case)[-2:] == ["visited", "reopened"]


# --- refused, with the reason ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "act", "given", "reason"),
    [
        (VILLAGE, "urge", {"text": "快"}, "not-an-ancestor"),
        (VILLAGE, "view", {"reason": "看看"}, "not-an-ancestor"),
        (VILLAGE, "joint/lead", {"to": OTHER_TOWN, "reason": "-"}, "not-an-ancestor"),
        (COUNTY, "joint/lead", {"to": OTHER_TOWN, "reason": "-"}, "not-a-partner"),
        (COUNTY, "follow-ups", VISIT, "not-a-follower"),
        (VILLAGE, "follow-ups", VISIT, "wrong-status"),
        (VILLAGE, "reopen", {"reason": "-"}, "wrong-status"),
        (VILLAGE, "urge/1/answer", {"text": "-"}, "no-such-urge"),
        (COUNTY, "urge/1/answer", {"text": "-"}, "not-a-follower"),
        (VILLAGE, "joint/accept", {}, "not-invited"),
        (VILLAGE, "joint/decline", {"reason": "-"}, "not-invited"),
        (VILLAGE, "joint/entries", {"text": "-"}, "not-a-partner"),
        (VILLAGE, "joint/countersign", {"agreement_seq": 1}, "not-a-partner"),
        (VILLAGE, "handoff/accept", {}, "not-invited"),
        (VILLAGE, "handoff/decline", {"reason": "-"}, "not-invited"),
        (COUNTY, "recall", {"reason": "-"}, "not-last-sender"),
    ],
)
def test_a_refused_request_says_why_and_leaves_the_log_as_it_was(
    scene: Scene, untouched: str, by: str, act: str, given: Json, reason: str
) -> None:
    case = untouched
    log = scene.town.case(case)["log"]
    request = scene[by].asks(case, act, **given)
    scene.settle()
    assert scene[by].answer_to(case, request) == ("refused", reason)
    assert scene.town.case(case)["log"] == log
    assert reason in _TOLD, "there are words for it"


def test_an_invited_center_answers_and_says_nothing_else(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    request = scene.other_town.asks(case, "notes", text="?")
    scene.settle()
    assert scene.other_town.answer_to(case, request) == ("refused", "not-a-follower")


@pytest.mark.parametrize("act", ["urge", "view", "joint/accept", "joint/lead", "handoff/accept", "recall"])
def test_the_holder_does_not_ask_itself(scene: Scene, act: str) -> None:
    case = scene.village.registers()
    given: Json = {
        "urge": {"text": "-"},
        "view": {"reason": "-"},
        "joint/lead": {"to": OTHER_VILLAGE, "reason": "-"},
        "recall": {"reason": "-"},
    }.get(act, {})
    refused = scene.village.refused(case, act, **given)
    assert (refused.status, refused.type, refused.document["holder"]) == (409, "holder-cannot-ask", VILLAGE)


# --- following the case ----------------------------------------------------------------------------


def test_a_request_follows_the_case_to_its_holder(scene: Scene) -> None:
    """The asker believes that the township holds it; meanwhile it was assigned on."""
    case = held_by_town(scene)
    with scene.offline(VILLAGE):
        request = scene.village.asks(case, "notes", text="又淹了")
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        scene.settle()
    scene.settle()
    assert scene.village.answer_to(case, request) == ("granted", None)
    noted = scene.other_village.case(case)["log"][-1]
    assert (noted["kind"], noted["center"], noted["data"]["by"]) == ("noted", OTHER_VILLAGE, VILLAGE)
    assert [one["kind"] for one in scene.town.case(case)["requests"]] == [], "who passed it on shows nothing of it"


def test_a_request_bound_to_its_epoch_does_not(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    with scene.offline(OTHER_TOWN):
        request = scene.other_town.asks(case, "joint/accept")
        scene.town.does(case, "assign", to=VILLAGE, **FOUR)
        scene.settle()
    scene.settle()
    assert scene.other_town.answer_to(case, request) == ("refused", "stale-epoch")
    again = scene.other_town.asks(case, "joint/accept")
    scene.settle()
    assert scene.other_town.answer_to(case, again) == ("granted", None), "its invitation was told anew meanwhile"
    assert scene.village.case(case)["joint"]["partners"] == [
        {"code": OTHER_TOWN, "status": "accepted", "countersigned": False}
    ]


def test_a_person_who_names_an_old_epoch_is_told_at_once(scene: Scene) -> None:
    case = held_by_town(scene)
    refused = scene.village.refused(case, "notes", text="-", epoch=1)
    assert (refused.status, refused.type, refused.document["holder"]) == (409, "stale-epoch", TOWN)
    refused = scene.county.refused(case, "urge", text="-", epoch=1)
    assert (refused.status, refused.type, refused.document["epoch"]) == (409, "stale-epoch", 2)
    scene.village.asks(case, "notes", text="-", epoch=2)
    scene.settle()


def test_a_request_waits_while_the_case_is_in_flight(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    with scene.offline(TOWN):
        scene.village.does(case, "escalate", reason="太大")
        request = scene.village.asks(case, "notes", text="又淹了")
        assert scene.village.answer_to(case, request) == ("pending", None)
    scene.settle()
    assert scene.village.answer_to(case, request) == ("granted", None)
    assert scene.town.kinds(case)[-2:] == ["delivered", "noted"]


def test_a_request_from_above_that_comes_before_the_case_waits_for_it(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.settle()
    scene.stop(VILLAGE)
    scene.village.does(case, "escalate", reason="太大")
    # The county hears of the flight first, say over another way; here its header is changed by hand.
    for desk in (scene.county, scene.town):
        with desk.member.act() as unit:
            sheet = unit.book.sheet(case)
            assert sheet.header is not None
            moved = {"holder": None, "in_transit_to": TOWN, "epoch": 2, "seq": 2}
            sheet.header, sheet.dirty = sheet.header.model_copy(update=moved), True
    request = scene.county.asks(case, "urge", text="抓紧")
    scene.settle()
    assert scene.county.answer_to(case, request) == ("pending", None)
    scene.start(VILLAGE)
    scene.settle()
    assert scene.county.answer_to(case, request) == ("granted", None)
    assert scene.town.kinds(case)[-2:] == ["delivered", "urged"]


def test_a_request_that_comes_twice_is_judged_once_and_answered_twice(scene: Scene) -> None:
    case = held_by_town(scene)
    request = scene.village.asks(case, "notes", text="又淹了")
    scene.settle()
    quoted = scene.town.case(case)["log"][-1]["data"]["request"]
    assert quoted["id"] == request
    last = len(scene.village.case(case)["log"])
    with scene.village.member.act() as unit:
        entry = unit.book.entry(case, last)
        assert entry is not None
        record = entry.body.request
        assert isinstance(record, Record)
        unit.outbox.send(Type.REQUEST, RequestMessage(request=record), TOWN, case_id=case)
    scene.settle()
    assert scene.town.kinds(case).count("noted") == 1
    assert scene.village.answer_to(case, request) == ("granted", None)


def test_a_request_at_a_center_that_never_heard_of_the_case_is_refused(scene: Scene) -> None:
    case = held_by_town(scene)
    with scene.county.member.act() as unit:
        sheet = unit.book.sheet(case)
        assert sheet.header is not None
        wrong = {"holder": FAR_VILLAGE, "epoch": 9}
        sheet.header, sheet.dirty = sheet.header.model_copy(update=wrong), True
    request = scene.county.asks(case, "urge", text="抓紧")
    scene.settle()
    assert scene.county.answer_to(case, request) == ("refused", "unknown-case")


def test_a_request_is_shown_as_the_api_says(scene: Scene) -> None:
    case = held_by_town(scene)
    answer = scene.county.post(f"/cases/{case}/urge", {"text": "抓紧"})
    assert answer.status_code == 202
    shown = answer.json()["request"]
    assert {name: shown[name] for name in ("kind", "epoch", "state", "reason", "center", "mine")} == {
        "kind": "urge",
        "epoch": 2,
        "state": "pending",
        "reason": None,
        "center": COUNTY,
        "mine": True,
    }
    scene.settle()
    for desk, mine in ((scene.county, True), (scene.town, False)):
        [listed] = [one for one in desk.case(case)["requests"] if one["id"] == shown["id"]]
        assert listed == {**shown, "state": "granted", "mine": mine}
