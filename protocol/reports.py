"""The weekly report (周报告): what a center's director has checked and sent to the parent, signed by the center.

It tells figures and the director's own words; parties and titles of matters stand in none of them. A report that is
sent again under a higher version takes the place of the one before.
"""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from protocol.codes import CenterCode
from protocol.errors import BadRecord
from protocol.keys import SigningKey, from_text, to_text, verify
from protocol.records import NO_NUL, Frozen, Instant
from protocol.status import CounterMap

CONTEXT = b"liandong report 1"
"""Keeps a report's signature from being taken for another one's."""

REPORT_TEXT_MAX: Final = 4000
"""Characters of a report's text: two printed pages."""
CLAIMS_MAX: Final = 24_000
"""Characters of the signed text: the report's text, escaped, and its figures."""
WEEK: Final = r"^20[0-9]{2}-W(0[1-9]|[1-4][0-9]|5[0-3])$"
"""A week as ISO 8601 writes it; it begins on Monday."""

FIGURES: Final = (
    "inspections",
    "zero_reports",
    "found",
    "registered",
    "closed",
    "succeeded",
    "failed",
    "escalated",
    "assigned",
    "returned",
    "visits_due",
    "visited",
    "held",
    "overdue",
)
"""Counters that a weekly report tells, of the center and all below it."""

Week = Annotated[str, Field(pattern=WEEK)]
ReportText = Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=REPORT_TEXT_MAX)]


class ReportClaims(Frozen):
    """What a weekly report says."""

    center: CenterCode
    week: Week
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    figures: CounterMap
    text: ReportText
    actor: Annotated[str, Field(max_length=200)]
    sent_at: Instant


class WeeklyReport(Frozen):
    """A signed weekly report: the exact text that was signed, and the center's signature."""

    claims: Annotated[str, Field(max_length=CLAIMS_MAX)]
    signature: Annotated[str, Field(max_length=128)]


def issue(key: SigningKey, claims: ReportClaims) -> WeeklyReport:
    """Sign a report with its center's key."""
    text = claims.model_dump_json()
    return WeeklyReport(claims=text, signature=to_text(key.sign(CONTEXT, text.encode())))


def read(report: WeeklyReport) -> ReportClaims:
    """What a report says; whether it is its center's is ``check``'s question.

    Raises:
        BadRecord: it does not parse.
    """
    try:
        return ReportClaims.model_validate_json(report.claims)
    except ValidationError as error:
        raise BadRecord("weekly report does not parse") from error


def check(report: WeeklyReport, keys: Iterable[str]) -> ReportClaims:
    """What a report says, if its center signed it.

    Raises:
        BadRecord: it does not parse, or no key of its center has signed it.
    """
    claims = read(report)
    signature = from_text(report.signature)
    if not any(verify(key, CONTEXT, report.claims.encode(), signature) for key in keys):
        raise BadRecord(f"weekly report of {claims.center} does not verify")
    return claims


def week_of(day: date) -> str:
    """The week of a day."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def monday_of(week: str) -> date:
    """The first day of a week.

    Raises:
        ValueError: this year has no such week.
    """
    year, _, number = week.partition("-W")
    return date.fromisocalendar(int(year), int(number), 1)
