"""What those above do: supervision orders, who leads, a broken glass."""

from protocol.codes import CenterCode
from protocol.entries.parts import Body, Reason, Text
from protocol.records import Instant, Number


class Urged(Body):
    """A supervision order (督办)."""

    text: Text
    reply_by: Instant | None = None
    by: CenterCode


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


class Viewed(Body):
    """An ancestor broke the glass: it may read the case until ``until``."""

    by: CenterCode
    reason: Reason
    until: Instant
