"""Policies as they travel: signed by who set them, for that center and all below it.

A center obeys every order of those above it and its own; where they differ, the strictest word counts. So an order
that asks for less than the one above it changes nothing, and none of them needs the others to be judged.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationError

from protocol.codes import CenterCode
from protocol.errors import BadRecord
from protocol.keys import SigningKey, from_text, to_text, verify
from protocol.policy import Policy
from protocol.records import Frozen, Instant

CONTEXT = b"liandong policy 1"
"""Keeps a policy's signature from being taken for another one's."""

CLAIMS_MAX = 4096
"""Characters of the signed text: a policy has a handful of numbers."""


class PolicyClaims(Frozen):
    """Who sets which policy, and when; ``policy.version`` counts the issuer's orders from one."""

    issuer: CenterCode
    issued_at: Instant
    policy: Policy


class PolicyOrder(Frozen):
    """A signed policy: the exact text that was signed, and the issuer's signature."""

    claims: Annotated[str, Field(max_length=CLAIMS_MAX)]
    signature: Annotated[str, Field(max_length=128)]


def issue(key: SigningKey, claims: PolicyClaims) -> PolicyOrder:
    """Sign an order with its issuer's key."""
    text = claims.model_dump_json()
    return PolicyOrder(claims=text, signature=to_text(key.sign(CONTEXT, text.encode())))


def read(order: PolicyOrder) -> PolicyClaims:
    """What an order says; whether it is its issuer's is ``check``'s question.

    Raises:
        BadRecord: it does not parse, or asks for what no policy can be.
    """
    try:
        return PolicyClaims.model_validate_json(order.claims)
    except ValidationError as error:
        raise BadRecord("policy does not parse") from error


def check(order: PolicyOrder, issuer_keys: Iterable[str]) -> PolicyClaims:
    """What an order says, if its issuer signed it.

    Raises:
        BadRecord: it does not parse, or no key of its issuer has signed it.
    """
    claims = read(order)
    signature = from_text(order.signature)
    if not any(verify(key, CONTEXT, order.claims.encode(), signature) for key in issuer_keys):
        raise BadRecord(f"policy of {claims.issuer} does not verify")
    return claims


def strictest(above: Policy, below: Policy) -> Policy:
    """The policy under both; ``version`` is that of the one above, whose number people know."""
    return above.model_copy(
        update={
            "mediations_before_escalation": max(above.mediations_before_escalation, below.mediations_before_escalation),
            "failures_for_repeated": max(above.failures_for_repeated, below.failures_for_repeated),
            "triggers": above.triggers & below.triggers,
            "view_hours": min(above.view_hours, below.view_hours),
            "near_days": max(above.near_days, below.near_days),
            "visit_days": tuple(sorted({*above.visit_days, *below.visit_days})),
            "returns_before_ruling": min(above.returns_before_ruling, below.returns_before_ruling),
            "visit_window": min(above.visit_window, below.visit_window),
            "subsidy_low": _smaller(above.subsidy_low, below.subsidy_low),
            "subsidy_medium": _smaller(above.subsidy_medium, below.subsidy_medium),
            "subsidy_high": _smaller(above.subsidy_high, below.subsidy_high),
            "days_low": _smaller(above.days_low, below.days_low),
            "days_medium": _smaller(above.days_medium, below.days_medium),
            "days_high": _smaller(above.days_high, below.days_high),
            "orders_at": above.orders_at | below.orders_at,
            "reply_days": min(above.reply_days, below.reply_days),
            "purge_years": _smaller(above.purge_years, below.purge_years),
            "inspection_days": _smaller(above.inspection_days, below.inspection_days),
            "report_weeks": _smaller(above.report_weeks, below.report_weeks),
        }
    )


def _smaller(above: int, below: int) -> int:
    """The smaller of two limits; 0 is none."""
    return min(above, below) if above and below else above or below


def looser(policy: Policy, above: Policy) -> list[str]:
    """The fields in which a policy asks for less than the one above it."""
    both = strictest(above, policy)
    fields = (name for name in type(policy).model_fields if name != "version")
    return [name for name in fields if getattr(both, name) != getattr(policy, name)]
