"""Places as they work, each from its policy data alone: 沙龙, 凤山, 喜洲, 落雁, 麻江.

The published figures of the last two (179 of 185 settled; 614 found, 600 mediated, 589 succeeded) are lived through
matter by matter in tests/status/test_acceptance.py; here is how these places work.

No place has any code of its own: what differs stands in a ``Policy``, in its list of stations, and in what people do.
"""

from datetime import date, datetime, timedelta

from node import policies
from node.accounts.roles import Role
from node.federation import chores
from node.unit import unit_of
from protocol.codes import Rung
from protocol.policy import Policy
from tests.cases.scene import COUNTY, FOUR, SESSION, TOWN, VILLAGE, Scene

SHALONG = Policy(days_low=1, days_medium=7, days_high=20, orders_at=frozenset({Rung.YELLOW, Rung.RED}))
"""祥云县沙龙镇 "1233": matters are graded, each grade has its time, and the superior urges by rule."""

FENGSHAN = Policy(subsidy_low=100, subsidy_medium=100, subsidy_high=100, visit_days=(7, 30))
"""景谷县凤山镇: 100 yuan for every success with a complete dossier; every success is visited."""

LUOYAN = Policy(inspection_days=1, report_weeks=1, mediations_before_escalation=1)
"""盐津县落雁乡 "四强四化": grids look every day and say so, villages settle, what they can't settle goes up."""

MAJIANG = Policy(days_low=1, days_medium=7, days_high=20, orders_at=frozenset({Rung.RED}), reply_days=2)
"""麻江县 "四个一" (受研交办督结): each grade has its time, and whoever lets it pass is ordered to answer."""

SEVEN_STATIONS = (
    "诉讼服务站",
    "检调对接站",
    "警民服务站",
    "法律服务及纠纷调处站",
    "信访接待站",
    "社会工作站",
    "妇儿维权站",
)
"""大理市喜洲镇 "1+7"."""


def rules(scene: Scene, policy: Policy) -> None:
    with unit_of(scene.county.center) as unit:
        policies.set_policy(unit, policy)
    scene.settle()


def test_shalong_grades_matters_calls_its_three_offices_and_others_and_gives_each_grade_its_time(
    own_scene: Scene,
) -> None:
    rules(own_scene, SHALONG)
    village, town = own_scene.village, own_scene.town
    case = village.registers()
    village.does(case, "escalate", reason="群体性", triggers=["group_incident"])
    own_scene.settle()
    town.does(case, "accept")
    team = ["平安法治办", "派出所", "司法所", "林业站"]
    advised = town.get(f"/cases/{case}/advice")["advice"]
    assert (advised["grade"], advised["working_days"]) == ("high", 20)
    studied = town.does(
        case,
        "grade",
        grade="high",
        reason="涉及三个组",
        judged_by=["赵主任"],
        departments=team,
        triggers=["group_incident"],
    )
    assert studied["log"][-1]["data"]["departments"] == team
    town.does(case, "assign", to=VILLAGE, **FOUR)
    own_scene.settle()
    given = village.case(case)
    assert (given["holder"], given["grade"], given["deadline"] is not None) == (VILLAGE, "high", True)
    assert own_scene.sees(case) == {VILLAGE: "full", TOWN: "full", COUNTY: "header"}, "high ones are seen by the county"
    low = village.case(village.registers(title="另一件", place="九组", category="other"))
    assert low["deadline"] is not None, "a low one has its day, too"


def test_fengshan_pays_a_hundred_yuan_for_a_success_once_it_was_visited(own_scene: Scene) -> None:
    rules(own_scene, FENGSHAN)
    village = own_scene.village
    case = village.registers(grade="high")
    village.does(case, "accept")
    village.does(case, "mediations", **SESSION)
    village.does(case, "filings", parts=["notice", "identity"])
    agreed = village.does(case, "agree", agreement="各清各的沟")
    days = [date.fromisoformat(visit["day"]) for visit in agreed["visits"]]
    assert days[1] - days[0] == timedelta(days=23), "days 7 and 30"
    village.does(case, "close")
    assert village.refused(case, "subsidy", mediators=["王调解员"]).document["dossier"] == ["visit"]
    village.does(case, "follow-ups", held_at=own_scene.fed.clock.now().isoformat(), method="上门", satisfied=True)
    paid = village.does(case, "subsidy", mediators=["王调解员"])
    assert paid["subsidy"]["yuan"] == 100, "flat, whatever the grade"
    assert village.get(f"/cases/{case}/dossier")["missing"] == []


def test_xizhou_keeps_seven_stations_and_goes_six_steps(own_scene: Scene) -> None:
    town = own_scene.town
    for name in SEVEN_STATIONS:
        given = {"kind": "station", "name": name, "weekdays": [1, 3, 5]}
        assert town.post("/stations", given).status_code == 201
    stations = {one["name"]: one["id"] for one in town.get("/stations")["items"]}
    assert set(stations) == set(SEVEN_STATIONS)
    case = town.registers()  # 1. register
    town.does(case, "accept")
    until = (own_scene.fed.clock.now() + timedelta(hours=4)).isoformat()
    called = [stations["法律服务及纠纷调处站"], stations["妇儿维权站"]]
    log = town.does(case, "calls", stations=called, task="到场", report_by=until)["log"]  # 2. dispatch
    for entry in log[-2:]:
        assert town.post(f"/cases/{case}/calls/{entry['seq']}/report", {"text": "已到场"}).status_code == 200
    town.does(case, "mediations", **SESSION)  # 3. settle
    town.does(case, "agree", agreement="各清各的沟")
    town.does(case, "close")
    town.does(  # 4. feed back
        case, "follow-ups", held_at=own_scene.fed.clock.now().isoformat(), method="电话", satisfied=True
    )
    own_scene.settle()
    tallies = [one["calls"] for one in town.get("/stations")["items"] if one["id"] in called]
    assert [(one["called"], one["in_time"]) for one in tallies] == [(1, 1), (1, 1)]
    own = town.get("/status")["own"]  # 5. report up, 6. assess
    assert (own["registered"], own["succeeded"], own["called"], own["reported"]) == (1, 1, 2, 2)


def test_luoyan_finds_in_the_grid_settles_in_the_village_and_takes_the_rest_up(own_scene: Scene) -> None:
    rules(own_scene, LUOYAN)
    village, town = own_scene.village, own_scene.town
    found = {"title": "两家为排水争执", "place": "第三网格", "party": "李某", "category": "neighbourhood"}
    for number in range(3):  # the grid
        sent = village.post("/findings", {**found, "title": f"第{number}件"}, role=Role.grid_worker)
        assert sent.status_code == 201, sent.text
    assert village.post("/inspections", {"found": 0}, role=Role.clerk).status_code == 200
    cases = [one["id"] for one in village.get("/cases")["items"]]
    refused = village.refused(cases[0], "escalate", reason="不想办")
    assert (refused.status, refused.type) == (409, "escalation-gated"), "first it is mediated here"
    for case in cases:  # the village
        village.does(case, "accept", role=Role.clerk)
        village.does(case, "mediations", role=Role.mediator, **SESSION)
    for case in cases[1:]:
        village.does(case, "agree", role=Role.mediator, agreement="各清各的沟")
        village.does(case, "close", role=Role.clerk)
    village.does(cases[0], "escalate", role=Role.clerk, reason="谈不拢，请乡里出面")
    own_scene.settle()
    town.does(cases[0], "accept")  # the township
    town.does(cases[0], "mediations", **SESSION)
    town.does(cases[0], "fail", reason="一方坚持起诉")
    town.does(cases[0], "close")
    week = village.get("/reports")["week"]
    told = village.post("/reports/weekly", {"week": week, "text": village.get("/reports")["draft"]})
    assert told.status_code == 200, told.text

    def reported() -> bool:
        children = {one["code"]: one for one in town.get("/reports", week=week)["children"]}
        return bool(children[VILLAGE]["report"] == told.json() and children[VILLAGE]["silent"] == {})

    own_scene.until(reported)
    own_scene.until(lambda: town.get("/status")["subtree"]["closed"] == 3)
    status = town.get("/status")
    assert status["rates"]["settled_of_found"] == {"numerator": 2, "denominator": 3, "definition": 1}
    assert (status["subtree"]["found"], status["subtree"]["inspections"]) == (3, 2)
    assert status["subtree"]["flow"] == {"village": {"village": 2, "township": 1}}


def test_majiang_receives_studies_dispatches_settles_orders_and_closes(own_scene: Scene) -> None:
    rules(own_scene, MAJIANG)
    village, town, county = own_scene.village, own_scene.town, own_scene.county
    case = town.registers(role=Role.clerk, source="petition")  # 受
    town.does(case, "accept", role=Role.clerk)
    town.does(  # 研
        case, "grade", grade="medium", reason="涉及两个组", judged_by=["赵主任", "钱所长"], departments=["司法所"]
    )
    days = town.get(f"/cases/{case}/advice")["advice"]["working_days"]
    assert days == 7, "each grade has its time"
    town.does(case, "assign", to=VILLAGE, **{**FOUR, "working_days": days})  # 交
    own_scene.settle()
    village.does(case, "accept", role=Role.clerk)  # 办
    village.does(case, "mediations", role=Role.mediator, **SESSION)
    deadline = datetime.fromisoformat(village.case(case)["deadline"])
    own_scene.fed.clock.advance(deadline - own_scene.fed.clock.now() + timedelta(seconds=1))
    chores.run(village.center)  # 督, by rule
    [order] = [entry for entry in village.case(case)["log"] if entry["kind"] == "urged"]
    assert (order["data"]["rung"], order["data"]["by"]) == ("red", TOWN)
    own_scene.settle()
    assert (county.case(case)["access"], county.case(case)["supervised"]) == ("header", True)
    village.does(case, f"urge/{order['seq']}/answer", role=Role.clerk, text="明日签协议")
    village.does(case, "agree", role=Role.mediator, agreement="各清各的沟")
    village.does(case, "close", role=Role.clerk)  # 结
    other = village.registers()
    village.does(other, "accept", role=Role.clerk)
    village.does(other, "mediations", role=Role.mediator, **SESSION)
    village.does(other, "fail", role=Role.mediator, reason="谈不拢")
    village.does(other, "close", role=Role.clerk)
    own_scene.settle()
    own_scene.until(lambda: county.get("/status")["subtree"]["closed"] == 2)
    rates = county.get("/status")["rates"]
    assert rates["success_rate"] == {"numerator": 1, "denominator": 2, "definition": 1}, "succeeded of mediated"
    assert rates["on_time"] == {"numerator": 1, "denominator": 2, "definition": 1}, "the late one fell due, too"
