"""Attachments: added at one center, read wherever the case is read whole, and nowhere else."""

import hashlib
import io
from typing import Any

import pytest
from httpx2 import Response
from PIL import Image
from sqlalchemy import select

from node.accounts.roles import Role
from node.attachments import gathering, keeping, store
from node.attachments.serving import may_have
from node.attachments.store import Limits, pieces_of
from node.attachments.tables import FileRow
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.cases.purging import purge
from node.federation.tables import OutboxRow
from protocol.messages import Type, read_message
from protocol.payloads import PIECE_BYTES, WANTED_MAX, AttachmentWanted
from tests.cases.pictures import CAMERA, film, photo, scan
from tests.cases.scene import COUNTY, OTHER_TOWN, TOWN, VILLAGE, Desk, Json, Scene

BOUNDARY = "----form"


def form(files: list[tuple[str, bytes]], **fields: str) -> bytes:
    """A form as a browser sends it."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for name, content in files:
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/html\r\n\r\n'
        parts.append(head.encode() + content)
    return (
        b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + part + b"\r\n" for part in parts)
        + f"--{BOUNDARY}--\r\n".encode()
    )


def send(desk: Desk, case: str, *files: tuple[str, bytes], role: Role = Role.director, **fields: str) -> Response:
    """Upload files, whatever comes of it."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    path = f"/cases/{case}/attachments"
    return desk.request("POST", path, content=form(list(files), **fields), headers=headers, role=role)


def attach(desk: Desk, case: str, *files: tuple[str, bytes], **fields: str) -> None:
    answer = send(desk, case, *files, role=Role.director, **fields)
    assert answer.status_code == 200, answer.text


def files_of(desk: Desk, case: str) -> list[Json]:
    found: list[dict[str, Any]] = desk.get(f"/cases/{case}/attachments")["items"]
    return found


def has(desk: Desk, case: str, count: int = 1) -> bool:
    """Whether so many files of a case are all here."""
    found = files_of(desk, case)
    return len(found) == count and all(one["presence"] == "here" for one in found)


def content(desk: Desk, case: str, number: int = 0) -> bytes:
    answer = desk.request("GET", f"/cases/{case}/attachments/{files_of(desk, case)[number]['seq']}")
    assert answer.status_code == 200, answer.text
    return answer.content


def gone_up(scene: Scene, *files: tuple[str, bytes]) -> str:
    """A case of the village with these files, that its township holds."""
    case = scene.village.registers(grade="high")
    if files:
        attach(scene.village, case, *files)
    scene.village.does(case, "escalate", reason="超出能力", triggers=["grade_high"])
    scene.settle()
    return case


def sent(desk: Desk, destination: str, type_: str | None = None) -> list[str]:
    """The types of the bulk messages that a center ever had for another one."""
    ours = select(OutboxRow.body).where(OutboxRow.lane == "bulk", OutboxRow.destination == destination)
    with desk.member.read() as session:
        found = [read_message(body) for body in session.scalars(ours.order_by(OutboxRow.seq))]
    return [one.type for one in found if one.sender == desk.code and type_ in (None, one.type)]


def test_a_file_goes_where_its_case_goes_and_nowhere_else(each_scene: Scene) -> None:
    village, town, county = each_scene.village, each_scene.town, each_scene.county
    case = village.registers(grade="high")
    attach(village, case, ("..\\现场\\照片.jpg", photo()), ("扫描件.PDF", scan(60_000)), part="evidence", note="排水沟")
    [picture, document] = files_of(village, case)
    assert (picture["name"], picture["type"], picture["part"], picture["note"]) == (
        "照片.jpg",
        "image/jpeg",
        "evidence",
        "排水沟",
    )
    assert (document["name"], document["size"], document["presence"]) == ("扫描件.PDF", 60_000, "here")
    village.does(case, "escalate", reason="超出能力", triggers=["grade_high"])
    each_scene.settle()
    each_scene.until(lambda: has(town, case, 2))
    assert content(town, case, 1) == scan(60_000)
    assert content(town, case) == content(village, case) == photo()
    assert county.sees(case) == "header"
    assert county.request("GET", f"/cases/{case}/attachments").status_code == 404


def test_who_follows_a_case_offers_files_to_its_holder(each_scene: Scene) -> None:
    village, town = each_scene.village, each_scene.town
    case = gone_up(each_scene)
    answer = send(village, case, ("录音.amr", b"#!AMR\n" + bytes(500)), note="电话录音")
    assert answer.status_code == 202, answer.text
    each_scene.settle()
    each_scene.until(lambda: has(town, case) and has(village, case))
    [found] = files_of(town, case)
    assert (found["center"], found["type"], found["note"]) == (VILLAGE, "audio/amr", "电话录音")
    [request] = village.case(case)["requests"]
    assert (request["kind"], request["state"]) == ("attach", "granted")
    assert content(town, case) == b"#!AMR\n" + bytes(500)


def test_a_partner_gets_the_files_when_it_joins_and_the_relay_between_none(scene: Scene) -> None:
    town, partner, county = scene.town, scene.other_town, scene.county
    case = town.registers()
    attach(town, case, ("扫描件.pdf", scan(90_000)))
    [file] = files_of(town, case)
    town.does(case, "joint", partners=[OTHER_TOWN], reason="跨界", members=[])
    scene.settle()
    assert partner.sees(case) == "invited"
    assert partner.request("GET", f"/cases/{case}/attachments").status_code == 404
    partner.asks(case, "joint/accept")
    scene.settle()
    scene.until(lambda: has(partner, case))
    assert content(partner, case) == scan(90_000)
    with county.member.read() as session:
        assert session.get(FileRow, file["sha256"]) is None
        passed = session.scalars(select(OutboxRow.body).where(OutboxRow.lane == "bulk", OutboxRow.peer == OTHER_TOWN))
        assert {read_message(body).type for body in passed} >= {Type.SEALED}
        assert Type.ATTACHMENT_PIECE not in {read_message(body).type for body in passed}


def test_who_does_not_read_the_case_whole_is_given_nothing(scene: Scene) -> None:
    """The county knows the header, and let us say it has heard of the file."""
    village, county = scene.village, scene.county
    case = village.registers(grade="high")
    attach(village, case, ("照片.jpg", photo(seed=4)))
    [file] = files_of(village, case)
    wanted = AttachmentWanted(case_id=case, sha256=file["sha256"], first=1, last=1)
    with county.member.act() as unit:
        unit.outbox.send(Type.ATTACHMENT_WANTED, wanted, VILLAGE)
    scene.until(lambda: sent(village, COUNTY) != [])
    assert sent(village, COUNTY) == [Type.SEALED]
    with village.member.read() as session:
        assert not may_have(session, case, COUNTY)
        assert may_have(session, case, VILLAGE)


def test_a_file_goes_on_where_it_stopped(own_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    village, town = own_scene.village, own_scene.town
    film_ = film(1_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(gathering, "AHEAD_MIN", -1)  # nobody asks for more than the first pieces
        case = gone_up(own_scene, ("现场.mp4", film_))
        own_scene.until(lambda: files_of(town, case)[0]["received"] == WANTED_MAX * PIECE_BYTES)
        [found] = files_of(town, case)
        assert (found["presence"], has(village, case)) == ("coming", True)
        early = town.request("GET", f"/cases/{case}/attachments/{found['seq']}")
        assert (early.status_code, early.json()["type"]) == (409, "not-here")
        own_scene.stop(TOWN)
    own_scene.fed.clock.advance(gathering.PATIENCE)
    own_scene.start(TOWN)
    own_scene.until(lambda: has(town, case))
    assert content(town, case) == film_
    assert len(sent(village, TOWN, Type.ATTACHMENT_PIECE)) == pieces_of(len(film_)), "no piece went twice"


def test_a_damaged_file_is_not_shown_but_fetched_again(scene: Scene) -> None:
    village, town = scene.village, scene.town
    case = gone_up(scene, ("照片.jpg", photo(seed=5)))
    scene.until(lambda: has(town, case))
    [found] = files_of(town, case)
    assert town.center.files is not None
    path = town.center.files.path(found["sha256"])
    path.write_bytes(bytes(len(photo(seed=5))))
    answer = town.request("GET", f"/cases/{case}/attachments/{found['seq']}")
    assert (answer.status_code, answer.json()["type"]) == (409, "not-here")
    scene.until(lambda: has(town, case))
    assert content(town, case) == content(village, case) == photo(seed=5)
    path.unlink()
    assert files_of(town, case)[0]["presence"] != "here"
    scene.until(lambda: has(town, case))


def test_what_two_cases_name_is_there_once_and_goes_with_the_last(each_scene: Scene) -> None:
    village, town = each_scene.village, each_scene.town
    picture = photo(seed=6)
    first = gone_up(each_scene, ("照片.jpg", picture))
    each_scene.until(lambda: has(town, first))
    pieces = len(sent(village, TOWN, Type.ATTACHMENT_PIECE))
    second = gone_up(each_scene, ("同一张.jpg", picture))
    assert has(town, second), "it was here"
    assert len(sent(village, TOWN, Type.ATTACHMENT_PIECE)) == pieces
    files = town.center.files
    assert files is not None
    path = files.path(hashlib.sha256(picture).hexdigest())
    for case, still in ((first, True), (second, False)):
        town.does(case, "withdraw", reason="和好了")
        with town.member.act() as unit:
            purge(unit, case)
        keeping.tidy(town.center)
        assert path.exists() is still
    assert town.sees(second) == "header"


def test_what_is_no_file_of_the_trade_is_refused_and_nothing_is_kept(scene: Scene) -> None:
    village = scene.village
    case = village.registers()
    assert village.center.files is not None
    files = village.center.files
    limits = files.limits
    files.limits = Limits(file=100_000, case=150_000)
    try:
        refusals = {
            "unknown-content": send(village, case, ("照片.jpg", b"<html><script>alert(1)</script></html>")),
            "file-too-large": send(village, case, ("扫描件.pdf", scan(100_001))),
            "invalid": send(village, case, ("照片.jpg", b"")),
            "already-attached": send(village, case, ("a.pdf", scan(500)), ("b.pdf", scan(500))),
            "case-too-large": send(village, case, ("a.pdf", scan(90_000, 7)), ("b.pdf", scan(90_000, 8))),
        }
        assert {type_: answer.json()["type"] for type_, answer in refusals.items()} == {t: t for t in refusals}
        assert send(village, case).json()["detail"] == "Choose a file."
        cut = form([("照片.jpg", photo())])[:-10]
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        broken = village.request("POST", f"/cases/{case}/attachments", content=cut, headers=headers)
        assert (broken.status_code, broken.json()["detail"]) == (400, "The upload broke off; nothing was saved.")
        wrong = send(village, case, ("a.pdf", scan()), part="nonsense")
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "part")
        assert files_of(village, case) == []
        assert list(files.root.glob("incoming/upload-*")) == []
        assert send(village, case, ("a.pdf", scan(500)), role=Role.admin).status_code == 403
    finally:
        files.limits = limits


def test_a_full_disk_is_told_and_nothing_is_half_saved(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    village = scene.village
    case = village.registers()
    assert village.center.files is not None
    monkeypatch.setattr(store, "FREE_MIN", 1 << 60)
    answer = send(village, case, ("照片.jpg", photo(seed=9)))
    assert answer.status_code == 507
    assert answer.json()["detail"] == "The file was not saved: the disk of this center is full."
    assert "attached" not in village.kinds(case)


def test_a_repeated_upload_has_its_effect_once(scene: Scene) -> None:
    village = scene.village
    case = village.registers()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Idempotency-Key": "upload-1"}
    body = form([("照片.jpg", photo(seed=10))])
    answers = [village.request("POST", f"/cases/{case}/attachments", content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(files_of(village, case)) == 1


def test_a_file_is_only_ever_saved_and_its_preview_tells_no_place(scene: Scene) -> None:
    village = scene.village
    case = village.registers()
    attach(village, case, ("照片.jpg", photo(seed=11)), ("扫描件.pdf", scan()))
    [picture, document] = files_of(village, case)
    path = f"/cases/{case}/attachments"
    answer = village.request("GET", f"{path}/{picture['seq']}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert CAMERA.encode() in answer.content, "the original is untouched"
    preview = village.request("GET", f"{path}/{picture['seq']}/preview")
    assert preview.headers["content-type"] == "image/jpeg"
    assert CAMERA.encode() not in preview.content
    with Image.open(io.BytesIO(preview.content)) as small:
        assert small.size == (240, 320), "turned upright"
        assert not small.getexif()
    assert village.request("GET", f"{path}/{document['seq']}/preview").status_code == 404
    with village.member.read() as session:
        opened = session.scalars(select(AuditRow).where(AuditRow.event == Event.FILE_OPENED, AuditRow.case_id == case))
        assert [row.subject for row in opened] == [str(picture["seq"])]
