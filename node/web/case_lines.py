"""Cases as lists show them: what this center may see now, filtered, searched, page by page."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.access import Access, access_of, visible
from node.cases import duplicates
from node.cases.queues import Here, Queue, condition
from node.cases.search import Match, fitting, match
from node.cases.tables import CaseRow, EntryRow
from protocol.entries import Kind

PAGE: Final = 50
"""Cases on one page: more than a person reads at a time, few enough for an old PC."""

QUERY_MAX: Final = 100


Order = list[ColumnElement[Any] | InstrumentedAttribute[Any]]

NEWEST: Final = (CaseRow.registered_at.desc(), CaseRow.id.desc())


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
    more: bool = False
    """Whether a search fits so many that nobody counts them: there are more than ``total``."""

    @property
    def pages(self) -> int:
        """How many pages there are, as far as is known."""
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
    conditions = [visible(here.now), *_plain_conditions(here, wanted)]
    if not wanted.q:
        return _counted(session, here, wanted, conditions, _order(wanted), limit)
    found = match(session, wanted.q, here.now)
    if not found.counted:
        return _uncounted(session, here, wanted, conditions, found, limit)
    order = [case((found.exact, 0), else_=1), *_order(wanted)]
    return _counted(session, here, wanted, [*conditions, found.fits], order, limit)


def _counted(
    session: Session, here: Here, wanted: Wanted, conditions: list[ColumnElement[bool]], order: Order, limit: int
) -> Page:
    total = session.scalar(select(func.count()).select_from(CaseRow).where(*conditions)) or 0
    number = min(max(1, wanted.page), max(1, -(-total // limit)))
    query = select(*_PLAIN).where(*conditions).order_by(*order).offset((number - 1) * limit).limit(limit)
    return Page(tuple(_line(row, here.now) for row in session.execute(query)), total, number)


def _uncounted(
    session: Session, here: Here, wanted: Wanted, conditions: list[ColumnElement[bool]], found: Match, limit: int
) -> Page:
    """A page of very many: those with just this number, then the newest of the others; nobody counts them."""
    number = max(1, wanted.page)
    query = select(*_PLAIN).where(*conditions)
    exact = session.execute(query.where(found.exact).order_by(*NEWEST)).all()
    skip, space = (number - 1) * limit, limit + 1
    rows = exact[skip : skip + space]
    others = query.where(found.fits, ~found.exact).order_by(*NEWEST).offset(max(0, skip - len(exact)))
    rows = [*rows, *session.execute(others.limit(space - len(rows)))]
    lines = tuple(_line(row, here.now) for row in rows[:limit])
    more = len(rows) > limit
    return Page(lines, skip + len(rows), number, more=more)


def read_lines(
    session: Session,
    here: Here,
    queue: Queue,
    limit: int = PAGE,
    *,
    without: Collection[str] = (),
    but: Collection[Queue] = (),
) -> tuple[CaseLine, ...]:
    """The first lines of a queue, the most urgent first, ``without`` these cases and those of the queues in ``but``."""
    others = [case((condition(each, here), 1), else_=0) == 0 for each in but]
    query = select(*_PLAIN).where(visible(here.now), condition(queue, here), CaseRow.id.not_in(without), *others)
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


def conditions_of(here: Here, wanted: Wanted, *, is_sqlite: bool) -> list[ColumnElement[bool]]:
    """What a case fits that is wanted; whether it may be seen at all is another question."""
    found = _plain_conditions(here, wanted)
    return [*found, fitting(wanted.q, here.now, is_sqlite=is_sqlite)] if wanted.q else found


def _plain_conditions(here: Here, wanted: Wanted) -> list[ColumnElement[bool]]:
    """All of them but the search."""
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
    return found


def _order(wanted: Wanted) -> Order:
    if wanted.sort == "newest" or wanted.queue is Queue.ENDED or (wanted.q and wanted.queue is None):
        return [*NEWEST]
    if wanted.queue is Queue.VISITS:
        return [CaseRow.visit_on, *NEWEST]
    return [CaseRow.deadline.is_(None), CaseRow.deadline, *NEWEST]


def _line(row: Row[tuple[object, ...]], now: datetime) -> CaseLine:
    access = access_of(row, now)
    shown = access in (Access.FULL, Access.INVITED)
    values = row._asdict()
    plain = {name: values[name] for name in CaseLine.__slots__ if name not in ("title", "place", "access")}
    title, place = (values["title"], values["place"]) if shown else (None, None)
    return CaseLine(title=title, place=place, access=access.value, **plain)
