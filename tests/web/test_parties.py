"""Parties on pages: masked, shown one at a time and logged, completed and corrected without showing what is masked."""

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from node.accounts.roles import Role
from node.audit.tables import AuditRow
from tests.web.conftest import Centers, SignIn
from tests.web.test_pages import register

PHONE = "13800001234"
OTHER = "13900005678"


@pytest.fixture
def clerk(centers: Centers, sign_in: SignIn) -> TestClient:
    """Somebody who registers and corrects."""
    return sign_in(centers.village, Role.clerk, Role.dispatcher)


@pytest.fixture
def case(clerk: TestClient) -> str:
    """A matter of two people with telephones."""
    return register(clerk, **{"party-1-phone": PHONE, "party-2-phone": OTHER})


def parties_of(client: TestClient, case: str) -> list[dict[str, str | None]]:
    """As programs read them, with the same cookie's account."""
    token = client.post("/api/v1/login", json={"username": "li", "password": "correct horse battery"}).json()["token"]
    answer = client.get(f"/api/v1{case}", headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
    found: list[dict[str, str | None]] = json.loads(answer.text)["parties"]
    return [{name: value for name, value in party.items() if value is not None} for party in found]


def test_a_number_is_shown_alone_and_who_saw_it_is_logged(centers: Centers, clerk: TestClient, case: str) -> None:
    page = clerk.get(case).text
    assert PHONE not in page
    assert "138****1234" in page
    shown = clerk.post(f"{case}/parties/0/phone")
    assert shown.status_code == 200
    assert PHONE in shown.text
    assert OTHER not in shown.text
    with centers.village.database.read() as session:
        told = session.scalars(select(AuditRow).where(AuditRow.event == "field_shown")).one()
        assert (told.actor, told.case_id) == ("li", case.rsplit("/", 1)[1])
        assert json.loads(told.detail) == {"party": "1", "field": "phone"}
    assert PHONE not in clerk.get(case).text


@pytest.mark.parametrize("what", ["parties/7/phone", "parties/0/id_number", "parties/0/name", "parties/-1/phone"])
def test_what_is_not_there_or_not_masked_is_not_shown(clerk: TestClient, case: str, what: str) -> None:
    assert clerk.post(f"{case}/{what}").status_code == 404


def test_the_form_of_a_correction_holds_nothing_that_is_masked(clerk: TestClient, case: str) -> None:
    form = clerk.get(f"{case}/correct").text
    assert PHONE not in form
    assert "138****1234" in form


def correction(**changes: str) -> dict[str, str]:
    kept = {"party-1-was": "张某某", "party-1-name": "张某某", "party-1-role": "applicant"}
    other = {"party-2-was": "马某", "party-2-name": "马某", "party-2-role": "respondent"}
    return {**kept, **other, "reason": "补充", **changes}


def test_parties_are_completed_and_what_was_masked_stays(clerk: TestClient, case: str) -> None:
    sent = correction(**{"party-1-address": "三组12号", "party-2-phone": "-", "party-3-name": "李某"})
    assert clerk.post(f"{case}/correct", data=sent, follow_redirects=False).status_code == 303
    assert parties_of(clerk, case) == [
        {"name": "张某某", "role": "applicant", "phone": PHONE, "address": "三组12号"},
        {"name": "马某", "role": "respondent"},
        {"name": "李某", "role": "other"},
    ]


def test_a_row_without_its_name_is_removed_and_numbers_stay_with_their_people(clerk: TestClient, case: str) -> None:
    sent = correction(**{"party-1-name": ""})
    assert clerk.post(f"{case}/correct", data=sent, follow_redirects=False).status_code == 303
    assert parties_of(clerk, case) == [{"name": "马某", "role": "respondent", "phone": OTHER}]


def test_the_same_parties_are_no_change(clerk: TestClient, case: str) -> None:
    answer = clerk.post(f"{case}/correct", data=correction())
    assert answer.status_code == 422
    assert "没有改动" in answer.text


def test_what_is_refused_stands_beside_its_row(clerk: TestClient, case: str) -> None:
    answer = clerk.post(f"{case}/correct", data=correction(**{"party-1-name": "", "party-2-id_number": "5" * 30}))
    assert answer.status_code == 422
    assert 'href="#party-2-id_number"' in answer.text
    assert "5" * 30 in answer.text
