"""Policies sent down a running federation: who gets them, who may set what, what is refused."""

from typing import Any

import pytest

from node import policies
from node.unit import unit_of
from protocol.messages import Type
from protocol.payloads import Policies
from protocol.policy import Policy
from protocol.policy_order import PolicyClaims, issue
from tests.cases.scene import COUNTY, OTHER_TOWN, TOWN, VILLAGE, Desk, Scene

STRICT = Policy(mediations_before_escalation=2, visit_days=(7, 30, 60))


def orders(desk: Desk, policy: Policy) -> Policy:
    with unit_of(desk.center) as unit:
        return policies.set_policy(unit, policy)


def test_what_the_county_orders_holds_in_every_village(own_scene: Scene) -> None:
    before = own_scene.county.center.policy.version
    ordered = orders(own_scene.county, STRICT)
    own_scene.settle()
    assert ordered.version == before + 1
    for desk in (own_scene.county, own_scene.town, own_scene.village, own_scene.far_village):
        assert desk.center.policy == ordered, desk.code


def test_the_gate_goes_by_the_new_order(own_scene: Scene) -> None:
    orders(own_scene.county, STRICT)
    own_scene.settle()
    case = own_scene.village.registers()
    own_scene.village.does(case, "accept")
    session: dict[str, Any] = {
        "held_at": "2026-03-01T09:00:00+08:00",
        "place": "村调解室",
        "mediators": ["赵某"],
        "summary": "未谈成",
    }
    own_scene.village.does(case, "mediations", **session)
    assert own_scene.village.refused(case, "escalate", reason="谈不成").type == "escalation-gated"
    own_scene.village.does(case, "mediations", **session)
    own_scene.village.does(case, "escalate", reason="谈不成")


def test_who_was_offline_gets_it_afterwards_and_the_newest_counts(own_scene: Scene) -> None:
    with own_scene.offline(VILLAGE):
        orders(own_scene.county, STRICT)
        newest = orders(own_scene.county, STRICT.model_copy(update={"view_hours": 4}))
        own_scene.settle()
        assert own_scene.village.center.policy.view_hours == 24
    own_scene.settle()
    assert own_scene.village.center.policy == newest
    with own_scene.village.center.database.read() as session:
        assert [one.policy.version for one in policies.history(session)] == [newest.version, newest.version - 1]


def test_a_township_may_be_stricter_for_its_own_villages_only(own_scene: Scene) -> None:
    orders(own_scene.county, STRICT)
    own_scene.settle()
    orders(own_scene.town, STRICT.model_copy(update={"mediations_before_escalation": 3}))
    own_scene.settle()
    assert own_scene.village.center.policy.mediations_before_escalation == 3
    assert own_scene.far_village.center.policy.mediations_before_escalation == 2
    assert own_scene.county.center.policy.mediations_before_escalation == 2


def test_nobody_may_ask_for_less_than_who_stands_above(own_scene: Scene) -> None:
    orders(own_scene.county, STRICT)
    own_scene.settle()
    with pytest.raises(policies.LooserThanAbove) as looser:
        orders(own_scene.town, Policy())
    assert set(looser.value.fields) == {"mediations_before_escalation", "visit_days"}


def test_an_order_of_a_center_that_is_not_above_is_parked_and_changes_nothing(own_scene: Scene) -> None:
    other = own_scene.other_town.center
    claims = PolicyClaims(issuer=OTHER_TOWN, issued_at=other.clock.now(), policy=STRICT)
    order = issue(other.identity.signing, claims)
    with unit_of(own_scene.town.center) as unit:
        unit.outbox.send(Type.POLICIES, Policies(orders=(order,)), VILLAGE)
    own_scene.settle(parked=True)
    assert [row.reason for row in own_scene.village.parked()] == [f"policy of {OTHER_TOWN}, which is not above us"]
    assert own_scene.village.center.policy == Policy()


def test_an_order_that_comes_from_below_is_parked(own_scene: Scene) -> None:
    town = own_scene.town.center
    order = issue(town.identity.signing, PolicyClaims(issuer=TOWN, issued_at=town.clock.now(), policy=STRICT))
    with unit_of(town) as unit:
        unit.outbox.send(Type.POLICIES, Policies(orders=(order,)), COUNTY)
    own_scene.settle(parked=True)
    assert [row.reason for row in own_scene.county.parked()] == [f"policies from {TOWN}, which is not our parent"]
    assert own_scene.county.center.policy == Policy()
