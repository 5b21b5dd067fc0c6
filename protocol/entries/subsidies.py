"""Mediation subsidies (以案定补): claimed by the holder of a settled case, judged by a center above it."""

from typing import Annotated

from pydantic import Field

from protocol.codes import CenterCode
from protocol.entries.parts import REASON_MAX, Body, Name
from protocol.records import Frozen, Number

SHARES_MAX = 40
"""Mediators who share one subsidy."""

YUAN_MAX = 100_000

Yuan = Annotated[int, Field(ge=0, le=YUAN_MAX)]


class Share(Frozen):
    """What one mediator of one center gets, in yuan."""

    center: CenterCode
    mediator: Name
    yuan: Yuan


class SubsidyClaimed(Body):
    """The subsidy of this case was claimed; one dispute pays once, also when it was mediated jointly."""

    yuan: Yuan
    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=SHARES_MAX)]


class SubsidyJudged(Body):
    """A center above approved the claim, or turned it down with a reason."""

    claim_seq: Number
    approved: bool
    reason: Annotated[str, Field(max_length=REASON_MAX)] = ""
    by: CenterCode
