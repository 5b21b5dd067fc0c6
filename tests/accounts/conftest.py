"""A center with accounts and nothing else, and clients that are signed in to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from node import errors_http
from node.accounts import api, me_api, service
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.accounts.rules import AccountRules
from node.accounts.throttle import Throttle
from node.accounts.uses import Uses
from node.clock import Clock
from node.db import Database

PASSWORD = "correct horse battery"

SignIn = Callable[..., TestClient]


@dataclass(frozen=True)
class Center:
    """What accounts need of a center."""

    database: Database
    clock: Clock
    hasher: PasswordHasher
    throttle: Throttle
    account_rules: AccountRules = field(default_factory=AccountRules)
    uses: Uses = field(default_factory=Uses)


@pytest.fixture(scope="session")
def hasher() -> PasswordHasher:
    """As weak as argon2 allows: these tests are not about strength."""
    return PasswordHasher(memory_kib=8, passes=1)


@pytest.fixture
def center(database: Database, clock: Clock, hasher: PasswordHasher) -> Center:
    return Center(database, clock, hasher, Throttle(lambda: clock.now().timestamp()))


@pytest.fixture
def app(center: Center) -> FastAPI:
    """The accounts API; tests add routes of their own."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.center = center
    errors_http.install(app)
    app.include_router(api.router, prefix="/api/v1")
    app.include_router(me_api.router, prefix="/api/v1")
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Nobody in particular; reads English."""
    with TestClient(app, headers={"Accept-Language": "en"}) as client:
        yield client


@pytest.fixture
def add_user(center: Center) -> Callable[..., None]:
    """Create a user with these roles."""

    def add(username: str, *roles: Role) -> None:
        with center.database.write() as session:
            service.create_user(
                session,
                center.clock,
                center.hasher,
                username=username,
                display_name=f"{username} 同志",
                password=PASSWORD,
                roles=roles,
                must_change=False,
            )

    return add


@pytest.fixture
def sign_in(app: FastAPI, add_user: Callable[..., None]) -> Iterator[SignIn]:
    """Create a user with these roles and sign them in."""
    clients: list[TestClient] = []

    def new_client(username: str, *roles: Role) -> TestClient:
        add_user(username, *roles)
        client = TestClient(app, headers={"Accept-Language": "en"})
        clients.append(client)
        answer = client.post("/api/v1/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    yield new_client
    for client in clients:
        client.close()
