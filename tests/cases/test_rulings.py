"""Study, disputes over who deals with a case, rulings, and the routing rules that they become."""

from typing import Any

from node.accounts.roles import Role
from tests.cases.scene import COUNTY, FOUR, OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Json, Scene, refusal

ROUTE: Json = {"category": "forest_land", "place": "大山箐", "to": OTHER_TOWN, "department": "林业站", "reason": "属地"}


def disputed(scene: Scene, **matter: Any) -> str:  # noqa: ANN401 - whatever a matter has
    """A case that the township returned to the village three times."""
    case = scene.village.registers(**matter)
    for _ in range(3):
        scene.village.does(case, "escalate", reason="跨界", triggers=["crosses_villages"])
        scene.settle()
        scene.town.does(case, "return", reason="不归我们")
        scene.settle()
    return case


def test_a_study_says_who_judged_what_was_found_and_who_is_needed(scene: Scene) -> None:
    case = scene.town.registers()
    study: Json = {"judged_by": ["赵主任", "司法所钱某"], "triggers": ["group_incident"], "departments": ["林业站"]}
    scene.town.does(case, "grade", grade="high", reason="多人参与", **study)
    body = scene.town.case(case)["log"][-1]["data"]
    assert {name: body[name] for name in study} == study
    advice = scene.town.get(f"/cases/{case}/advice")["advice"]
    assert (advice["grade"], advice["may_escalate"], advice["returns_left"]) == ("high", True, 3)
    assert set(advice["triggers"]) == {"grade_high", "group_incident"}


def test_only_the_holder_is_advised(scene: Scene) -> None:
    case = scene.town.registers(grade="high")
    scene.settle()
    answer = scene.county.request("GET", f"/cases/{case}/advice")
    found = refusal(answer)
    assert (found.status, found.type, found.document["holder"]) == (409, "not-holder", TOWN)
    assert scene.other_town.request("GET", f"/cases/{case}/advice").status_code == 404
    assert scene.town.request("GET", f"/cases/{case}/advice", role=Role.monitor).status_code == 403


def test_after_three_returns_nobody_returns_a_case_and_all_above_see_that_it_is_disputed(scene: Scene) -> None:
    case = disputed(scene)
    assert scene.county.case(case)["returns"] == 3
    scene.village.does(case, "escalate", reason="r", triggers=["crosses_villages"])
    scene.settle()
    refused = scene.town.refused(case, "return", reason="还是不归我们")
    assert (refused.status, refused.type, refused.document["returns"]) == (409, "ruling-needed", 3)
    asked = scene.county.asks(case, "rule", to=TOWN, department="平安法治办", reason="涉及两村")
    scene.settle()
    assert scene.county.answer_to(case, asked) == ("granted", None)
    [ruled] = [entry["data"] for entry in scene.town.case(case)["log"] if entry["kind"] == "ruled"]
    assert (ruled["to"], ruled["by"], ruled["department"]) == (TOWN, COUNTY, "平安法治办")
    assert scene.town.case(case)["holder"] == TOWN
    assert scene.town.refused(case, "return", reason="不服").type == "ruling-needed", "the ruling stands"


def test_a_ruling_moves_custody_and_is_offered_next_time(scene: Scene) -> None:
    place = "石门坎水库"
    case = disputed(scene, place=f"{place}东岸", category="forest_land")
    asked = scene.county.asks(case, "rule", to=OTHER_TOWN, department="林业站", reason="属地", route_place=place)
    assert scene.county.get("/routes", category="forest_land", place=place)["items"] == [], "not granted yet"
    scene.settle()
    assert scene.county.answer_to(case, asked) == ("granted", None)
    assert scene.other_town.case(case)["holder"] == OTHER_TOWN
    [route] = scene.county.get("/routes", category="forest_land", place=f"{place}西岸")["items"]
    assert (route["to"], route["department"], route["ruled"]) == (OTHER_TOWN, "林业站", True)
    assert scene.county.get("/routes", category="neighbourhood", place=place)["items"] == []
    other = scene.county.registers(place=f"{place}北岸", category="forest_land")
    assert scene.county.get(f"/cases/{other}/advice")["routes"] == [route]


def test_nobody_rules_before_its_time_or_over_others(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.settle()
    asked = scene.county.asks(case, "rule", to=TOWN, reason="r", route_place="未准的地方")
    scene.settle()
    assert scene.county.answer_to(case, asked) == ("refused", "not-disputed")
    assert "未准的地方" not in str(scene.county.get("/routes")), "what was refused is no rule"
    case = disputed(scene)
    asked = scene.town.asks(case, "rule", to=OTHER_TOWN, reason="推给邻镇")
    scene.settle()
    assert scene.town.answer_to(case, asked) == ("refused", "not-an-ancestor")


def test_a_township_rules_among_its_villages(scene: Scene) -> None:
    case = disputed(scene)
    asked = scene.town.asks(case, "rule", to=OTHER_VILLAGE, reason="属地")
    scene.settle()
    assert scene.town.answer_to(case, asked) == ("granted", None)
    assert scene.other_village.refused(case, "return", reason="r").type == "ruling-needed"


def test_an_assigned_case_goes_back_only_as_often_as_the_policy_allows(scene: Scene) -> None:
    case = scene.town.registers()
    for _ in range(3):
        scene.town.does(case, "assign", to=VILLAGE, **FOUR)
        scene.settle()
        scene.village.does(case, "return", reason="不归我们")
        scene.settle()
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    assert scene.village.refused(case, "return", reason="r").type == "ruling-needed"


def test_routing_rules_are_set_and_taken_back_by_people(scene: Scene) -> None:
    answer = scene.county.post("/routes", ROUTE)
    assert answer.status_code == 201
    route: Json = answer.json()
    assert route in scene.county.get("/routes")["items"]
    left = scene.county.post(f"/routes/{route['id']}/withdraw", {}).json()
    assert route not in left["items"]
    assert refusal(scene.county.post(f"/routes/{route['id']}/withdraw", {})).status == 404


def test_bad_routing_rules_are_refused(scene: Scene) -> None:
    before = scene.county.get("/routes")
    for changes, field in (
        ({"to": "532923999000"}, "to"),
        ({"to": "12"}, "to"),
        ({"category": "gossip"}, "category"),
        ({"place": ""}, "place"),
        ({"place": "长" * 201}, "place"),
        ({"department": "长" * 101}, "department"),
        ({"reason": "长" * 1001}, "reason"),
        ({"colour": "red"}, "colour"),
    ):
        found = refusal(scene.county.post("/routes", {**ROUTE, **changes}))
        fields = {found.document.get("field"), *(error["field"] for error in found.document.get("errors", []))}
        assert (found.status, found.type) == (422, "invalid")
        assert field in fields
    for role in (Role.clerk, Role.mediator, Role.monitor, Role.admin):
        assert refusal(scene.county.post("/routes", ROUTE, role=role)).status == 403
    assert scene.county.get("/routes") == before
