"""Where the last transfer of a case stands: sent, delivered, accepted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.cases.documents import CaseDocument, LogEntry
from node.cases.path import TRANSFERS, taken_back
from node.center import Center
from node.federation.tables import LaneRow, LinkRow, OutboxRow
from protocol.entries import Kind
from protocol.link import State


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
        if entry.kind == Kind.BOUNCED or taken_back(entry):
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
