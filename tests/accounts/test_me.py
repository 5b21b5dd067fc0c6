"""One's own account: a password that somebody else chose, the second factor, sign-ins, tokens for programs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from fastapi.testclient import TestClient

from node.accounts import service
from node.accounts.roles import Role
from node.accounts.rules import AccountRules
from node.accounts.tables import TokenKind
from tests.accounts.conftest import Center
from tests.conftest import HeldClock

PASSWORD = "correct horse battery"
OTHER = "four tall blue pines"
NEW_USER = {"username": "ali", "display_name": "阿力", "password": PASSWORD, "roles": ["clerk"]}

SignIn = Callable[..., TestClient]
AddUser = Callable[..., None]


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: TestClient, username: str, password: str = PASSWORD, **more: str) -> Any:  # noqa: ANN401 - an answer
    return client.post("/api/v1/login", json={"username": username, "password": password, **more})


# --- a password that somebody else chose -----------------------------------------------------------------------------


@pytest.fixture
def root(sign_in: SignIn) -> TestClient:
    return sign_in("root", Role.admin)


def test_a_first_password_opens_nothing_but_its_own_change(root: TestClient, client: TestClient) -> None:
    root.post("/api/v1/users", json={**NEW_USER, "roles": ["admin"]})
    bearer = with_token(log_in(client, "ali").json()["token"])
    refused = client.get("/api/v1/users", headers=bearer)
    assert (refused.status_code, refused.json()["type"]) == (403, "password-change-required")
    assert client.get("/api/v1/me/sessions", headers=bearer).status_code == 403
    assert client.get("/api/v1/me", headers=bearer).json()["owes"] == "password-change-required"
    changed = client.post("/api/v1/me/password", headers=bearer, json={"present": PASSWORD, "new": OTHER})
    assert changed.status_code == 204
    assert client.get("/api/v1/me", headers=bearer).status_code == 401, "all sign-ins end"
    bearer = with_token(log_in(client, "ali", OTHER).json()["token"])
    assert client.get("/api/v1/users", headers=bearer).is_success


def test_a_first_password_may_be_left_by_signing_out(root: TestClient, client: TestClient) -> None:
    root.post("/api/v1/users", json=NEW_USER)
    bearer = with_token(log_in(client, "ali").json()["token"])
    assert client.post("/api/v1/logout", headers=bearer).status_code == 204


@pytest.mark.parametrize(
    ("present", "new", "why"),
    [("wrong", OTHER, "bad-credentials"), (PASSWORD, PASSWORD, "invalid"), (PASSWORD, "password1", "invalid")],
)
def test_a_new_password_is_refused_for_a_reason(sign_in: SignIn, present: str, new: str, why: str) -> None:
    ali = sign_in("ali", Role.clerk)
    refused = ali.post("/api/v1/me/password", json={"present": present, "new": new})
    assert (refused.status_code, refused.json()["type"]) == (422, why)
    assert ali.get("/api/v1/me").is_success


def test_a_reset_password_must_be_changed_again(sign_in: SignIn, client: TestClient, center: Center) -> None:
    sign_in("ali", Role.clerk)
    with center.database.write() as session:
        service.set_password(session, center.clock, center.hasher, "ali", OTHER)
    bearer = with_token(log_in(client, "ali", OTHER).json()["token"])
    assert client.get("/api/v1/me", headers=bearer).json()["owes"] == "password-change-required"


def test_where_passwords_are_mixed_they_have_three_kinds_of_signs_and_grow_old(
    sign_in: SignIn, center: Center, clock: HeldClock
) -> None:
    object.__setattr__(center, "account_rules", AccountRules(mixed=True, lifetime=timedelta(days=400)))
    ali = sign_in("ali", Role.clerk)
    refused = ali.post("/api/v1/me/password", json={"present": PASSWORD, "new": OTHER})
    assert "capitals" in refused.json()["detail"]
    assert ali.post("/api/v1/me/password", json={"present": PASSWORD, "new": "Four tall blue pines"}).is_success
    ali.headers["Authorization"] = f"Bearer {log_in(ali, 'ali', 'Four tall blue pines').json()['token']}"
    assert ali.get("/api/v1/me").json()["owes"] is None
    clock.advance(timedelta(days=91))
    assert ali.get("/api/v1/me").json()["owes"] == "password-change-required"


# --- the second factor -----------------------------------------------------------------------------------------------


def enrol(client: TestClient, clock: HeldClock) -> tuple[pyotp.TOTP, list[str]]:
    offered = client.post("/api/v1/me/second-factor").json()
    totp = pyotp.TOTP(offered["secret"])
    given = {"secret": offered["secret"], "code": totp.at(clock.now()), "password": PASSWORD}
    answer = client.post("/api/v1/me/second-factor/confirm", json=given)
    assert answer.status_code == 200, answer.text
    return totp, answer.json()["recovery_codes"]


def test_with_a_second_factor_the_password_alone_opens_nothing(
    sign_in: SignIn, client: TestClient, clock: HeldClock
) -> None:
    totp, _ = enrol(sign_in("ali", Role.clerk), clock)
    refused = log_in(client, "ali")
    assert (refused.status_code, refused.json()["type"]) == (401, "second-factor-needed")
    clock.advance(timedelta(seconds=30))
    code = totp.at(clock.now())
    assert log_in(client, "ali", code=code).status_code == 200
    again = log_in(client, "ali", code=code)
    assert (again.status_code, again.json()["type"]) == (401, "bad-code"), "no code works twice"


def test_a_wrong_password_says_nothing_of_a_second_factor(
    sign_in: SignIn, client: TestClient, clock: HeldClock
) -> None:
    enrol(sign_in("ali", Role.clerk), clock)
    assert log_in(client, "ali", "wrong").json()["type"] == "bad-credentials"


def test_codes_of_a_clock_that_is_half_a_minute_off_are_taken_older_ones_not(
    sign_in: SignIn, client: TestClient, clock: HeldClock
) -> None:
    totp, _ = enrol(sign_in("ali", Role.clerk), clock)
    clock.advance(timedelta(minutes=5))
    assert log_in(client, "ali", code=totp.at(clock.now() - timedelta(seconds=60))).status_code == 401
    assert log_in(client, "ali", code=totp.at(clock.now() + timedelta(seconds=30))).status_code == 200


def test_a_recovery_code_stands_in_once(sign_in: SignIn, client: TestClient, clock: HeldClock) -> None:
    ali = sign_in("ali", Role.clerk)
    _, codes = enrol(ali, clock)
    assert len(set(codes)) == 10
    assert log_in(client, "ali", code=codes[0].upper()).status_code == 200
    assert log_in(client, "ali", code=codes[0]).status_code == 401
    assert ali.get("/api/v1/me").json()["recovery_codes_left"] == 9


def test_guessed_codes_are_slowed_down(sign_in: SignIn, client: TestClient, clock: HeldClock) -> None:
    enrol(sign_in("ali", Role.clerk), clock)
    answers = [log_in(client, "ali", code=f"{number:06}").status_code for number in range(6)]
    assert answers == [401] * 5 + [429]


def test_a_second_factor_is_ended_with_password_and_code(sign_in: SignIn, client: TestClient, clock: HeldClock) -> None:
    ali = sign_in("ali", Role.clerk)
    _, codes = enrol(ali, clock)
    wrong = {"password": PASSWORD, "code": "nope"}
    assert ali.post("/api/v1/me/second-factor/remove", json=wrong).status_code == 422
    assert ali.post("/api/v1/me/second-factor/remove", json={**wrong, "code": codes[0]}).status_code == 204
    assert log_in(client, "ali").status_code == 200


@pytest.mark.parametrize("role", [Role.admin, Role.director])
def test_where_it_is_required_nothing_goes_before_it(
    sign_in: SignIn, center: Center, clock: HeldClock, role: Role
) -> None:
    object.__setattr__(center, "account_rules", AccountRules(second_factor=True))
    boss, clerk = sign_in("boss", role), sign_in("clerk", Role.clerk)
    refused = boss.get("/api/v1/me/sessions")
    assert (refused.status_code, refused.json()["type"]) == (403, "second-factor-required")
    enrol(boss, clock)
    assert boss.get("/api/v1/me/sessions").is_success
    assert clerk.get("/api/v1/me/sessions").is_success


# --- sign-ins --------------------------------------------------------------------------------------------------------


def browser_session(center: Center) -> str:
    return service.login(
        center.database,
        center.clock,
        center.hasher,
        center.throttle,
        username="ali",
        password=PASSWORD,
        kind=TokenKind.session,
    ).token


def is_in(center: Center, token: str) -> bool:
    with center.database.read() as session:
        found = service.authenticate(session, center.clock, token, TokenKind.session, center.account_rules, center.uses)
    return found is not None


def test_a_session_that_nobody_uses_ends_and_one_in_use_goes_on(
    center: Center, add_user: AddUser, clock: HeldClock
) -> None:
    add_user("ali", Role.clerk)
    used, idle = browser_session(center), browser_session(center)
    with center.database.read() as session:
        caller = service.authenticate(session, center.clock, used, TokenKind.session)
    assert caller is not None
    for _ in range(4):
        clock.advance(timedelta(minutes=20))
        center.uses.note(caller.session_key, clock.now())
    assert (is_in(center, used), is_in(center, idle)) == (True, False)
    center.uses.write(center.database)
    object.__setattr__(center, "uses", type(center.uses)())  # as after a restart
    assert is_in(center, used)
    clock.advance(timedelta(minutes=31))
    assert not is_in(center, used)


def test_a_session_ends_after_half_a_day_however_much_it_is_used(
    center: Center, add_user: AddUser, clock: HeldClock
) -> None:
    add_user("ali", Role.clerk)
    token = browser_session(center)
    with center.database.read() as session:
        caller = service.authenticate(session, center.clock, token, TokenKind.session)
    assert caller is not None
    clock.advance(timedelta(hours=12, seconds=1))
    center.uses.note(caller.session_key, clock.now())
    assert not is_in(center, token)


def test_other_roles_end_sign_ins(sign_in: SignIn, center: Center) -> None:
    ali = sign_in("ali", Role.clerk)
    with center.database.write() as session:
        service.set_roles(session, "ali", [Role.clerk, Role.mediator])
    assert ali.get("/api/v1/me").status_code == 401


# --- tokens for programs ---------------------------------------------------------------------------------------------


def test_a_programs_token_has_some_of_its_owners_roles_and_can_be_ended(
    sign_in: SignIn, client: TestClient, center: Center, clock: HeldClock
) -> None:
    boss = sign_in("boss", Role.admin, Role.clerk)
    made = boss.post("/api/v1/me/tokens", json={"name": "备份程序", "roles": ["clerk"], "days": 30})
    assert made.status_code == 201
    bearer = with_token(made.json()["token"])
    assert client.get("/api/v1/me", headers=bearer).json()["roles"] == ["clerk"]
    assert client.get("/api/v1/users", headers=bearer).status_code == 403
    more = client.post("/api/v1/me/tokens", headers=bearer, json={"name": "x", "roles": ["clerk"], "days": 1})
    assert more.status_code == 403, "a program makes no tokens"
    clock.advance(timedelta(days=29))
    assert client.get("/api/v1/me", headers=bearer).is_success
    with center.database.write() as session:
        service.set_roles(session, "boss", [Role.admin])
    assert client.get("/api/v1/me", headers=bearer).status_code == 403, "what its owner lost, it lost"
    boss.headers["Authorization"] = f"Bearer {log_in(boss, 'boss').json()['token']}"
    [listed] = [one for one in boss.get("/api/v1/me/sessions").json()["items"] if one["kind"] == "program"]
    assert (listed["name"], listed["roles"], listed["ours"]) == ("备份程序", ["clerk"], False)
    assert boss.post(f"/api/v1/me/sessions/{listed['key']}/end").status_code == 204
    assert boss.post(f"/api/v1/me/sessions/{listed['key']}/end").status_code == 404
    assert client.get("/api/v1/me", headers=bearer).status_code == 401


@pytest.mark.parametrize("change", [{"roles": ["director"]}, {"roles": []}, {"days": 0}, {"days": 400}, {"name": " "}])
def test_a_token_that_cannot_be_is_refused(sign_in: SignIn, change: dict[str, object]) -> None:
    given = {"name": "程序", "roles": ["clerk"], "days": 30, **change}
    assert sign_in("ali", Role.clerk).post("/api/v1/me/tokens", json=given).status_code == 422
