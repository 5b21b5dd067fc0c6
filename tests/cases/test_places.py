"""Places as they work, each from its policy data alone: 沙龙, 凤山, 喜洲. Figures of 落雁 and 麻江 are in tests/status.

No place has any code of its own: what differs stands in a ``Policy``, in its list of stations, and in what people do.
"""

from datetime import date, timedelta

from node import policies
from node.unit import unit_of
from protocol.codes import Rung
from protocol.policy import Policy
from tests.cases.scene import COUNTY, FOUR, SESSION, TOWN, VILLAGE, Scene

SHALONG = Policy(days_low=1, days_medium=7, days_high=20, orders_at=frozenset({Rung.YELLOW, Rung.RED}))
"""祥云县沙龙镇 "1233": matters are graded, each grade has its time, and the superior urges by rule."""

FENGSHAN = Policy(subsidy_low=100, subsidy_medium=100, subsidy_high=100, visit_days=(7, 30))
"""景谷县凤山镇: 100 yuan for every success with a complete dossier; every success is visited."""

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
