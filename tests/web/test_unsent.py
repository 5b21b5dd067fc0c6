"""A form that is sent after the session has ended is not lost: it waits in the sign-in page and is sent again."""

import html
import json
import re
from datetime import timedelta

import pyotp
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from node.accounts import second_factor
from node.accounts.roles import Role
from node.accounts.tables import User
from node.web.unsent import unsent_from
from tests.conftest import HeldClock
from tests.web.conftest import PASSWORD, Centers, SignIn
from tests.web.test_pages import MATTER, number_of_cases

SPOKEN = 'A "quoted" <b>经过</b> & 第二行'


def hidden(page: str) -> list[tuple[str, str]]:
    """The hidden fields of a page's form, as a browser sends them."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return [(html.unescape(name), html.unescape(value)) for name, value in found]


def as_form(pairs: list[tuple[str, str]], **more: str) -> dict[str, str]:
    return {**dict(pairs), **more}


def sent_too_late(client: TestClient, clock: HeldClock) -> Response:
    """Fill in the form, have lunch, send it."""
    clock.advance(timedelta(hours=13))
    sent = {**MATTER, "description": SPOKEN, "form": "one-key"}
    return client.post("/cases/new", data=sent, headers={"Referer": "http://center.test/cases/new"})


def test_what_was_sent_too_late_is_offered_after_the_sign_in_and_saved_once(
    centers: Centers, sign_in: SignIn, clock: HeldClock
) -> None:
    client = sign_in(centers.village, Role.clerk)
    late = sent_too_late(client, clock)
    assert late.status_code == 401
    assert "登录已过期。您提交的内容还没有保存" in late.text
    wrong = client.post("/login", data=as_form(hidden(late.text), username="li", password="wrong"))
    assert wrong.status_code == 422
    offered = client.post("/login", data=as_form(hidden(wrong.text), username="li", password=PASSWORD))
    assert offered.status_code == 200
    assert "内容没有保存" in offered.text
    assert MATTER["title"] in offered.text
    assert '<a class="btn btn-plain" href="/cases/new">' in offered.text
    assert number_of_cases(centers.village) == 0
    fields = as_form(hidden(offered.text))
    assert fields["description"] == SPOKEN
    first, again = (client.post("/cases/new", data=fields, follow_redirects=False) for _ in range(2))
    assert first.status_code == 303, first.text
    assert again.headers["location"] == first.headers["location"]
    assert number_of_cases(centers.village) == 1
    assert html.escape("<b>经过</b>") in client.get(first.headers["location"]).text


def test_it_waits_also_for_the_second_factor(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    client = sign_in(centers.village, Role.clerk)
    secret = second_factor.new_secret()
    totp = pyotp.TOTP(secret)
    with centers.village.database.write() as session:
        user = session.query(User).one()
        second_factor.begin(session, clock, user.id, secret, totp.at(clock.now()))
    late = sent_too_late(client, clock)
    asked = client.post("/login", data=as_form(hidden(late.text), username="li", password=PASSWORD))
    assert 'action="/login/code"' in asked.text
    wrong = client.post("/login/code", data=as_form(hidden(asked.text), code="000000"))
    assert wrong.status_code == 422
    offered = client.post("/login/code", data=as_form(hidden(wrong.text), code=totp.at(clock.now())))
    assert as_form(hidden(offered.text))["description"] == SPOKEN


def test_who_only_reads_or_sends_a_password_is_led_to_the_form_as_ever(centers: Centers, browser: SignIn) -> None:
    client = browser(centers.village)
    for path, fields in (("/account/password", {"password": "secret"}), ("/cases/new", {}), ("/logout", {"x": "y"})):
        answer = client.post(path, data=fields, follow_redirects=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login")
    other_site = client.post("/cases/new", data=MATTER, headers={"Origin": "http://evil.test"})
    assert other_site.status_code == 403
    assert MATTER["title"] not in other_site.text


@pytest.mark.parametrize(
    "brought",
    [
        "",
        "{",
        "[]",
        "7",
        json.dumps(["/cases/new", [["title"]]]),
        json.dumps(["/cases/new", [["title", 7]]]),
        json.dumps(["/cases/new", []]),
        json.dumps(["https://evil.test/cases/new", [["title", "x"]]]),
        json.dumps(["//evil.test/cases/new", [["title", "x"]]]),
        json.dumps([7, [["title", "x"]]]),
        json.dumps(["/account/password", [["title", "x"]]]),
        json.dumps(["/cases/new", [["new_password", "x"]]]),
    ],
)
def test_what_nobody_of_us_wrote_is_not_offered(brought: str) -> None:
    assert unsent_from(brought) is None
