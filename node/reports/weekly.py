"""Weekly reports (周报告): assembled from the counters, checked by the director, signed, sent to the parent."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import visible
from node.cases.acts import field_error
from node.cases.queues import Here, Queue, condition
from node.cases.tables import CaseRow
from node.clock import local_day
from node.i18n import N_, Language, translate
from node.reports.tables import WeeklyReportRow
from node.status.board import read_board
from node.status.days import Period, merge_changes, read_changes
from node.unit import Unit
from node.words import place_name, word
from protocol.codes import Grade
from protocol.errors import BadRecord
from protocol.messages import Message, Type, read_payload
from protocol.reports import FIGURES, ReportClaims, WeeklyReport, check, issue, monday_of, read, week_of
from protocol.status import period

if TYPE_CHECKING:
    from node.center import Center

WATCHED_MAX = 20
"""Open matters that a report names by their number."""

WRITTEN_FROM = 3
"""Day of the week, Monday is 0, from which one writes about the week that runs; before it about the last one."""

WEEK, DAY = timedelta(days=7), timedelta(days=1)

NO_SUCH_WEEK = N_("There is no such week yet.")


def default_week(today: date) -> str:
    """The week that one writes about today."""
    return week_of(today if today.weekday() >= WRITTEN_FROM else today - WEEK)


def figures_of(center: "Center", session: Session, week: str) -> dict[str, int]:
    """The counters of a week, of this center and all below it; stocks as of its end, overdue ones as of now."""
    first, now = monday_of(week), center.clock.now()
    board = read_board(session, center, now)
    codes = board.subtree(center.code)
    totals = {code: board.part(code).counters for code in codes if board.part(code).as_of is not None}
    changes = merge_changes(read_changes(session, codes, Period(first, first + WEEK - DAY), totals), codes)
    row = period(changes.opening, changes.change)
    row["overdue"] = board.total(center.code).get("overdue", 0)
    return {name: row.get(name, 0) for name in FIGURES}


def draft(center: "Center", session: Session, week: str, language: Language) -> str:
    """What a report of this week could say: the figures in words, and which open matters want watching."""
    figures, first = figures_of(center, session, week), monday_of(week)
    head = translate(
        language,
        N_("Weekly report of {place} center, {first} to {last}"),
        place=place_name(center.name),
        first=first.isoformat(),
        last=(first + WEEK - DAY).isoformat(),
    )
    lines = [translate(language, msgid, **{name: str(count) for name, count in figures.items()}) for msgid in _LINES]
    watched = _watched(center, session, language) or [translate(language, N_("none"))]
    return "\n".join([head, *lines, translate(language, N_("5. To watch:")), *watched, translate(language, _ASKED)])


_LINES = (
    N_("1. Inspections: {inspections} statements, {zero_reports} of them with nothing found; {found} matters found."),
    N_("2. Matters: {registered} registered, {closed} ended, {succeeded} of them settled, {failed} failed."),
    N_("3. Moves: {escalated} escalated, {assigned} assigned, {returned} returned."),
    N_("4. Visits: {visited} made of {visits_due} due. Held at the end: {held}; overdue now: {overdue}."),
)
_ASKED = N_("6. What we ask for: ")


def _watched(center: "Center", session: Session, language: Language) -> list[str]:
    """Open matters of high grade or past their deadline: number, type, grade and status, no title and no party."""
    now = center.clock.now()
    here = Here(center.code, now, center.policy.near_days)
    rows = session.execute(
        select(CaseRow.display_number, CaseRow.category, CaseRow.grade, CaseRow.status)
        .where(
            visible(now),
            CaseRow.ended.is_(False),
            (CaseRow.grade == Grade.HIGH) | condition(Queue.LATE, here),
        )
        .order_by(CaseRow.registered_at.desc(), CaseRow.id.desc())
        .limit(WATCHED_MAX)
    )
    return [
        translate(
            language,
            N_("{number}: {category}, {grade}, {status}"),
            number=number,
            category=word(language, "category", category),
            grade=word(language, "grade", grade),
            status=word(language, "status", status),
        )
        for number, category, grade, status in rows
    ]


def send(unit: Unit, week: str, text: str, actor: str) -> ReportClaims:
    """Sign this center's report of a week and send it up; at the root it stays. Sent again, it is corrected.

    Raises:
        Problem: 422 where the week has not begun, or this year has no such week.
    """
    try:
        begun = monday_of(week) <= date.fromisoformat(local_day(unit.now))
    except ValueError:
        begun = False
    if not begun:
        raise field_error("week", NO_SUCH_WEEK)
    before = unit.session.get(WeeklyReportRow, (unit.me, week))
    claims = ReportClaims(
        center=unit.me,
        week=week,
        version=1 + (before.version if before is not None else 0),
        figures=figures_of(unit.center, unit.session, week),
        text=text,
        actor=actor,
        sent_at=unit.now,
    )
    report = issue(unit.center.identity.signing, claims)
    _keep(unit, claims, report)
    if unit.center.parent is not None:
        unit.outbox.send(Type.WEEKLY_REPORT, report, unit.center.parent)
    return claims


def on_report(unit: Unit, message: Message, payload: WeeklyReport) -> None:
    """Keep a child's report, if it is newer than what we have.

    Raises:
        BadRecord: it is not the sender's own, the sender is not our child, or it did not sign it.
    """
    if message.sender not in unit.tree.children(unit.me):
        raise BadRecord(f"weekly report from {message.sender}, who is not our child")
    claims = check(payload, unit.center.directory.known.keys_of(message.sender))
    if claims.center != message.sender:
        raise BadRecord(f"weekly report of {claims.center} from {message.sender}")
    _keep(unit, claims, payload)


def again(unit: Unit, message: Message) -> None:
    """Our own report comes back to us, after our database went back in time."""
    payload = read_payload(message)
    assert isinstance(payload, WeeklyReport)
    _keep(unit, check(payload, unit.center.directory.known.keys_of(unit.me)), payload)


def _keep(unit: Unit, claims: ReportClaims, report: WeeklyReport) -> None:
    row = unit.session.get(WeeklyReportRow, (claims.center, claims.week))
    if row is None:
        row = WeeklyReportRow(center=claims.center, week=claims.week, version=0)
        unit.session.add(row)
    if row.version >= claims.version:
        return
    row.version, row.sent_at = claims.version, claims.sent_at
    row.claims, row.signature = report.claims, report.signature
    unit.session.flush()


def report_of(session: Session, center: str, week: str) -> ReportClaims | None:
    """What a center reported of a week, as far as it reached us."""
    row = session.get(WeeklyReportRow, (center, week))
    return read(WeeklyReport(claims=row.claims, signature=row.signature)) if row is not None else None
