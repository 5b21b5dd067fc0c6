"""Attachments as people meet them: a plain form, what there is, what is on its way, and why something was not saved."""

import re
from dataclasses import replace

from fastapi.testclient import TestClient
from sqlalchemy import select

from node.accounts.roles import Role
from node.attachments.tables import AttachmentRow, FileRow
from protocol.payloads import PIECE_BYTES
from tests.cases.pictures import photo, scan
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import Answer, register
from tests.web.test_papers import text_of

PHOTO = ("现场照片.jpg", photo(), "image/jpeg")


def upload(
    client: TestClient, path: str, *files: tuple[str, bytes, str], key: str | None = None, **fields: str
) -> Answer:
    """Fill the form as a browser without scripts does: the camera's field stays empty."""
    page = client.get(f"{path}/attachments").text
    [hidden] = re.findall(r'<input type="hidden" name="form" value="([^"]*)">', page)
    sent = [("file", file) for file in files] + [("file", ("", b"", "application/octet-stream"))]
    data = {"form": key or hidden, "part": "", "note": "", **fields}
    answer = client.post(f"{path}/attachments", data=data, files=sent, follow_redirects=False)
    return Answer(answer.status_code, answer.text, answer.headers.get("location", ""))


def test_photos_are_added_by_a_plain_form_and_shown(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    form = client.get(f"{path}/attachments").text
    assert 'accept="image/*" capture="environment"' in form
    assert "还没有附件" in form
    answer = upload(
        client, path, PHOTO, ("证据.pdf", scan(30_000), "application/pdf"), part="evidence", note="排水沟现场"
    )
    assert (answer.status_code, answer.location) == (303, f"{path}/attachments?done=added")
    page = client.get(answer.location).text
    assert "已保存。附件随案件流转。" in page
    for shown in (
        "现场照片.jpg",
        "证据.pdf",
        "排水沟现场",
        "证据材料",
        "30.0 kB",
        f'src="{path}/attachments/2/preview"',
    ):
        assert shown in page, shown
    assert f'src="{path}/attachments/3/preview"' not in page, "a PDF has none"
    case = client.get(path).text
    assert "现场照片.jpg" in case
    assert re.search(r"添加附件.*文件.*证据\.pdf.*所属卷宗部分.*证据材料", case, re.DOTALL), "in the log"
    evidence = sign_in(centers.village, Role.director, username="zhao").get(f"{path}/papers/evidence")
    assert "证据.pdf，排水沟现场" in text_of(evidence.content), "on paper too"
    file = client.get(f"{path}/attachments/2")
    assert file.content == photo()
    assert file.headers["content-disposition"].startswith("attachment")


def test_a_form_that_is_sent_twice_adds_its_files_once(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    answers = [upload(client, path, PHOTO, key="the-same-form") for _ in range(2)]
    assert [answer.location for answer in answers] == [f"{path}/attachments?done=added"] * 2
    with centers.village.database.read() as session:
        assert len(session.scalars(select(AttachmentRow)).all()) == 1


def test_what_was_not_saved_is_said_above_the_form(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    refused = upload(client, path, ("说明.docx", b"PK\x03\x04" + bytes(100), "image/jpeg"), note="说明")
    assert refused.status_code == 422
    assert "说明.docx 未保存" in refused.text
    assert 'value="说明"' in refused.text, "what was typed is still there"
    assert "请选择文件。" in upload(client, path).text
    files = centers.village.files
    assert files is not None
    files.limits = replace(files.limits, file=1_000_000)
    large = upload(client, path, ("扫描件.pdf", scan(1_100_000), "application/pdf"))
    assert large.status_code == 413
    assert "扫描件.pdf 未保存" in large.text
    assert "还没有附件" in client.get(f"{path}/attachments").text


def test_the_page_says_how_much_of_a_file_has_come(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    upload(client, path, ("扫描件.pdf", scan(100_000), "application/pdf"))
    with centers.village.database.write() as session:
        row = session.scalars(select(FileRow)).one()
        row.here_at, row.got = None, 2
    page = client.get(f"{path}/attachments").text
    assert f'<progress max="100000" value="{2 * PIECE_BYTES}"' in page
    assert "已收到 48.0 kB，共 100.0 kB" in page
    assert "download" not in re.findall(r'<section class="panel" id="files".*?</section>', page, re.DOTALL)[0]


def test_who_may_not_add_files_sees_no_form_and_is_refused(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    admin = sign_in(centers.village, Role.admin, username="wang")
    assert admin.get(f"{path}/attachments").status_code == 403
    answer = admin.post(f"{path}/attachments", files={"file": PHOTO}, follow_redirects=False)
    assert answer.status_code == 403
    elsewhere = client.post(f"{path}/attachments", files={"file": PHOTO}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    assert "现场照片.jpg" not in client.get(path).text
