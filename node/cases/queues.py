"""Queues: the cases that wait for something, as conditions on the plain columns of a case's row.

Every list of work (a village's day, a township's inbox, the counts in the navigation) is one of these. All of them
pass the one visibility filter, and none looks into a case's state.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from node.access import Access, visible
from node.cases.tables import CaseRow
from node.clock import LOCAL_ZONE
from protocol.entries import Kind

VISIT_AHEAD: Final = timedelta(days=3)
"""How long before its day a visit stands in the list: nobody visits on a fixed hour."""

CAME_BACK: Final = (Kind.RETURNED, Kind.BOUNCED, Kind.RECALLED)
"""Ways in which a case comes back to who gave it."""


class Queue(StrEnum):
    """What cases wait for."""

    TO_ACCEPT = "to_accept"
    CAME_BACK = "came_back"
    NEW = "new"
    ORDERS = "orders"
    LATE = "late"
    TODAY = "today"
    NEAR = "near"
    INVITED = "invited"
    VISITS = "visits"
    HELD = "held"
    AWAY = "away"
    IN_TRANSIT = "in_transit"
    JOINT = "joint"
    SUPERVISED = "supervised"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when queues are read.

    Attributes:
        me: this center.
        now: the instant.
        near_days: days before a deadline from which it is near, policy.
    """

    me: str
    now: datetime
    near_days: int

    @property
    def tomorrow(self) -> datetime:
        """When this local day ends."""
        local = self.now.astimezone(LOCAL_ZONE)
        return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    @property
    def near(self) -> datetime:
        """When the days end that are near."""
        return self.tomorrow + timedelta(days=self.near_days)


def condition(queue: Queue, here: Here) -> ColumnElement[bool]:
    """Which rows stand in a queue."""
    return _CONDITIONS[queue](here)


def _held(here: Here) -> ColumnElement[bool]:
    return and_(CaseRow.holder == here.me, CaseRow.ended.is_(False))


def _unaccepted(here: Here) -> ColumnElement[bool]:
    return and_(_held(here), CaseRow.accepted.is_(False))


def _ours() -> ColumnElement[bool]:
    return and_(CaseRow.access == Access.FULL, CaseRow.ended.is_(False))


def _visits(here: Here) -> ColumnElement[bool]:
    ahead = (here.now.astimezone(LOCAL_ZONE) + VISIT_AHEAD).date()
    return and_(CaseRow.holder == here.me, CaseRow.visit_on <= ahead)


_CONDITIONS: Final[dict[Queue, Callable[[Here], ColumnElement[bool]]]] = {
    Queue.TO_ACCEPT: lambda here: and_(
        _unaccepted(here), CaseRow.came_by.is_not(None), CaseRow.came_by.not_in(CAME_BACK)
    ),
    Queue.CAME_BACK: lambda here: and_(_unaccepted(here), CaseRow.came_by.in_(CAME_BACK)),
    Queue.NEW: lambda here: and_(_unaccepted(here), CaseRow.came_by.is_(None)),
    Queue.ORDERS: lambda here: and_(_held(here), CaseRow.open_orders > 0),
    Queue.LATE: lambda here: and_(_held(here), CaseRow.deadline < here.now),
    Queue.TODAY: lambda here: and_(_held(here), CaseRow.deadline >= here.now, CaseRow.deadline < here.tomorrow),
    Queue.NEAR: lambda here: and_(_held(here), CaseRow.deadline >= here.tomorrow, CaseRow.deadline < here.near),
    Queue.INVITED: lambda _: and_(CaseRow.access == Access.INVITED, CaseRow.ended.is_(False)),
    Queue.VISITS: _visits,
    Queue.HELD: _held,
    Queue.AWAY: lambda here: and_(_ours(), CaseRow.holder.is_not(None), CaseRow.holder != here.me),
    Queue.IN_TRANSIT: lambda _: and_(_ours(), CaseRow.holder.is_(None)),
    Queue.JOINT: lambda _: and_(CaseRow.joint.is_(True), CaseRow.ended.is_(False)),
    Queue.SUPERVISED: lambda _: and_(CaseRow.supervised.is_(True), CaseRow.ended.is_(False)),
    Queue.OPEN: lambda _: CaseRow.ended.is_(False),
    Queue.ENDED: lambda _: CaseRow.ended.is_(True),
}
"""Each is built only where it is asked for: a page asks for a few."""


COUNTED: Final = tuple(queue for queue in Queue if queue is not Queue.ENDED)
"""Queues that are counted together: all are of open cases, or of visits."""


def count(session: Session, here: Here) -> dict[Queue, int]:
    """How many cases stand in each of these queues, in one pass over open cases and planned visits."""
    sums = [func.sum(case((condition(queue, here), 1), else_=0)) for queue in COUNTED]
    waiting = or_(CaseRow.ended.is_(False), CaseRow.visit_on.is_not(None))
    row = session.execute(select(*sums).where(visible(here.now), waiting)).one()
    return {queue: int(value or 0) for queue, value in zip(COUNTED, row, strict=True)}


def by_holder(session: Session, here: Here, holders: Iterable[str]) -> dict[str, int]:
    """How many open cases each of these centers holds, as far as this center may see them."""
    rows = session.execute(
        select(CaseRow.holder, func.count())
        .where(visible(here.now), CaseRow.ended.is_(False), CaseRow.holder.in_(list(holders)))
        .group_by(CaseRow.holder)
    )
    return {str(holder): int(number) for holder, number in rows}
