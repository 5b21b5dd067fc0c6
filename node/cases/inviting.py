"""Invitations: what somebody outside may know who is asked to mediate jointly or to take a case over.

An invitation is told anew whenever it would say something else (another holder, another epoch, another status), so that
its answer names the present epoch; and it is withdrawn when there is nothing left to answer. While a case is in flight
nobody speaks for it: joint invitations wait for the next holder, an offer of a handoff ends.
"""

from node.cases.sheet import header_of
from node.unit import Unit
from protocol.case import CaseState
from protocol.entries import Kind
from protocol.messages import Type
from protocol.payloads import Invitation, InvitationKind


def tell_invited(unit: Unit, before: CaseState | None, after: CaseState) -> None:
    """Tell everyone whose invitation changed between two states."""
    if before is None:
        return
    told, now = standing(before), standing(after)
    ended: set[str] = set()
    if after.holder is not None:
        ended = set(told) | _was_to_take_over(before)
    elif before.offer is not None and before.offer.to != after.in_transit_to:
        ended = {before.offer.to}
    for code in sorted(ended - set(after.followers) - set(now)):
        unit.outbox.send(Type.INVITATION, _withdrawn(told.get(code), after), code, case_id=after.id)
    for code, invitation in now.items():
        if code not in told or _unnumbered(told[code]) != _unnumbered(invitation):
            unit.outbox.send(Type.INVITATION, invitation, code, case_id=after.id)


def standing(state: CaseState) -> dict[str, Invitation]:
    """The invitations that stand, by who is invited; who follows the case needs none."""
    if state.ended or state.holder is None:
        return {}
    found = {code: _invitation(state, InvitationKind.JOINT, reason) for code, reason in state.invited.items()}
    if state.offer is not None:
        found[state.offer.to] = _invitation(state, InvitationKind.HANDOFF, state.offer.reason)
    return {code: invitation for code, invitation in found.items() if code not in state.followers}


def _was_to_take_over(before: CaseState) -> set[str]:
    """Who had accepted an offer, where its transfer has just come back."""
    flight = before.custody.flight
    return {flight.to} if flight is not None and flight.kind is Kind.HANDED_OFF else set()


def _invitation(state: CaseState, kind: InvitationKind, reason: str) -> Invitation:
    return Invitation(kind=kind, header=header_of(state), title=state.title, place=state.place, reason=reason)


def _withdrawn(told: Invitation | None, state: CaseState) -> Invitation:
    kind = told.kind if told is not None else InvitationKind.HANDOFF
    return Invitation(kind=kind, header=header_of(state), title="", place="", reason="", withdrawn=True)


def _unnumbered(invitation: Invitation) -> Invitation:
    """What an invitation says, whichever entry it was told after."""
    return invitation.model_copy(update={"header": invitation.header.model_copy(update={"seq": 0})})
