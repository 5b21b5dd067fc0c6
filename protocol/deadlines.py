"""Deadlines: how near they are, when they may be put off, and who let one pass.

A deadline belongs to a custody term. Who gives a case away after its deadline has let it pass, for good; the term goes
on where the transfer fails or the case is returned to it with its deadline.
"""

from datetime import datetime
from typing import Any

from protocol.case import CaseState
from protocol.codes import PartyRole, Rung
from protocol.custody import KEEPING, POPPING, Flight
from protocol.entries import Entry, Extended, Party
from protocol.errors import Refused

SIDES = (PartyRole.APPLICANT, PartyRole.RESPONDENT)
"""Whose consent an extension needs, where the case has parties of that role."""


def rung_of(deadline: datetime | None, now: datetime, tomorrow: datetime, near: datetime) -> Rung | None:
    """The step of the ladder that a deadline stands on now; None while it is far.

    Args:
        deadline: of the term, if it has one.
        now: the instant.
        tomorrow: the end of this local day (the protocol knows no time zones).
        near: the end of the days that are near, policy.
    """
    if deadline is None or deadline >= max(near, tomorrow):
        return None
    if deadline < now:
        return Rung.RED
    return Rung.YELLOW if deadline < tomorrow else Rung.BLUE


def last_rung(state: CaseState) -> Rung | None:
    """The step at which the last order by rule of this term was written."""
    rungs = [urge.rung for urge in state.urges.values() if urge.epoch == state.epoch and urge.rung is not None]
    return rungs[-1] if rungs else None


def missing_consent(parties: tuple[Party, ...], consented: tuple[str, ...]) -> list[PartyRole]:
    """The sides of which nobody agreed.

    Raises:
        Refused: ``no-such-party`` for a name that is no party of this case.
    """
    names = {party.name for party in parties}
    for name in consented:
        if name not in names:
            raise Refused("no-such-party", name=name)
    there = {party.role for party in parties}
    agreed = {party.role for party in parties if party.name in consented}
    return [side for side in SIDES if side in there and side not in agreed]


def extended(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``extended``: the deadline of this term is put off (延期).

    Raises:
        Refused: ``no-deadline``, ``deadline-passed``, ``not-later``, ``later-than-giver`` with the giver's own
            deadline, ``no-such-party``, ``no-consent`` with the sides that are missing.
    """
    body, present = entry.body, state.deadline
    assert isinstance(body, Extended)
    if present is None:
        raise Refused("no-deadline")
    if present < entry.head.at:
        raise Refused("deadline-passed")
    if body.deadline <= present:
        raise Refused("not-later")
    stack = state.custody.stack
    if stack and stack[-1].deadline is not None and body.deadline > stack[-1].deadline:
        raise Refused("later-than-giver", center=stack[-1].center)
    if missing := missing_consent(state.parties, body.consented):
        raise Refused("no-consent", party_role=missing)
    custody = state.custody.model_copy(update={"deadline": body.deadline})
    return {"custody": custody, "extensions": state.extensions + 1}


def left_late(state: CaseState, entry: Entry) -> bool:
    """Whether this transfer leaves after the deadline; who takes the sender's place takes the deadline, too."""
    return _was_late(state.deadline, entry.head.at, entry.head.kind)


def after_return(state: CaseState, deadline: datetime | None) -> tuple[str, ...]:
    """Who let a deadline pass, when the case arrives: who gets it back with that deadline has not lost it yet."""
    flight, stack = state.custody.flight, state.custody.stack
    assert flight is not None
    goes_on = flight.kind in POPPING and deadline is not None and bool(stack) and stack[-1].late
    return _without_last(state.late, flight.to) if goes_on else state.late


def after_failure(late: tuple[str, ...], flight: Flight) -> tuple[str, ...]:
    """Who let a deadline pass, when a transfer came back: its sender's term goes on."""
    was_late = _was_late(flight.before.deadline, flight.at, flight.kind)
    return _without_last(late, flight.sender) if was_late else late


def _was_late(deadline: datetime | None, at: datetime, kind: str) -> bool:
    return deadline is not None and deadline < at and kind not in KEEPING


def _without_last(late: tuple[str, ...], center: str) -> tuple[str, ...]:
    last = len(late) - 1 - late[::-1].index(center)
    return late[:last] + late[last + 1 :]
