"""Custody moves: escalate, assign with 四定, return; deadlines of terms; who is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.cases.scene import (
    COUNTY,
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Desk,
    Json,
    Scene,
)

WITHOUT_DEADLINE = {name: value for name, value in FOUR.items() if name != "working_days"}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_custody_is_with_nobody_while_in_flight_and_arrives_with_the_receivers_commit(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.offline(OTHER_VILLAGE):
        left = scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        assert (left["holder"], left["in_transit_to"], left["epoch"]) == (None, OTHER_VILLAGE, 2)
        assert scene.village.sees(case) is None
        assert scene.other_village.sees(case) is None
    scene.settle()
    arrived = scene.town.case(case)
    assert (arrived["holder"], arrived["in_transit_to"], arrived["epoch"]) == (OTHER_VILLAGE, None, 2)
    assert scene.town.kinds(case) == ["registered", "assigned", "delivered"]


ONLY_FOR_THE_HOLDER: list[tuple[str, Json]] = [
    ("accept", {}),
    ("grade", {"grade": "high", "reason": "-"}),
    ("correct", {"changes": {"title": "t"}, "reason": "-"}),
    ("mediations", SESSION),
    ("agree", {"agreement": "-"}),
    ("fail", {"reason": "-"}),
    ("withdraw", {"reason": "-"}),
    ("refer", {"to": "法院", "reason": "-"}),
    ("close", {}),
    ("escalate", {"reason": "-", "triggers": ["danger_to_life"]}),
    ("return", {"reason": "-"}),
    ("assign", {"to": OTHER_VILLAGE, **FOUR}),
    ("joint", {"partners": [OTHER_TOWN], "reason": "-"}),
    ("handoff", {"to": OTHER_TOWN, "reason": "-"}),
]


def test_an_old_holder_is_told_where_the_case_is(scene: Scene) -> None:
    case = scene.town.registers(grade="high")
    with scene.offline(OTHER_VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        for act, given in ONLY_FOR_THE_HOLDER:
            refused = scene.town.refused(case, act, **given)
            assert (refused.status, refused.type) == (409, "not-holder"), act
            assert (refused.document["holder"], refused.document["in_transit_to"]) == (None, OTHER_VILLAGE), act
            stale = scene.town.refused(case, act, **given, epoch=1)
            assert (stale.status, stale.type, stale.document["epoch"]) == (409, "stale-epoch", 2), act
            assert stale.document["in_transit_to"] == OTHER_VILLAGE, act
    scene.settle()
    for act, given in ONLY_FOR_THE_HOLDER:
        refused = scene.town.refused(case, act, **given)
        assert (refused.type, refused.document["holder"]) == ("not-holder", OTHER_VILLAGE), act
    assert scene.town.case(case)["log"] == scene.other_village.case(case)["log"]


def test_a_holder_who_names_an_old_epoch_is_refused(scene: Scene) -> None:
    """Somebody's page still shows the term before the case went away and came back."""
    case = scene.town.registers()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    scene.other_village.does(case, "return", reason="不归我们")
    scene.settle()
    refused = scene.town.refused(case, "grade", grade="low", reason="-", epoch=1)
    assert (refused.status, refused.type) == (409, "stale-epoch")
    assert (refused.document["epoch"], refused.document["holder"]) == (3, TOWN)
    assert scene.town.does(case, "grade", grade="medium", reason="-", epoch=3)["grade"] == "medium"


# --- the gate --------------------------------------------------------------------------------------


def test_the_gate_opens_with_a_mediation_attempt(scene: Scene) -> None:
    village = scene.village
    case = village.registers()
    refused = village.refused(case, "escalate", reason="太大", triggers=["grade_high", "repeated_failure"])
    assert (refused.status, refused.type) == (409, "escalation-gated")
    assert refused.document["missing"] == ["mediation", "trigger:grade_high", "trigger:repeated_failure"]
    village.does(case, "accept")
    village.does(case, "mediations", **SESSION)
    assert village.does(case, "escalate", reason="太大")["in_transit_to"] == TOWN


@pytest.mark.parametrize("trigger", ["group_incident", "crosses_villages", "danger_to_life"])
def test_the_gate_opens_with_a_persons_word_which_stands_in_the_log(scene: Scene, trigger: str) -> None:
    case = scene.village.registers()
    escalated = scene.village.does(case, "escalate", reason="太大", triggers=[trigger])["log"][-1]
    assert escalated["data"]["triggers"] == [trigger]


def test_the_gate_opens_with_what_the_system_knows(scene: Scene) -> None:
    case = scene.village.registers()
    scene.village.does(case, "grade", grade="high", reason="扬言报复")
    escalated = scene.village.does(case, "escalate", reason="太大")["log"][-1]
    assert escalated["data"]["triggers"] == ["grade_high"]

    late = scene.town.registers()
    scene.town.does(late, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    assert scene.village.refused(late, "escalate", reason="太大").type == "escalation-gated"
    scene.fed.clock.advance(timedelta(days=20))
    escalated = scene.village.does(late, "escalate", reason="太大")["log"][-1]
    assert escalated["data"]["triggers"] == ["deadline_missed"]


def test_above_the_root_there_is_nobody(scene: Scene) -> None:
    case = scene.county.registers(grade="high")
    refused = scene.county.refused(case, "escalate", reason="太大")
    assert (refused.status, refused.type) == (409, "no-parent")


# --- returning -------------------------------------------------------------------------------------


def test_what_nobody_gave_is_not_returned(scene: Scene) -> None:
    case = scene.village.registers()
    refused = scene.village.refused(case, "return", reason="不归我们")
    assert (refused.status, refused.type) == (409, "nothing-to-return-to")


def test_returns_go_back_the_way_that_the_case_came(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    desks = [scene.village, scene.town, scene.county]
    for desk in desks[:-1]:
        desk.does(case, "escalate", reason="太大")
        scene.settle()
    scene.county.does(case, "assign", to=OTHER_TOWN, **FOUR)
    scene.settle()
    way: list[Desk] = [scene.other_town, *reversed(desks)]
    for desk, back_to in pairwise(way):
        sent = desk.does(case, "return", reason="不归我们")
        assert sent["in_transit_to"] == back_to.code
        scene.settle()
    assert scene.village.case(case)["holder"] == VILLAGE
    assert scene.village.refused(case, "return", reason="不归我们").type == "nothing-to-return-to"
    assert scene.village.case(case)["epoch"] == 7


def test_a_return_needs_a_reason(scene: Scene) -> None:
    case = scene.village.registers()
    refused = scene.village.refused(case, "return")
    assert (refused.status, refused.type) == (422, "invalid")


# --- deadlines -------------------------------------------------------------------------------------


def test_working_days_count_from_delivery(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.offline(OTHER_VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **{**FOUR, "working_days": 1})
        scene.fed.clock.advance(timedelta(days=9))
    scene.settle()
    document = scene.other_village.case(case)
    [delivered] = [entry for entry in document["log"] if entry["kind"] == "delivered"]
    at, deadline = instant(delivered["at"]), instant(document["deadline"])
    assert timedelta(0) < deadline - at <= timedelta(days=10), "one working day, with the longest holiday between"
    local = deadline.astimezone(UTC) + timedelta(hours=8)
    assert (local.hour, local.minute, local.second) == (23, 59, 59)


def test_a_fixed_deadline_is_the_instant_that_was_set(scene: Scene) -> None:
    case = scene.county.registers()
    until = scene.fed.clock.now() + timedelta(days=10)
    scene.county.does(case, "assign", to=TOWN, deadline=until.isoformat(), **WITHOUT_DEADLINE)
    scene.settle()
    assert instant(scene.town.case(case)["deadline"]) == until


def test_nobody_assigns_with_a_later_deadline_than_their_own(scene: Scene) -> None:
    case = scene.county.registers()
    until = scene.fed.clock.now() + timedelta(days=3)
    scene.county.does(case, "assign", to=TOWN, deadline=until.isoformat(), **WITHOUT_DEADLINE)
    scene.settle()
    later = (until + timedelta(seconds=1)).isoformat()
    refused = scene.town.refused(case, "assign", to=VILLAGE, deadline=later, **WITHOUT_DEADLINE)
    assert (refused.status, refused.type, refused.document["field"]) == (422, "invalid", "deadline")
    scene.town.does(case, "assign", to=VILLAGE, **{**FOUR, "working_days": 60})
    scene.settle()
    assert instant(scene.village.case(case)["deadline"]) == until, "working days end with the assigner's own deadline"


def test_a_return_restores_the_deadline_extended_by_the_time_in_transit(scene: Scene) -> None:
    case = scene.county.registers()
    until = scene.fed.clock.now() + timedelta(days=30)
    scene.county.does(case, "assign", to=TOWN, deadline=until.isoformat(), **WITHOUT_DEADLINE)
    scene.settle()
    with scene.offline(VILLAGE):
        scene.town.does(case, "assign", to=VILLAGE, **FOUR)
        scene.fed.clock.advance(timedelta(hours=6))
    scene.settle()
    scene.fed.clock.advance(timedelta(days=2))
    with scene.offline(VILLAGE):
        scene.village.does(case, "return", reason="不归我们")
        scene.fed.clock.advance(timedelta(hours=4))
    scene.settle()
    extended = instant(scene.town.case(case)["deadline"]) - until
    assert timedelta(hours=10) <= extended <= timedelta(hours=10, minutes=5)


def test_an_escalated_case_has_no_deadline_until_it_is_assigned(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    assert scene.village.case(case)["deadline"] is not None
    scene.village.does(case, "escalate", reason="太大", triggers=["group_incident"])
    scene.settle()
    assert scene.town.case(case)["deadline"] is None


# --- acceptance ------------------------------------------------------------------------------------


def test_each_center_accepts_for_itself_and_only_then_mediates(scene: Scene) -> None:
    case = scene.village.registers()
    refused = scene.village.refused(case, "mediations", **SESSION)
    assert (refused.status, refused.type) == (409, "wrong-status")
    scene.village.does(case, "accept")
    scene.village.does(case, "mediations", **SESSION)
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    for act, given in (("mediations", SESSION), ("agree", {"agreement": "-"}), ("fail", {"reason": "-"})):
        assert scene.town.refused(case, act, **given).type == "wrong-status"
    accepted = scene.town.does(case, "accept")
    assert (accepted["accepted_by"], accepted["status"]) == ("director 同志", "mediating")
    scene.town.does(case, "agree", agreement="各清各的沟")


def test_what_is_needed_before_acceptance_is_possible_before_it(scene: Scene) -> None:
    case = scene.village.registers()
    scene.village.does(case, "grade", grade="high", reason="扬言报复")
    scene.village.does(case, "correct", changes={"title": "排水"}, reason="写错")
    scene.village.does(case, "notes", text="又来了")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    assert scene.other_village.does(case, "withdraw", reason="自行和解")["status"] == "withdrawn"
    assert COUNTY in scene.sees(case), "of high grade, also when it has ended"
