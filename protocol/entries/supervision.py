"""Deadlines put off, and what those above do: supervision orders, who leads, a broken glass."""

from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode, Rung
from protocol.entries.parts import PARTIES_MAX, Body, Name, Reason, ShortText, Text
from protocol.records import Instant, Number


class Extended(Body):
    """This term's deadline was put off (延期), with a reason and the consent of both sides.

    Attributes:
        deadline: the new deadline.
        reason: why the matter rests so long.
        consented: names of the parties who agreed, of either side at least one.
    """

    deadline: Instant
    reason: Reason
    consented: Annotated[tuple[Name, ...], Field(min_length=1, max_length=PARTIES_MAX)]


class Urged(Body):
    """A supervision order (督办).

    Attributes:
        text: what is ordered.
        reply_by: until when an answer is wanted.
        by: who orders it.
        number: its number, given by whose people or rules ordered it: 督办〔2026〕4号.
        rung: the step of the ladder that ordered it by itself; None where a person did.
    """

    text: Text
    reply_by: Instant | None = None
    by: CenterCode
    number: ShortText | None = None
    rung: Rung | None = None


class Answered(Body):
    """The answer to a supervision order."""

    urge_seq: Number
    text: Text
    by: CenterCode | None = None


class LeadOrdered(Body):
    """The common ancestor decided who leads."""

    to: CenterCode
    reason: Reason
    by: CenterCode


class Ruled(Body):
    """A superior ruled who deals with a case that was returned again and again; nobody returns it after that."""

    to: CenterCode
    department: Name | None = None
    reason: Reason
    by: CenterCode


class Viewed(Body):
    """An ancestor broke the glass: it may read the case until ``until``."""

    by: CenterCode
    reason: Reason
    until: Instant
