"""Deadlines and supervision in a running federation: numbers, extensions, the ladder, days on the way."""

from datetime import UTC, datetime, timedelta

import pytest

from node import policies
from node.cases import working_days
from node.cases.supervision import order_by_rule
from node.clock import LOCAL_ZONE
from node.federation import chores
from node.unit import unit_of
from protocol.codes import Rung
from protocol.policy import Policy
from tests.cases.scene import FOUR, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Json, Scene

AGREED: Json = {"consented": ["张三", "李四"], "reason": "等鉴定"}
PARTIES = [{"name": "张三", "role": "applicant"}, {"name": "李四", "role": "respondent"}]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def orders(desk: Desk, case: str) -> list[Json]:
    return [entry["data"] for entry in desk.case(case)["log"] if entry["kind"] == "urged"]


def assigned(scene: Scene, **four: object) -> str:
    case = scene.town.registers(parties=PARTIES)
    scene.town.does(case, "assign", **{"to": OTHER_VILLAGE, **FOUR, **four})
    scene.settle()
    return case


def test_orders_are_numbered_by_who_orders_and_answered_on_the_case(scene: Scene) -> None:
    case, other = assigned(scene), assigned(scene)
    scene.town.asks(case, "urge", text="抓紧", reply_by="2030-01-01T09:00:00+08:00")
    scene.town.asks(other, "urge", text="抓紧")
    scene.settle()
    scene.county.asks(case, "urge", text="也要抓紧")
    scene.settle()
    first, second = (orders(scene.other_village, case)[0]["number"], orders(scene.other_village, other)[0]["number"])
    year = scene.fed.clock.now().astimezone(LOCAL_ZONE).year
    running = int(first.removeprefix(f"督办〔{year}〕").removesuffix("号"))
    assert second == f"督办〔{year}〕{running + 1}号"
    assert orders(scene.other_village, case)[1]["number"].startswith(f"督办〔{year}〕")
    answer = scene.other_village.does(case, "urge/4/answer", text="已约双方")
    assert answer["log"][-1]["data"] == {"urge_seq": 4, "text": "已约双方"}


def test_a_deadline_is_put_off_with_the_consent_of_both_sides(scene: Scene) -> None:
    case = assigned(scene)
    before = instant(scene.other_village.case(case)["deadline"])
    found = scene.other_village.does(case, "extend", working_days=3, **AGREED)
    assert instant(found["deadline"]) == working_days.add_working_days(before, 3)
    scene.settle()
    assert scene.town.case(case)["deadline"] == found["deadline"]
    refused = scene.other_village.refused(case, "extend", working_days=3, reason="r", consented=["张三"])
    assert (refused.status, refused.type) == (409, "no-consent")
    assert refused.document["detail"] == "Both sides must agree. Missing: Respondent."


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ({"working_days": 1, "consented": ["某人"], "reason": "r"}, "invalid"),
        ({"deadline": "2020-01-01T00:00:00+08:00", **AGREED}, "invalid"),
        ({**AGREED}, "invalid"),
        ({"deadline": "2090-01-01T00:00:00+08:00", "working_days": 1, **AGREED}, "invalid"),
    ],
)
def test_an_extension_that_makes_no_sense_is_refused(scene: Scene, given: Json, type_: str) -> None:
    case = assigned(scene)
    before = scene.other_village.case(case)
    refused = scene.other_village.refused(case, "extend", **given)
    assert (refused.status, refused.type) == (422, type_)
    assert scene.other_village.case(case) == before


def test_a_case_tells_the_working_days_at_each_center_on_its_way(scene: Scene) -> None:
    case = assigned(scene)
    scene.fed.clock.advance(timedelta(days=14))
    path = scene.town.case(case)["path"]
    assert [(stop["center"], stop["by"]) for stop in path] == [(TOWN, ""), (OTHER_VILLAGE, "assigned")]
    assert path[0]["working_days"] == 0
    since = instant(path[1]["since"])
    assert path[1]["working_days"] == working_days.working_days(since, scene.fed.clock.now()) > 0
    assert path[1]["until"] is None


# --- by rule ---------------------------------------------------------------------------------------


def test_the_ladder_orders_by_itself_once_for_each_step_and_term(own_scene: Scene) -> None:
    ladder = Policy(days_low=10, near_days=20, orders_at=frozenset({Rung.BLUE, Rung.RED}), reply_days=2)
    with unit_of(own_scene.county.center) as unit:
        policies.set_policy(unit, ladder)
    own_scene.settle()
    village = own_scene.village
    case = village.registers()
    deadline = instant(village.case(case)["deadline"])
    with own_scene.offline(VILLAGE):
        assert [order_by_rule(village.center) for _ in range(2)] == [1, 0]
    [blue] = orders(village, case)
    assert (blue["by"], blue["rung"]) == (TOWN, "blue")
    assert instant(blue["reply_by"]) == working_days.add_working_days(own_scene.fed.clock.now(), 2)
    own_scene.fed.clock.advance(deadline - own_scene.fed.clock.now() + timedelta(seconds=1))
    chores.run(village.center)
    assert [order["rung"] for order in orders(village, case)] == ["blue", "red"]
    assert order_by_rule(village.center) == 0
    own_scene.settle()
    assert own_scene.county.case(case)["supervised"] is True
    village.does(case, "escalate", reason="超期", triggers=["deadline_missed"])
    own_scene.settle()
    document = own_scene.town.case(case)
    assert (document["holder"], document["deadline"] is not None) == (TOWN, True), "the term there has its own limit"
    assert order_by_rule(own_scene.town.center) == 1
    own_scene.settle()
    assert village.get("/status")["own"]["fell_due"] == 1


def test_who_has_nobody_above_orders_nothing_by_rule(own_scene: Scene) -> None:
    with unit_of(own_scene.county.center) as unit:
        policies.set_policy(unit, Policy(days_low=1, near_days=20, orders_at=frozenset({Rung.BLUE})))
    own_scene.settle()
    case = own_scene.county.registers()
    assert order_by_rule(own_scene.county.center) == 0
    assert orders(own_scene.county, case) == []


# --- working days ----------------------------------------------------------------------------------


def test_working_days_follow_the_arrangement_of_the_state_council() -> None:
    """National Day of 2024: seven days off, two Saturdays worked (国办发明电〔2023〕7号)."""
    monday = datetime(2024, 9, 30, 2, tzinfo=UTC)
    after = working_days.add_working_days(monday, 1)
    assert after.astimezone(LOCAL_ZONE).date().isoformat() == "2024-10-08"
    assert working_days.working_days(monday, datetime(2024, 10, 12, 2, tzinfo=UTC)) == 5
    assert working_days.working_days(monday, monday) == 0


def test_a_year_without_arrangement_counts_weekdays_and_says_so(scene: Scene) -> None:
    friday = datetime(2090, 9, 29, 2, tzinfo=UTC)
    assert working_days.working_days(friday, friday + timedelta(days=7)) == 5
    assert not working_days.arranged(friday)
    case = scene.town.registers()
    four = {name: value for name, value in FOUR.items() if name != "working_days"}
    scene.town.does(case, "assign", to=OTHER_VILLAGE, deadline="2090-09-29T09:00:00+08:00", **four)
    scene.settle()
    assert scene.other_village.case(case)["deadline_by_weekdays"] is True
