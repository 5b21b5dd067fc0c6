"""Custody leaves, arrives, comes back; and centers that take the place of others."""

from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode, Trigger
from protocol.entries.parts import REASON_MAX, TEXT_MAX, Body, Name, WithReason
from protocol.records import Instant


class Transfer(Body):
    """Custody leaves for ``to``."""

    to: CenterCode
    reason: Annotated[str, Field(max_length=REASON_MAX)] = ""


class Escalated(Transfer):
    """Custody leaves for the parent (上报)."""

    triggers: tuple[Trigger, ...] = ()


class Assigned(Transfer):
    """Custody leaves for a child, with lead, department, handler and deadline (四定).

    The deadline is an instant, or working days from delivery; ``not_after`` is the assigner's own deadline.
    """

    deadline: Instant | None = None
    working_days: Annotated[int, Field(ge=1, le=366)] | None = None
    not_after: Instant | None = None
    lead: Name
    department: Name
    handler: Name
    instructions: Annotated[str, Field(max_length=TEXT_MAX)] = ""


class Recalled(Transfer):
    """Custody goes back to whoever made the last transfer; ``taken_back`` where it had never been offered to a wire."""

    taken_back: bool = False


class Delivered(Body):
    """The destination's database has it: custody has moved. ``deadline`` is this term's."""

    deadline: Instant | None = None


class Bounced(WithReason):
    """A transfer came back; ``successor`` where its destination was merged into another center."""

    successor: CenterCode | None = None


class Rehomed(Transfer):
    """Custody leaves for a successor center (撤乡并镇)."""


class Replaced(Body):
    """A center that held the case or takes part in it was merged into another one, which takes its place."""

    former: CenterCode
    successor: CenterCode
