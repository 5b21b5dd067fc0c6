"""The day of a center (今日): what is due, arrived, came back, wants a visit; and what waits to leave."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from node.accounts.roles import Action, Role, allowed
from node.accounts.service import Caller
from node.cases.queues import Here, Queue
from node.cases.tables import CaseRow
from node.center import Center
from node.errors_http import language_of
from node.federation.tables import LaneRow, OutboxRow
from node.i18n import N_
from node.pulse import Topic
from node.web.case_lines import CaseLine, read_lines, reasons_of_return
from node.web.center import center_of
from node.web.notices import desk_of
from node.web.rendering import render
from node.web.session import reader
from node.web.status_view import status_view
from node.web.times import long_day
from protocol.messages import Lane

router = APIRouter()

WAITING_SHOWN: Final = 6
"""Waiting messages that are listed; the rest are counted."""

AWAY_SHOWN: Final = 6

SHOWN: Final = 20
"""Cases of one group: more than anybody does in a day; the list has the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One group of work.

    Attributes:
        queue: whose cases.
        title: catalog message.
        icon: its mark.
        tone: its colour: red, amber, blue or none.
        acts: what is usually done next, the first one that this person may do; path of the act and catalog message.
    """

    queue: Queue
    title: str
    icon: str
    tone: str = ""
    acts: tuple[tuple[Action, str, str], ...] = ()


_ACCEPT: Final = (Action.accept, "accept", N_("Accept"))
_MEDIATE: Final = (Action.mediate, "mediations", N_("Record a session"))

KINDS: Final = (
    Kind(queue=Queue.LATE, title=N_("Overdue"), icon="alarm", tone="red", acts=(_MEDIATE,)),
    Kind(queue=Queue.TODAY, title=N_("Due today"), icon="clock-exclamation", tone="red", acts=(_MEDIATE,)),
    Kind(queue=Queue.TO_ACCEPT, title=N_("Arrived, to be accepted"), icon="inbox", tone="blue", acts=(_ACCEPT,)),
    Kind(queue=Queue.INVITED, title=N_("Invitations"), icon="users-group", tone="blue"),
    Kind(queue=Queue.CAME_BACK, title=N_("Came back"), icon="corner-down-left", tone="amber", acts=(_ACCEPT,)),
    Kind(
        queue=Queue.ORDERS,
        title=N_("Orders to answer"),
        icon="bell-ringing",
        tone="amber",
        acts=((Action.answer, "urge/answer", N_("Answer")),),
    ),
    Kind(queue=Queue.NEW, title=N_("Registered, to be accepted"), icon="circle-dashed", acts=(_ACCEPT,)),
    Kind(queue=Queue.NEAR, title=N_("Due soon"), icon="clock", acts=(_MEDIATE,)),
    Kind(
        queue=Queue.VISITS,
        title=N_("Visits due"),
        icon="phone-check",
        acts=((Action.follow_up, "follow-ups", N_("Record a visit")),),
    ),
    Kind(queue=Queue.HELD, title=N_("Other open cases"), icon="files"),
)
"""The groups in the order in which they stand; a case stands in the first one that it belongs to."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its work.

    Attributes:
        kind: which one.
        lines: its most urgent cases.
        number: how many cases it has, or its queue where not all are shown.
    """

    kind: Kind
    lines: tuple[CaseLine, ...]
    number: int

    @property
    def cut(self) -> bool:
        """Whether there are more than are shown."""
        return self.number > len(self.lines)

    def act(self, roles: frozenset[Role]) -> tuple[str, str]:
        """Path of what is usually done next, and catalog message; both empty where these roles do nothing."""
        return next(((path, words) for action, path, words in self.kind.acts if allowed(roles, action)), ("", ""))


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a center, read once for all who look until something changes.

    Attributes:
        groups: in their order.
        notes: why cases came back, by their ids.
        away: our cases that others hold now, or that are on their way.
    """

    groups: tuple[Group, ...]
    notes: Mapping[str, str]
    away: tuple[CaseLine, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits to leave for the superior.

    Attributes:
        number: messages that its database does not have yet.
        since: when the oldest one was written.
        cases: id, title or number, and instant of the latest ones that belong to a case.
    """

    number: int
    since: datetime | None
    cases: tuple[tuple[str, str, datetime], ...]


@router.get("/today")
def today(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_cases))]) -> Response:
    """Today's work."""
    center, language = center_of(request), language_of(request)
    now = center.clock.now()
    work = center.pulse.remember("today", (Topic.CASES, Topic.POLICY), lambda: _read(center))
    to_do = [group for group in work.groups if group.kind.queue is not Queue.HELD]
    with center.database.read() as session:
        return render(
            request,
            "today.html",
            caller=caller,
            work=[(group, *group.act(caller.roles)) for group in work.groups],
            notes=work.notes,
            waiting=read_waiting(session, center),
            away=work.away,
            figures=status_view(session, center, now) if allowed(caller.roles, Action.read_status) else None,
            long_today=long_day(now, language),
            total=sum(len(group.lines) for group in to_do),
            more=any(group.cut for group in to_do),
            urgent={group.kind.queue: group.number for group in to_do},
        )


def _read(center: Center) -> Work:
    here = Here(center.code, center.clock.now(), center.policy.near_days)
    with center.database.read() as session:
        groups = tuple(read_groups(session, here, desk_of(center).counts))
        lines = [line for group in groups for line in group.lines]
        return Work(groups, reasons_of_return(session, lines), _away(session, here))


def read_groups(session: Session, here: Here, counts: Mapping[Queue, int]) -> Iterator[Group]:
    """The groups that have work, without repetitions.

    Args:
        session: for reading.
        here: where and when.
        counts: how many cases each queue has.
    """
    seen: set[str] = set()
    cut: list[Queue] = []
    for kind in KINDS:
        found = read_lines(session, here, kind.queue, SHOWN + 1, without=seen, but=cut)
        lines = found[:SHOWN]
        seen.update(line.id for line in lines)
        if len(found) > SHOWN:
            cut.append(kind.queue)  # what is not shown of it stands in no other group either
            yield Group(kind, lines, max(counts.get(kind.queue, 0), len(found)))
        elif lines:
            yield Group(kind, lines, len(lines))


def read_waiting(session: Session, center: Center) -> Waiting:
    """What the superior's database does not have yet."""
    parent = center.parent
    lane = session.get(LaneRow, (parent, Lane.CASE)) if parent is not None else None
    if lane is None or lane.last_seq == lane.acked_seq:
        return Waiting(0, None, ())
    unacked = (OutboxRow.peer == parent, OutboxRow.lane == Lane.CASE, OutboxRow.seq > lane.acked_seq)
    rows = session.execute(
        select(CaseRow.id, func.coalesce(CaseRow.title, CaseRow.display_number), func.max(OutboxRow.queued_at))
        .join(OutboxRow, OutboxRow.case_id == CaseRow.id)
        .where(*unacked)
        .group_by(CaseRow.id, CaseRow.title, CaseRow.display_number)
        .order_by(func.max(OutboxRow.queued_at).desc())
        .limit(WAITING_SHOWN)
    )
    since = session.scalar(select(func.min(OutboxRow.queued_at)).where(*unacked))
    return Waiting(lane.last_seq - lane.acked_seq, since, tuple((row[0], row[1], row[2]) for row in rows))


def _away(session: Session, here: Here) -> tuple[CaseLine, ...]:
    """Our cases that others hold now, or that are on their way."""
    lines = [
        *read_lines(session, here, Queue.IN_TRANSIT, AWAY_SHOWN),
        *read_lines(session, here, Queue.AWAY, AWAY_SHOWN),
    ]
    return tuple(lines[:AWAY_SHOWN])
