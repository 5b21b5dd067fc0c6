"""Lists of cases: filters, search, cursor pages. Everything passes the one visibility filter."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.orm import Session

from node.access import visible
from node.cases.documents import CasePage, case_items
from node.cases.search import fitting, match
from node.cases.tables import CaseRow
from node.i18n import N_
from node.problems import Problem
from protocol.records import ID_PATTERN

LIMIT_MAX = 200
LIMIT_DEFAULT = 50
QUERY_MAX = 100


@dataclass(frozen=True)
class Filter:
    """What a list shows."""

    status: str | None = None
    grade: str | None = None
    category: str | None = None
    holder: str | None = None
    overdue: bool | None = None
    q: str | None = None


def list_cases(session: Session, filter_: Filter, *, now: datetime, cursor: str | None, limit: int) -> CasePage:
    """A page of cases, newest first. How many there are is not counted where a search fits very many.

    Raises:
        Problem: 422 where the cursor is none of ours.
    """
    conditions, counted = [visible(now), *_plain_conditions(filter_, now)], True
    if filter_.q:
        found = match(session, filter_.q, now)
        conditions.append(found.fits)
        counted = found.counted
    total = session.scalar(select(func.count()).select_from(CaseRow).where(*conditions)) or 0 if counted else None
    query = select(CaseRow).where(*conditions)
    if cursor is not None:
        query = query.where(tuple_(CaseRow.registered_at, CaseRow.id) < _read_cursor(cursor))
    rows = session.scalars(query.order_by(CaseRow.registered_at.desc(), CaseRow.id.desc()).limit(limit + 1)).all()
    page = rows[:limit]
    items = case_items(session, page, now)
    more = len(rows) > limit
    return CasePage(items=items, next_cursor=_cursor(page[-1]) if more else None, total=total)


def conditions_of(filter_: Filter, now: datetime, *, is_sqlite: bool) -> list[ColumnElement[bool]]:
    """What a case fits that the filter shows; whether it may be seen at all is another question."""
    found = _plain_conditions(filter_, now)
    return [*found, fitting(filter_.q, now, is_sqlite=is_sqlite)] if filter_.q else found


def _plain_conditions(filter_: Filter, now: datetime) -> list[ColumnElement[bool]]:
    """All of them but the search."""
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (CaseRow.status, filter_.status),
        (CaseRow.grade, filter_.grade),
        (CaseRow.category, filter_.category),
        (CaseRow.holder, filter_.holder),
    ):
        if value is not None:
            found.append(column == value)
    if filter_.overdue is not None:
        late = and_(CaseRow.ended.is_(False), CaseRow.deadline.is_not(None), CaseRow.deadline < now)
        found.append(late if filter_.overdue else ~func.coalesce(late, False))
    return found


def _cursor(row: CaseRow) -> str:
    return base64.urlsafe_b64encode(f"{row.registered_at.isoformat()} {row.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, case_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None or not re.fullmatch(ID_PATTERN, case_id):
            raise ValueError(at)
    except (ValueError, binascii.Error) as error:
        raise Problem(
            422, "invalid", N_("This cursor is not valid; begin at the first page."), field="cursor"
        ) from error
    return instant, case_id
