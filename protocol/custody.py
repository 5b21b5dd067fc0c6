"""Custody: who holds a case, or between which two it is in flight.

Every transfer raises the epoch by one, so (case, epoch) names a transfer and the term that follows it. Escalate,
assign and hand off push the sender on the return stack; return and recall pop it. Rehoming leaves it: the successor
takes the place of a center that is no more, with its deadline and its givers. A transfer that fails
comes back at the next epoch with everything as it was before it left. Who meets an older epoch refuses.

    held by A, epoch n --transfer--> in flight A->B, epoch n+1 --delivered (by B)--> held by B, epoch n+1
                                          |
                                          +--bounced or taken back (by A)--> held by A, epoch n+2
"""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode
from protocol.entries import Assigned, Delivered, Entry, Kind, Recalled, Transfer
from protocol.errors import Refused
from protocol.records import Frozen, Instant

PUSHING = frozenset({Kind.ESCALATED, Kind.ASSIGNED, Kind.HANDED_OFF})
"""Transfers that push the sender on the return stack."""

POPPING = frozenset({Kind.RETURNED, Kind.RECALLED})
"""Transfers that go back to the top of the return stack."""

KEEPING = frozenset({Kind.REHOMED})
"""Transfers to whoever takes the sender's place: stack, deadline and last giver stay."""

TRANSFERS = PUSHING | POPPING | KEEPING


class Sender(Frozen):
    """One who gave the case away and gets it back on return.

    Attributes:
        center: who.
        deadline: its deadline.
        away_seconds: how long the case was in flight.
        late: whether it gave the case away after its deadline.
    """

    center: CenterCode
    deadline: Instant | None = None
    late: bool = False
    away_seconds: Annotated[float, Field(ge=0)] = 0.0


class Term(Frozen):
    """One center's term of custody, as it is restored when a transfer comes back."""

    holder: CenterCode
    accepted_by: str | None = None
    deadline: Instant | None = None
    stack: tuple[Sender, ...] = ()
    last_sender: CenterCode | None = None


class Flight(Frozen):
    """A transfer between two databases."""

    kind: Kind
    sender: CenterCode
    to: CenterCode
    at: Instant
    before: Term


class Custody(Frozen):
    """Custody as the log tells it.

    Attributes:
        epoch: number of the current term or flight, from 1.
        holder: the center that holds it; None while in flight.
        flight: the transfer under way; None while held.
        stack: who gets it back on return, last one on top.
        held_by: everyone who ever held it, in order of first holding.
        accepted_by: the person who accepted it in this term.
        deadline: this term's deadline.
        working_days: working days from delivery, while in flight to an assignee without a fixed deadline.
        not_after: the assigner's own deadline, while in flight to an assignee.
        last_sender: who made the last transfer; a recall belongs to it.
        came_by: the transfer that this term began with; None where the case was registered.
        since: since when this term lasts; None where it is the first.
    """

    epoch: Annotated[int, Field(ge=1)] = 1
    holder: CenterCode | None = None
    flight: Flight | None = None
    stack: tuple[Sender, ...] = ()
    held_by: tuple[CenterCode, ...]
    accepted_by: str | None = None
    deadline: Instant | None = None
    working_days: int | None = None
    not_after: Instant | None = None
    last_sender: CenterCode | None = None
    came_by: Kind | None = None
    since: Instant | None = None

    @property
    def in_transit_to(self) -> str | None:
        """The destination while in flight."""
        return self.flight.to if self.flight is not None else None


def destination_of_return(custody: Custody) -> str:
    """Who gets the case back.

    Raises:
        Refused: ``nothing-to-return-to`` when nobody gave it.
    """
    if not custody.stack:
        raise Refused("nothing-to-return-to")
    return custody.stack[-1].center


def depart(custody: Custody, entry: Entry) -> Custody:
    """Custody after a transfer entry: in flight at the next epoch.

    Raises:
        Refused: the transfer goes to its own sender, or back to somebody who did not give it.
    """
    kind, head = Kind(entry.head.kind), entry.head
    body = entry.body
    assert isinstance(body, Transfer)
    assert custody.holder is not None
    if body.to == head.center:
        raise Refused("to-self")
    stack = custody.stack
    if kind in POPPING:
        if destination_of_return(custody) != body.to:
            raise Refused("not-the-sender", expected=custody.stack[-1].center)
    elif kind in PUSHING:
        late = custody.deadline is not None and custody.deadline < head.at
        stack = (*stack, Sender(center=head.center, deadline=custody.deadline, late=late))
    deadline, working_days, not_after = None, None, None
    if kind in KEEPING:
        deadline = custody.deadline
    if isinstance(body, Assigned):
        deadline, working_days, not_after = body.deadline, body.working_days, body.not_after
    before = Term(
        holder=custody.holder,
        accepted_by=custody.accepted_by,
        deadline=custody.deadline,
        stack=custody.stack,
        last_sender=custody.last_sender,
    )
    return custody.model_copy(
        update={
            "epoch": custody.epoch + 1,
            "holder": None,
            "flight": Flight(kind=kind, sender=head.center, to=body.to, at=head.at, before=before),
            "stack": stack,
            "accepted_by": None,
            "deadline": deadline,
            "working_days": working_days,
            "not_after": not_after,
            "last_sender": custody.last_sender if kind in KEEPING else head.center,
        }
    )


def arrive(custody: Custody, entry: Entry) -> Custody:
    """Custody after ``delivered``: held by the destination, at the flight's epoch."""
    flight, body = custody.flight, entry.body
    assert flight is not None
    assert isinstance(body, Delivered)
    seconds = max(0.0, (entry.head.at - flight.at).total_seconds())
    stack = custody.stack
    if flight.kind in POPPING:
        stack = stack[:-1]
    elif flight.kind in KEEPING:
        stack = _without_self(stack, flight.to)
    else:
        stack = (*stack[:-1], stack[-1].model_copy(update={"away_seconds": seconds}))
    held_by = custody.held_by if flight.to in custody.held_by else (*custody.held_by, flight.to)
    return custody.model_copy(
        update={
            "holder": flight.to,
            "flight": None,
            "stack": stack,
            "held_by": held_by,
            "deadline": body.deadline,
            "working_days": None,
            "not_after": None,
            "came_by": flight.kind,
            "since": entry.head.at,
        }
    )


def replace(custody: Custody, center: str, successor: str) -> Custody:
    """Custody after ``center`` was merged into ``successor``: what would come back to the one comes to the other."""

    def now(code: str) -> str:
        return successor if code == center else code

    stack: tuple[Sender, ...] = ()
    for sender in custody.stack:
        renamed = sender.model_copy(update={"center": now(sender.center)})
        stack = (*_without_self(stack, renamed.center), renamed)  # nobody gives a case back to itself
    held_by = custody.held_by
    if center in held_by and successor not in held_by:
        held_by = (*held_by, successor)
    last = custody.last_sender
    return custody.model_copy(
        update={
            "stack": _without_self(stack, custody.holder),
            "held_by": held_by,
            "last_sender": None if last is None else now(last),
        }
    )


def _without_self(stack: tuple[Sender, ...], center: str | None) -> tuple[Sender, ...]:
    """The stack without those on top that are ``center`` itself."""
    while stack and stack[-1].center == center:
        stack = stack[:-1]
    return stack


def restored_deadline(custody: Custody, now: datetime) -> datetime | None:
    """The deadline of a returned case: the previous one of this center, extended by the time in transit."""
    flight = custody.flight
    assert flight is not None
    if flight.kind not in POPPING or not custody.stack or custody.stack[-1].deadline is None:
        return None
    given = custody.stack[-1]
    assert given.deadline is not None
    back = max(0.0, (now - flight.at).total_seconds())
    return given.deadline + timedelta(seconds=given.away_seconds + back)


def come_back(custody: Custody, entry: Entry) -> Custody:
    """Custody after a transfer bounced or was taken back: the sender's again, at the next epoch."""
    flight = custody.flight
    assert flight is not None
    return custody.model_copy(
        update={
            "epoch": custody.epoch + 1,
            "holder": flight.before.holder,
            "flight": None,
            "stack": flight.before.stack,
            "accepted_by": flight.before.accepted_by,
            "deadline": flight.before.deadline,
            "working_days": None,
            "not_after": None,
            "last_sender": flight.before.last_sender,
            "came_by": Kind(entry.head.kind),
            "since": entry.head.at,
        }
    )


def is_take_back(entry: Entry) -> bool:
    """Whether this entry takes back a transfer that no wire ever saw."""
    return isinstance(entry.body, Recalled) and entry.body.taken_back


def check_epoch(custody: Custody, epoch: int) -> None:
    """Refuse who acts on an older (or unheard-of) epoch.

    Raises:
        Refused: ``stale-epoch`` with the current epoch, holder or destination.
    """
    if epoch != custody.epoch:
        raise Refused("stale-epoch", epoch=custody.epoch, holder=custody.holder, in_transit_to=custody.in_transit_to)


def check_holder(custody: Custody, center: str) -> None:
    """Refuse who is not the holder.

    Raises:
        Refused: ``not-holder`` with the current holder, or the destination while in flight.
    """
    if custody.holder != center:
        raise Refused("not-holder", holder=custody.holder, in_transit_to=custody.in_transit_to)
