"""Accounts over HTTP."""

from collections.abc import Callable
from datetime import datetime

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role

PASSWORD = "correct horse battery"
NEW_USER = {"username": "ali", "display_name": "阿力", "password": PASSWORD, "roles": ["clerk", "mediator"]}

SignIn = Callable[..., TestClient]
AddUser = Callable[..., None]


def test_login_gives_a_token_that_opens_the_door(client: TestClient, add_user: AddUser) -> None:
    add_user("root", Role.admin)
    answer = client.post("/api/v1/login", json={"username": "root", "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "expires_at"}
    assert datetime.fromisoformat(answer.json()["expires_at"]).tzinfo is not None
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert client.get("/api/v1/users", headers=headers).is_success


@pytest.mark.parametrize("credentials", [("root", "wrong"), ("nobody", PASSWORD), ("root\0", PASSWORD)])
def test_login_with_bad_credentials_is_401(client: TestClient, add_user: AddUser, credentials: tuple[str, str]) -> None:
    add_user("root", Role.admin)
    username, password = credentials
    answer = client.post("/api/v1/login", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json()["type"] == "bad-credentials"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("body", [{}, {"username": "root"}, {"username": 1, "password": 2}, [], "root"])
def test_login_without_credentials_is_422(client: TestClient, body: object) -> None:
    answer = client.post("/api/v1/login", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")


def test_a_password_that_is_too_long_to_be_one_is_not_hashed(client: TestClient, add_user: AddUser) -> None:
    add_user("root", Role.admin)
    answer = client.post("/api/v1/login", json={"username": "root", "password": "x" * 257})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["limit"] == 256


def test_logout_ends_the_token(sign_in: SignIn) -> None:
    root = sign_in("root", Role.admin)
    assert root.post("/api/v1/logout").status_code == 204
    assert root.get("/api/v1/users").status_code == 401
    assert root.post("/api/v1/logout").status_code == 401


@pytest.mark.parametrize("role", list(Role))
def test_everyone_can_sign_out(sign_in: SignIn, role: Role) -> None:
    assert sign_in("ali", role).post("/api/v1/logout").status_code == 204


def test_an_administrator_creates_a_user_who_can_sign_in(sign_in: SignIn, client: TestClient) -> None:
    root = sign_in("root", Role.admin)
    answer = root.post("/api/v1/users", json=NEW_USER)
    assert answer.status_code == 201
    created = answer.json()
    assert (created["username"], created["display_name"]) == ("ali", "阿力")
    assert created["roles"] == ["clerk", "mediator"]
    assert created["disabled_at"] is None
    assert PASSWORD not in answer.text
    assert client.post("/api/v1/login", json={"username": "ali", "password": PASSWORD}).is_success


def test_a_user_name_is_given_once(sign_in: SignIn) -> None:
    root = sign_in("root", Role.admin)
    root.post("/api/v1/users", json=NEW_USER)
    answer = root.post("/api/v1/users", json=NEW_USER)
    assert (answer.status_code, answer.json()["type"]) == (409, "user-exists")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"roles": []}, "roles"),
        ({"roles": ["king"]}, "roles.0"),
        ({"display_name": ""}, "display_name"),
        ({"username": "x" * 65}, "username"),
        ({"age": 60}, "age"),
    ],
)
def test_a_user_who_cannot_be_is_refused_by_field(sign_in: SignIn, change: dict[str, object], field: str) -> None:
    answer = sign_in("root", Role.admin).post("/api/v1/users", json={**NEW_USER, **change})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_repeated_creation_gets_the_first_answer_again(sign_in: SignIn) -> None:
    root = sign_in("root", Role.admin)
    key = {"Idempotency-Key": "3b1f"}
    first = root.post("/api/v1/users", json=NEW_USER, headers=key)
    second = root.post("/api/v1/users", json=NEW_USER, headers=key)
    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, first.content)
    assert second.headers["Idempotency-Replayed"] == "true"
    other = root.post("/api/v1/users", json={**NEW_USER, "username": "beth"}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


def test_a_repeated_creation_is_not_recognised_by_its_password(sign_in: SignIn) -> None:
    root = sign_in("root", Role.admin)
    key = {"Idempotency-Key": "3b1f"}
    root.post("/api/v1/users", json=NEW_USER, headers=key)
    other_password = {**NEW_USER, "password": "guessed password"}
    assert "Idempotency-Replayed" in root.post("/api/v1/users", json=other_password, headers=key).headers


def test_the_list_shows_everyone_and_no_hashes(sign_in: SignIn) -> None:
    root = sign_in("root", Role.admin)
    root.post("/api/v1/users", json=NEW_USER)
    answer = root.get("/api/v1/users")
    assert [user["username"] for user in answer.json()["items"]] == ["ali", "root"]
    assert "argon2" not in answer.text


def test_a_disabled_user_is_out(sign_in: SignIn, client: TestClient) -> None:
    ali, root = sign_in("ali", Role.clerk), sign_in("root", Role.admin)
    answer = root.post("/api/v1/users/ALI/disable")
    assert answer.status_code == 200
    assert answer.json()["disabled_at"] is not None
    assert ali.post("/api/v1/logout").status_code == 401
    assert client.post("/api/v1/login", json={"username": "ali", "password": PASSWORD}).status_code == 401


def test_who_is_not_there_cannot_be_disabled(sign_in: SignIn) -> None:
    answer = sign_in("root", Role.admin).post("/api/v1/users/nobody/disable")
    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.admin}))
def test_only_administrators_keep_users(sign_in: SignIn, role: Role) -> None:
    someone = sign_in("someone", role)
    assert someone.get("/api/v1/users").status_code == 403
    assert someone.post("/api/v1/users", json=NEW_USER).status_code == 403
    assert someone.post("/api/v1/users/someone/disable").status_code == 403
