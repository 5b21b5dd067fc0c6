"""Which actions to offer on a case: those that this center, as it stands to the case now, would not be refused.

The services judge again, since somebody else may have acted first; here it is only about showing no button
in vain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from node.accounts.roles import Action, Role, allowed
from node.i18n import N_
from node.web.case_action import CaseAction
from node.web.case_actions import ACTIONS
from protocol import subsidies
from protocol.case import CaseState, PartnerStatus
from protocol.codes import ENDED, Status
from protocol.entries import Kind
from protocol.payloads import InvitationKind
from protocol.rules import RULES

_HOLDERS: Final[dict[Action, Kind]] = {
    Action.accept: Kind.ACCEPTED,
    Action.grade: Kind.GRADED,
    Action.correct: Kind.CORRECTED,
    Action.note: Kind.NOTED,
    Action.mediate: Kind.MEDIATED,
    Action.agree: Kind.AGREED,
    Action.fail: Kind.FAILED,
    Action.withdraw: Kind.WITHDRAWN,
    Action.refer: Kind.REFERRED,
    Action.close: Kind.CLOSED,
    Action.reopen: Kind.REOPENED,
    Action.follow_up: Kind.VISITED,
    Action.escalate: Kind.ESCALATED,
    Action.assign: Kind.ASSIGNED,
    Action.return_: Kind.RETURNED,
    Action.handoff: Kind.OFFERED,
    Action.joint_invite: Kind.INVITED,
    Action.joint_entry: Kind.JOINT_NOTED,
    Action.answer: Kind.ANSWERED,
    Action.extend: Kind.EXTENDED,
    Action.merge: Kind.MERGED,
    Action.claim_subsidy: Kind.SUBSIDY_CLAIMED,
    Action.fulfil: Kind.FULFILLED,
    Action.call: Kind.CALLED,
    Action.report: Kind.REPORTED,
    Action.inquire: Kind.INQUIRED,
    Action.file: Kind.FILED,
    Action.archive: Kind.ARCHIVED,
}
"""What the holder itself writes, and the entry that it becomes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Where this center stands to a case.

    Attributes:
        me: this center.
        status: the case's status.
        holder: who holds it; None while in flight.
        state: the whole case, where this center may read it.
        invited: what this center is invited to, and has not answered.
        above: whether this center stands above the holder.
        leads: whether there is somebody else who could lead, and this center decides it.
        disputed: whether it was returned so often that a superior rules.
        subsidised: whether a subsidy may be claimed for it: the rules pay one, and nobody has claimed it.
        claimed: whether a claim waits to be judged.
        has_parent: whether there is a center above this one.
        has_stations: whether there is anybody here who can be called.
        has_children: whether there are centers below this one.
    """

    me: str
    status: Status
    holder: str | None
    state: CaseState | None
    invited: InvitationKind | None
    above: bool
    leads: bool
    disputed: bool
    subsidised: bool
    claimed: bool
    has_parent: bool
    has_children: bool
    has_stations: bool = False


def offered(situation: Situation, roles: frozenset[Role]) -> list[CaseAction]:
    """The actions to show: the leading one first, the others in the table's order."""
    possible = frozenset(_possible(situation))
    found = [one for one in ACTIONS if one.action in possible and allowed(roles, one.action)]
    first = leading(situation, found)
    return sorted(found, key=lambda one: one is not first)


_FIRST: Final = (
    Action.joint_accept,
    Action.handoff_accept,
    Action.accept,
    Action.countersign,
    Action.answer,
)
"""What somebody else waits for, before the usual next step."""

_USUAL: Final[dict[Status, tuple[Action, ...]]] = {
    Status.ACCEPTED: (Action.mediate,),
    Status.MEDIATING: (Action.mediate,),
    Status.AGREED: (Action.close, Action.follow_up),
    Status.CLOSED: (Action.follow_up,),
}
"""What usually comes next in a status."""


def leading(situation: Situation, actions: Sequence[CaseAction]) -> CaseAction | None:
    """The one action that stands out: what others wait for, else the usual next step; None where there is none."""
    wanted = (*_FIRST, *_USUAL.get(situation.status, ()))
    return next((one for name in wanted for one in actions if one.action is name), None)


def _possible(situation: Situation) -> Iterator[Action]:
    state = situation.state
    if state is not None and state.holder == situation.me:
        yield from _as_holder(situation, state)
    else:
        yield from _as_other(situation)


def _as_holder(situation: Situation, state: CaseState) -> Iterator[Action]:
    custody = state.custody
    wanted = {
        Action.accept: custody.accepted_by is None,
        Action.escalate: situation.has_parent,
        Action.assign: situation.has_children,
        Action.return_: bool(custody.stack) and not situation.disputed,
        Action.joint_entry: state.joint,
        Action.answer: bool(open_urges(state)),
        Action.extend: state.deadline is not None,
        Action.claim_subsidy: not subsidies.missing(state) and situation.subsidised,
        Action.fulfil: bool(open_terms(state)),
        Action.call: situation.has_stations,
        Action.report: bool(open_calls(state, situation.me)),
        Action.archive: state.archive is None,
        Action.close: not state.missing_countersignatures(),
    }
    for action, kind in _HOLDERS.items():
        rule = RULES[kind]
        ready = not rule.accepted or custody.accepted_by is not None
        if state.status in rule.statuses and ready and wanted.get(action, True):
            yield action


def _as_other(situation: Situation) -> Iterator[Action]:
    state = situation.state
    ended = situation.status in ENDED
    if situation.invited is InvitationKind.JOINT:
        yield from (Action.joint_accept, Action.joint_decline)
    if situation.invited is InvitationKind.HANDOFF:
        yield from (Action.handoff_accept, Action.handoff_decline)
    if situation.above:
        yield from (Action.view, Action.note) if state is None else (Action.note,)
        yield from (Action.reopen,) if ended else (Action.urge,)
        if situation.leads and not ended:
            yield Action.lead_order
        if situation.disputed:
            yield Action.rule
        if situation.claimed:
            yield Action.judge_subsidy
    if state is None:
        return
    if situation.me in state.followers:
        yield from _as_follower(situation.me, state)


def _as_follower(me: str, state: CaseState) -> Iterator[Action]:
    yield Action.note
    if state.custody.last_sender == me and not state.ended and state.custody.accepted_by is None:
        yield Action.recall
    if state.ended:
        yield Action.reopen
    if state.status in RULES[Kind.VISITED].statuses:
        yield Action.follow_up
    if open_urges(state):
        yield Action.answer
    partner = state.partners.get(me)
    if partner is None or partner.status is not PartnerStatus.ACCEPTED or state.ended:
        return
    yield Action.joint_entry
    if state.status is Status.AGREED and partner.countersigned != state.agreement_seq:
        yield Action.countersign


def open_urges(state: CaseState) -> list[int]:
    """The orders that wait for an answer, by their number in the log."""
    return [seq for seq, urge in state.urges.items() if not urge.answered]


def open_terms(state: CaseState) -> list[tuple[int, str]]:
    """The terms of the present agreement that are not fulfilled yet, by their numbers."""
    if state.agreement is None or state.agreement_seq is None:
        return []
    terms = enumerate(state.agreement.terms, start=1)
    return [(number, term.text) for number, term in terms if number not in state.agreement.fulfilled]


def open_calls(state: CaseState, me: str) -> list[tuple[int, str]]:
    """Our calls that wait for a report, by their numbers in the log, with who was called."""
    return [(seq, call.station) for seq, call in state.calls.items() if call.center == me and call.reported_at is None]


def why_not_closed(situation: Situation, roles: frozenset[Role]) -> str:
    """Why the holder can't close the case yet, as a catalog message; empty where it can, or where nobody expects it."""
    state = situation.state
    if state is None or state.holder != situation.me or state.ended or not allowed(roles, Action.close):
        return ""
    if state.custody.accepted_by is None:
        return N_("Most things can be done only once somebody has accepted the case.")
    if state.status not in RULES[Kind.CLOSED].statuses:
        return N_("It can't be closed yet: no agreement, nor recorded as failed.")
    return (
        N_("It can't be closed yet: not every partner has countersigned.") if state.missing_countersignatures() else ""
    )
