"""What mediation leads to: sessions, the agreement, the end, visits afterwards."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from protocol.codes import AgreementForm, CenterCode
from protocol.entries.parts import (
    MEDIATORS_MAX,
    PARTICIPANTS_MAX,
    PLANNED_VISITS_MAX,
    REQUEST_TEXT_MAX,
    SHORT_TEXT_MAX,
    TERMS_MAX,
    TEXT_MAX,
    Body,
    Name,
    Place,
    ShortText,
    Text,
    WithReason,
)
from protocol.records import Frozen, Instant, Number


class Mediated(Body):
    """A mediation session took place."""

    held_at: Instant
    place: Place
    mediators: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MEDIATORS_MAX)]
    summary: Text
    outcome: ShortText | None = None
    participants: Annotated[tuple[Name, ...], Field(max_length=PARTICIPANTS_MAX)] = ()


class Term(Frozen):
    """One term of an agreement: what is to be done, how much is to be paid (yuan), until when, by whom."""

    text: ShortText
    amount: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] | None = None
    due_on: date | None = None
    by: Name | None = None


VisitDays = Annotated[tuple[date, ...], Field(max_length=PLANNED_VISITS_MAX)]
"""Local days on which somebody asks afterwards, planned by the holder's policy of that day."""


class Agreed(Body):
    """The parties agreed (人民调解法 §28, §29)."""

    agreement: Text
    due_on: date | None = None
    manner: AgreementForm = AgreementForm.WRITTEN
    terms: Annotated[tuple[Term, ...], Field(max_length=TERMS_MAX)] = ()
    visit_on: VisitDays = ()


class Fulfilled(Body):
    """A term of the agreement was fulfilled (履行); terms are counted from one."""

    agreement_seq: Number
    term: Annotated[int, Field(ge=1, le=TERMS_MAX)]
    on: date
    note: Annotated[str, Field(max_length=TEXT_MAX)] | None = None


class Failed(WithReason):
    """Mediation failed; the parties are visited all the same."""

    visit_on: VisitDays = ()


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
    """A follow-up visit (回访).

    Attributes:
        held_at: when.
        method: by phone, at home, ...
        fulfilled: whether the agreement is kept.
        satisfied: whether the parties are satisfied; None where nobody answered.
        note: what was said.
        danger: a hidden danger (隐患) that was found.
        relapsed: whether the dispute broke out again; an ended case is then reopened under its number.
        visit_on: the planned day that it stands for, within its window; None for a visit beside the plan.
        by: the center that visited, where it is not the holder.
    """

    held_at: Instant
    method: ShortText
    fulfilled: bool | None = None
    satisfied: bool | None = None
    note: Annotated[str, Field(max_length=REQUEST_TEXT_MAX)] | None = None
    danger: Annotated[str, Field(max_length=SHORT_TEXT_MAX)] | None = None
    relapsed: bool | None = None
    visit_on: date | None = None
    by: CenterCode | None = None


class VisitMissed(Body):
    """The window of a planned visit passed without one; written by the holder's node."""

    visit_on: date
