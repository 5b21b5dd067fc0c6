"""Every API call is authorised, in one place."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Protocol

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient

from node.accounts import service
from node.accounts.authorise import guarded_routes, require, unguarded
from node.accounts.roles import Action, Role
from node.accounts.service import Caller
from node.clock import Clock
from node.db import Database

SignIn = Callable[..., TestClient]


class Center(Protocol):
    """The center of ``conftest``."""

    database: Database
    clock: "MovableClock"


class MovableClock(Clock, Protocol):
    """The clock of ``conftest``."""

    def advance(self, by: timedelta) -> None: ...


@pytest.fixture(autouse=True)
def assign_route(app: FastAPI) -> None:
    """A route of the case API."""
    cases = APIRouter(prefix="/cases")

    @cases.post("/{case_id}/assign")
    def assign(case_id: str, caller: Annotated[Caller, Depends(require(Action.assign))]) -> str:
        return f"{case_id} by {caller.display_name}"

    api = APIRouter(prefix="/api/v1")
    api.include_router(cases)
    app.include_router(api)


def test_whoever_has_the_role_gets_in_and_is_known(sign_in: SignIn) -> None:
    answer = sign_in("wang", Role.dispatcher).post("/api/v1/cases/7/assign")
    assert (answer.status_code, answer.json()) == (200, "7 by wang 同志")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer ld_wrong", "Basic YTpi", "ld_x", "Bearer é"])
def test_without_a_good_token_the_answer_is_401_with_a_challenge(client: TestClient, header: str | None) -> None:
    headers = {} if header is None else {b"Authorization": header.encode()}
    answer = client.post("/api/v1/cases/7/assign", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "unauthenticated"


def test_the_scheme_is_written_as_one_likes(sign_in: SignIn) -> None:
    wang = sign_in("wang", Role.dispatcher)
    token = wang.headers["Authorization"].removeprefix("Bearer ")
    assert wang.post("/api/v1/cases/7/assign", headers={"Authorization": f"bearer {token}"}).is_success


def test_a_token_in_the_address_is_not_looked_at(sign_in: SignIn, client: TestClient) -> None:
    token = sign_in("wang", Role.dispatcher).headers["Authorization"].removeprefix("Bearer ")
    assert client.post(f"/api/v1/cases/7/assign?token={token}").status_code == 401


def test_an_expired_token_is_refused(sign_in: SignIn, center: Center) -> None:
    wang = sign_in("wang", Role.dispatcher)
    center.clock.advance(timedelta(hours=13))
    assert wang.post("/api/v1/cases/7/assign").status_code == 401


def test_a_disabled_user_is_out_at_the_next_request(sign_in: SignIn, center: Center) -> None:
    wang = sign_in("wang", Role.dispatcher)
    assert wang.post("/api/v1/cases/7/assign").is_success
    with center.database.write() as session:
        service.disable_user(session, center.clock, "wang")
    assert wang.post("/api/v1/cases/7/assign").status_code == 401


def test_a_role_that_may_never_do_this_gets_403_with_the_roles_that_may(sign_in: SignIn) -> None:
    answer = sign_in("li", Role.clerk, Role.mediator).post("/api/v1/cases/7/assign")
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["type"] == "forbidden"
    assert problem["action"] == "assign"
    assert problem["roles"] == ["director", "dispatcher"]
    assert problem["detail"] == "Your roles don't allow this; it needs one of: director, dispatcher."


def test_what_is_not_allowed_is_not_even_read(sign_in: SignIn, client: TestClient) -> None:
    wrong_body = {"username": 7}
    assert client.post("/api/v1/users", json=wrong_body).status_code == 401
    assert sign_in("li", Role.clerk).post("/api/v1/users", json=wrong_body).status_code == 403
    assert sign_in("root", Role.admin).post("/api/v1/users", json=wrong_body).status_code == 422


def test_reading_with_a_token_writes_nothing(sign_in: SignIn, center: Center) -> None:
    root = sign_in("root", Role.admin)
    commits: list[None] = []
    center.database.on_commit(lambda: commits.append(None))
    assert root.get("/api/v1/users").is_success
    assert commits == []


# ---------------------------------------------------------------- the route table


def test_every_route_tells_its_action(app: FastAPI) -> None:
    assert {str(route): route.actions for route in guarded_routes(app)} == {
        "POST /api/v1/login": frozenset(),
        "POST /api/v1/logout": {Action.sign_out},
        "GET /api/v1/users": {Action.manage_users},
        "POST /api/v1/users": {Action.manage_users},
        "POST /api/v1/users/{username}/disable": {Action.manage_users},
        "POST /api/v1/cases/{case_id}/assign": {Action.assign},
        "GET /api/v1/me": {Action.read_self},
        "POST /api/v1/me/password": {Action.own_password},
        "POST /api/v1/me/second-factor": {Action.own_second_factor},
        "POST /api/v1/me/second-factor/confirm": {Action.own_second_factor},
        "POST /api/v1/me/second-factor/remove": {Action.own_second_factor},
        "GET /api/v1/me/sessions": {Action.own_sessions},
        "POST /api/v1/me/sessions/{key}/end": {Action.own_sessions},
        "POST /api/v1/me/tokens": {Action.own_sessions},
    }
    assert unguarded(app) == []


def test_a_route_that_forgot_its_action_is_found(app: FastAPI) -> None:
    inner = APIRouter()
    inner.add_api_route("/open", lambda: "", methods=["GET", "PUT"])
    app.include_router(inner, prefix="/api/v1/deep")
    app.mount("/api/v1/mounted", FastAPI())
    app.add_api_route("/healthz", lambda: "")
    assert unguarded(app) == [
        "GET /api/v1/deep/open",
        "PUT /api/v1/deep/open",
        "ANY /api/v1/mounted/{path}",
    ]


def test_an_action_declared_for_a_whole_router_counts(app: FastAPI) -> None:
    inner = APIRouter()
    inner.add_api_route("/closed", lambda: "")
    app.include_router(inner, prefix="/api/v1", dependencies=[Depends(require(Action.read_links))])
    assert unguarded(app) == []


def test_the_openapi_document_says_which_calls_need_a_token(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert paths["/api/v1/cases/{case_id}/assign"]["post"]["security"] == [{"token": []}]
    assert "security" not in paths["/api/v1/login"]["post"]
