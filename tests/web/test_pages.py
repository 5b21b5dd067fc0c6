"""Pages of a real center, read and sent as a browser without scripts does it."""

import re
from datetime import timedelta
from typing import NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from node.accounts.roles import Role
from node.cases.tables import CaseRow
from node.center import Center
from node.db import DatabaseUnavailable
from node.web.rendering import local_path
from node.web.session import cookie_name
from tests.conftest import HeldClock
from tests.web.conftest import PASSWORD, VILLAGE, Centers, SignIn, add_person

MATTER = {
    "title": "三组放水浇地先后争执",
    "category": "neighbourhood",
    "place": "三组 大沟边",
    "occurred_at": "2026-03-01T19:30",
    "source": "grid_worker",
    "grade": "low",
    "party-1-name": "张某某",
    "party-1-phone": "13800000000",
    "party-1-role": "applicant",
    "party-2-name": "马某",
    "party-2-role": "respondent",
}


def register(client: TestClient, **changes: str) -> str:
    """Register a matter; the path of its page."""
    answer = client.post("/cases/new", data={**MATTER, **changes}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("?")[0]


class Answer(NamedTuple):
    """What came back for a form."""

    status_code: int
    text: str
    location: str


def send(client: TestClient, path: str, **fields: str | list[str]) -> Answer:
    """Open a form, fill it, send it."""
    form = client.get(path)
    assert form.status_code == 200, form.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form.text))
    answer = client.post(path, data={**hidden, **fields}, follow_redirects=False)
    return Answer(answer.status_code, answer.text, answer.headers.get("location", ""))


def number_of_cases(center: Center) -> int:
    with center.database.read() as session:
        return session.scalar(select(func.count()).select_from(CaseRow)) or 0


# ---------------------------------------------------------------- signing in and out


@pytest.mark.parametrize("path", ["/", "/cases/new", "/cases/nothing", "/cases/nothing/accept", "/links"])
def test_whoever_is_not_signed_in_is_led_to_the_form_and_back(centers: Centers, browser: SignIn, path: str) -> None:
    client = browser(centers.village)
    add_person(centers.village, "li", Role.clerk, Role.director)
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={path}"
    form = client.get(answer.headers["location"])
    assert f'name="next" value="{path}"' in form.text
    answer = client.post("/login", data={"username": "li", "password": PASSWORD, "next": path}, follow_redirects=False)
    assert answer.headers["location"] == path


def test_a_wrong_password_shows_the_form_again_with_the_name_kept(centers: Centers, browser: SignIn) -> None:
    add_person(centers.village, "li", Role.clerk)
    answer = browser(centers.village).post("/login", data={"username": "li", "password": "wrong"})
    assert answer.status_code == 422
    assert "用户名或密码不对" in answer.text
    assert 'value="li"' in answer.text
    assert "wrong" not in answer.text
    assert "<title>错误：登录" in answer.text


def test_an_empty_login_says_what_is_missing(centers: Centers, browser: SignIn) -> None:
    answer = browser(centers.village, "en").post("/login", data={})
    assert answer.status_code == 422
    assert "Enter your user name." in answer.text
    assert "Enter your password." in answer.text


def test_the_session_cookie_is_for_this_center_and_not_for_scripts(centers: Centers, browser: SignIn) -> None:
    add_person(centers.village, "li", Role.clerk)
    for scheme, secure in (("http", False), ("https", True)):
        client = browser(centers.village, base_url=f"{scheme}://center.test")
        answer = client.post("/login", data={"username": "li", "password": PASSWORD}, follow_redirects=False)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{cookie_name(VILLAGE)}=ld_")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert ("Secure" in cookie) is secure


def test_signing_out_ends_the_session_in_the_database_too(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    cookie = client.cookies[cookie_name(VILLAGE)]
    assert client.get("/about", follow_redirects=False).status_code == 200
    assert client.post("/logout", follow_redirects=False).headers["location"] == "/login"
    client.cookies.set(cookie_name(VILLAGE), cookie)
    assert client.get("/about", follow_redirects=False).status_code == 303


def test_a_session_ends_by_itself(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    client = sign_in(centers.village, Role.clerk)
    cookie = client.cookies[cookie_name(VILLAGE)]
    clock.advance(timedelta(hours=13))
    client.cookies.set(cookie_name(VILLAGE), cookie)
    assert client.get("/about", follow_redirects=False).status_code == 303


def test_a_part_of_a_page_sends_the_whole_page_to_the_form(centers: Centers, browser: SignIn) -> None:
    headers = {"HX-Request": "true", "Referer": "http://center.test/inbox?queue=late"}
    answer = browser(centers.village).get("/links", headers=headers, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=/inbox%3Fqueue%3Dlate"
    elsewhere = browser(centers.village).post("/cases/new", headers={"Referer": "http://evil.test/x"}, data={})
    assert 'name="next" value="/"' in elsewhere.text


@pytest.mark.parametrize("path", ["https://evil.test", "//evil.test", "/\\evil.test", "evil", "", None, "/a\nb"])
def test_the_way_back_never_leads_elsewhere(path: str | None) -> None:
    assert local_path(path) == "/"


# ---------------------------------------------------------------- language


def test_pages_speak_chinese_and_english_on_request(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    page = client.get("/")
    assert '<html lang="zh-CN">' in page.text
    assert "谢官营村综治中心" in page.text
    page = client.get("/language/en?next=/today")
    assert '<html lang="en">' in page.text
    assert "Nothing is waiting." in page.text
    assert client.get("/language/zh-CN?next=//evil.test", follow_redirects=False).headers["location"] == "/"
    assert client.get("/language/klingon", follow_redirects=False).status_code == 422


def test_no_page_has_inline_style_or_script(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk, Role.director, Role.admin)
    path = register(client)
    pages = ("/today", "/inbox", "/cases", "/board", "/account", "/about", "/links", "/users", "/login", "/cases/new")
    for address in (*pages, path, f"{path}/mediations", f"{path}/escalate", "/nothing"):
        text = client.get(address).text
        assert not re.search(r'\sstyle="|<style|\son[a-z]+="|javascript:|<script>', text), address
        assert not re.search(r'(src|href|action)="(https?:)?//', text), address


# ---------------------------------------------------------------- registering


def test_a_clerk_registers_a_matter_and_sees_it(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    page = client.get(path)
    assert "三组放水浇地先后争执" in page.text
    assert "谢官营〔2026〕1号" in page.text
    assert "张某某" in page.text
    assert "网格员" in page.text
    home = client.get("/")
    assert f'href="{path}"' in home.text
    assert "三组放水浇地先后争执" in home.text


def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    answer = client.post("/cases/new", data={"title": "三组放水", "description": "<b>经过</b>", "party-2-name": ""})
    assert answer.status_code == 422
    assert "<title>错误：登记纠纷" in answer.text
    assert "有3处需要改" in answer.text
    for field, message in (("category", "请填写类型"), ("place", "请填写发生地点"), ("party-1-name", "请填写姓名")):
        assert f'<a href="#{field}">{message}</a>' in answer.text
        assert f'id="{field}"' in answer.text
    assert 'value="三组放水"' in answer.text
    assert "&lt;b&gt;经过&lt;/b&gt;" in answer.text
    assert number_of_cases(centers.village) == 0


def test_a_value_that_the_model_refuses_stands_beside_its_field(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    wrong = {**MATTER, "occurred_at": "yesterday", "category": "war", "party-1-phone": "1" * 31}
    answer = client.post("/cases/new", data=wrong)
    assert answer.status_code == 422
    for field in ("occurred_at", "category", "party-1-phone"):
        assert f'id="{field}-err"' in answer.text, field


def test_a_form_sent_twice_registers_once(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    first = client.post("/cases/new", data={**MATTER, "form": "key"}, follow_redirects=False)
    second = client.post("/cases/new", data={**MATTER, "form": "key"}, follow_redirects=False)
    assert first.headers["location"] == second.headers["location"]
    assert number_of_cases(centers.village) == 1


# ---------------------------------------------------------------- acts


def test_a_case_lives_from_acceptance_to_closing_by_plain_forms(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    steps: list[tuple[str, dict[str, str]]] = [
        ("accept", {}),
        (
            "mediations",
            {"held_at": "2026-03-02T08:30", "place": "村调解室", "mediators": "赵某、李某", "summary": "双方各让一步"},
        ),
        ("agree", {"agreement": "先三组后四组", "due_on": "2026-03-20"}),
        ("close", {}),
        ("follow-ups", {"held_at": "2026-03-02T08:50", "method": "电话", "fulfilled": "yes", "satisfied": "yes"}),
        ("reopen", {"reason": "又起争执"}),
    ]
    for act, fields in steps:
        assert f'href="{path}/{act}"' in client.get(path).text, act
        answer = send(client, f"{path}/{act}", **fields)
        assert answer.status_code == 303, (act, answer.text)
        assert answer.location.startswith(path)
    page = client.get(path).text
    for word in ("签收", "赵某、李某", "先三组后四组", "结案", "回访", "重新受理", "又起争执"):
        assert word in page, word


def test_escalation_says_in_plain_words_what_is_missing_and_leaves_when_it_may(
    centers: Centers, sign_in: SignIn
) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    assert "还不能上报" in client.get(f"{path}/escalate").text
    answer = send(client, f"{path}/escalate", reason="双方住两村")
    assert answer.status_code == 409
    assert "缺少：一次调解" in answer.text
    assert "双方住两村" in answer.text
    answer = send(client, f"{path}/escalate", reason="双方住两村", triggers="crosses_villages")
    assert answer.status_code == 303
    page = client.get(path).text
    assert "上报：沙龙镇" in page.replace("\n", "")
    assert "等待送达" in page
    assert "跨村" in page
    assert f'href="{path}/recall"' in page
    assert f'href="{path}/accept"' not in page


def test_somebody_who_acted_first_is_told(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    path = register(client)
    stale = {"epoch": "1", "reason": "理由", "triggers": "danger_to_life"}
    assert send(client, f"{path}/escalate", reason="理由", triggers="danger_to_life").status_code == 303
    answer = client.post(f"{path}/escalate", data=stale)
    assert answer.status_code == 409
    assert "第2轮次" in answer.text
    assert "理由" in answer.text


def test_a_correction_changes_what_differs_only(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    fields = {"title": MATTER["title"], "category": "neighbourhood", "place": "四组", "reason": "写错了"}
    assert send(client, f"{path}/correct", **fields).status_code == 303
    assert "四组" in client.get(path).text
    answer = send(client, f"{path}/correct", **fields)
    assert answer.status_code == 422
    assert "没有改动" in answer.text


def test_an_empty_act_says_what_is_missing(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.director)
    path = register(client)
    answer = send(client, f"{path}/grade", grade="high")
    assert answer.status_code == 422
    assert '<a href="#reason">请填写理由</a>' in answer.text


def test_roles_remove_what_they_do_not_allow(centers: Centers, sign_in: SignIn) -> None:
    path = register(sign_in(centers.village, Role.director))
    mediator = sign_in(centers.village, Role.mediator, username="zhao")
    page = mediator.get(path).text
    assert f'href="{path}/accept"' in page
    assert f'href="{path}/escalate"' not in page
    assert mediator.get(f"{path}/escalate").status_code == 403
    assert mediator.post(f"{path}/escalate", data={"reason": "x"}).status_code == 403
    assert 'href="/cases/new"' not in mediator.get("/").text
    admin = sign_in(centers.village, Role.admin, username="chen")
    assert "三组放水" not in admin.get("/").text
    assert admin.get(path).status_code == 403


# ---------------------------------------------------------------- problems


def test_a_problem_is_a_page_for_people_and_json_for_programs(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    answer = client.get("/cases/unknown")
    assert answer.status_code == 404
    assert "本中心没有这件纠纷" in answer.text
    assert client.get("/nowhere").status_code == 404
    assert client.get("/cases/unknown/nonsense").status_code == 404
    answer = client.get("/cases/unknown", headers={"Accept": "application/json"})
    assert answer.json()["type"] == "not-found"


def test_a_form_from_another_site_does_nothing(centers: Centers, sign_in: SignIn) -> None:
    client = sign_in(centers.village, Role.clerk)
    answer = client.post("/cases/new", data=MATTER, headers={"Origin": "http://evil.test"})
    assert answer.status_code == 403
    assert number_of_cases(centers.village) == 0


def test_a_broken_database_is_told_in_words(centers: Centers, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in(centers.village, Role.clerk)

    def broken() -> None:
        raise DatabaseUnavailable("disk is full")

    monkeypatch.setattr(centers.village.database, "read", broken)
    answer = client.get("/")
    assert answer.status_code == 503
    assert "磁盘已满" in answer.text


def test_a_form_that_could_not_be_saved_is_told_so(
    centers: Centers, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(centers.village, Role.clerk)

    def full(*, behind_people: bool = False) -> None:
        raise DatabaseUnavailable("disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(centers.village.database, "write", full)
        answer = client.post("/cases/new", data=MATTER)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "未保存：磁盘已满" in answer.text
    assert number_of_cases(centers.village) == 0
