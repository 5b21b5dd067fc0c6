"""Throttling of sign-ins, and passwords that are guessed first."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from node.accounts.throttle import ADDRESS, FORGOTTEN_AFTER, KEPT, NAME, PAIR, Throttle
from node.accounts.weak import has_name, is_common
from tests.conftest import HeldClock

PASSWORD = "correct horse battery"

AddUser = Callable[..., None]
SignIn = Callable[..., TestClient]


class Seconds:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def throttle(seconds: Seconds) -> Throttle:
    return Throttle(seconds)


def fail(throttle: Throttle, times: int, name: str = "li", address: str = "10.0.0.7") -> None:
    for _ in range(times):
        throttle.failed(name, address)


def test_the_first_failures_are_free_then_each_pause_is_twice_the_last(throttle: Throttle) -> None:
    fail(throttle, PAIR.free - 1)
    assert throttle.wait("li", "10.0.0.7") == 0
    pauses = []
    for _ in range(12):
        throttle.failed("li", "10.0.0.7")
        pauses.append(throttle.wait("li", "10.0.0.7"))
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_a_pause_ends(throttle: Throttle, seconds: Seconds) -> None:
    fail(throttle, PAIR.free + 3)
    seconds.now = 7.5
    assert throttle.wait("li", "10.0.0.7") == 0.5
    seconds.now = 8
    assert throttle.wait("li", "10.0.0.7") == 0


def test_others_are_not_held_up_by_one_address(throttle: Throttle) -> None:
    fail(throttle, PAIR.free + 9)
    assert throttle.wait("wang", "10.0.0.7") == 0
    assert throttle.wait("li", "10.0.0.8") == 0


def test_many_addresses_that_try_one_name_are_slowed_down_and_its_owner_waits_a_minute_at_most(
    throttle: Throttle,
) -> None:
    for number in range(NAME.free + 30):
        throttle.failed("li", f"10.0.1.{number}")
    assert throttle.wait("li", "10.0.0.7") == NAME.longest


def test_one_address_that_tries_many_names_waits(throttle: Throttle) -> None:
    for number in range(ADDRESS.free + 30):
        throttle.failed(f"name{number}", "10.0.0.7")
    assert throttle.wait("li", "10.0.0.7") == ADDRESS.longest
    assert throttle.wait("li", "10.0.0.8") == 0


def test_a_good_sign_in_and_an_hour_of_rest_forget(throttle: Throttle, seconds: Seconds) -> None:
    fail(throttle, PAIR.free + 9)
    throttle.succeeded("li", "10.0.0.7")
    assert throttle.wait("li", "10.0.0.7") == 0
    fail(throttle, PAIR.free + 9)
    seconds.now = FORGOTTEN_AFTER + 1
    fail(throttle, 1)
    assert throttle.wait("li", "10.0.0.7") == 0


def test_a_flood_of_names_takes_no_more_room_and_is_counted_all_the_while(throttle: Throttle) -> None:
    for number in range(KEPT + 10):
        throttle.failed(f"name{number}", "10.0.0.7")
    assert throttle.wait("li", "10.0.0.7") == ADDRESS.longest
    assert throttle.wait("name0", "10.0.0.8") == 0


@pytest.mark.parametrize("username", ["ali", "nobody", "not a name"])
def test_too_many_tries_are_429_and_a_right_password_waits_too(
    client: TestClient, add_user: AddUser, clock: HeldClock, username: str
) -> None:
    add_user("ali", Role.clerk)
    wrong = {"username": username, "password": "wrong"}
    answers = [client.post("/api/v1/login", json=wrong) for _ in range(PAIR.free + 1)]
    assert [answer.status_code for answer in answers] == [401] * PAIR.free + [429]
    assert answers[-1].json()["type"] == "too-many-tries"
    assert answers[-1].headers["Retry-After"] == "1"
    right = {"username": username, "password": PASSWORD}
    assert client.post("/api/v1/login", json=right).status_code == 429
    clock.advance(timedelta(seconds=1))
    assert client.post("/api/v1/login", json=right).status_code == (200 if username == "ali" else 401)


@pytest.mark.parametrize("password", ["12345678", "Password1", "woaini1314", "QWERTYUIOP", "１２３４５６７８"])
def test_common_passwords_are_known_in_whatever_form(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(("password", "username"), [("zhaolihua-2026", "zhaolihua"), ("ZHAOLIHU", "zhaolihua")])
def test_a_password_of_the_name_is_known(password: str, username: str) -> None:
    assert has_name(password, username)


@pytest.mark.parametrize(("password", "username"), [(PASSWORD, "li"), ("li likes tea at four", "li")])
def test_a_good_one_is_none(password: str, username: str) -> None:
    assert not has_name(password, username)
    assert not is_common(password)


@pytest.mark.parametrize("password", ["qwertyuiop", "password1", "wanglaoshi-1"])
def test_a_weak_password_is_refused_with_its_reason(sign_in: SignIn, password: str) -> None:
    root = sign_in("root", Role.admin)
    new = {"username": "wanglaoshi", "display_name": "王", "password": password, "roles": ["clerk"]}
    refused = root.post("/api/v1/users", json=new)
    assert (refused.status_code, refused.json()["type"]) == (422, "invalid")
    assert "password" in refused.json()["detail"]
    assert root.post("/api/v1/users", json={**new, "password": "four tall blue pines"}).status_code == 201
