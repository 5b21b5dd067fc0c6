"""Which entry may follow which.

``RULES`` is the one table: the statuses an entry may stand in, whether this term's acceptance is needed, who may
write it, and the status it leads to. It is written without knowing our own side: the holder's node uses it before it
appends, every follower when it applies.
"""

from dataclasses import dataclass
from enum import StrEnum

from protocol import custody as custody_rules
from protocol.case import CaseState
from protocol.codes import ENDED, Status
from protocol.entries import Kind
from protocol.errors import Refused


class Author(StrEnum):
    """Who may write an entry, relative to custody."""

    HOLDER = "holder"
    DESTINATION = "destination"
    SENDER = "sender"


@dataclass(frozen=True)
class Rule:
    """When an entry may follow.

    Attributes:
        statuses: statuses in which it may be written.
        accepted: whether this term's acceptance is needed first.
        author: who writes it.
        becomes: the status afterwards; None leaves it.
    """

    statuses: frozenset[Status]
    accepted: bool = False
    author: Author = Author.HOLDER
    becomes: Status | None = None


ANY = frozenset(Status)
OPEN = ANY - ENDED
ASKED_AFTER = frozenset({Status.AGREED, Status.FAILED, Status.CLOSED})
"""Statuses in which somebody visits and asks how it went (回访)."""

_AGREED = frozenset({Status.AGREED})
_MEDIATING = frozenset({Status.MEDIATING})

RULES: dict[str, Rule] = {
    Kind.GRADED: Rule(OPEN),
    Kind.CORRECTED: Rule(ANY - {Status.MERGED}),
    Kind.ACCEPTED: Rule(OPEN),
    Kind.NOTED: Rule(ANY),
    Kind.MEDIATED: Rule(
        frozenset({Status.ACCEPTED, Status.MEDIATING, Status.FAILED}), accepted=True, becomes=Status.MEDIATING
    ),
    Kind.AGREED: Rule(_MEDIATING, accepted=True, becomes=Status.AGREED),
    Kind.COUNTERSIGNED: Rule(_AGREED),
    Kind.FULFILLED: Rule(frozenset({Status.AGREED, Status.CLOSED})),
    Kind.FAILED: Rule(_MEDIATING | _AGREED, accepted=True, becomes=Status.FAILED),
    Kind.WITHDRAWN: Rule(OPEN, becomes=Status.WITHDRAWN),
    Kind.REFERRED: Rule(OPEN, becomes=Status.REFERRED),
    Kind.CLOSED: Rule(frozenset({Status.AGREED, Status.FAILED}), accepted=True, becomes=Status.CLOSED),
    Kind.REOPENED: Rule(ENDED - {Status.MERGED}, becomes=Status.ACCEPTED),
    Kind.MERGED: Rule(OPEN, becomes=Status.MERGED),
    Kind.ABSORBED: Rule(ANY - {Status.MERGED}),
    Kind.INQUIRED: Rule(OPEN),
    Kind.FILED: Rule(ANY - {Status.MERGED}),
    Kind.ATTACHED: Rule(ANY - {Status.MERGED}),
    Kind.ARCHIVED: Rule(ENDED - {Status.MERGED}),
    Kind.VISITED: Rule(ASKED_AFTER),
    Kind.VISIT_MISSED: Rule(ASKED_AFTER),
    Kind.SUBSIDY_CLAIMED: Rule(frozenset({Status.CLOSED})),
    Kind.SUBSIDY_JUDGED: Rule(ANY),
    Kind.ESCALATED: Rule(OPEN),
    Kind.ASSIGNED: Rule(OPEN),
    Kind.RETURNED: Rule(OPEN),
    Kind.HANDED_OFF: Rule(OPEN),
    Kind.RECALLED: Rule(OPEN),
    Kind.REHOMED: Rule(ANY),
    Kind.REPLACED: Rule(ANY),
    Kind.DELIVERED: Rule(ANY, author=Author.DESTINATION),
    Kind.BOUNCED: Rule(ANY, author=Author.SENDER),
    Kind.EXTENDED: Rule(OPEN),
    Kind.CALLED: Rule(OPEN),
    Kind.REPORTED: Rule(ANY),
    Kind.URGED: Rule(OPEN),
    Kind.ANSWERED: Rule(ANY),
    Kind.INVITED: Rule(OPEN),
    Kind.OFFERED: Rule(OPEN),
    Kind.JOINED: Rule(OPEN),
    Kind.DECLINED: Rule(OPEN),
    Kind.JOINT_NOTED: Rule(OPEN),
    Kind.LEAD_ORDERED: Rule(OPEN),
    Kind.RULED: Rule(OPEN),
    Kind.VIEWED: Rule(ANY),
    Kind.RENUMBERED: Rule(ANY),
}
"""Which entry may follow which. ``registered`` is the first entry and nothing else."""


def check(state: CaseState, kind: str, center: str, *, taken_back: bool = False) -> None:
    """Say whether ``center`` may append an entry of this kind now.

    Raises:
        Refused: ``not-holder``, ``wrong-status``, ``not-accepted``, ``already-accepted`` or ``not-countersigned``.
    """
    rule = RULES[kind]
    _check_author(state, Author.SENDER if taken_back else rule.author, center)
    if state.status not in rule.statuses:
        raise Refused("wrong-status", status=state.status, allowed=sorted(rule.statuses))
    if rule.accepted and state.custody.accepted_by is None:
        raise Refused("not-accepted", status=state.status)
    if kind == Kind.ACCEPTED and state.custody.accepted_by is not None:
        raise Refused("already-accepted", status=state.status, accepted_by=state.custody.accepted_by)
    if kind == Kind.CLOSED and state.status is Status.AGREED and (missing := state.missing_countersignatures()):
        raise Refused("not-countersigned", missing=missing)


def _check_author(state: CaseState, author: Author, center: str) -> None:
    if author is Author.HOLDER:
        custody_rules.check_holder(state.custody, center)
        return
    flight = state.custody.flight
    expected = None if flight is None else flight.to if author is Author.DESTINATION else flight.sender
    if expected != center:
        raise Refused("not-holder", holder=state.holder, in_transit_to=state.in_transit_to)


def next_epoch(state: CaseState, kind: str) -> int:
    """The epoch that an entry of this kind carries: transfers and their way back open the next one."""
    return state.epoch + 1 if kind in custody_rules.TRANSFERS or kind == Kind.BOUNCED else state.epoch
