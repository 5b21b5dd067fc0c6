"""Subsidies in a running federation: claimed by the village, approved at the township, totals at the county."""

import pytest

from node import policies
from node.accounts.roles import Role
from node.clock import LOCAL_ZONE
from node.unit import unit_of
from protocol.policy import Policy
from tests.cases.scene import COUNTY, SESSION, TOWN, VILLAGE, Json, Scene, refusal

CLAIM: Json = {"mediators": ["王调解员", "李调解员"]}


@pytest.fixture
def paying(own_scene: Scene) -> Scene:
    """A county that pays 100 yuan for every settled case."""
    with unit_of(own_scene.county.center) as unit:
        policies.set_policy(unit, Policy(subsidy_low=100, subsidy_medium=200, subsidy_high=300))
    own_scene.settle()
    return own_scene


def settled(scene: Scene) -> str:
    village = scene.village
    case = village.registers(title="秘密纠纷")
    village.does(case, "accept")
    village.does(case, "mediations", **SESSION)
    village.does(case, "filings", parts=["notice", "identity"])
    village.does(case, "agree", agreement="各清各的沟")
    village.does(case, "close")
    return case


def visited(scene: Scene) -> str:
    case = settled(scene)
    scene.village.does(case, "follow-ups", held_at=scene.fed.clock.now().isoformat(), method="电话", satisfied=True)
    return case


def test_a_claim_goes_up_without_a_party_is_approved_and_summed_up(paying: Scene) -> None:
    case = settled(paying)
    refused = paying.village.refused(case, "subsidy", **CLAIM)
    assert (refused.status, refused.type, refused.document["dossier"]) == (409, "dossier-incomplete", ["visit"])
    assert refused.document["detail"].endswith("Missing: Visit record.")
    paying.village.does(case, "follow-ups", held_at=paying.fed.clock.now().isoformat(), method="电话")
    assert paying.sees(case) == {VILLAGE: "full"}
    paying.village.does(case, "subsidy", **CLAIM)
    assert paying.village.refused(case, "subsidy", **CLAIM).type == "already-claimed"
    paying.settle()
    assert paying.sees(case) == {VILLAGE: "full", TOWN: "header", COUNTY: "header"}
    month = f"{paying.fed.clock.now().astimezone(LOCAL_ZONE):%Y-%m}"
    listed = paying.town.get("/subsidies", month=month, state="claimed")
    assert [one["case_id"] for one in listed["items"]] == [case]
    assert [share["yuan"] for share in listed["items"][0]["subsidy"]["shares"]] == [50, 50]
    assert (listed["month"], listed["yuan"], "张三" in str(listed), "秘密" in str(listed)) == (month, 0, False, False)
    asked = paying.town.asks(case, "subsidy/judge", approved=True)
    paying.settle()
    assert paying.town.answer_to(case, asked) == ("granted", None)
    assert paying.village.case(case)["subsidy"]["state"] == "approved"
    for desk in (paying.village, paying.town, paying.county):
        assert desk.get("/subsidies")["yuan"] == 100
    assert paying.town.get("/subsidies", state="claimed")["items"] == []
    again = paying.county.asks(case, "subsidy/judge", approved=False, reason="重复")
    paying.settle()
    assert paying.county.answer_to(case, again) == ("refused", "no-such-claim")
    own = paying.village.get("/status")["own"]
    assert (own["subsidies_claimed"], own["subsidies_approved"], own["subsidies_yuan"]) == (1, 1, 100)


def test_a_claim_that_was_turned_down_may_be_made_again(paying: Scene) -> None:
    case = visited(paying)
    paying.village.does(case, "subsidy", **CLAIM)
    paying.settle()
    paying.town.asks(case, "subsidy/judge", approved=False, reason="缺签字")
    paying.settle()
    last = paying.village.case(case)["log"][-1]["data"]
    assert (last["approved"], last["reason"], last["by"]) == (False, "缺签字", TOWN)
    paying.village.does(case, "subsidy", mediators=["王调解员"])
    assert paying.village.case(case)["subsidy"]["state"] == "claimed"


def test_without_a_rule_there_is_no_subsidy(scene: Scene) -> None:
    case = visited(scene)
    assert scene.village.refused(case, "subsidy", **CLAIM).type == "no-subsidy"


def test_what_is_asked_badly_is_refused(scene: Scene) -> None:
    case = visited(scene)
    wrong: list[Json] = [{"mediators": []}, {"mediators": ["n"], "partners": [{"center": TOWN, "names": []}]}, {}]
    for given in wrong:
        found = scene.village.refused(case, "subsidy", **given)
        assert (found.status, found.type) == (422, "invalid")
    for query in ({"month": "2026-13"}, {"month": "now"}, {"state": "paid"}):
        answer = scene.town.request("GET", "/subsidies", query=query)
        assert (refusal(answer).status, refusal(answer).type) == (422, "invalid")
    assert scene.town.request("GET", "/subsidies", role=Role.monitor).status_code == 403


def test_nobody_judges_a_claim_that_was_not_made(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.settle()
    refused = scene.town.refused(case, "subsidy/judge", approved=True)
    assert (refused.status, refused.type) == (409, "no-such-claim")
