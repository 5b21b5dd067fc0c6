"""Policies: what a center lets people do, as versioned data set from above and only stricter below.

How they travel is told in ``protocol.policy_order``.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from protocol.case import CaseState
from protocol.codes import Grade, Rung, Trigger
from protocol.entries import Yuan
from protocol.records import Frozen

CHECKED = frozenset({Trigger.GRADE_HIGH, Trigger.DEADLINE_MISSED, Trigger.REPEATED_FAILURE})
"""Triggers that the system can check by itself; the others are a person's word, kept in the log."""


VISIT_DAYS_MAX = 12
"""Planned visits of one agreement."""

VisitDay = Annotated[int, Field(ge=1, le=730)]
TermDays = Annotated[int, Field(ge=0, le=366)]


class Policy(Frozen):
    """What a center's people may do.

    Attributes:
        version: raised by one with each change.
        mediations_before_escalation: mediation attempts that open the gate upward.
        failures_for_repeated: failed mediations that count as ``repeated_failure``.
        triggers: reasons that open the gate without an attempt.
        view_hours: how long a broken glass stays open.
        near_days: days before a deadline from which it shows as near.
        visit_days: days after an agreement on which it is asked after (回访).
        returns_before_ruling: returns of one case after which nobody returns it, and a superior rules.
        visit_window: days around a planned visit in which one stands for it.
        subsidy_low, subsidy_medium, subsidy_high: yuan that a settled case earns, by grade (以案定补); 0 for none.
        days_low, days_medium, days_high: working days of a term without another deadline, by grade; 0 for none.
        orders_at: steps of the ladder at which a supervision order is written by itself (督办).
        reply_days: working days in which such an order wants its answer.
        purge_years: years after its end from which a case's party data goes (PIPL §19, §47); 0 for never.
        inspection_days: days in which a center says anew what its inspection found (日排查、零报告); 0: it need not.
        report_weeks: weeks after which the report of a week is missing (周报告); 0: none is asked for.
    """

    version: Annotated[int, Field(ge=1)] = 1
    mediations_before_escalation: Annotated[int, Field(ge=0, le=20)] = 1
    failures_for_repeated: Annotated[int, Field(ge=1, le=20)] = 2
    triggers: frozenset[Trigger] = frozenset(Trigger)
    view_hours: Annotated[int, Field(ge=1, le=168)] = 24
    near_days: Annotated[int, Field(ge=0, le=60)] = 3
    visit_days: Annotated[tuple[VisitDay, ...], Field(max_length=VISIT_DAYS_MAX)] = (7, 30)
    returns_before_ruling: Annotated[int, Field(ge=1, le=20)] = 3
    visit_window: Annotated[int, Field(ge=0, le=30)] = 7
    subsidy_low: Yuan = 0
    subsidy_medium: Yuan = 0
    subsidy_high: Yuan = 0
    days_low: TermDays = 0
    days_medium: TermDays = 0
    days_high: TermDays = 0
    orders_at: frozenset[Rung] = frozenset()
    reply_days: Annotated[int, Field(ge=1, le=60)] = 3
    purge_years: Annotated[int, Field(ge=0, le=100)] = 0
    inspection_days: Annotated[int, Field(ge=0, le=31)] = 1
    report_weeks: Annotated[int, Field(ge=0, le=52)] = 1

    def subsidy(self, grade: Grade) -> int:
        """Yuan that a settled case of this grade earns; 0 for none."""
        return {Grade.LOW: self.subsidy_low, Grade.MEDIUM: self.subsidy_medium, Grade.HIGH: self.subsidy_high}[grade]

    def term_days(self, grade: Grade) -> int:
        """Working days of a term without another deadline; 0 for none."""
        return {Grade.LOW: self.days_low, Grade.MEDIUM: self.days_medium, Grade.HIGH: self.days_high}[grade]


class Gate(Frozen):
    """Whether a case may go up now, and what is missing if not.

    Attributes:
        open: whether it may.
        missing: stable codes: ``mediation``, or ``trigger:<name>`` for a claimed trigger that does not hold.
        holding: triggers that hold, checked or claimed.
    """

    open: bool
    missing: tuple[str, ...]
    holding: tuple[Trigger, ...]


def checked_triggers(policy: Policy, state: CaseState, now: datetime) -> frozenset[Trigger]:
    """The triggers that hold by what the system knows."""
    found = set()
    if state.grade is Grade.HIGH:
        found.add(Trigger.GRADE_HIGH)
    if state.deadline is not None and state.deadline < now:
        found.add(Trigger.DEADLINE_MISSED)
    if state.failures >= policy.failures_for_repeated:
        found.add(Trigger.REPEATED_FAILURE)
    return frozenset(found) & policy.triggers


def escalation_gate(policy: Policy, state: CaseState, claimed: frozenset[Trigger], now: datetime) -> Gate:
    """Judge whether the case may be escalated: a mediation attempt, or a trigger that holds.

    A claimed trigger that the system can check must hold; one that it can't check stands as the claimant's word,
    also when it was claimed at an earlier center of this case.
    """
    holds = checked_triggers(policy, state, now)
    word = (claimed | state.triggers) & (policy.triggers - CHECKED)
    holding = tuple(sorted(holds | word))
    if holding or state.mediations >= policy.mediations_before_escalation:
        return Gate(open=True, missing=(), holding=holding)
    missing = [f"trigger:{trigger}" for trigger in sorted(claimed)]
    return Gate(open=False, missing=("mediation", *missing), holding=())
