"""Advice for a study (研判): what the policy makes of a case, before people judge it. It binds nobody."""

from datetime import datetime

from protocol.case import CaseState
from protocol.codes import Grade, Trigger
from protocol.policy import Policy, escalation_gate
from protocol.records import Frozen

GRAVE = frozenset({Trigger.GROUP_INCIDENT, Trigger.DANGER_TO_LIFE})
"""Triggers that make a matter one of high risk."""


class Advice(Frozen):
    """What the policy says.

    Attributes:
        grade: the risk that it suggests, never below the present one.
        triggers: those that hold.
        may_escalate: whether the gate upward is open.
        missing: what keeps it shut.
        working_days: of a term at the suggested grade without another deadline; 0 for none.
        returns_left: how often the case may still be returned before a superior rules.
    """

    grade: Grade
    triggers: tuple[Trigger, ...]
    may_escalate: bool
    missing: tuple[str, ...]
    working_days: int
    returns_left: int


def advise(policy: Policy, state: CaseState, now: datetime) -> Advice:
    """The policy's advice on this case."""
    gate = escalation_gate(policy, state, frozenset(), now)
    grade = max(state.grade, _suggested(gate.holding), key=list(Grade).index)
    return Advice(
        grade=grade,
        triggers=gate.holding,
        may_escalate=gate.open,
        missing=gate.missing,
        working_days=policy.term_days(grade),
        returns_left=max(0, policy.returns_before_ruling - state.returns),
    )


def _suggested(holding: tuple[Trigger, ...]) -> Grade:
    if GRAVE.intersection(holding):
        return Grade.HIGH
    return Grade.MEDIUM if holding else Grade.LOW
