"""Joint mediation and offers: who was asked, who takes part, what they write."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode
from protocol.entries.parts import MEMBERS_MAX, PARTNERS_MAX, Body, Member, Reason, Text


class Invited(Body):
    """Partners were invited to mediate jointly."""

    partners: Annotated[tuple[CenterCode, ...], Field(min_length=1, max_length=PARTNERS_MAX)]
    reason: Reason
    members: Annotated[tuple[Member, ...], Field(max_length=MEMBERS_MAX)] = ()


class Offered(Body):
    """A peer was asked to take the case over."""

    to: CenterCode
    reason: Reason


class Joined(Body):
    """An invited partner accepted."""

    center: CenterCode
    members: Annotated[tuple[Member, ...], Field(max_length=MEMBERS_MAX)] = ()


class DeclinedWhat(StrEnum):
    """What was declined."""

    JOINT = "joint"
    HANDOFF = "handoff"


class Declined(Body):
    """An invitation or an offer was declined."""

    what: DeclinedWhat
    center: CenterCode
    reason: Reason


class JointNoted(Body):
    """An accepted partner, or the lead, wrote into the joint log."""

    text: Text
    center: CenterCode
