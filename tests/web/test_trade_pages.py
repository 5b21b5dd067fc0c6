"""Pages of agreements with terms, fulfilment, calls of departments, and what an extension needs."""

import io

from python_calamine import CalamineWorkbook
from sqlalchemy import select

from node import policies
from node.accounts.roles import Role
from node.cases.tables import StationRow
from node.unit import unit_of
from protocol.policy import Policy
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register, send

SESSION = {"held_at": "2026-03-02T08:30", "place": "村调解室", "mediators": "赵某", "summary": "各让一步"}


def test_terms_are_written_in_lines_and_fulfilled_one_by_one(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    send(client, f"{path}/accept")
    send(client, f"{path}/mediations", **SESSION, participants="张某、李某")
    terms = "赔偿误工费；800.50元；2026-05-01；李某\n清理排水沟"
    assert send(client, f"{path}/agree", agreement="各清各的沟", terms=terms, manner="oral").status_code == 303
    page = client.get(path).text
    for word in ("赔偿误工费", "800.50元", "5月1日", "尚未履行", "口头", "张某、李某"):
        assert word in page, word
    answer = send(client, f"{path}/fulfilments", term="1", on="2026-04-30")
    assert answer.status_code == 303, answer.text
    page = client.get(path).text
    assert "已履行" in page
    form = client.get(f"{path}/fulfilments").text
    assert "清理排水沟" in form
    assert "赔偿误工费" not in form.split("<form", 1)[1].split("</form>")[0], "what is fulfilled is not offered again"


def test_a_term_with_a_wrong_amount_is_named_and_nothing_is_lost(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    send(client, f"{path}/accept")
    send(client, f"{path}/mediations", **SESSION)
    answer = send(client, f"{path}/agree", agreement="各清各的沟", terms="赔偿；800.555元")
    assert answer.status_code == 422
    assert "赔偿；800.555元" in answer.text
    assert "已达成协议" not in client.get(path).text


def test_departments_are_called_and_their_reports_recorded(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    assert f'href="{path}/calls"' not in client.get(path).text, "nobody is there to be called"
    with centers.village.database.write() as session:
        station = {"id": "s1", "kind": "station", "name": "林业站", "weekdays": "1234567", "active": True}
        session.add(StationRow(**station))
    assert f'href="{path}/calls"' in client.get(path).text
    answer = send(client, f"{path}/calls", stations="s1", task="到场指界", report_by="2026-03-03T10:00")
    assert answer.status_code == 303, answer.text
    page = client.get(path).text
    for word in ("吹哨", "林业站", "到场指界"):
        assert word in page, word
    assert send(client, f"{path}/calls/report", call_seq="2", text="已指界").status_code == 303
    page = client.get(path).text
    assert "已指界" in page
    assert f'href="{path}/calls/report"' not in page


def test_directors_keep_the_list_of_departments_and_others_read_it(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    assert "还没有部门和工作站" in client.get("/stations").text
    given = {"kind": "station", "name": "林业站", "contact": "二楼"}
    answer = client.post("/stations", data={**given, "weekdays": ["1", "3"]}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    page = client.get("/stations").text
    for word in ("林业站", "二楼", "星期一", "星期三", "0/0"):
        assert word in page, word
    again = client.post("/stations", data=given)
    assert again.status_code == 422
    assert "已有同名" in again.text
    nameless = client.post("/stations", data={"kind": "room"})
    assert nameless.status_code == 422
    with centers.village.database.read() as session:
        [row] = session.scalars(select(StationRow)).all()
        assert (row.name, row.weekdays, row.active) == ("林业站", "13", True)
        station_id = row.id
    assert client.post(f"/stations/{station_id}/close", follow_redirects=False).status_code == 303
    assert "已撤销" in client.get("/stations").text
    assert client.post("/stations/none/close").status_code == 404
    clerk = sign_in(centers.village, Role.clerk, username="wang")
    assert "新增" not in clerk.get("/stations").text
    assert clerk.post("/stations", data={**given, "name": "另一站"}).status_code == 403
    assert sign_in(centers.village, Role.monitor, username="zhao").get("/stations").status_code == 403


def test_a_subsidy_is_claimed_on_the_page_when_the_rules_pay_one(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    send(client, f"{path}/accept")
    send(client, f"{path}/mediations", **SESSION)
    send(client, f"{path}/filings", parts=["notice", "identity"])
    send(client, f"{path}/agree", agreement="各清各的沟")
    send(client, f"{path}/close")
    send(client, f"{path}/follow-ups", held_at="2026-03-02T09:00", method="电话", satisfied="yes")
    assert f'href="{path}/subsidy"' not in client.get(path).text
    with unit_of(centers.village) as unit:
        policies.set_policy(unit, Policy(subsidy_low=100))
    assert f'href="{path}/subsidy"' in client.get(path).text
    assert send(client, f"{path}/subsidy", mediators="赵某、李某").status_code == 303
    page = client.get(path).text
    assert "申领补贴" in page
    assert "赵某 50" in page
    listed = client.get("/subsidies").text
    for word in ("谢官营〔2026〕1号", "赵某", "100", "待审核", "核准合计：0元"):
        assert word in listed, word
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(client.get("/subsidies.xlsx").content)).get_sheet_by_index(0)
    rows = [row[5:7] for row in sheet.to_python(skip_empty_area=False)[3:]]
    assert rows == [["赵某", 50], ["李某", 50]]
    assert "张某某" not in listed
    assert client.get("/subsidies", params={"month": "2026-02"}).text.count("赵某") == 0
    assert 'href="/subsidies"' in client.get("/policy").text
    assert f'href="{path}/subsidy"' not in page
