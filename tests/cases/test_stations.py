"""Departments and stations of a center: the list, calls, reports, accounts of departments, workloads."""

from datetime import timedelta

import pytest

from node.accounts.roles import Role
from tests.cases.scene import FOUR, OTHER_VILLAGE, SESSION, Desk, Json, Scene, refusal

WEEK = [1, 2, 3, 4, 5, 6, 7]


def station(desk: Desk, name: str, **given: object) -> Json:
    """Add a station to the list; as it stands there."""
    answer = desk.post("/stations", {"kind": "station", "name": name, **given})
    assert answer.status_code == 201, answer.text
    [found] = [one for one in answer.json()["items"] if one["name"] == name]
    item: Json = found
    return item


def later(scene: Scene, **ahead: int) -> str:
    return (scene.fed.clock.now() + timedelta(**ahead)).isoformat()


def tally(desk: Desk, name: str) -> Json:
    [calls] = [one["calls"] for one in desk.get("/stations")["items"] if one["name"] == name]
    found: Json = calls
    return found


def test_a_center_keeps_its_own_list_of_who_is_there_and_when(scene: Scene) -> None:
    found = station(scene.town, "诉讼服务站", contact="二楼201", weekdays=[])
    assert (found["presence"], found["weekdays"], found["on_duty"]) == ("resident", WEEK, True)
    today = scene.fed.clock.now() + timedelta(hours=8)
    others = [day for day in WEEK if day != today.isoweekday()]
    by_rota = station(scene.town, "检调对接站", weekdays=others)
    assert (by_rota["presence"], by_rota["on_duty"]) == ("rota", False)
    changed = {"kind": "station", "name": "检调对接站", "weekdays": WEEK, "active": False}
    answer = scene.town.post(f"/stations/{by_rota['id']}", changed)
    [left] = [one for one in answer.json()["items"] if one["id"] == by_rota["id"]]
    assert (left["active"], left["on_duty"]) == (False, False)
    assert "诉讼服务站" not in str(scene.other_town.get("/stations")), "every center has its own"


def test_bad_stations_are_refused(scene: Scene) -> None:
    station(scene.town, "同名站")
    before = scene.town.get("/stations")
    good: Json = {"kind": "room", "name": "第一调解室"}
    for changes, field in (
        ({"kind": "palace"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "长" * 101}, "name"),
        ({"name": "同名站"}, "name"),
        ({"contact": "长" * 201}, "contact"),
        ({"weekdays": [8]}, "weekdays.0"),
        ({"weekdays": [1] * 8}, "weekdays"),
        ({"username": "nobody-here"}, "username"),
        ({"colour": "red"}, "colour"),
    ):
        found = refusal(scene.town.post("/stations", {**good, **changes}))
        fields = {found.document.get("field"), *(error["field"] for error in found.document.get("errors", []))}
        assert (found.status, found.type) == (422, "invalid"), changes
        assert field in fields
    assert refusal(scene.town.post("/stations/none", good)).status == 404
    for role in (Role.clerk, Role.mediator, Role.monitor, Role.admin, Role.department):
        assert refusal(scene.town.post("/stations", good, role=role)).status == 403
    assert scene.town.get("/stations") == before


def test_departments_are_called_with_a_task_and_a_time_and_report_in_time_or_not(scene: Scene) -> None:
    before = scene.town.get("/status")["own"]
    forest, police = station(scene.town, "林业站")["id"], station(scene.town, "派出所", kind="department")["id"]
    case = scene.town.registers()
    document = scene.town.does(
        case, "calls", stations=[forest, police, forest], task="明天到场指界", report_by=later(scene, hours=2)
    )
    assert [entry["data"]["station"] for entry in document["log"][1:]] == ["林业站", "派出所"]
    scene.town.does(case, "calls/2/report", role=Role.clerk, text="已指界")
    assert scene.town.refused(case, "calls/2/report", text="又报").type == "already-reported"
    scene.fed.clock.advance(timedelta(hours=3))
    assert tally(scene.town, "派出所") == {"called": 1, "in_time": 0, "late": 0, "waiting": 1, "overdue": 1}
    scene.town.does(case, "calls/3/report", text="刚到")
    assert tally(scene.town, "林业站") == {"called": 1, "in_time": 1, "late": 0, "waiting": 0, "overdue": 0}
    assert tally(scene.town, "派出所") == {"called": 1, "in_time": 0, "late": 1, "waiting": 0, "overdue": 0}
    after = scene.town.get("/status")["own"]
    counted = {name: after[name] - before[name] for name in ("called", "reported", "reported_in_time")}
    assert counted == {"called": 2, "reported": 2, "reported_in_time": 1}


def test_calls_travel_with_the_case_and_belong_to_who_called(scene: Scene) -> None:
    forest = station(scene.town, "水利站")["id"]
    case = scene.town.registers()
    scene.town.does(case, "calls", stations=[forest], task="看水", report_by=later(scene, hours=2))
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    assert scene.other_village.case(case)["log"] == scene.town.case(case)["log"]
    assert scene.other_village.refused(case, "calls/2/report", text="到了").type == "no-such-call"
    assert scene.town.refused(case, "calls/2/report", text="到了").type == "not-holder"


@pytest.mark.parametrize("which", ["unknown", "inactive", "room"])
def test_who_can_not_be_called_is_named(scene: Scene, which: str) -> None:
    ids = {
        "unknown": "no-such-station",
        "inactive": station(scene.town, f"撤销的站{which}", active=False)["id"],
        "room": station(scene.town, f"调解室{which}", kind="room")["id"],
    }
    case = scene.town.registers()
    found = scene.town.refused(case, "calls", stations=[ids[which]], task="t", report_by=later(scene, hours=1))
    assert (found.status, found.type, found.document["field"]) == (422, "invalid", "stations")
    assert ids[which] in found.document["detail"]
    assert scene.town.kinds(case) == ["registered"]


def test_of_several_calls_none_is_made_when_one_can_not_be(scene: Scene) -> None:
    good = station(scene.town, "司法所")["id"]
    case = scene.town.registers()
    given: Json = {"stations": [good, "no-such-station"], "task": "t", "report_by": later(scene, hours=1)}
    assert scene.town.refused(case, "calls", **given).status == 422
    assert (
        scene.town.refused(case, "calls", **{**given, "stations": [good], "report_by": later(scene, hours=-1)}).status
        == 422
    )
    assert scene.town.kinds(case) == ["registered"]
    assert tally(scene.town, "司法所")["called"] == 0


def test_the_account_of_a_department_sees_its_own_calls_and_no_case(scene: Scene) -> None:
    town = scene.town
    town.get("/stations")
    assert town.request("GET", "/calls", role=Role.department).json() == {"items": []}
    own = station(town, "妇联", kind="department", username=Role.department.value)["id"]
    other = station(town, "民政办", kind="department")["id"]
    case = town.registers(place="杉树坪")
    town.does(case, "calls", stations=[own, other], task="走访", report_by=later(scene, hours=2))
    [call] = town.request("GET", "/calls", role=Role.department).json()["items"]
    assert (call["case_id"], call["seq"], call["task"], call["place"]) == (case, 2, "走访", "杉树坪")
    assert "张三" not in str(call)
    assert town.request("GET", f"/cases/{case}", role=Role.department).status_code == 403
    told: Json = {"text": "已走访"}
    assert refusal(town.post(f"/cases/{case}/calls/3/report", told, role=Role.department)).status == 404
    answer = town.post(f"/cases/{case}/calls/2/report", told, role=Role.department)
    assert (answer.status_code, answer.content) == (204, b"")
    assert town.case(case)["log"][-1]["data"] == {"call_seq": 2, "text": "已走访"}
    assert {one["station"] for one in town.get("/calls")["items"]} >= {"妇联", "民政办"}


def test_workloads_show_who_deals_with_how_many_open_cases(scene: Scene) -> None:
    station(scene.other_town, "周调解员", kind="mediator")
    cases = [scene.other_town.registers() for _ in range(3)]
    for case in cases:
        scene.other_town.does(case, "accept", role=Role.clerk)
    for case in cases[:2]:
        scene.other_town.does(case, "mediations", **{**SESSION, "mediators": ["吴调解员", "周调解员"]})
    scene.other_town.does(cases[0], "withdraw", reason="r")
    found = {one["name"]: (one["open"], one["overdue"]) for one in scene.other_town.get("/workload")["items"]}
    assert found["吴调解员"] == (1, 0)
    assert found["周调解员"] == (0, 0), "a mediator with nothing to do stands in the list, too"
