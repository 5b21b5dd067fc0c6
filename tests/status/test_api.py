"""Status over HTTP: totals, drill-down, periods and series, and what is wrong with a question."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, update

from node.access import Access
from node.accounts.roles import Role
from node.cases import service
from node.cases.log import write
from node.cases.tables import CaseRow
from node.center import Center
from node.directory import add_certificates
from node.federation.tables import LinkRow
from node.status.board import HIGH_MAX, STALE_AFTER
from node.status.spans import write_day
from node.status.tables import CounterRow, DayCounterRow
from node.unit import unit_of
from protocol.codes import Category, Grade
from protocol.entries import Agreed, Body, Kind, Mediated, Party, Reopened
from tests.conftest import HeldClock
from tests.status.conftest import MakeCenter, SignIn, certificate
from tests.status.lives import CENTERS, COUNTY, FAR_VILLAGE, NEXT_VILLAGE, OTHER_TOWN, PARENT, TOWN, VILLAGE

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def monitor(county: Center, sign_in: SignIn) -> TestClient:
    return sign_in(county, Role.monitor)


@pytest.fixture
def asker(center_of: MakeCenter, sign_in: SignIn) -> TestClient:
    """For questions that no database is asked: on SQLite only."""
    return sign_in(center_of(COUNTY), Role.monitor)


@pytest.fixture
def ask(monitor: TestClient) -> Ask:
    """Ask the county for its status."""

    def asked(**query: str) -> dict[str, Any]:
        answer = monitor.get("/api/v1/status", params={name.rstrip("_"): value for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


@pytest.fixture
def ask_series(monitor: TestClient) -> Ask:
    """Ask the county for a series."""

    def asked(metric: str, **query: str) -> dict[str, Any]:
        params = {"metric": metric, **{name.rstrip("_"): value for name, value in query.items()}}
        answer = monitor.get("/api/v1/status/series", params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return asked


def report(center: Center, code: str, *, ago: timedelta = timedelta(0), **counters: int) -> None:
    """A center has reported; ``__`` stands for a dot in a counter's name."""
    named = {name.replace("__", "."): count for name, count in counters.items() if name != "backlog"}
    with center.database.write() as session:
        session.merge(
            CounterRow(
                code=code,
                incarnation="i",
                counter=1,
                as_of=center.clock.now() - ago,
                counters=json.dumps(named),
                backlog=counters.get("backlog", 0),
            )
        )


def report_day(center: Center, code: str, day: str, counters: Mapping[str, int]) -> None:
    """A center's daily row has come."""
    with center.database.write() as session:
        row = session.get(DayCounterRow, (code, day))
        if row is None:
            row = DayCounterRow(code=code, day=day, incarnation="i", version=1, counters="{}", told=True)
            session.add(row)
        write_day(session, row, counters)


def settle(center: Center, *, grade: Grade = Grade.LOW) -> str:
    """A matter that the center itself registered and settled."""
    case_id = register(center, grade=grade)
    with unit_of(center) as unit:
        session = Mediated(held_at=center.clock.now(), place="大厅", mediators=("李",), summary="谈了")
        for kind, body in (
            (Kind.ACCEPTED, Body()),
            (Kind.MEDIATED, session),
            (Kind.AGREED, Agreed(agreement="修墙")),
            (Kind.CLOSED, Body()),
        ):
            write(unit, case_id, kind, body, "调解员")
    return case_id


def register(center: Center, *, grade: Grade = Grade.LOW) -> str:
    matter = service.Registration(
        title="院墙", category=Category.NEIGHBOURHOOD, place="村头", parties=(Party(name="杨秀英"),), grade=grade
    )
    with unit_of(center) as unit:
        return service.register(unit, matter, "受理员").id


def child(document: dict[str, Any], code: str) -> dict[str, Any]:
    return next(one for one in document["children"] if one["code"] == code)


# ---------------------------------------------------------------- totals


def test_a_county_where_nothing_happened(ask: Ask, county: Center, clock: HeldClock) -> None:
    found = ask()
    assert list(found) == [
        "center",
        "as_of",
        "definition",
        "own",
        "subtree",
        "opening",
        "rates",
        "children",
        "high",
        "oldest_as_of",
        "missing",
    ]
    assert (found["center"], found["definition"], found["opening"]) == (COUNTY, 1, None)
    assert datetime.fromisoformat(found["as_of"]) == clock.now()
    assert found["own"]["registered"] == found["subtree"]["registered"] == 0
    assert [one["code"] for one in found["children"]] == [TOWN, OTHER_TOWN]
    assert found["missing"] == [TOWN, VILLAGE, NEXT_VILLAGE, OTHER_TOWN, FAR_VILLAGE]
    assert found["oldest_as_of"] == found["as_of"]
    town = child(found, TOWN)
    assert list(town) == [
        "code",
        "name",
        "level",
        "as_of",
        "stale",
        "online",
        "revoked",
        "backlog",
        "own",
        "subtree",
    ]
    assert (town["name"], town["level"], town["as_of"], town["stale"], town["online"]) == (
        "祥城镇",
        "township",
        None,
        True,
        False,
    )


def test_a_subtree_includes_its_own_and_sums_up_its_children(ask: Ask, county: Center) -> None:
    settle(county)
    report(county, TOWN, registered=2, held=2)
    report(county, VILLAGE, registered=10, held=4, closed=6, succeeded=5, mediated=6)
    report(county, NEXT_VILLAGE, registered=1, held=1)
    report(county, OTHER_TOWN)
    report(county, FAR_VILLAGE, registered=3, merged=3)
    found = ask()
    assert found["own"]["registered"] == 1
    assert child(found, TOWN)["own"]["registered"] == 2
    assert child(found, TOWN)["subtree"]["registered"] == 13
    assert child(found, OTHER_TOWN)["subtree"]["merged"] == 3
    subtree = found["subtree"]
    assert subtree["registered"] == 17 == 1 + 13 + 3
    assert subtree["registered"] == sum(subtree[name] for name in ("held", "in_transit", "closed", "merged"))
    assert found["rates"]["success_rate"] == {"numerator": 6, "denominator": 7, "definition": 1}
    assert subtree["by_category"] == {"neighbourhood": 1}
    assert subtree["flow"] == {"county": {"county": 1}}
    assert found["missing"] == []


def test_one_can_look_at_any_center_below(ask: Ask, county: Center) -> None:
    report(county, TOWN, registered=2)
    report(county, VILLAGE, registered=10, backlog=4)
    found = ask(center=TOWN)
    assert (found["center"], found["own"]["registered"], found["subtree"]["registered"]) == (TOWN, 2, 12)
    assert [one["code"] for one in found["children"]] == [VILLAGE, NEXT_VILLAGE]
    assert child(found, VILLAGE)["backlog"] == 4
    assert found["missing"] == [NEXT_VILLAGE]
    found = ask(center=VILLAGE)
    assert (found["own"], found["children"], found["missing"]) == (found["subtree"], [], [])
    assert ask(center=FAR_VILLAGE)["missing"] == [FAR_VILLAGE]
    assert ask(center=FAR_VILLAGE)["as_of"] is None
    assert ask(center=COUNTY) == ask()


@pytest.mark.parametrize("code", [COUNTY, OTHER_TOWN, FAR_VILLAGE, "110000000000"])
def test_what_is_not_below_does_not_exist(center_of: MakeCenter, sign_in: SignIn, code: str) -> None:
    monitor = sign_in(center_of(TOWN), Role.monitor)
    for path in ("status", "status/series?metric=held"):
        answer = monitor.get(f"/api/v1/{path}", params={"center": code, "metric": "held"})
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


def test_the_age_of_a_total_is_that_of_its_oldest_part(ask: Ask, county: Center, clock: HeldClock) -> None:
    for code in PARENT:
        report(county, code, ago=timedelta(seconds=10))
    report(county, FAR_VILLAGE, ago=STALE_AFTER + timedelta(seconds=1))
    found = ask()
    assert datetime.fromisoformat(found["oldest_as_of"]) == clock.now() - STALE_AFTER - timedelta(seconds=1)
    assert datetime.fromisoformat(ask(center=TOWN)["oldest_as_of"]) == clock.now() - timedelta(seconds=10)
    assert child(ask(center=OTHER_TOWN), FAR_VILLAGE)["stale"] is True
    assert child(found, OTHER_TOWN)["stale"] is False
    report(county, FAR_VILLAGE, ago=STALE_AFTER)
    assert child(ask(center=OTHER_TOWN), FAR_VILLAGE)["stale"] is False


def test_a_child_is_online_by_its_link_and_a_grandchild_by_its_age(ask: Ask, county: Center) -> None:
    with county.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == TOWN).values(state="linked"))
    report(county, VILLAGE)
    report(county, NEXT_VILLAGE, ago=timedelta(hours=1))
    found = ask()
    assert [one["online"] for one in found["children"]] == [True, False]
    assert [one["online"] for one in ask(center=TOWN)["children"]] == [True, None]


def test_a_revoked_center_still_counts_but_is_not_missed(ask: Ask, county: Center, clock: HeldClock) -> None:
    for code in PARENT:
        report(county, code, registered=1, held=1)
    report(county, OTHER_TOWN, ago=timedelta(days=9), registered=7, held=2, closed=5)
    with county.database.write() as session:
        add_certificates(session, [certificate(OTHER_TOWN, version=2, revoked=True)], county.root_key)
        county.directory.refresh(session)
    found = ask()
    assert found["subtree"]["registered"] == 4 + 7
    assert child(found, OTHER_TOWN)["revoked"] is True
    assert child(found, OTHER_TOWN)["subtree"]["registered"] == 8
    assert sum(one["subtree"]["held"] for one in found["children"]) == found["subtree"]["held"]
    assert datetime.fromisoformat(found["oldest_as_of"]) == clock.now()
    below = ask(center=OTHER_TOWN)
    assert (below["missing"], below["oldest_as_of"]) == ([], None)
    assert ask(center=FAR_VILLAGE)["own"]["registered"] == 1


def test_a_revoked_center_that_never_reported_is_gone(ask: Ask, county: Center) -> None:
    with county.database.write() as session:
        add_certificates(session, [certificate(FAR_VILLAGE, version=2, revoked=True)], county.root_key)
        county.directory.refresh(session)
    assert ask(center=OTHER_TOWN)["children"] == []
    assert FAR_VILLAGE not in ask()["missing"]


def test_overdue_is_as_of_now(ask: Ask, county: Center, clock: HeldClock) -> None:
    case_id = register(county)
    with county.database.write() as session:
        deadline = clock.now() + timedelta(hours=1)
        session.execute(update(CaseRow).where(CaseRow.id == case_id).values(deadline=deadline))
    assert ask()["own"]["overdue"] == 0
    clock.advance(timedelta(hours=1, seconds=1))
    assert (ask()["own"]["overdue"], ask()["subtree"]["overdue"]) == (1, 1)
    assert ask()["rates"]["on_time"] == {"numerator": 0, "denominator": 1, "definition": 1}


# ---------------------------------------------------------------- high-grade cases


def header(center: Center, number: int, **values: object) -> None:
    """A row of another center's case, as its header makes it."""
    row: dict[str, object] = {
        "id": f"case-{number}",
        "access": Access.HEADER,
        "number": f"N-{number}",
        "display_number": f"{number}号",
        "title": None,
        "place": None,
        "category": "neighbourhood",
        "grade": "high",
        "status": "registered",
        "origin": VILLAGE,
        "holder": VILLAGE,
        "in_transit_to": None,
        "epoch": 1,
        "seq": 1,
        "deadline": None,
        "registered_at": center.clock.now() + timedelta(seconds=number),
        "joint": False,
        "supervised": False,
        "returns": 0,
        "ended": False,
        "accepted": False,
        "since": center.clock.now() + timedelta(seconds=number),
        "open_orders": 0,
        "header": "{}",
        "centers": "",
    }
    with center.database.write() as session:
        session.add(CaseRow(**(row | values)))


def test_open_high_grade_cases_show_their_headers_newest_first(ask: Ask, county: Center) -> None:
    header(county, 1, deadline=county.clock.now() - timedelta(hours=1))
    header(county, 2, holder=FAR_VILLAGE, access=Access.FULL, title="院墙", place="村头")
    header(county, 3, ended=True, status="closed")
    header(county, 4, grade="medium")
    header(county, 5, holder=None, in_transit_to=OTHER_TOWN)
    header(county, 6, access=Access.VIEWED, header=None, view_until=county.clock.now() - timedelta(hours=1))
    header(county, 7, holder="110000000000", access=Access.INVITED)
    high = ask()["high"]
    assert [one["number"] for one in high] == ["N-5", "N-2", "N-1"]
    assert set(high[0]) == {
        "id",
        "number",
        "display_number",
        "category",
        "grade",
        "status",
        "origin",
        "holder",
        "in_transit_to",
        "deadline",
        "overdue",
        "joint",
        "supervised",
        "registered_at",
    }
    assert [one["overdue"] for one in high] == [False, False, True]
    assert "院墙" not in json.dumps(high, ensure_ascii=False)
    assert [one["number"] for one in ask(center=OTHER_TOWN)["high"]] == ["N-5", "N-2"]
    assert [one["number"] for one in ask(center=VILLAGE)["high"]] == ["N-1"]


def test_our_own_high_grade_cases_are_among_them(ask: Ask, county: Center) -> None:
    register(county, grade=Grade.HIGH)
    settle(county, grade=Grade.HIGH)
    assert [one["holder"] for one in ask()["high"]] == [COUNTY]


def test_at_most_two_hundred_headers_are_shown(ask: Ask, county: Center) -> None:
    for number in range(HIGH_MAX + 5):
        header(county, number)
    high = ask()["high"]
    assert len(high) == HIGH_MAX
    assert high[0]["number"] == f"N-{HIGH_MAX + 4}"


# ---------------------------------------------------------------- periods

WEEK = {
    "2026-02-20": {"registered": 5, "held": 4, "closed": 1, "succeeded": 1, "mediated": 1, "by_grade.low": 4},
    "2026-02-27": {"registered": 2, "held": 1, "in_transit": 1, "by_grade.low": 1},
    "2026-03-01": {"registered": 1, "held": -1, "closed": 2, "succeeded": 2, "mediated": 2, "by_grade.low": -1},
    "2026-03-02": {"held": 2, "closed": -1, "reopened": 1, "in_transit": -1, "succeeded": -1, "mediated": -1},
}
"""Days of a village; today is 2 March 2026."""


@pytest.fixture
def days(county: Center) -> None:
    for day, counters in WEEK.items():
        report_day(county, VILLAGE, day, counters)
    report_day(county, TOWN, "2026-03-01", {"registered": 3, "held": 3})
    report(county, VILLAGE, registered=8, held=6, closed=2, overdue=4, by_grade__low=4)
    report(county, TOWN, registered=3, held=3)


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-01", "2026-03-31"),
        ("2026-02-21", "2026-02-28"),
        ("2026-03-01", "2026-03-01"),
        ("2026-03-02", "2026-03-02"),
        ("2030-01-01", "2030-01-02"),
        ("0001-01-01", "2999-12-31"),
    ],
)
def test_a_period_balances(ask: Ask, first: str, last: str) -> None:
    found = ask(from_=first, to=last)
    row = found["subtree"]
    assert found["opening"] + row["registered"] + row["reopened"] == (
        row["closed"] + row["merged"] + row["held"] + row["in_transit"]
    )


@pytest.mark.usefixtures("days")
def test_a_period_is_the_sum_of_its_days(ask: Ask) -> None:
    found = ask(from_="2026-03-01", to="2026-03-02")
    assert found["opening"] == 6
    village = child(ask(center=TOWN, from_="2026-03-01", to="2026-03-02"), VILLAGE)["own"]
    assert (village["registered"], village["closed"], village["reopened"]) == (1, 2, 1)
    assert (village["held"], village["in_transit"], village["by_grade"]) == (6, 0, {"low": 4})
    before = child(ask(center=TOWN, from_="2026-02-21", to="2026-02-28"), VILLAGE)["own"]
    assert (before["held"], before["in_transit"], before["by_grade"]) == (5, 1, {"low": 5})
    assert found["subtree"]["registered"] == 4
    assert found["rates"]["success_rate"] == {"numerator": 1, "denominator": 1, "definition": 1}
    assert child(found, TOWN)["subtree"]["registered"] == 4
    assert found["own"]["registered"] == 0


@pytest.mark.usefixtures("days")
def test_a_period_may_have_one_end_only(ask: Ask) -> None:
    until = ask(to="2026-02-20")
    assert (until["opening"], until["subtree"]["registered"], until["subtree"]["held"]) == (0, 5, 4)
    since = ask(from_="2026-03-02")
    assert (since["opening"], since["subtree"]["registered"], since["subtree"]["reopened"]) == (8, 0, 1)
    assert (since["subtree"]["held"], since["subtree"]["in_transit"]) == (9, 0)


@pytest.mark.usefixtures("days")
def test_how_many_were_overdue_on_a_past_day_nobody_knows(ask: Ask) -> None:
    past = ask(from_="2026-03-01", to="2026-03-01")
    assert past["subtree"]["overdue"] is None
    assert past["rates"]["on_time"]["denominator"] == 0
    now = ask(from_="2026-03-01", to="2026-03-02")
    assert now["subtree"]["overdue"] == 4
    assert now["rates"]["on_time"]["denominator"] == 4


def test_days_are_local_days(ask: Ask, county: Center, clock: HeldClock) -> None:
    clock.instant = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    register(county)
    clock.instant = datetime(2026, 3, 1, 16, 1, tzinfo=UTC)
    register(county)
    assert ask(from_="2026-03-01", to="2026-03-01")["own"]["registered"] == 1
    assert ask(from_="2026-03-02")["own"]["registered"] == 1
    assert ask()["own"]["registered"] == 2


def test_totals_are_the_period_since_ever_but_for_the_closings(ask: Ask, county: Center, clock: HeldClock) -> None:
    clock.advance(-timedelta(days=3))
    for _ in range(3):
        settle(county)
        clock.advance(timedelta(days=1))
    case_id = settle(county)
    with unit_of(county) as unit:
        write(unit, case_id, Kind.REOPENED, Reopened(reason="又吵了"), "主任")
    total, ever = ask(), ask(from_="2000-01-01")
    assert (total["own"].pop("closed"), ever["own"].pop("closed")) == (3, 4)
    assert total["own"] == ever["own"]
    assert total["rates"] == ever["rates"]


# ---------------------------------------------------------------- series


@pytest.mark.usefixtures("days")
def test_a_series_by_day(ask_series: Ask) -> None:
    found = ask_series("registered", from_="2026-02-27", to="2026-03-02")
    assert found["steps"] == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert [one["code"] for one in found["children"]] == [TOWN, OTHER_TOWN]
    assert found["children"][0]["values"] == [2, 0, 4, 0]
    assert found["children"][1]["values"] == found["own"] == [0, 0, 0, 0]
    assert found["total"] == [2, 0, 4, 0]
    assert (found["metric"], found["by"], found["first"], found["last"]) == (
        "registered",
        "day",
        "2026-02-27",
        "2026-03-02",
    )
    assert (found["center"], found["definition"], found["missing"]) == (
        COUNTY,
        1,
        [NEXT_VILLAGE, OTHER_TOWN, FAR_VILLAGE],
    )


@pytest.mark.usefixtures("days")
def test_weeks_begin_on_monday_and_months_on_the_first(ask_series: Ask) -> None:
    weeks = ask_series("registered", by="week", from_="2026-02-20", to="2026-03-02")
    assert (weeks["steps"], weeks["total"]) == (["2026-02-16", "2026-02-23", "2026-03-02"], [5, 6, 0])
    months = ask_series("registered", by="month", from_="2026-02-21", to="2026-03-02")
    assert (months["steps"], months["total"]) == (["2026-02-01", "2026-03-01"], [2, 4])


@pytest.mark.usefixtures("days")
def test_a_stock_is_told_at_the_end_of_each_step(ask_series: Ask) -> None:
    found = ask_series("held", center=TOWN, from_="2026-02-26", to="2026-03-02")
    assert found["children"][0]["values"] == [4, 5, 5, 4, 6]
    assert found["own"] == [0, 0, 0, 3, 3]
    assert found["total"] == [4, 5, 5, 7, 9]
    low = ask_series("by_grade.low", center=TOWN, from_="2026-03-01", to="2026-03-02")
    assert low["total"] == [4, 4]


@pytest.mark.usefixtures("days")
def test_a_series_of_closings_counts_every_closing(ask_series: Ask) -> None:
    assert ask_series("closed", from_="2026-03-01", to="2026-03-02")["total"] == [2, 0]
    assert ask_series("reopened", from_="2026-03-01", to="2026-03-02")["total"] == [0, 1]


@pytest.mark.parametrize(
    ("by", "count", "first"), [("day", 30, "2026-02-01"), ("week", 12, "2025-12-15"), ("month", 12, "2025-04-01")]
)
def test_a_series_without_days_ends_today(ask_series: Ask, by: str, count: int, first: str) -> None:
    found = ask_series("registered", by=by)
    assert (len(found["steps"]), found["first"], found["last"]) == (count, first, "2026-03-02")


@pytest.mark.parametrize("last", ["2026-01-31", "2024-02-29", "2026-12-31"])
def test_twelve_months_are_twelve_whenever_they_end(ask_series: Ask, last: str) -> None:
    assert len(ask_series("registered", by="month", to=last)["steps"]) == 12


def test_a_series_may_end_when_the_calendar_begins(ask_series: Ask) -> None:
    assert ask_series("registered", to="0001-01-02")["steps"] == ["0001-01-01", "0001-01-02"]


def test_the_series_of_a_period_adds_up_to_the_period(ask: Ask, ask_series: Ask, county: Center, days: None) -> None:
    del days
    whole = ask(from_="2026-02-01", to="2026-03-02")["subtree"]
    for by in ("day", "week", "month"):
        for metric in ("registered", "closed", "reopened", "succeeded"):
            series = ask_series(metric, by=by, from_="2026-02-01", to="2026-03-02")["total"]
            assert sum(series) == whole[metric]
        for stock in ("held", "in_transit"):
            assert ask_series(stock, by=by, from_="2026-02-01", to="2026-03-02")["total"][-1] == whole[stock]


# ---------------------------------------------------------------- questions that have no answer


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("from=2030-01-01", "from"),
        ("from=20260301", "from"),
        ("from=2026-02-30", "from"),
        ("from=yesterday", "from"),
        ("from=2026-03-01T00:00:00", "from"),
        ("to=1772323200", "to"),
        ("to=3000-01-01", "to"),
        ("to=", "to"),
        ("center=53292310100", "center"),
        ("center=祥城镇", "center"),
    ],
)
@pytest.mark.parametrize("path", ["status", "status/series"])
def test_a_bad_question_names_its_field(asker: TestClient, path: str, query: str, field: str) -> None:
    answer = asker.get(f"/api/v1/{path}?metric=held&{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert answer.json()["errors"][0]["message"].endswith(".")


@pytest.mark.parametrize("query", ["", "metric=", "metric=overdue", "metric=success_rate", "metric=by_grade.huge"])
def test_an_unknown_counter_is_refused(asker: TestClient, query: str) -> None:
    answer = asker.get(f"/api/v1/status/series?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "metric")


def test_a_series_is_not_endless(asker: TestClient) -> None:
    long = asker.get("/api/v1/status/series?metric=held&from=2020-01-01&to=2026-01-01")
    assert (long.status_code, long.json()["errors"][0]["field"]) == (422, "from")
    longer = asker.get("/api/v1/status/series?metric=held&from=0001-01-01&to=2999-01-01&by=month")
    assert longer.status_code == 422
    assert asker.get("/api/v1/status/series?metric=held&from=2020-01-01&to=2026-01-01&by=week").is_success


@pytest.mark.parametrize("by", ["year", "", "Day"])
def test_steps_are_days_weeks_or_months(asker: TestClient, by: str) -> None:
    answer = asker.get("/api/v1/status/series", params={"metric": "held", "by": by})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "by")


# ---------------------------------------------------------------- who may ask, and what it costs


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.admin, Role.department, Role.grid_worker}))
def test_everyone_of_the_house_but_the_administrator_may_ask(
    center_of: MakeCenter, sign_in: SignIn, role: Role
) -> None:
    someone = sign_in(center_of(COUNTY), role)
    assert someone.get("/api/v1/status").is_success
    assert someone.get("/api/v1/status/series?metric=held").is_success


def test_the_administrator_and_strangers_may_not(center_of: MakeCenter, sign_in: SignIn) -> None:
    county = center_of(COUNTY)
    for path in ("status", "status/series?metric=held"):
        assert sign_in(county).get(f"/api/v1/{path}").status_code == 401
    administrator = sign_in(county, Role.admin)
    for path in ("status", "status/series?metric=held"):
        assert administrator.get(f"/api/v1/{path}").status_code == 403


def test_the_board_asks_the_same_of_the_database_however_much_there_is(ask: Ask, county: Center) -> None:
    statements: list[str] = []

    @event.listens_for(county.database.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:  # noqa: ANN401 - its own types
        statements.append(statement)

    ask(from_="2026-01-01")
    few = list(statements)
    for number in range(20):
        header(county, number)
        settle(county)
    for code in CENTERS[1:]:
        report(county, code, registered=1)
    statements.clear()
    ask(from_="2026-01-01")
    assert len(statements) == len(few)
