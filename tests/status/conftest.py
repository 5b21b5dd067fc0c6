"""A small county (``tests.status.lives``), center by center: each with a database, certificates and links, no wires."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from node import errors_http
from node.accounts import api as accounts_api
from node.accounts import service as accounts
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.center import Center
from node.clock import Clock
from node.db import Base, Database
from node.directory import Directory, add_certificates
from node.federation.lanes import add_link
from node.identity import Identity
from node.level import load_level
from node.status import api as status_api
from protocol.centers import Certificate, Claims, issue
from protocol.codes import default_level
from protocol.keys import SealingKey
from tests.conftest import HeldClock
from tests.status.lives import CENTERS, COUNTY, KEYS, PARENT
from tests.vaults import TEST_VAULT

PASSWORD = "correct horse battery"
NAMES = dict(zip(CENTERS, ["祥云县", "祥城镇", "沙龙镇", "城南社区", "城东社区", "谢官营村"], strict=True))

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)

MakeCenter = Callable[..., Center]
SignIn = Callable[..., TestClient]


def sealing_key(code: str) -> SealingKey:
    return SealingKey(code.encode().ljust(32, b","))


def certificate(code: str, *, version: int = 1, revoked: bool = False) -> Certificate:
    """A center's certificate, signed by its parent."""
    issuer = PARENT.get(code, code)
    claims = Claims(
        code=code,
        name=NAMES[code],
        level=default_level(code),
        parent=PARENT.get(code),
        signing_key=KEYS[code].public,
        sealing_key=sealing_key(code).public,
        version=version,
        issuer=issuer,
        issued_at=ISSUED,
        revoked=revoked,
    )
    return issue(KEYS[issuer], claims)


def make_center(code: str, database: Database, clock: Clock, hasher: PasswordHasher) -> Center:
    """A center of the small county, on an empty database."""
    parent = PARENT.get(code)
    directory = Directory()
    with database.write() as session:
        add_certificates(session, [certificate(one) for one in CENTERS], KEYS[COUNTY].public)
        for child in (one for one in CENTERS if PARENT.get(one) == code):
            add_link(session, child, "down", None)
        if parent is not None:
            add_link(session, parent, "up", None)
        directory.refresh(session)
    identity = Identity(code, default_level(code), f"database-{code}", KEYS[code], sealing_key(code))
    level = load_level(default_level(code))
    return Center(identity, level, database, directory, clock, hasher, root_key=KEYS[COUNTY].public)


@pytest.fixture(scope="session")
def hasher() -> PasswordHasher:
    """As weak as argon2 allows: these tests are not about strength."""
    return PasswordHasher(memory_kib=8, passes=1)


@pytest.fixture
def county(database: Database, clock: HeldClock, hasher: PasswordHasher) -> Center:
    """The county's center, on SQLite and on PostgreSQL."""
    return make_center(COUNTY, database, clock, hasher)


@pytest.fixture
def center_of(tmp_path: Path, clock: HeldClock, hasher: PasswordHasher) -> Iterator[MakeCenter]:
    """Make a center of the small county, on SQLite."""
    databases: list[Database] = []

    def make(code: str) -> Center:
        database = Database(f"sqlite:///{tmp_path / code}.db", vault=TEST_VAULT)
        databases.append(database)
        Base.metadata.create_all(database.engine)
        return make_center(code, database, clock, hasher)

    yield make
    for database in databases:
        database.dispose()


@pytest.fixture
def sign_in() -> Iterator[SignIn]:
    """Sign somebody of these roles in at a center; reads English."""
    clients: list[TestClient] = []

    def signed_in(center: Center, *roles: Role) -> TestClient:
        app = FastAPI()
        app.state.center = center
        errors_http.install(app)
        app.include_router(accounts_api.router, prefix="/api/v1")
        app.include_router(status_api.router, prefix="/api/v1")
        client = TestClient(app, headers={"Accept-Language": "en"})
        clients.append(client)
        if not roles:
            return client
        username = "-".join(roles)
        with center.database.write() as session:
            accounts.create_user(
                session,
                center.clock,
                center.hasher,
                username=username,
                display_name=username,
                password=PASSWORD,
                roles=roles,
                must_change=False,
            )
        answer = client.post("/api/v1/login", json={"username": username, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    yield signed_in
    for client in clients:
        client.close()
