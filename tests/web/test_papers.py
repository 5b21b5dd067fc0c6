"""Papers as their readers get them: the files are opened and read."""

import io
import zipfile
from urllib.parse import unquote

from docx import Document
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select

from node.accounts.roles import Role
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.papers.filling import built_in
from node.papers.forms import BY_NAME, FORMS
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register, send

SUMMARY = "双方各让一步 <b>&amp; {{ 7 * 7 }}\n张某先浇，马某后浇"
SESSION = {"held_at": "2026-03-02T08:30", "place": "村调解室", "mediators": "赵某、钱某", "summary": SUMMARY}


def text_of(content: bytes) -> str:
    """All texts of a Word file, tables too, in their order."""
    document = Document(io.BytesIO(content))
    lines = []
    for block in document.iter_inner_content():
        rows = [block.text] if not hasattr(block, "rows") else [cell.text for row in block.rows for cell in row.cells]
        lines += rows
    return "\n".join(lines)


def settled(client: TestClient, **agreed: str) -> str:
    path = register(client)
    send(client, f"{path}/accept")
    send(client, f"{path}/mediations", **SESSION)
    given = {"agreement": "先到先浇", "terms": "赔偿秧苗；800元；2026-05-01；马某", "due_on": "2026-05-02", **agreed}
    assert send(client, f"{path}/agree", **given).status_code == 303
    send(client, f"{path}/close")
    return path


def file_name(answer: Response) -> str:
    return unquote(answer.headers["content-disposition"].split("''")[1])


def test_a_dossier_is_filled_from_the_log_and_says_what_it_lacks(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = settled(client)
    page = client.get(f"{path}/dossier").text
    assert "缺 4 项" in page
    assert "缺 4 项" in client.get(path).text, "the case itself leads there"
    assert send(client, f"{path}/filings", parts="identity", pages="2", note="身份证复印件").status_code == 303
    answer = client.get(f"{path}/dossier.zip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as whole:
        papers = {name: text_of(whole.read(name)) for name in whole.namelist()}
    assert sorted(papers) == [
        "00_卷宗封面.docx",
        "01_人民调解受理登记表.docx",
        "02_权利义务告知书.docx",
        "03_当事人身份证明.docx",
        "07_人民调解记录.docx",
        "08_人民调解协议书.docx",
        "09_履行凭证.docx",
        "10_人民调解回访记录.docx",
        "13_卷宗封底.docx",
    ]
    record = papers["07_人民调解记录.docx"]
    assert SUMMARY in record, "what people typed stands there as they typed it"
    for word in ("2026年3月2日8时30分", "村调解室", "赵某、钱某", "张某某、马某"):
        assert word in record, word
    for word in ("张某某", "13800000000", "先到先浇", "赔偿秧苗", "800元", "2026年5月1日", "2026年5月2日", "马某"):
        assert word in papers["08_人民调解协议书.docx"], word
    for word in ("三组放水浇地先后争执", "邻里", "已结案", "调解记录"):
        assert word in papers["00_卷宗封面.docx"], word
    for word in ("网格员", "三组 大沟边", "申请人", "2026年3月1日"):
        assert word in papers["01_人民调解受理登记表.docx"], word
    assert "身份证复印件" in papers["03_当事人身份证明.docx"]
    with centers.village.database.read() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.event == Event.PAPERS_MADE)).one()
        assert (row.subject, row.case_id) == ("dossier", path.rsplit("/", 1)[1])


def test_an_oral_agreement_has_a_paper_of_its_own(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = settled(client, manner="oral")
    page = client.get(f"{path}/dossier").text
    assert "口头协议登记表" in page
    assert "人民调解协议书" not in page
    assert "先到先浇" in text_of(client.get(f"{path}/papers/oral_agreement").content)


def test_an_ended_case_goes_to_the_archive_with_its_explanation(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = settled(client)
    refused = send(client, f"{path}/archive", retention="long")
    assert refused.status_code == 409
    assert "卷宗还不完整，缺：权利义务告知书" in refused.text
    assert send(client, f"{path}/archive", retention="long", explanation="当场口头告知").status_code == 303
    assert "已归档" in client.get(f"{path}/dossier").text
    assert "当场口头告知" in text_of(client.get(f"{path}/papers/explanation").content)
    assert "30年" in text_of(client.get(f"{path}/papers/cover").content)


def test_blank_forms_leave_room_to_write(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    page = client.get("/papers").text
    for form in FORMS:
        assert form.title in page
        answer = client.get(f"/papers/{form.name}")
        assert file_name(answer) == f"{form.title}.docx"
        text = text_of(answer.content)
        assert "{{" not in text
        assert "{%" not in text
        section = Document(io.BytesIO(answer.content)).sections[0]
        assert section.page_width is not None
        assert section.page_height is not None
        assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as parts:
            feet = "".join(parts.read(name).decode() for name in parts.namelist() if "footer" in name)
            assert {"PAGE", "NUMPAGES"} <= set(feet.replace(">", "<").split("<"))
            assert "Noto Serif CJK SC" in parts.read("word/fontTable.xml").decode()
    assert "谢官营村综治中心" in text_of(client.get("/papers/application").content)
    assert client.get("/papers/none").status_code == 404


def test_a_center_puts_its_own_template_in_the_place_of_ours(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    assert centers.village.data_dir is not None
    own = centers.village.data_dir / "papers"
    own.mkdir()
    changed = Document(io.BytesIO(built_in(BY_NAME["notice"])))
    changed.add_paragraph("本县另行规定：{{ names }}")
    changed.save(str(own / "notice.docx"))
    assert "本县另行规定：张某某、马某" in text_of(client.get(f"{path}/papers/notice").content)
    changed.add_paragraph("{{ nonsense }}")
    changed.save(str(own / "notice.docx"))
    broken = client.get(f"{path}/papers/notice")
    assert broken.status_code == 409
    assert "papers/notice.docx" in broken.text
    assert "nonsense" in broken.text
    (own / "notice.docx").write_bytes(b"no Word file")
    assert client.get(f"{path}/papers/notice").status_code == 409


def test_papers_are_for_those_who_read_the_whole_case(centers: Centers, sign_in: SignIn) -> None:
    path = register(sign_in(centers.village, Role.director), grade="high")
    assert sign_in(centers.township, Role.director).get(f"{path}/dossier").status_code == 404
    monitor = sign_in(centers.village, Role.monitor, username="wang")
    assert monitor.get(f"{path}/dossier.zip").status_code == 403
    assert monitor.get("/papers").status_code == 403
