"""What people do at the pages and the API stands in the audit log, and the administrator can read and check it."""

import json
from pathlib import Path

import pytest
import typer
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from node.accounts.roles import Role
from node.audit import heads
from node.audit.tables import AuditRow, KeptHeadRow
from node.center import Center
from node.commands import auditing, terminal
from node.db import Database, DatabaseUnavailable
from node.trouble import Trouble
from node.unit import unit_of
from node.web.policy_page import values_of
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import AuditHead
from tests.conftest import HeldClock
from tests.web.conftest import PASSWORD, VILLAGE, Centers, SignIn, add_person
from tests.web.test_pages import MATTER, register, send


def events(database: Database) -> list[tuple[str, str, str]]:
    """Who did what about whom, oldest first."""
    with database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.number))
        return [(row.actor, row.event, row.subject) for row in rows]


def api(client: TestClient, username: str) -> dict[str, str]:
    answer = client.post("/api/v1/login", json={"username": username, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['token']}", "Accept": "application/json"}


def test_signing_in_failing_and_out(centers: Centers, browser: SignIn) -> None:
    village = centers.village
    add_person(village, "li", Role.clerk)
    client = browser(village)
    client.post("/login", data={"username": "LI", "password": "wrong"})
    client.post("/login", data={"username": "my secret password", "password": "x"})
    client.post("/login", data={"username": "li", "password": PASSWORD})
    client.post("/logout")
    told = [(actor, event) for actor, event, _ in events(village.database)]
    assert told == [("li", "login_failed"), ("?", "login_failed"), ("li", "logged_in"), ("li", "logged_out")]


def test_looking_at_people_leaves_one_row_for_each_person_and_case(centers: Centers, sign_in: SignIn) -> None:
    village = centers.village
    clerk = sign_in(village, Role.clerk)
    path = register(clerk)
    for _ in range(3):
        assert clerk.get(path).status_code == 200
    other = sign_in(village, Role.mediator, username="zhao")
    other.get(f"/api/v1{path}", headers=api(other, "zhao"))
    looks = [actor for actor, event, _ in events(village.database) if event == "case_viewed"]
    assert looks == ["li", "zhao"]
    assert all("张某某" not in str(row) and MATTER["title"] not in str(row) for row in events(village.database))


def test_nobody_sees_people_who_can_not_be_recorded(
    centers: Centers, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = sign_in(centers.village, Role.clerk)
    path = register(clerk)

    def full(*, behind_people: bool = False) -> None:
        raise DatabaseUnavailable("disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(centers.village.database, "write", full)
        answer = clerk.get(path)
        assert clerk.get("/cases").status_code == 200
    assert answer.status_code == 503
    assert "张某某" not in answer.text


def test_refusals_and_what_administrators_do(centers: Centers, sign_in: SignIn) -> None:
    village = centers.village
    admin = sign_in(village, Role.admin, username="chen")
    new = {"username": "wang", "display_name": "王", "password": PASSWORD, "roles": "clerk"}
    assert admin.post("/users", data=new, follow_redirects=False).status_code == 303
    admin.post("/users/wang/roles", data={"roles": ["clerk", "mediator"]})
    admin.post("/users/wang/password", data={"password": "another long one"})
    admin.post("/users/wang/disable")
    admin.post("/users/wang/enable")
    admin.post("/users/nobody/disable")
    assert admin.get("/cases").status_code == 403
    told = [(event, subject) for actor, event, subject in events(village.database) if actor == "chen"]
    assert told == [
        ("logged_in", ""),
        ("user_created", "wang"),
        ("roles_changed", "wang"),
        ("password_changed", "wang"),
        ("user_disabled", "wang"),
        ("user_enabled", "wang"),
        ("refused", "/cases"),
    ]


def test_rules_and_centers_below(centers: Centers, sign_in: SignIn) -> None:
    township = centers.township
    director = sign_in(township, Role.director, Role.admin)
    form = {**values_of(township.policy), "view_hours": "12"}
    assert send(director, "/policy", **form).status_code == 303
    assert director.post(f"/links/{VILLAGE}/revoke", data={"sure": VILLAGE}, follow_redirects=False).status_code == 303
    told = {(event, subject) for _, event, subject in events(township.database)}
    assert {("policy_set", ""), ("child_revoked", VILLAGE), ("child_enrolled", VILLAGE)} <= told


def test_the_page_filters_and_checks_the_chain(centers: Centers, sign_in: SignIn) -> None:
    village = centers.village
    admin = sign_in(village, Role.admin, username="chen")
    sign_in(village, Role.clerk).get("/users")
    page = admin.get("/audit").text
    assert "越权被拒" in page
    assert "/users" in page
    only = admin.get("/audit?event=refused&actor=li").text
    assert "<b>li</b>" in only
    assert "<b>chen</b>" not in only
    assert "没有符合条件的记录" in admin.get("/audit?last=2001-01-01").text
    assert admin.get("/audit?event=nonsense&first=x&before=-3").status_code == 200
    assert "条记录都对得上" in admin.post("/audit/check").text
    with village.database.write() as session:
        session.execute(update(AuditRow).where(AuditRow.number == 2).values(actor="somebody"))
    assert "第2条对不上" in admin.post("/audit/check").text
    assert sign_in(village, Role.director, username="zhou").get("/audit").status_code == 403


def head_message(center: Center, head: AuditHead) -> Message:
    at = center.clock.now()
    fields = {"id": "m", "source": f"/centers/{VILLAGE}", "type": Type.AUDIT_HEAD, "time": at}
    return Message.model_validate({**fields, "destination": center.code, "data": head.model_dump()})


def told_head(centers: Centers) -> AuditHead:
    """What the village tells its parent now."""
    with unit_of(centers.village) as unit:
        return heads.tell(unit)


def receive(centers: Centers, head: AuditHead) -> None:
    with unit_of(centers.township) as unit:
        heads.on_head(unit, head_message(centers.township, head), head)


def test_a_chain_that_was_written_anew_does_not_fit_what_the_parent_was_told(
    centers: Centers, sign_in: SignIn, clock: HeldClock
) -> None:
    sign_in(centers.village, Role.clerk)
    receive(centers, told_head(centers))
    clock.advance(heads.DAY)
    clerk = sign_in(centers.village, Role.clerk, username="wang")
    register(clerk)
    clerk.get("/users")
    receive(centers, told_head(centers))
    admin = sign_in(centers.township, Role.admin)
    assert "对不上" not in admin.get("/audit").text
    assert "不符" not in admin.get("/audit").text
    with centers.village.database.write() as session:
        newest = session.scalars(select(AuditRow).order_by(AuditRow.number.desc()).limit(1)).one()
        newest.actor, newest.digest = "nobody", "ab" * 32
    clock.advance(heads.DAY)
    receive(centers, told_head(centers))
    with centers.township.database.read() as session:
        assert heads.broken_children(session) == [VILLAGE]
        assert session.scalars(select(KeptHeadRow)).all()
    again = sign_in(centers.township, Role.admin, username="chen")
    assert "谢官营村的审计记录与以前报来的不符" in again.get("/audit").text


def test_only_a_child_tells_its_head(centers: Centers) -> None:
    head = AuditHead(number=1, digest="ab" * 32, before_number=0, before_digest="0" * 64)
    with pytest.raises(BadRecord), unit_of(centers.village) as unit:
        heads.on_head(unit, head_message(centers.village, head), head)


def test_the_head_goes_up_once_a_day(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    sign_in(centers.village, Role.clerk)

    def sent() -> int:
        with centers.village.database.read() as session:
            from node.federation.tables import LaneRow  # noqa: PLC0415 - beside its one use

            return session.scalars(select(LaneRow.last_seq).where(LaneRow.lane == "bulk")).one()

    before = sent()
    heads.tend(centers.village)
    heads.tend(centers.village)
    assert sent() == before + 1
    clock.advance(heads.DAY)
    heads.tend(centers.village)
    assert sent() == before + 2


def test_an_exported_log_is_checked_against_itself_and_the_heads(
    centers: Centers, sign_in: SignIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.choose("zh-CN")  # a test of the command line may have chosen another one in this process
    sign_in(centers.village, Role.clerk).get("/users")
    receive(centers, told_head(centers))
    village, township = centers.village.data_dir, centers.township.data_dir
    assert village is not None
    assert township is not None
    file = tmp_path / "audit.jsonl"
    auditing.run_export(village, file, None)
    assert file.stat().st_mode & 0o777 == 0o600
    auditing.run_verify(village, None)
    auditing.run_verify(township, file)
    assert "1个链头也对得上" in capsys.readouterr().out
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = {**json.loads(lines[1]), "actor": "nobody"}
    file.write_text("\n".join([lines[0], json.dumps(changed), *lines[2:]]), encoding="utf-8")
    with pytest.raises(typer.Exit):
        auditing.run_verify(township, file)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(Trouble):
        auditing.run_verify(township, file)


def test_backups_are_made_and_checked_at_the_page(centers: Centers, sign_in: SignIn) -> None:
    village = centers.village
    admin = sign_in(village, Role.admin)
    assert "还没有在这里做过备份" in admin.get("/backups").text
    page = admin.post("/backups")
    assert page.status_code == 200
    assert "已生成并核对" in page.text
    assert village.data_dir is not None
    files = list((village.data_dir / "saved").iterdir())
    assert len(files) == 1
    assert files[0].name in page.text
    assert "备份完好" in admin.post("/backups/check", data={"name": files[0].name}).text
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    assert admin.post("/backups/check", data={"name": files[0].name}).status_code == 409
    assert admin.post("/backups/check", data={"name": "../center.toml"}).status_code == 409
    assert admin.post("/backups").status_code == 409, "two within one second"
    told = [event for _, event, _ in events(village.database)]
    assert told.count("backup_made") == 2
    assert told.count("backup_checked") == 1
    assert sign_in(village, Role.director, username="zhou").get("/backups").status_code == 403
