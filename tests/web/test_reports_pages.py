"""The phone page of grid workers, and the page of reports."""

from node.accounts.roles import Role
from node.attachments.tables import AttachmentRow
from node.reports.tables import InspectionRow
from tests.cases.pictures import photo
from tests.web.conftest import Centers, SignIn

NO_PHOTO = {"photo": ("", b"", "application/octet-stream")}
"""What a browser sends where no file was chosen."""

FINDING = {"title": "两家为排水争执", "place": "三组水井旁", "party": "李某", "form": "one-form"}


def test_a_grid_worker_reports_a_finding_once_and_sees_its_number(centers: Centers, sign_in: SignIn) -> None:
    worker = sign_in(centers.village, Role.grid_worker)
    page = worker.get("/").text  # the first page
    assert 'data-draft="' in page
    assert 'action="/grid/nothing"' in page
    empty = worker.post("/grid", data={"title": "只写了这个"}, files=NO_PHOTO)
    assert empty.status_code == 422
    assert 'value="只写了这个"' in empty.text, "kept"
    assert 'id="place-err"' in empty.text
    sent = [worker.post("/grid", data=FINDING, files=NO_PHOTO, follow_redirects=False) for _ in range(2)]
    [address] = {one.headers["location"] for one in sent}
    arrived = worker.get(address).text
    assert "已登记" in arrived
    assert "今日排查出1件" in arrived
    assert "data-draft" not in arrived, "the draft goes when the next page has none"
    assert FINDING["party"] not in arrived
    assert [worker.get(path).status_code for path in ("/cases", "/reports", "/cases/new")] == [403, 403, 403]


def test_a_photo_goes_with_the_finding_or_neither_is_kept(centers: Centers, sign_in: SignIn) -> None:
    worker, clerk = sign_in(centers.village, Role.grid_worker), sign_in(centers.village, Role.clerk, username="wang")
    program = {"photo": ("现场.jpg", b"MZ" + bytes(200), "image/jpeg")}
    refused = worker.post("/grid", data=FINDING, files=program)
    assert (refused.status_code, 'id="photo-err"' in refused.text) == (422, True)
    assert f'value="{FINDING["title"]}"' in refused.text, "what was typed is kept"
    assert FINDING["title"] not in clerk.get("/cases").text
    picture = {"photo": ("现场.jpg", photo(), "image/jpeg")}
    sent = [worker.post("/grid", data=FINDING, files=picture, follow_redirects=False) for _ in range(2)]
    assert {one.status_code for one in sent} == {303}
    with centers.village.database.read() as session:
        [row] = session.query(AttachmentRow).all()
        path = f"/cases/{row.case_id}"
    assert "现场.jpg" in clerk.get(f"{path}/attachments").text
    assert worker.get(f"{path}/attachments").status_code == 403


def test_one_tap_makes_the_zero_report_and_takes_no_finding_back(centers: Centers, sign_in: SignIn) -> None:
    worker = sign_in(centers.village, Role.grid_worker)
    for _ in range(2):
        assert worker.post("/grid/nothing", follow_redirects=False).status_code == 303
    assert "已零报告" in worker.get("/grid").text
    worker.post("/grid", data=FINDING, files=NO_PHOTO)
    worker.post("/grid/nothing")
    with centers.village.database.read() as session:
        [row] = session.query(InspectionRow).all()
        assert row.found == 1


def test_the_director_edits_the_draft_signs_it_and_may_correct_it(centers: Centers, sign_in: SignIn) -> None:
    director, clerk = sign_in(centers.village, Role.director), sign_in(centers.village, Role.clerk, username="wang")
    said = clerk.post("/reports/inspection", data={"found": "0", "area": "第三网格"}, follow_redirects=False)
    assert said.headers["location"] == "/reports?done=inspection"
    refused = clerk.post("/reports/inspection", data={"found": "-1"})
    assert (refused.status_code, 'id="found-err"' in refused.text) == (422, True)
    page = director.get("/reports?week=2026-W10").text
    assert "第三网格" in page
    assert "零报告1次" in page
    week = page.partition('name="week" value="')[2].partition('"')[0]
    assert 'name="text"' not in clerk.get("/reports").text, "a clerk sees the draft and sends nothing"
    assert clerk.post("/reports/weekly", data={"week": week, "text": "?"}).status_code == 403
    assert director.post("/reports/weekly", data={"week": week, "text": " "}).status_code == 422
    assert "还没有这一周" in director.post("/reports/weekly", data={"week": "2098-W01", "text": "早"}).text
    for text in ("本周零报告。", "更正：本周一件。"):
        sent = director.post("/reports/weekly", data={"week": week, "text": text}, follow_redirects=False)
        assert sent.headers["location"] == f"/reports?week={week}&done=weekly"
        assert text in director.get(sent.headers["location"]).text


def test_the_parent_sees_who_has_not_reported(centers: Centers, sign_in: SignIn) -> None:
    page = sign_in(centers.township, Role.director).get("/reports").text
    assert "下级报告情况" in page
    assert "从未" in page
    assert "起缺报" in page
