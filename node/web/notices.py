"""News for who works with cases: what arrived, is due, was ordered, came back, was turned down. Shown on every page.

Notices are not kept anywhere: each says what the database says now, and is gone when the work is done. What another
center turned down stays for a week.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import visible
from node.cases.queues import Here, Queue, count
from node.cases.tables import CaseRow, RequestRow
from node.center import Center
from node.i18n import Language, translate, translate_plural
from node.pulse import Topic
from node.words import word
from protocol.payloads import RequestState

REFUSED_KEPT: Final = timedelta(days=7)
REFUSED_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Notice:
    """One piece of news and where it leads; ``queue`` is the one that it counts, if it counts one."""

    icon: str
    words: str
    path: str
    queue: Queue | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request of ours that was turned down."""

    case_id: str
    display_number: str
    kind: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What waits at this center, read once for all who look until something changes."""

    counts: dict[Queue, int]
    refused: tuple[Refused, ...]


def desk_of(center: Center) -> Desk:
    """What waits now."""
    return center.pulse.remember("desk", (Topic.CASES, Topic.POLICY), lambda: _read(center))


def _read(center: Center) -> Desk:
    here = Here(center.code, center.clock.now(), center.policy.near_days)
    with center.database.read() as session:
        return Desk(count(session, here), _refused(session, here))


def _refused(session: Session, here: Here) -> tuple[Refused, ...]:
    rows = session.execute(
        select(CaseRow.id, CaseRow.display_number, RequestRow.kind)
        .join(RequestRow, RequestRow.case_id == CaseRow.id)
        .where(
            visible(here.now),
            RequestRow.mine.is_(True),
            RequestRow.state == RequestState.REFUSED,
            RequestRow.at > here.now - REFUSED_KEPT,
        )
        .order_by(RequestRow.at.desc())
        .limit(REFUSED_MAX)
    )
    return tuple(Refused(*row) for row in rows)


def notices_of(desk: Desk, language: Language) -> list[Notice]:
    """The news in words, the most urgent first."""
    found = []
    for queue, icon in _ICONS.items():
        number = desk.counts[queue]
        if number:
            found.append(Notice(icon, _words(queue, number, language), f"/cases?queue={queue}", queue))
    for one in desk.refused:
        asked = word(language, "kind", one.kind)
        words = translate(language, "{number}: {request} was turned down", number=one.display_number, request=asked)
        found.append(Notice("circle-x", words, f"/cases/{one.case_id}"))
    return found


_ICONS: Final = {
    Queue.LATE: "alarm",
    Queue.TODAY: "clock-exclamation",
    Queue.ORDERS: "bell-ringing",
    Queue.TO_ACCEPT: "inbox",
    Queue.CAME_BACK: "corner-down-left",
    Queue.INVITED: "users-group",
}


def _words(queue: Queue, n: int, language: Language) -> str:
    match queue:
        case Queue.LATE:
            return translate_plural(language, "{n} case is overdue", "{n} cases are overdue", n)
        case Queue.TODAY:
            return translate_plural(language, "{n} case is due today", "{n} cases are due today", n)
        case Queue.ORDERS:
            return translate_plural(language, "{n} order waits for an answer", "{n} orders wait for an answer", n)
        case Queue.TO_ACCEPT:
            return translate_plural(language, "{n} case arrived", "{n} cases arrived", n)
        case Queue.CAME_BACK:
            return translate_plural(language, "{n} case came back", "{n} cases came back", n)
        case _:
            return translate_plural(language, "{n} invitation", "{n} invitations", n)
