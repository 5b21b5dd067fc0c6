"""Calls of departments as pages: who was called reports there, and sees nothing else."""

import pytest
from fastapi.testclient import TestClient

from node.accounts.roles import Role
from node.cases.tables import StationRow
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register, send


@pytest.fixture
def forest(centers: Centers, sign_in: SignIn) -> TestClient:
    """The forest station signs in with an account of its own."""
    client = sign_in(centers.village, Role.department, username="linye")
    with centers.village.database.write() as session:
        for number, (name, username) in enumerate((("林业站", "linye"), ("派出所", None)), start=1):
            row = StationRow(id=f"s{number}", kind="station", name=name, weekdays="1234567", active=True)
            row.username = username
            session.add(row)
    return client


def call(client: TestClient) -> str:
    """Register a matter and call both; the path of its page."""
    path = register(client)
    given = {"task": "到场指界", "report_by": "2026-03-03T10:00"}
    for station in ("s1", "s2"):
        assert send(client, f"{path}/calls", stations=station, **given).status_code == 303
    return path


def test_a_department_sees_and_reports_its_own_calls_only(
    centers: Centers, sign_in: SignIn, forest: TestClient
) -> None:
    house = sign_in(centers.village, Role.director)
    path = call(house)
    page = forest.get("/").text  # its first page
    assert "到场指界" in page
    assert page.count("/calls/") == 1, "one form, for its own call"
    for hidden in ("派出所", "张某某", "13800000000", f'href="{path}"'):
        assert hidden not in page, hidden
    assert forest.get(path).status_code == 403
    address = f"/calls/{path.rsplit('/', 1)[1]}"
    assert forest.post(f"{address}/3", data={"text": "冒充"}).status_code == 404
    empty = forest.post(f"{address}/2", data={"text": " "})
    assert empty.status_code == 422
    assert 'id="text-err"' in empty.text
    form = {"text": "已指界，双方认可。", "form": "one-form"}
    for _ in range(2):  # sent twice, recorded once
        assert forest.post(f"{address}/2", data=form, follow_redirects=False).status_code == 303
    again = forest.post(f"{address}/2", data={**form, "form": "another"})
    assert again.status_code == 409
    assert "已经报到" in again.text
    page = house.get(path).text
    assert page.count("已指界，双方认可。") == 1
    everyone = house.get("/calls").text
    assert "林业站" in everyone
    assert "派出所" in everyone
    assert f'href="{path}"' in everyone


def test_who_only_reads_figures_sees_no_calls(centers: Centers, sign_in: SignIn) -> None:
    assert sign_in(centers.village, Role.monitor).get("/calls").status_code == 403
