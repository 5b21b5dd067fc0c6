"""Cases as lists show them: what this center may see now, filtered, searched, page by page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.access import Access, access_of, named, visible
from node.cases import duplicates
from node.cases.queues import Here, Queue, condition
from node.cases.tables import CaseRow, EntryRow
from protocol.entries import Kind

PAGE: Final = 50
"""Cases on one page: more than a person reads at a time, few enough for an old PC."""

QUERY_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case in a list; ``title`` and ``place`` are None where only its header may be seen."""

    id: str
    display_number: str
    title: str | None
    place: str | None
    category: str
    grade: str
    status: str
    access: str
    holder: str | None
    in_transit_to: str | None
    deadline: datetime | None
    registered_at: datetime
    joint: bool
    supervised: bool
    accepted: bool
    came_by: str | None
    came_from: str | None
    since: datetime
    open_orders: int
    answer_by: datetime | None
    visit_on: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which cases a list shows; empty texts are no filter."""

    queue: Queue | None = None
    q: str = ""
    grade: str = ""
    category: str = ""
    status: str = ""
    holder: str = ""
    sort: str = "urgent"
    page: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    lines: tuple[CaseLine, ...]
    total: int
    number: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE))


_PLAIN: Final = tuple(
    getattr(CaseRow, name)
    for name in (
        "id",
        "access",
        "view_until",
        "invitation",
        "header",
        "display_number",
        "title",
        "place",
        "category",
        "grade",
        "status",
        "holder",
        "in_transit_to",
        "deadline",
        "registered_at",
        "joint",
        "supervised",
        "accepted",
        "came_by",
        "came_from",
        "since",
        "open_orders",
        "answer_by",
        "visit_on",
    )
)
"""Columns of a line. The state of a case is not among them: a list of fifty would read fifty logs' worth."""


def read_page(session: Session, here: Here, wanted: Wanted, limit: int = PAGE) -> Page:
    """A page of the list."""
    conditions = [visible(here.now), *conditions_of(here, wanted)]
    total = session.scalar(select(func.count()).select_from(CaseRow).where(*conditions)) or 0
    number = min(max(1, wanted.page), max(1, -(-total // limit)))
    query = select(*_PLAIN).where(*conditions).order_by(*_order(wanted)).offset((number - 1) * limit).limit(limit)
    return Page(tuple(_line(row, here.now) for row in session.execute(query)), total, number)


def read_lines(session: Session, here: Here, queue: Queue, limit: int = PAGE) -> tuple[CaseLine, ...]:
    """The first lines of a queue, the most urgent first."""
    query = select(*_PLAIN).where(visible(here.now), condition(queue, here))
    rows = session.execute(query.order_by(*_order(Wanted(queue=queue))).limit(limit))
    return tuple(_line(row, here.now) for row in rows)


def similar(session: Session, here: Here, *, category: str, place: str, title: str) -> tuple[CaseLine, ...]:
    """Our own open cases that may be the same matter, the likeliest first. People are never compared."""
    ids = duplicates.similar(session, here.me, category=category, place=place, title=title, now=here.now)
    rows = session.execute(select(*_PLAIN).where(visible(here.now), CaseRow.id.in_(ids)))
    found = {row.id: _line(row, here.now) for row in rows}
    return tuple(found[case_id] for case_id in ids)


def reasons_of_return(session: Session, lines: Sequence[CaseLine]) -> dict[str, str]:
    """Why these cases came back, by their ids, as the last one who sent them back wrote it."""
    ids = [line.id for line in lines if line.came_by in (Kind.RETURNED, Kind.BOUNCED)]
    if not ids:
        return {}
    kinds = (Kind.RETURNED.value, Kind.BOUNCED.value)
    rows = session.execute(
        select(EntryRow.case_id, EntryRow.body)
        .where(EntryRow.case_id.in_(ids), EntryRow.kind.in_(kinds), EntryRow.body.is_not(None))
        .order_by(EntryRow.seq)
    )
    return {case_id: _reason(body) for case_id, body in rows}


def _reason(body: str | None) -> str:
    document = json.loads(body or "{}")
    return str(document.get("reason", "")) if isinstance(document, dict) else ""


def conditions_of(here: Here, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What a case fits that is wanted; whether it may be seen at all is another question."""
    found: list[ColumnElement[bool]] = []
    if wanted.queue is not None:
        found.append(condition(wanted.queue, here))
    for column, value in (
        (CaseRow.grade, wanted.grade),
        (CaseRow.category, wanted.category),
        (CaseRow.status, wanted.status),
        (CaseRow.holder, wanted.holder),
    ):
        if value:
            found.append(column == value)
    text = wanted.q.replace("\0", "").strip()[:QUERY_MAX]
    if text:
        found.append(_matching(here, text))
    return found


def _matching(here: Here, text: str) -> ColumnElement[bool]:
    """Rows that a search finds.

    By number, also by its last digits alone; by title and place where they may be read; by the name of a party only
    among our own open cases, so that people find their matter and nobody finds a person's past.
    """
    if text.isdecimal():
        numbers = [
            CaseRow.number.endswith(text, autoescape=True),
            CaseRow.display_number.like(f"%〕{text}号"),
            CaseRow.display_number.like(f"%〕%{text}号"),
        ]
    else:
        numbers = [
            CaseRow.number.contains(text, autoescape=True),
            CaseRow.display_number.contains(text, autoescape=True),
        ]
    titles = or_(CaseRow.title.contains(text, autoescape=True), CaseRow.place.contains(text, autoescape=True))
    ours = and_(CaseRow.holder == here.me, CaseRow.ended.is_(False), CaseRow.state.contains(text, autoescape=True))
    return or_(*numbers, and_(named(here.now), titles), ours)


Order = list[ColumnElement[Any] | InstrumentedAttribute[Any]]


def _order(wanted: Wanted) -> Order:
    newest: Order = [CaseRow.registered_at.desc(), CaseRow.id.desc()]
    if wanted.sort == "newest" or wanted.queue is Queue.ENDED:
        return newest
    if wanted.queue is Queue.VISITS:
        return [CaseRow.visit_on, *newest]
    return [CaseRow.deadline.is_(None), CaseRow.deadline, *newest]


def _line(row: Row[tuple[object, ...]], now: datetime) -> CaseLine:
    access = access_of(row, now)
    shown = access in (Access.FULL, Access.INVITED)
    values = row._asdict()
    plain = {name: values[name] for name in CaseLine.__slots__ if name not in ("title", "place", "access")}
    title, place = (values["title"], values["place"]) if shown else (None, None)
    return CaseLine(title=title, place=place, access=access.value, **plain)
