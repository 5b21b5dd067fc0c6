"""Follow-up visits and fulfilment: planned days, what a visit stands for, what is missed."""

from datetime import date
from decimal import Decimal

import pytest

from protocol import entries as e
from protocol.case import VisitPlan
from protocol.entries import PLANNED_VISITS_MAX, Kind
from protocol.errors import Refused
from protocol.visits import dues_of, passed, planned, stands_for
from tests.protocol.case_logs import START, Log, mediated

REACHED = date(2026, 3, 2)
DAY_7, DAY_30 = date(2026, 3, 9), date(2026, 4, 1)
DAYS = (7, 30)
PLAN = VisitPlan(days=(DAY_7, DAY_30))
TERMS = (e.Term(text="赔偿", amount=Decimal("800.00"), due_on=date(2026, 3, 20), by="李四"), e.Term(text="清沟"))


def agreed(*terms: e.Term) -> Log:
    """A case with an agreement of these terms, to be visited on two days."""
    log = Log()
    log.accept()
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.AGREED, e.Agreed(agreement="各清各的沟", terms=terms, visit_on=PLAN.days))
    return log


def visit(on: date | None) -> e.Visited:
    return e.Visited(held_at=START, method="电话", visit_on=on)


def fulfilled(log: Log, term: int, seq: int | None = None) -> e.Fulfilled:
    assert log.state.agreement_seq is not None
    return e.Fulfilled(agreement_seq=seq or log.state.agreement_seq, term=term, on=DAY_7)


# --- the plan --------------------------------------------------------------------------------------


def test_an_agreement_is_asked_after_on_its_days_and_when_something_is_due() -> None:
    agreement = e.Agreed(agreement="a", due_on=date(2026, 5, 1), terms=TERMS)
    assert planned(REACHED, dues_of(agreement), DAYS) == (DAY_7, date(2026, 3, 20), DAY_30, date(2026, 5, 1))


def test_a_day_that_falls_together_with_another_is_one_visit() -> None:
    assert planned(REACHED, [DAY_7, DAY_7, None], DAYS) == PLAN.days


def test_what_was_due_before_asks_nobody() -> None:
    assert planned(REACHED, [date(2026, 3, 1), REACHED], ()) == (REACHED,)


def test_a_plan_has_an_end() -> None:
    dues = [date(2026, 1 + month, day) for month in range(3, 9) for day in range(1, 29)]
    assert len(planned(REACHED, dues, DAYS)) == PLANNED_VISITS_MAX


@pytest.mark.parametrize(
    ("on", "day"),
    [
        (date(2026, 3, 2), DAY_7),
        (date(2026, 3, 16), DAY_7),
        (date(2026, 3, 17), None),
        (date(2026, 3, 25), DAY_30),
        (date(2026, 4, 9), None),
    ],
)
def test_a_visit_stands_for_the_day_whose_window_it_falls_into(on: date, day: date | None) -> None:
    assert stands_for(PLAN, on, 7) == day


def test_a_second_visit_in_a_window_stands_for_the_next_day_or_none() -> None:
    near = VisitPlan(days=(DAY_7, date(2026, 3, 12)), kept=(DAY_7,))
    assert stands_for(near, DAY_7, 7) == date(2026, 3, 12)
    assert stands_for(PLAN.model_copy(update={"kept": (DAY_7,)}), DAY_7, 7) is None


def test_a_day_is_missed_when_its_window_has_passed() -> None:
    assert passed(PLAN, date(2026, 3, 16), 7) == []
    assert passed(PLAN, date(2026, 3, 17), 7) == [DAY_7]
    assert passed(PLAN, date(2027, 1, 1), 7) == [DAY_7, DAY_30]


# --- the log ---------------------------------------------------------------------------------------


def test_visits_are_kept_and_missed_once() -> None:
    log = agreed()
    log.append(Kind.VISITED, visit(DAY_7))
    log.append(Kind.VISITED, visit(None))
    for kind, body in ((Kind.VISITED, visit(DAY_7)), (Kind.VISIT_MISSED, e.VisitMissed(visit_on=DAY_7))):
        with pytest.raises(Refused, match="no-such-visit"):
            log.append(kind, body)
    state = log.append(Kind.VISIT_MISSED, e.VisitMissed(visit_on=DAY_30))
    assert (state.visits, state.visit_plan.kept, state.visit_plan.missed, state.visit_plan.open) == (
        2,
        (DAY_7,),
        (DAY_30,),
        (),
    )


def test_a_failed_mediation_is_visited_too() -> None:
    log = agreed()
    state = log.append(Kind.FAILED, e.Failed(reason="反悔", visit_on=(DAY_30,)))
    assert state.visit_plan.open == (DAY_30,)
    log.append(Kind.CLOSED)
    assert log.append(Kind.VISITED, visit(DAY_30)).visit_plan.open == ()


@pytest.mark.parametrize(
    "steps",
    [
        [(Kind.FAILED, e.Failed(reason="r")), (Kind.MEDIATED, mediated())],
        [(Kind.CLOSED, e.Body()), (Kind.REOPENED, e.Reopened(reason="r"))],
        [(Kind.REFERRED, e.Referred(to="法院", reason="r"))],
        [(Kind.WITHDRAWN, e.WithReason(reason="r"))],
    ],
)
def test_what_goes_on_or_ends_otherwise_is_not_asked_after(steps: list[tuple[Kind, e.Body]]) -> None:
    log = agreed()
    for kind, body in steps:
        log.append(kind, body)
    assert log.state.visit_plan == VisitPlan()


def test_terms_are_fulfilled_one_by_one() -> None:
    log = agreed(*TERMS)
    log.append(Kind.FULFILLED, fulfilled(log, 2))
    log.append(Kind.CLOSED)
    state = log.append(Kind.FULFILLED, fulfilled(log, 1))
    assert state.agreement is not None
    assert state.agreement.fulfilled == (2, 1)
    for term, reason in ((1, "already-fulfilled"), (3, "no-such-term")):
        with pytest.raises(Refused, match=reason):
            log.append(Kind.FULFILLED, fulfilled(log, term))


def test_only_the_present_agreement_is_fulfilled() -> None:
    log = agreed(*TERMS)
    with pytest.raises(Refused, match="stale-agreement"):
        log.append(Kind.FULFILLED, fulfilled(log, 1, seq=1))
    log.append(Kind.FAILED, e.Failed(reason="反悔"))
    with pytest.raises(Refused, match="wrong-status"):
        log.append(Kind.FULFILLED, e.Fulfilled(agreement_seq=4, term=1, on=DAY_7))
