"""The audit log as a page (审计): who did what when, filtered; a check of the chain; the heads of the children."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit import heads, trail
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.cases.tables import CaseRow
from node.center import Center
from node.clock import LOCAL_ZONE
from node.errors_http import language_of
from node.i18n import N_, Language, joined, translate, translate_plural
from node.web.center import center_of
from node.web.rendering import render
from node.web.session import reader
from node.words import place_name, word, words
from protocol.codes import CODE_PATTERN

router = APIRouter()

Reading = Annotated[Caller, Depends(reader(Action.read_audit))]

PAGE: Final = 100
"""Rows of one page."""

Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Line:
    """A row as a person reads it; a case stands there by its number, for whoever may see that."""

    number: int
    at: datetime
    actor: str
    address: str
    event: str
    case_id: str | None
    case_number: str | None
    subject: str
    more: str


@router.get("/audit")
def audit(
    request: Request,
    caller: Reading,
    *,
    event: Text = "",
    actor: Text = "",
    first: Text = "",
    last: Text = "",
    before: int = 0,
) -> Response:
    """Rows of the log, the newest first."""
    return _page(request, caller, event=event, actor=actor, first=first, last=last, before=before)


@router.post("/audit/check")
def check(request: Request, caller: Reading) -> Response:
    """Check the whole chain now."""
    language = language_of(request)
    with center_of(request).database.read() as session:
        found = trail.verify(session)
    if found.bad is None:
        words_ = translate_plural(language, "{n} row fits.", "{n} rows fit.", found.rows)
        return _page(request, caller, checked=words_, fits=True)
    text = N_("Row {number} does not fit: it, or one before it, was changed, taken out or added.")
    return _page(request, caller, checked=translate(language, text, number=found.bad), fits=False)


def _page(
    request: Request,
    caller: Caller,
    *,
    event: str = "",
    actor: str = "",
    first: str = "",
    last: str = "",
    before: int = 0,
    checked: str = "",
    fits: bool = True,
) -> Response:
    center = center_of(request)
    wanted = [*_conditions(event, actor.strip(), _day(first), _day(last))]
    if before > 0:
        wanted.append(AuditRow.number < before)
    with center.database.read() as session:
        rows = session.scalars(select(AuditRow).where(*wanted).order_by(AuditRow.number.desc()).limit(PAGE + 1)).all()
        lines, more = _lines(session, center, language_of(request), rows[:PAGE]), len(rows) > PAGE
        broken = heads.broken_children(session)
        head = trail.head_of(session)
        sealed_at = head.told_at if head is not None else None
    kept = {"event": event, "actor": actor, "first": first, "last": last}
    older = (
        urlencode({**{name: value for name, value in kept.items() if value}, "before": lines[-1].number})
        if (more)
        else ""
    )
    return render(
        request,
        "audit.html",
        caller=caller,
        lines=lines,
        older=older,
        values=kept,
        events=words(language_of(request), "audit_event"),
        checked=checked,
        fits=fits,
        broken=[place_name(center.directory.tree.name(code)) for code in broken],
        sealed_at=sealed_at,
        days=center.audit_days,
    )


def _conditions(event: str, actor: str, first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if event in set(Event):
        found.append(AuditRow.event == event)
    if actor:
        found.append(AuditRow.actor == actor)
    if first is not None:
        found.append(AuditRow.at >= _midnight(first))
    if last is not None:
        found.append(AuditRow.at < _midnight(last) + timedelta(days=1))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LOCAL_ZONE)


def _day(text: str) -> date | None:
    """A day as browsers send it; None where nothing, or nothing readable, was given."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _lines(session: Session, center: Center, language: Language, rows: Sequence[AuditRow]) -> list[Line]:
    ids = {row.case_id for row in rows if row.case_id is not None}
    numbers = select(CaseRow.id, CaseRow.display_number).where(CaseRow.id.in_(ids))
    known: dict[str, str] = dict(session.execute(numbers).all()) if ids else {}
    return [
        Line(
            number=row.number,
            at=row.at,
            actor=row.actor,
            address=row.address,
            event=row.event,
            case_id=row.case_id,
            case_number=known.get(row.case_id or ""),
            subject=_subject(center, row.subject),
            more=_more(row, language),
        )
        for row in rows
    ]


def _subject(center: Center, subject: str) -> str:
    """A center by its name, anything else as it is."""
    if re.fullmatch(CODE_PATTERN, subject):
        return f"{place_name(center.directory.tree.name(subject))} {subject}"
    return subject


_SAID: Final = ("kind", "party", "field", "roles", "rows")
"""What of a row's details is told; the action of a refusal is told by its address already."""


def _more(row: AuditRow, language: Language) -> str:
    """The details of a row in words."""
    detail = trail.document_of(row)["detail"]
    assert isinstance(detail, dict)
    found = []
    for name in _SAID:
        value = str(detail.get(name) or "")
        match name:
            case _ if not value:
                continue
            case "party":
                found.append(translate(language, N_("Party {n}"), n=value))
            case "rows":
                found.append(translate_plural(language, "{n} row", "{n} rows", int(value)))
            case _:
                found += [word(language, f"audit_{name}", code) for code in value.split(", ")]
    return joined(language, found)
