"""A village and its township, made as `init`, `enroll` and `join` make them, with people to sign in and no wires."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from node import brokers, enrolment, founding
from node.accounts import service
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.app import assemble
from node.center import Center
from node.clock import Clock
from node.opening import open_center
from node.settings import OwnBroker

COUNTY = "532923000000"
TOWNSHIP = "532923102000"
VILLAGE = "532923102205"
PASSWORD = "correct horse battery"

SignIn = Callable[..., TestClient]


@dataclass(frozen=True)
class Centers:
    """The centers of one test."""

    township: Center
    village: Center


@pytest.fixture
def centers(tmp_path: Path, clock: Clock) -> Iterator[Centers]:
    """A township at the root and a village that has joined it."""
    hasher = PasswordHasher(memory_kib=8, passes=1)
    above = founding.init_root(
        tmp_path / "township", TOWNSHIP, broker=OwnBroker(port=4222), clock=clock, environment=False
    )
    township = open_center(above, clock=clock, hasher=hasher)
    brokers.prepare(above)
    join_file = enrolment.enroll(township, above, VILLAGE)
    below = founding.join(join_file, tmp_path / "village", environment=False)
    village = open_center(below, clock=clock, hasher=hasher)
    with township.database.read() as session:
        township.directory.refresh(session)
    yield Centers(township, village)
    township.database.dispose()
    village.database.dispose()


@pytest.fixture
def browser() -> Iterator[Callable[..., TestClient]]:
    """A browser at a center, without scripts; reads Chinese unless told otherwise."""
    clients: list[TestClient] = []

    def open_(center: Center, language: str = "zh-CN", base_url: str = "http://center.test") -> TestClient:
        app = assemble(center.level)
        app.state.center = center
        headers = {"Accept": "text/html", "Accept-Language": language, "Origin": base_url}
        client = TestClient(app, base_url=base_url, headers=headers)
        clients.append(client)
        return client

    yield open_
    for client in clients:
        client.close()


@pytest.fixture
def sign_in(browser: Callable[..., TestClient]) -> SignIn:
    """Create a person with these roles and sign them in by the form."""

    def signed_in(center: Center, *roles: Role, username: str = "li", language: str = "zh-CN") -> TestClient:
        add_person(center, username, *roles)
        client = browser(center, language)
        answer = client.post("/login", data={"username": username, "password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return client

    return signed_in


def add_person(center: Center, username: str, *roles: Role) -> None:
    """An account."""
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
