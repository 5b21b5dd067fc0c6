"""Today's work: each case once, the most urgent first, and no more of a group than anybody does in a day."""

import re

from fastapi.testclient import TestClient

from node.accounts.roles import Role
from node.cases import service
from node.center import Center
from node.unit import unit_of
from node.web.today import SHOWN
from protocol.codes import Category
from protocol.entries import Party
from tests.web.conftest import Centers, SignIn

MANY = SHOWN + 7


def register(center: Center, number: int) -> None:
    with unit_of(center) as unit:
        for each in range(number):
            matter = service.Registration(
                title=f"第{each}件放水争执",
                category=Category.NEIGHBOURHOOD,
                place="三组",
                parties=(Party(name="张某某"), Party(name="马某")),
            )
            service.register(unit, matter, "受理员")


def shown(client: TestClient) -> tuple[str, int]:
    """The page, and how many different cases it leads to."""
    page = client.get("/today").text
    return page, len(set(re.findall(r'href="/cases/([^/"?]+)"', page)) - {"new"})


def test_all_work_is_shown_while_there_is_little(centers: Centers, sign_in: SignIn) -> None:
    register(centers.village, SHOWN)
    page, cases = shown(sign_in(centers.village, Role.clerk))
    assert cases == SHOWN
    assert f"{SHOWN}件要做" in page
    assert "查看全部" not in page


def test_of_much_the_first_is_shown_with_the_whole_number_and_the_way_to_the_list(
    centers: Centers, sign_in: SignIn
) -> None:
    register(centers.village, MANY)
    client = sign_in(centers.village, Role.clerk)
    page, cases = shown(client)
    assert cases == SHOWN
    assert f'<span class="count-n">{MANY}</span>' in page
    assert f"{SHOWN}件以上要做" in page
    whole = client.get("/cases?queue=new").text
    assert '<a class="link small end" href="/cases?queue=new">' in page
    assert len(set(re.findall(r"第\d+件放水争执", whole))) == MANY
