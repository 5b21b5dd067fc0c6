"""Ledgers brought in: checked first, with row and column of what is wrong; registered once, whatever is sent twice."""

import io
from datetime import date, timedelta

import xlsxwriter
from fastapi.testclient import TestClient
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select

from node.accounts.roles import Role
from node.cases.tables import CaseRow
from node.center import Center
from node.ledgers.checking import column_letter
from tests.conftest import HeldClock
from tests.web.conftest import PASSWORD, Centers, SignIn
from tests.web.test_pages import register

HEADS = ("纠纷名称", "纠纷类型", "发生地点", "当事人", "受理时间", "风险等级")
GOOD = ("大沟放水争执", "邻里", "四组", "张某/申请人/13800000000；马某", date(2026, 2, 1), "中风险")
OTHER = ("工钱未付", "拖欠农民工工资", "集镇", "周某", date(2026, 2, 3), "低风险")
BAD = ("缺地点", "邻里", "", "李某", "昨天", "很高")


def workbook(*rows: tuple[object, ...], heads: tuple[str, ...] = HEADS, title: str = "2026年台账") -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        page = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        page.write(0, 0, title)
        for number, row in enumerate((heads, *rows), start=1):
            for place, cell in enumerate(row):
                page.write(number, place, cell, day if isinstance(cell, date) else None)
    return out.getvalue()


def bring(client: TestClient, content: bytes) -> str:
    answer = client.post("/cases/import", files={"file": ("台账.xlsx", content)}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def titles(center: Center) -> list[str | None]:
    with center.database.read() as session:
        return list(session.scalars(select(CaseRow.title).order_by(CaseRow.number)))


def test_a_ledger_is_checked_first_and_registered_once(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    content = workbook(GOOD, OTHER)
    path = bring(client, content)
    assert "2件可以登记" in client.get(path).text
    assert titles(centers.village) == [], "checking writes nothing"
    assert client.post(f"{path}/run", follow_redirects=False).status_code == 303
    assert titles(centers.village) == ["大沟放水争执", "工钱未付"]
    assert "已登记2件" in client.get(path).text
    with centers.village.database.read() as session:
        row = session.scalars(select(CaseRow).where(CaseRow.title == "大沟放水争执")).one()
        assert (row.category, row.grade, row.place) == ("neighbourhood", "medium", "四组")
    again = bring(client, content)
    assert "2 行以前登记过" in client.get(again).text
    client.post(f"{again}/run")
    client.post(f"{path}/run")
    assert len(titles(centers.village)) == 2, "the same file twice changes nothing"


def test_flaws_are_named_by_row_and_column_and_nothing_is_half_done(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = bring(client, workbook(GOOD, BAD))
    page = client.get(path).text
    for word in ('<td class="num">4</td>', "C 发生地点", "E 受理时间", "F 风险等级"):
        assert word in page, word
    refused = client.post(f"{path}/run", data={"rows": "all"})
    assert refused.status_code == 409
    assert titles(centers.village) == []
    client.post(f"{path}/run", data={"rows": "good"})
    assert titles(centers.village) == ["大沟放水争执"]


def test_rows_that_look_like_something_here_are_flagged_and_left_out(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    register(client, title="大沟放水先后争执", place="四组")
    path = bring(client, workbook(GOOD, OTHER, (*OTHER[:3], "吴某", *OTHER[4:])))
    page = client.get(path).text
    assert "谢官营〔2026〕1号" in page
    assert "#4" in page, "the row above it in the same file"
    client.post(f"{path}/run")
    assert titles(centers.village) == ["大沟放水先后争执", "工钱未付"]


def test_a_foreign_ledger_is_taken_by_saying_which_column_is_what(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    heads = ("啥事", "纠纷类型", "哪里", "谁", "啥时候", "轻重")
    path = bring(client, workbook(GOOD, heads=heads))
    assert "还缺" in client.get(path).text
    assert client.post(f"{path}/run").status_code == 409
    fields = {"column-0": "title", "column-1": "category", "column-2": "place", "column-3": "parties"}
    assert client.post(f"{path}/columns", data=fields, follow_redirects=False).status_code == 303
    client.post(f"{path}/run")
    assert titles(centers.village) == ["大沟放水争执"]


def test_what_is_no_ledger_is_refused_and_the_template_is_one(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    for content in (b"PK\x03\x04 no workbook", b"", b"\xff\xfe\x00\x81"):
        answer = client.post("/cases/import", files={"file": ("x.xlsx", content)})
        assert answer.status_code == 422, content
    template = client.get("/cases/import/template.xlsx").content
    heads = CalamineWorkbook.from_filelike(io.BytesIO(template)).get_sheet_by_index(0).to_python()[0]
    assert {"纠纷", "纠纷类型", "地点", "当事人"} <= set(heads)
    assert "0件可以登记" in client.get(bring(client, template)).text
    assert sign_in(centers.village, Role.monitor, username="zhao").get("/cases/import").status_code == 403


def test_the_api_brings_a_ledger_in(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    token = client.post("/api/v1/login", json={"username": "li", "password": PASSWORD}).json()["token"]
    signed = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    lines = "标题,类型,地址,当事人姓名\n" + "".join(f"第{n}件,其他,{n}组,张某\n" for n in range(120))
    staged = client.post("/api/v1/ledger/imports", content=lines.encode("gb18030"), headers=signed).json()
    assert (staged["good"], staged["flaws"], staged["state"]) == (120, [], "checked")
    signed["Content-Type"] = "application/json"
    begun = client.post(f"/api/v1/ledger/imports/{staged['id']}/run", json={}, headers=signed)
    assert (begun.status_code, begun.json()["total"]) == (202, 120)
    done = client.get(f"/api/v1/ledger/imports/{staged['id']}", headers=signed).json()
    assert (done["state"], done["done"]) == ("done", 120)
    with centers.village.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CaseRow)) == 120


def test_a_ledger_that_nobody_registered_goes_after_a_day(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = bring(client, workbook(GOOD))
    clock.advance(timedelta(days=1, minutes=1))
    client.post("/login", data={"username": "li", "password": PASSWORD})
    bring(client, workbook(OTHER))
    assert client.get(path).status_code == 404


def test_columns_are_named_as_spreadsheets_do() -> None:
    assert [column_letter(place) for place in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
