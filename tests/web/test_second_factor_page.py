"""The pages of the second factor: set up, asked for at the sign-in, ended."""

import html
import re

import pyotp
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from tests.conftest import HeldClock
from tests.web.conftest import PASSWORD, Centers, SignIn

PAGE = "/account/second-factor"


def secret_in(page: str) -> str:
    """The secret that a page offers."""
    found = re.search(r'name="secret" value="([A-Z2-7]+)"', page)
    assert found is not None, page
    return found[1]


def set_up(client: TestClient, clock: HeldClock) -> tuple[pyotp.TOTP, list[str]]:
    """Set it up as a person does; the app on the telephone, and the recovery codes."""
    totp = pyotp.TOTP(secret_in(client.get(PAGE).text))
    answer = client.post(PAGE, data={"secret": totp.secret, "code": totp.at(clock.now()), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return totp, [html.unescape(code) for code in re.findall(r'<li><code class="num">([^<]+)</code>', answer.text)]


def test_it_is_set_up_with_a_picture_and_the_codes_are_shown_once(
    centers: Centers, sign_in: SignIn, clock: HeldClock
) -> None:
    client = sign_in(centers.village, Role.director)
    page = client.get(PAGE)
    assert "<svg" in page.text
    assert f'<code class="num">{secret_in(page.text)}</code>' in page.text
    _, codes = set_up(client, clock)
    assert len(codes) == len(set(codes)) >= 8
    there = client.get(PAGE).text
    assert f"还剩{len(codes)}个备用码" in there
    assert not any(code in there for code in codes)


def test_a_wrong_code_or_password_keeps_the_picture(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    client = sign_in(centers.village, Role.director)
    totp = pyotp.TOTP(secret_in(client.get(PAGE).text))
    good = {"secret": totp.secret, "code": totp.at(clock.now()), "password": PASSWORD}
    for field, value in (("code", "000000"), ("password", "wrong")):
        refused = client.post(PAGE, data={**good, field: value})
        assert refused.status_code == 422
        assert f'<a href="#{field}">' in refused.text
        assert secret_in(refused.text) == totp.secret, "the telephone has it already"
    assert client.post(PAGE, data=good).status_code == 200


def test_the_sign_in_asks_for_it_and_each_recovery_code_serves_once(
    centers: Centers, sign_in: SignIn, browser: SignIn, clock: HeldClock
) -> None:
    _, codes = set_up(sign_in(centers.village, Role.director), clock)
    for code, status in ((codes[0], 303), (codes[0], 422), (codes[1], 303)):
        client = browser(centers.village)
        login = {"username": "li", "password": PASSWORD, "next": "/about"}
        asked = client.post("/login", data=login)
        assert 'action="/login/code"' in asked.text
        assert client.get("/about", follow_redirects=False).status_code == 303, "not in yet"
        answer = client.post("/login/code", data={"code": code, "next": "/about"}, follow_redirects=False)
        assert answer.status_code == status
        assert (client.get("/about", follow_redirects=False).status_code == 200) is (status == 303)


def test_it_ends_by_password_and_code_only(centers: Centers, sign_in: SignIn, clock: HeldClock) -> None:
    client = sign_in(centers.village, Role.director)
    _, codes = set_up(client, clock)
    assert client.post(f"{PAGE}/end", data={"password": "wrong", "code": codes[0]}).status_code == 422
    assert client.post(f"{PAGE}/end", data={"password": PASSWORD, "code": "000000"}).status_code == 422
    done = client.post(f"{PAGE}/end", data={"password": PASSWORD, "code": codes[1]}, follow_redirects=False)
    assert done.status_code == 303
    assert "<svg" in client.get(PAGE).text
