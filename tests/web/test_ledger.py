"""Ledgers as offices get them: the files are opened and read."""

import io
import json
from datetime import date
from zipfile import ZipFile

from fastapi.testclient import TestClient
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from node.accounts.roles import Role
from node.audit.tables import AuditRow
from node.audit.trail import Event
from tests.web.conftest import PASSWORD, Centers, SignIn
from tests.web.test_pages import register, send

HEAD = 2
"""Rows above the head: the title and the note."""


def ledger(client: TestClient, **query: str) -> list[dict[str, object]]:
    answer = client.get("/cases/ledger.xlsx", params=query)
    assert answer.status_code == 200, answer.text
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    rows = sheet.to_python(skip_empty_area=False)
    return [dict(zip(map(str, rows[HEAD]), row, strict=True)) for row in rows[HEAD + 1 :]]


def test_a_ledger_holds_what_the_list_shows_with_dates_as_dates(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client, title="=1+1 渠水", grade="medium")
    register(client, title="占用道路", place="五组", category="other")
    send(client, f"{path}/accept")
    [row] = ledger(client, q="渠水")
    assert row["纠纷"] == "=1+1 渠水", "a text stays a text"
    assert row["登记日期"] == date(2026, 3, 2)
    assert (row["序号"], row["风险等级"], row["状态"], row["承办人"]) == (1, "中风险", "已受理", "li 同志")
    assert (row["当事人"], row["电话"]) == ("张某、马某", "138****0000")
    assert {one["纠纷"] for one in ledger(client)} == {"=1+1 渠水", "占用道路"}
    assert ledger(client, queue="ended") == []
    assert "/cases/ledger.xlsx?grade=medium" in client.get("/cases", params={"grade": "medium"}).text


def test_a_ledger_has_a_title_a_frozen_head_filters_and_no_formula(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    register(client, title="=HYPERLINK(1)", place="@三组")
    content = client.get("/cases/ledger.xlsx").content
    with ZipFile(io.BytesIO(content)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml").decode()
        styles = parts.read("xl/styles.xml").decode()
    for mark in ('state="frozen"', "<autoFilter", "<mergeCell", "矛盾纠纷台账"):
        assert mark in page, mark
    assert "<f>" not in page
    assert 'quotePrefix="1"' in styles


def test_parties_in_clear_are_for_directors_and_every_export_is_in_the_audit_log(
    centers: Centers, sign_in: SignIn
) -> None:
    client = sign_in(centers.village, Role.director)
    register(client)
    [row] = ledger(client, full="true")
    assert (row["当事人"], row["电话"]) == ("张某某、马某", "13800000000")
    clerk = sign_in(centers.village, Role.clerk, username="wang")
    assert clerk.get("/cases/ledger.xlsx", params={"full": "true"}).status_code == 403
    assert "full=true" not in clerk.get("/cases").text
    ledger(clerk)
    monitor = sign_in(centers.village, Role.monitor, username="zhao")
    assert monitor.get("/cases/ledger.xlsx").status_code == 403
    with centers.village.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.event == Event.EXPORTED).order_by(AuditRow.number))
        told = [(row.actor, json.loads(row.detail)) for row in rows]
    assert told == [("li", {"cases": "1", "parties": "full"}), ("wang", {"cases": "1", "parties": "masked"})]


def test_the_api_gives_the_same_ledger(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    register(client)
    assert client.get("/api/v1/ledger.xlsx").status_code == 401, "a page's session is no token"
    token = client.post("/api/v1/login", json={"username": "li", "password": PASSWORD}).json()["token"]
    answer = client.get("/api/v1/ledger.xlsx?grade=low", headers={"Authorization": f"Bearer {token}"})
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    assert len(sheet.to_python()) == HEAD + 2
