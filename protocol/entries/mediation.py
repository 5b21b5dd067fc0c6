"""What mediation leads to: sessions, the agreement, the end, visits afterwards."""

from datetime import date
from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode
from protocol.entries.parts import MEDIATORS_MAX, REQUEST_TEXT_MAX, Body, Name, Place, ShortText, Text, WithReason
from protocol.records import Instant, Number


class Mediated(Body):
    """A mediation session took place."""

    held_at: Instant
    place: Place
    mediators: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MEDIATORS_MAX)]
    summary: Text
    outcome: ShortText | None = None


class Agreed(Body):
    """The parties agreed (人民调解法 §28, §29)."""

    agreement: Text
    due_on: date | None = None


class Countersigned(Body):
    """A partner of a joint mediation countersigned the agreement."""

    agreement_seq: Number
    center: CenterCode


class Reopened(WithReason):
    """An ended case was taken up again, by the holder or at another center's request."""

    by: CenterCode | None = None


class Referred(WithReason):
    """The matter went to a court, arbitration or another authority."""

    to: ShortText


class Visited(Body):
    """A follow-up visit (回访)."""

    held_at: Instant
    method: ShortText
    fulfilled: bool | None = None
    satisfied: bool | None = None
    note: Annotated[str, Field(max_length=REQUEST_TEXT_MAX)] | None = None
    by: CenterCode | None = None
