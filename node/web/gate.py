"""The policy's gate upward (上报), in plain words, before anything is sent."""

from dataclasses import dataclass
from typing import Final

from node.accounts.roles import Action
from node.center import Center
from node.i18n import N_, Language, translate, translate_plural
from node.web.case_action import CaseAction
from node.web.case_view import CaseView
from node.words import word
from protocol.case import CaseState
from protocol.codes import Trigger
from protocol.policy import CHECKED, Policy, checked_triggers, escalation_gate


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One line of the gate: whether it holds, what it says, and the trigger to claim where a person may claim it."""

    holds: bool
    words: str
    hint: str = ""
    claim: str = ""


@dataclass(frozen=True, slots=True)
class GateView:
    """The gate upward in plain words.

    Attributes:
        open: whether the case may go up as it is.
        version: version of the policy that says so.
        checks: what the system has checked by itself.
        claims: what a person may claim.
    """

    open: bool
    version: int
    checks: tuple[GateCheck, ...]
    claims: tuple[GateCheck, ...]


_HINTS: Final = {
    Trigger.GROUP_INCIDENT: N_("five people or more"),
    Trigger.CROSSES_VILLAGES: N_("a party lives elsewhere"),
    Trigger.DANGER_TO_LIFE: N_("also say so by telephone"),
}


def gate_view(action: CaseAction, center: Center, case: CaseView, language: Language) -> GateView | None:
    """Whether the case may go up as it is, in plain words; None for other acts."""
    state = case.state
    if action.action is not Action.escalate or state is None:
        return None
    policy = center.policy
    gate = escalation_gate(policy, state, frozenset(), center.clock.now())
    checked = checked_triggers(policy, state, center.clock.now())
    least = policy.mediations_before_escalation
    tried = translate_plural(language, "{n} session recorded", "{n} sessions recorded", state.mediations)
    asked = translate(language, N_("at least {n} asked for"), n=least)
    checks = [GateCheck(state.mediations >= least, tried, asked)]
    for trigger in sorted(policy.triggers & CHECKED):
        hint = _checked_hint(trigger, state, policy, language)
        checks.append(GateCheck(trigger in checked, word(language, "triggers", trigger), hint))
    claims = [
        GateCheck(
            trigger in state.triggers,
            word(language, "triggers", trigger),
            translate(language, _HINTS[trigger]) if trigger in _HINTS else "",
            trigger,
        )
        for trigger in sorted(policy.triggers - CHECKED)
    ]
    return GateView(gate.open, policy.version, tuple(checks), tuple(claims))


def _checked_hint(trigger: Trigger, state: CaseState, policy: Policy, language: Language) -> str:
    """What the system found where it looked."""
    match trigger:
        case Trigger.GRADE_HIGH:
            return translate(language, N_("now: {grade}"), grade=word(language, "grade", state.grade))
        case Trigger.DEADLINE_MISSED:
            none = N_("no deadline stands") if state.deadline is None else N_("the deadline has not passed")
            return translate(language, none)
        case _:
            return translate(
                language,
                N_("{n} of {least} failures"),
                n=state.failures,
                least=policy.failures_for_repeated,
            )
