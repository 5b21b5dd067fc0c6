"""Findings of grid workers, daily inspections with zero reports, weekly reports, and who has not reported."""

from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import delete, update

from node import policies
from node.accounts.roles import Role
from node.clock import LOCAL_ZONE
from node.reports import inspections, weekly
from node.status.tables import CounterRow, DayCounterRow, SpanCounterRow
from node.unit import unit_of
from protocol.errors import BadRecord
from protocol.messages import Message, Type, source_of
from protocol.policy import Policy
from protocol.reports import ReportClaims, WeeklyReport, issue, read, week_of
from tests.cases.scene import COUNTY, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Json, Scene, refusal

FINDING: Json = {"title": "两家为排水争执", "place": "三组水井旁", "party": "李某"}


@pytest.fixture
def monday(own_scene: Scene) -> date:
    """Nine in the morning on a Monday: no day and no week ends while the test runs."""
    return _goes_on_to(own_scene, 0)


@pytest.fixture
def sunday(own_scene: Scene) -> date:
    """Nine in the morning on a Sunday: where no week is named, this one is meant."""
    return _goes_on_to(own_scene, 6)


def _goes_on_to(scene: Scene, weekday: int) -> date:
    now = scene.fed.clock.now().astimezone(LOCAL_ZONE)
    day = now.date() + timedelta(days=7 - now.weekday() + weekday)
    scene.fed.clock.advance(datetime.combine(day, time(9), LOCAL_ZONE) - now)
    return day


def says(desk: Desk, found: int, *, role: Role = Role.clerk) -> None:
    answer = desk.post("/inspections", {"found": found, "area": "第三网格"}, role=role)
    assert answer.status_code == 200, answer.text


def arrives(scene: Scene, desk: Desk, child: str, name: str, value: object) -> None:
    """Wait until the desk knows this of a child: days and reports take the bulk lane, behind all cases."""
    scene.until(lambda: below(desk)[child][name] == value)


def below(desk: Desk, **query: str) -> dict[str, Json]:
    return {one["code"]: one for one in desk.get("/reports", **query)["children"]}


def test_what_a_grid_worker_finds_is_registered_and_counts_in_the_days_inspection(own_scene: Scene) -> None:
    village = own_scene.village
    first = village.post("/findings", FINDING, role=Role.grid_worker, key="once")
    again = village.post("/findings", FINDING, role=Role.grid_worker, key="once")
    assert (first.status_code, again.json()) == (201, first.json())
    assert set(first.json()) == {"number", "display_number"}, "a grid worker reads no case"
    [case] = village.get("/cases", q=first.json()["number"])["items"]
    assert (case["source"], case["category"], case["status"]) == ("grid_worker", "other", "registered")
    [said] = village.get("/inspections")["items"]
    assert (said["actor"], said["found"]) == ("grid_worker 同志", 1)
    for path in ("/cases", f"/cases/{case['id']}", "/inspections", "/reports"):
        assert village.request("GET", path, role=Role.grid_worker).status_code == 403


def test_a_finding_without_its_fields_is_refused_whole(own_scene: Scene) -> None:
    village = own_scene.village
    for name in FINDING:
        given = {field: text for field, text in FINDING.items() if field != name}
        refused = refusal(village.post("/findings", given, role=Role.grid_worker))
        assert (refused.status, refused.document["errors"][0]["field"]) == (422, name)
    assert village.get("/cases")["total"] == 0
    assert village.get("/inspections")["items"] == []


@pytest.mark.usefixtures("sunday")
def test_a_zero_report_counts_above_and_said_again_it_is_corrected(own_scene: Scene) -> None:
    village, town, county = own_scene.village, own_scene.town, own_scene.county
    says(village, 0)
    says(village, 2, role=Role.mediator)
    says(village, 0, role=Role.mediator)
    arrives(own_scene, county, TOWN, "zero_reports", 2)
    seen = below(town)[VILLAGE]
    assert (seen["inspections"], seen["zero_reports"], seen["found"]) == (2, 2, 0)
    assert seen["inspected_on"] == town.get("/inspections")["day"]
    names = ("inspections", "zero_reports", "found")

    def counted() -> list[int]:
        own = town.get("/status", center=VILLAGE)["own"]
        return [own[name] for name in names]

    own_scene.until(lambda: counted() == [2, 2, 0])  # counters travel by themselves
    assert below(county)[TOWN]["inspections"] == 2, "of everyone below"
    assert "第三网格" not in str(town.get("/reports")), "where, is told to nobody"


def test_whoever_is_silent_longer_than_the_rules_allow_stands_at_the_parent(own_scene: Scene, monday: date) -> None:
    village, town, county = own_scene.village, own_scene.town, own_scene.county
    assert below(town)[VILLAGE]["silent"] == {VILLAGE: None}, "never"
    says(village, 0)
    arrives(own_scene, county, TOWN, "silent", {OTHER_VILLAGE: None})
    assert below(town)[VILLAGE]["silent"] == {}
    own_scene.fed.clock.advance(timedelta(days=1))
    assert below(town)[VILLAGE]["silent"] == {}, "today is not over"
    own_scene.fed.clock.advance(timedelta(days=1))
    tuesday = (monday + timedelta(days=1)).isoformat()
    assert below(town)[VILLAGE]["silent"] == {VILLAGE: tuesday}
    assert below(county)[TOWN]["silent"] == {OTHER_VILLAGE: None, VILLAGE: tuesday}
    with unit_of(county.center) as unit:
        policies.set_policy(unit, Policy(inspection_days=3))
    own_scene.settle()
    assert below(town)[VILLAGE]["silent"] == {}, "the county asks for it every three days"
    with unit_of(county.center) as unit:
        policies.set_policy(unit, Policy(inspection_days=0, report_weeks=0))
    own_scene.settle()
    asked = below(town)[OTHER_VILLAGE]
    assert (asked["silent"], asked["weekly_missing_since"]) == ({}, None), "nobody asks for any"


def test_a_weekly_report_is_assembled_edited_signed_and_read_at_the_parent(own_scene: Scene, monday: date) -> None:
    village, town = own_scene.village, own_scene.town
    week = week_of(monday)
    case = village.registers(grade="high", title="不可外传的标题")
    says(village, 0)
    reports = village.get("/reports", week=week)
    assert (reports["figures"]["registered"], reports["figures"]["zero_reports"], reports["sent"]) == (1, 1, None)
    draft = reports["draft"]
    assert village.case(case)["display_number"] in draft
    assert "不可外传" not in draft, "no title, no party"
    text = f"{draft}请派员指导。"
    assert village.post("/reports/weekly", {"week": week, "text": text}, role=Role.clerk).status_code == 403
    sent = village.post("/reports/weekly", {"week": week, "text": text})
    assert (sent.status_code, sent.json()["version"]) == (200, 1)
    own_scene.until(lambda: below(town, week=week)[VILLAGE]["report"] == sent.json())
    told = below(town, week=week)[VILLAGE]["report"]
    assert (told["text"], told["actor"], told["figures"]["registered"]) == (text, "director 同志", 1)
    village.post("/reports/weekly", {"week": week, "text": "更正：无。"})
    own_scene.until(lambda: below(town, week=week)[VILLAGE]["report"]["version"] == 2)
    told = below(town, week=week)[VILLAGE]["report"]
    assert told["text"] == "更正：无。"
    assert village.get("/reports", week=week)["sent"] == told


def test_a_weekly_report_that_did_not_come_is_missing_since_its_week(own_scene: Scene, monday: date) -> None:
    village, town = own_scene.village, own_scene.town
    assert below(town)[VILLAGE]["weekly_missing_since"] == week_of(monday - timedelta(days=7))
    sent = village.post("/reports/weekly", {"week": week_of(monday - timedelta(days=7)), "text": "无。"})
    assert sent.status_code == 200, sent.text
    arrives(own_scene, town, VILLAGE, "weekly_missing_since", None)
    own_scene.fed.clock.advance(timedelta(days=21))
    assert below(town)[VILLAGE]["weekly_missing_since"] == week_of(monday)
    assert below(town)[OTHER_VILLAGE]["weekly_missing_since"] == week_of(monday + timedelta(days=14))


def test_a_revived_center_counts_its_statements_again_and_only_once(own_scene: Scene, monday: date) -> None:
    village = own_scene.village
    says(village, 0)
    says(village, 3, role=Role.mediator)
    own = village.get("/status")["own"]
    with village.center.database.write() as session:  # what a new database begins with
        session.execute(delete(DayCounterRow))
        session.execute(delete(SpanCounterRow))
        session.execute(update(CounterRow).where(CounterRow.code == VILLAGE).values(counters="{}"))
    for _ in range(2):
        with unit_of(village.center) as unit:
            inspections.count_again(unit)
    assert village.get("/status")["own"] == own
    assert village.get("/reports", week=week_of(monday))["figures"]["found"] == 3


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"week": "2098-W11", "text": "早了"}, "week"),
        ({"week": "2026-W54", "text": "?"}, "week"),
        ({"week": "2025-W53", "text": "?"}, "week"),
        ({"week": "2026-W10", "text": " "}, "text"),
        ({"week": "2026-W10", "text": "长" * 4001}, "text"),
    ],
)
def test_a_report_of_no_week_or_of_no_words_is_refused(scene: Scene, given: Json, field: str) -> None:
    refused = refusal(scene.village.post("/reports/weekly", given))
    [named] = [one["field"] for one in refused.document.get("errors", [refused.document])]
    assert (refused.status, named) == (422, field)


def test_a_report_counts_only_from_the_child_that_signed_it(scene: Scene) -> None:
    claims = ReportClaims(
        center=OTHER_VILLAGE,
        week="2026-W10",
        version=1,
        figures={},
        text="冒名",
        actor="?",
        sent_at=scene.fed.clock.now(),
    )

    def comes(report: WeeklyReport, sender: str) -> None:
        message = Message(
            id="m", source=source_of(sender), type=Type.WEEKLY_REPORT, time=claims.sent_at, destination=TOWN
        )
        with unit_of(scene.town.center) as unit:
            weekly.on_report(unit, message, report)

    theirs = issue(scene.village.center.identity.signing, claims)
    with pytest.raises(BadRecord, match="from 532923102205"):
        comes(theirs, VILLAGE)
    with pytest.raises(BadRecord, match="does not verify"):
        comes(theirs, OTHER_VILLAGE)
    with pytest.raises(BadRecord, match="not our child"):
        comes(issue(scene.county.center.identity.signing, claims), COUNTY)
    changed = theirs.claims.replace("冒名", "改名")
    with pytest.raises(BadRecord, match="does not verify"):
        comes(WeeklyReport(claims=changed, signature=theirs.signature), OTHER_VILLAGE)
    assert read(theirs).text == "冒名"
