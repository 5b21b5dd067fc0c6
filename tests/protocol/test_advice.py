"""Advice: what the policy makes of a case."""

from datetime import timedelta

import pytest

from protocol import entries as e
from protocol.advice import advise
from protocol.codes import Grade, Trigger
from protocol.entries import Kind
from protocol.policy import Policy
from tests.protocol.case_logs import START, TOWN, Log, registered

POLICY = Policy(days_low=7, days_high=20)


def studied(*triggers: Trigger, grade: Grade = Grade.LOW) -> Log:
    log = Log()
    log.append(Kind.GRADED, e.Graded(grade=grade, reason="研判", triggers=triggers, judged_by=("赵主任",)))
    return log


@pytest.mark.parametrize(
    ("triggers", "grade"),
    [
        ((), Grade.LOW),
        ((Trigger.CROSSES_VILLAGES,), Grade.MEDIUM),
        ((Trigger.DANGER_TO_LIFE, Trigger.CROSSES_VILLAGES), Grade.HIGH),
        ((Trigger.GROUP_INCIDENT,), Grade.HIGH),
    ],
)
def test_what_was_found_suggests_a_grade_and_opens_the_gate(triggers: tuple[Trigger, ...], grade: Grade) -> None:
    found = advise(POLICY, studied(*triggers).state, START)
    assert (found.grade, found.may_escalate, set(found.triggers)) == (grade, bool(triggers), set(triggers))
    assert found.missing == (() if triggers else ("mediation",))


def test_a_checked_trigger_that_somebody_claims_counts_only_if_it_holds() -> None:
    found = advise(POLICY, studied(Trigger.DEADLINE_MISSED).state, START)
    assert (found.triggers, found.may_escalate) == ((), False)


def test_advice_is_never_below_the_present_grade_and_names_its_working_days() -> None:
    found = advise(POLICY, studied(grade=Grade.HIGH).state, START)
    assert (found.grade, found.working_days) == (Grade.HIGH, 20)


def test_returns_are_counted_when_they_arrive_until_a_superior_rules() -> None:
    log = Log(registered(), center=TOWN)
    for left in (2, 1, 0):
        log.assign("532923102205")
        log.deliver()
        log.give_back()
        log.bounce()
        log.give_back()
        log.wait(timedelta(hours=1))
        log.deliver()
        assert advise(POLICY, log.state, START).returns_left == left
    assert log.state.returns == 3
