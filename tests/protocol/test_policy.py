"""The gate upward: a mediation attempt, or a trigger that holds."""

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Grade, Status, Trigger
from protocol.entries import Kind
from protocol.policy import CHECKED, Gate, Policy, checked_triggers, escalation_gate
from tests.protocol.case_logs import BODIES, OTHER_VILLAGE, START, TOWN, Log, in_status, mediated, registered

POLICY = Policy()
NONE: frozenset[Trigger] = frozenset()


def gate(state: CaseState, *claimed: Trigger, policy: Policy = POLICY, now: datetime = START) -> Gate:
    return escalation_gate(policy, state, frozenset(claimed), now)


def test_without_attempt_and_without_trigger_the_gate_is_shut_and_says_what_is_missing() -> None:
    assert gate(Log().state) == Gate(open=False, missing=("mediation",), holding=())


def test_a_mediation_attempt_opens_the_gate() -> None:
    assert gate(in_status(Status.MEDIATING).state).open


def test_a_policy_may_ask_for_more_attempts() -> None:
    policy = Policy(mediations_before_escalation=2)
    log = in_status(Status.MEDIATING)
    assert not gate(log.state, policy=policy).open
    log.append(Kind.MEDIATED, mediated())
    assert gate(log.state, policy=policy).open


def test_a_policy_may_ask_for_none() -> None:
    assert gate(Log().state, policy=Policy(mediations_before_escalation=0)).open


@pytest.mark.parametrize("trigger", sorted(set(Trigger) - CHECKED))
def test_a_trigger_that_nobody_can_check_stands_as_a_persons_word(trigger: Trigger) -> None:
    assert gate(Log().state, trigger) == Gate(open=True, missing=(), holding=(trigger,))


@pytest.mark.parametrize("trigger", sorted(CHECKED))
def test_a_trigger_that_can_be_checked_must_hold(trigger: Trigger) -> None:
    assert gate(Log().state, trigger) == Gate(open=False, missing=("mediation", f"trigger:{trigger}"), holding=())


def test_high_grade_holds_by_itself() -> None:
    assert gate(Log(registered(grade=Grade.HIGH)).state).holding == (Trigger.GRADE_HIGH,)
    assert not gate(Log(registered(grade=Grade.MEDIUM)).state).open


def test_a_missed_deadline_holds_from_the_instant_after_it() -> None:
    log = Log()
    log.assign(OTHER_VILLAGE)
    deadline = START + timedelta(days=5)
    state = log.deliver(deadline=deadline)
    assert not gate(state, now=deadline).open
    assert gate(state, now=deadline + timedelta(seconds=1)).holding == (Trigger.DEADLINE_MISSED,)


def test_repeated_failure_holds_after_as_many_as_the_policy_says() -> None:
    log = in_status(Status.FAILED)
    assert checked_triggers(POLICY, log.state, START) == NONE
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.FAILED, BODIES[Kind.FAILED])
    assert checked_triggers(POLICY, log.state, START) == {Trigger.REPEATED_FAILURE}
    assert checked_triggers(Policy(failures_for_repeated=3), log.state, START) == NONE


def test_a_claim_that_does_not_hold_is_left_out_beside_one_that_does() -> None:
    found = gate(Log().state, Trigger.DANGER_TO_LIFE, Trigger.GRADE_HIGH)
    assert found == Gate(open=True, missing=(), holding=(Trigger.DANGER_TO_LIFE,))


def test_a_word_given_at_an_earlier_center_still_stands() -> None:
    log = Log()
    log.append(Kind.ESCALATED, e.Escalated(to=TOWN, triggers=(Trigger.CROSSES_VILLAGES,)))
    log.deliver()
    assert gate(log.state).holding == (Trigger.CROSSES_VILLAGES,)


def test_a_policy_may_leave_triggers_out() -> None:
    policy = Policy(triggers=frozenset({Trigger.DANGER_TO_LIFE}))
    assert not gate(Log(registered(grade=Grade.HIGH)).state, Trigger.GROUP_INCIDENT, policy=policy).open
    assert gate(Log().state, Trigger.DANGER_TO_LIFE, policy=policy).open


@pytest.mark.parametrize(
    "wrong", [{"version": 0}, {"failures_for_repeated": 0}, {"view_hours": 0}, {"view_hours": 169}]
)
def test_a_policy_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)
