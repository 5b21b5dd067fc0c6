"""The way of a case through centers, stop by stop, and where its last transfer stands: sent, delivered, accepted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.cases.documents import CaseDocument, LogEntry
from node.center import Center
from node.federation.tables import LaneRow, LinkRow, OutboxRow
from protocol.entries import Kind
from protocol.link import State

TRANSFERS: Final = frozenset(
    {Kind.ESCALATED, Kind.ASSIGNED, Kind.RETURNED, Kind.HANDED_OFF, Kind.RECALLED, Kind.REHOMED}
)


@dataclass(frozen=True, slots=True)
class Stop:
    """A term of custody; ``until`` is None for the present one, ``since`` None where the case is still to come."""

    center: str
    since: datetime | None
    until: datetime | None = None
    by: str = ""
    sent_at: datetime | None = None

    @property
    def coming(self) -> bool:
        """Whether the case is on its way here."""
        return self.since is None


def stops_of(log: Iterable[LogEntry]) -> list[Stop]:
    """The centers that held the case, in order, and the one that it is on its way to.

    ``by`` is the kind of transfer that led to a stop, ``sent_at`` when it was sent.
    """
    stops: list[Stop] = []
    for entry in log:
        if entry.kind == Kind.REGISTERED:
            stops.append(Stop(entry.center, entry.at))
        elif entry.kind == Kind.BOUNCED or _taken_back(entry):
            stops = _without_flight(stops)
        elif entry.kind in TRANSFERS and stops:
            stops[-1] = replace(stops[-1], until=entry.at)
            stops.append(Stop(str((entry.data or {}).get("to", "")), None, by=entry.kind, sent_at=entry.at))
        elif entry.kind == Kind.DELIVERED and stops:
            stops[-1] = replace(stops[-1], center=entry.center, since=entry.at)
    return stops


def _taken_back(entry: LogEntry) -> bool:
    return entry.kind == Kind.RECALLED and bool((entry.data or {}).get("taken_back"))


def _without_flight(stops: list[Stop]) -> list[Stop]:
    """As it was before the transfer that failed."""
    if len(stops) > 1 and stops[-1].coming:
        return [*stops[:-2], replace(stops[-2], until=None)]
    return stops


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the last transfer of a case stands.

    Attributes:
        kind: kind of the transfer.
        to: destination.
        sent_at: when it was written here.
        delivered_at: when the destination's database had it; None while it is in transit.
        accepted_at: when a person there accepted it.
        accepted_by: that person.
        linked: whether the next center on the way is linked now.
        ahead: messages that go out before it; None where it has left this center.
    """

    kind: str
    to: str
    sent_at: datetime
    delivered_at: datetime | None = None
    accepted_at: datetime | None = None
    accepted_by: str = ""
    linked: bool = True
    ahead: int | None = None


def delivery_of(session: Session, center: Center, document: CaseDocument) -> Delivery | None:
    """The last transfer, if this center sent it and it did not come back."""
    log = document.log or []
    found = _last_transfer(log, center.code)
    if found is None or found.accepted_at is not None:
        return found
    if found.delivered_at is not None:
        return found
    return _on_the_way(session, document.id, found)


def _last_transfer(log: Sequence[LogEntry], me: str) -> Delivery | None:
    found: Delivery | None = None
    for entry in log:
        if entry.kind == Kind.BOUNCED or _taken_back(entry):
            found = None
        elif entry.kind in TRANSFERS:
            to = str((entry.data or {}).get("to", ""))
            found = Delivery(entry.kind, to, entry.at) if entry.center == me else None
        elif found is not None and entry.kind == Kind.DELIVERED:
            found = replace(found, delivered_at=entry.at)
        elif found is not None and entry.kind == Kind.ACCEPTED and found.accepted_at is None:
            found = replace(found, accepted_at=entry.at, accepted_by=entry.actor)
    return found


def _on_the_way(session: Session, case_id: str, sent: Delivery) -> Delivery:
    """With the state of the link and the place in its queue."""
    place = session.execute(
        select(OutboxRow.peer, OutboxRow.lane, func.max(OutboxRow.seq))
        .where(OutboxRow.case_id == case_id, OutboxRow.transfer_epoch.is_not(None))
        .group_by(OutboxRow.peer, OutboxRow.lane)
        .order_by(func.max(OutboxRow.queued_at).desc())
    ).first()
    if place is None:
        return sent
    peer, lane, seq = place
    link = session.get(LinkRow, peer)
    row = session.get(LaneRow, (peer, lane))
    linked = link is not None and link.state == State.LINKED
    ahead = seq - row.acked_seq - 1 if row is not None and row.acked_seq < seq else None
    return replace(sent, linked=linked, ahead=ahead)
