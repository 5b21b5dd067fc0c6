"""Policies as signed orders: whose they are, and what holds where two differ."""

import pytest

from protocol.codes import Rung, Trigger
from protocol.errors import BadRecord
from protocol.policy import Policy
from protocol.policy_order import PolicyClaims, PolicyOrder, check, issue, looser, strictest
from tests.protocol.examples import COUNTY, MORNING, VILLAGE

MILD = Policy(version=4, inspection_days=7, report_weeks=2, purge_years=10)
STRICT = Policy(
    version=9,
    mediations_before_escalation=3,
    failures_for_repeated=4,
    triggers=frozenset({Trigger.DANGER_TO_LIFE}),
    view_hours=2,
    near_days=5,
    visit_days=(7, 14),
    returns_before_ruling=1,
    visit_window=3,
    subsidy_low=50,
    subsidy_medium=50,
    subsidy_high=50,
    days_low=1,
    days_medium=7,
    days_high=20,
    orders_at=frozenset({Rung.RED}),
    reply_days=1,
    inspection_days=1,
    report_weeks=1,
    purge_years=5,
)


def order(policy: Policy = MILD) -> PolicyOrder:
    return issue(COUNTY.key, PolicyClaims(issuer=COUNTY.code, issued_at=MORNING, policy=policy))


def test_an_order_says_what_its_issuer_signed() -> None:
    claims = check(order(STRICT), [VILLAGE.key.public, COUNTY.key.public])
    assert (claims.issuer, claims.policy) == (COUNTY.code, STRICT)


def test_an_order_that_another_signed_is_none() -> None:
    with pytest.raises(BadRecord, match="does not verify"):
        check(order(), [VILLAGE.key.public])


def test_an_order_that_was_changed_on_the_way_is_none() -> None:
    changed = order().claims.replace('"view_hours":24', '"view_hours":168')
    assert changed != order().claims
    with pytest.raises(BadRecord, match="does not verify"):
        check(PolicyOrder(claims=changed, signature=order().signature), [COUNTY.key.public])


@pytest.mark.parametrize("wrong", ["", "{}", "null", order().claims.replace('"view_hours":24', '"view_hours":0')])
def test_an_order_that_no_policy_can_be_is_refused(wrong: str) -> None:
    with pytest.raises(BadRecord, match="does not parse"):
        check(PolicyOrder(claims=wrong, signature=order().signature), [COUNTY.key.public])


def test_of_two_policies_the_stricter_word_counts_field_by_field() -> None:
    both = strictest(MILD, STRICT)
    assert both.model_copy(update={"version": 9}) == STRICT.model_copy(update={"visit_days": (7, 14, 30)})
    assert both.version == MILD.version
    assert strictest(STRICT, MILD).model_copy(update={"version": 4}) == both


def test_of_two_limits_the_shorter_counts_and_none_is_none() -> None:
    both = strictest(Policy(days_low=9, days_high=3), Policy(days_low=5, days_medium=4))
    assert (both.days_low, both.days_medium, both.days_high) == (5, 4, 3)


def test_looser_names_what_asks_for_less() -> None:
    assert looser(STRICT, MILD) == ["visit_days"]
    assert looser(MILD, MILD.model_copy(update={"version": 12})) == []
    assert set(looser(MILD, STRICT)) == set(Policy.model_fields) - {"version"}
