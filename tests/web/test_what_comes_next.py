"""The one button that stands out on a case's page is what comes next."""

import re

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register

PRIMARY = re.compile(r'<a class="btn btn-primary" href="[^"]*/cases/[^/"]+/([^"]+)"')

SESSION = {"held_at": "2026-03-05T10:00", "place": "村调解室", "mediators": "赵某", "summary": "谈了一次。"}


def next_step(client: TestClient, case: str) -> list[str]:
    """The acts whose buttons stand out."""
    return PRIMARY.findall(client.get(case).text)


def do(client: TestClient, case: str, act: str, **fields: str) -> None:
    answer = client.post(f"{case}/{act}", data=fields, follow_redirects=False)
    assert answer.status_code == 303, answer.text


@pytest.fixture
def head(centers: Centers, sign_in: SignIn) -> TestClient:
    """Somebody who may do everything."""
    return sign_in(centers.village, Role.director)


def test_from_registration_to_the_visit(head: TestClient) -> None:
    case = register(head)
    assert next_step(head, case) == ["accept"]
    do(head, case, "accept")
    assert next_step(head, case) == ["mediations"]
    do(head, case, "mediations", **SESSION)
    assert next_step(head, case) == ["mediations"]
    do(head, case, "agree", agreement="一、停手；二、丈量。")
    assert next_step(head, case) == ["close"]
    do(head, case, "close")
    assert next_step(head, case) == ["follow-ups"]


def test_nothing_stands_out_where_nothing_is_usual(head: TestClient) -> None:
    case = register(head)
    do(head, case, "accept")
    do(head, case, "mediations", **SESSION)
    do(head, case, "fail", reason="谈不拢。")
    assert next_step(head, case) == []
    assert f"{case}/escalate" in head.get(case).text


def test_who_may_not_do_the_usual_is_not_led_to_it(centers: Centers, head: TestClient, sign_in: SignIn) -> None:
    case = register(head)
    do(head, case, "accept")
    clerk = sign_in(centers.village, Role.clerk, username="wang")
    assert next_step(clerk, case) == []
