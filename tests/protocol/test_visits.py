"""Follow-up visits: planned days, and which one comes next."""

from datetime import date

import pytest

from protocol.case import Agreement, CaseState
from protocol.codes import Status
from protocol.visits import next_visit, planned
from tests.protocol.case_logs import START, Log

REACHED = date(2026, 3, 2)
DAYS = (7, 30)


def agreed(**agreement: object) -> CaseState:
    state = Log().state
    given = {"at": START, **agreement}
    return state.model_copy(update={"status": Status.AGREED, "agreement": Agreement.model_validate(given)})


def test_an_agreement_is_asked_after_on_its_days_and_when_it_is_due() -> None:
    due = date(2026, 3, 20)
    assert planned(REACHED, due, DAYS) == [date(2026, 3, 9), due, date(2026, 4, 1)]


def test_a_day_that_falls_together_with_another_is_one_visit() -> None:
    assert planned(REACHED, date(2026, 3, 9), DAYS) == [date(2026, 3, 9), date(2026, 4, 1)]


@pytest.mark.parametrize(("visits", "expected"), [(2, date(2026, 3, 9)), (3, date(2026, 4, 1)), (4, None)])
def test_each_visit_since_the_agreement_stands_for_one_day(visits: int, expected: date | None) -> None:
    state = agreed(visits_before=2).model_copy(update={"visits": visits})
    assert next_visit(state, REACHED, DAYS) == expected


@pytest.mark.parametrize("status", [Status.MEDIATING, Status.FAILED, Status.WITHDRAWN, Status.REFERRED])
def test_nobody_asks_after_an_agreement_that_is_none(status: Status) -> None:
    assert next_visit(agreed().model_copy(update={"status": status}), REACHED, DAYS) is None


def test_without_an_agreement_there_is_no_visit() -> None:
    assert next_visit(Log().state, None, DAYS) is None
