"""Joint mediation (联合调处) and handing over: invitations, joint entries, the lead, one agreement."""

from node.cases.tables import RequestRow
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    OTHER_TOWN,
    SESSION,
    TOWN,
    VILLAGE,
    Json,
    Scene,
)


def joint(scene: Scene, *, accepted: bool = True) -> str:
    """Led by one township, the other one invited or taking part."""
    case = scene.town.registers()
    scene.town.does(case, "accept")
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    if accepted:
        scene.other_town.asks(case, "joint/accept")
        scene.settle()
    return case


def partners(document: Json) -> dict[str, str]:
    return {one["code"]: one["status"] for one in document["joint"]["partners"]}


# --- invitations -----------------------------------------------------------------------------------


def test_partners_accept_and_decline_and_can_be_invited_again(scene: Scene) -> None:
    case = joint(scene, accepted=False)
    assert partners(scene.town.case(case)) == {OTHER_TOWN: "invited"}
    scene.other_town.asks(case, "joint/decline", reason="忙")
    scene.settle()
    assert partners(scene.town.case(case)) == {OTHER_TOWN: "declined"}
    scene.town.does(case, "joint", partners=[OTHER_TOWN, FAR_VILLAGE], reason="还是要来")
    scene.settle()
    assert scene.other_town.case(case)["invitation"]["reason"] == "还是要来"
    for desk in (scene.other_town, scene.far_village):
        desk.asks(case, "joint/accept", members=[{"name": "成员", "role": "组员"}])
    scene.settle()
    document = scene.town.case(case)
    assert partners(document) == {OTHER_TOWN: "accepted", FAR_VILLAGE: "accepted"}
    assert {one["center"] for one in document["joint"]["members"]} == {OTHER_TOWN, FAR_VILLAGE}
    assert [scene[code].case(case)["log"] == document["log"] for code in (OTHER_TOWN, FAR_VILLAGE)] == [True, True]


def test_an_invitation_goes_along_when_the_case_is_assigned_on(scene: Scene) -> None:
    case = joint(scene, accepted=False)
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    invited = scene.other_town.case(case)
    assert (invited["access"], invited["holder"], invited["epoch"]) == ("invited", VILLAGE, 2)
    assert invited["invitation"] == {"kind": "joint", "reason": "两镇交界", "holder": VILLAGE}
    scene.other_town.asks(case, "joint/accept")
    scene.settle()
    assert scene.sees(case)[OTHER_TOWN] == "full"
    assert scene.village.case(case)["joint"]["lead"] == VILLAGE


def test_a_header_goes_when_the_case_goes_to_its_only_partner(scene: Scene) -> None:
    """The village told the county because the case was joint; held by its only partner, it is joint no longer."""
    case = scene.village.registers()
    scene.village.does(case, "joint", partners=[TOWN], reason="请镇里来人")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "invited", COUNTY: "header"}
    scene.town.asks(case, "joint/accept")
    scene.settle()
    scene.village.does(case, "escalate", reason="矛盾升级", triggers=["crosses_villages"])
    scene.settle()
    assert scene.town.case(case)["joint"] is None
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full"}


def test_a_header_stays_when_the_next_holder_has_told_it(scene: Scene) -> None:
    """What the village takes back comes to the county after what the township told: the newer word stands."""
    case = scene.village.registers(grade="high")
    scene.settle()
    scene.village.does(case, "escalate", reason="矛盾升级", triggers=["grade_high"])
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", COUNTY: "header"}


def test_an_invitation_tells_what_changed_meanwhile(scene: Scene) -> None:
    case = joint(scene, accepted=False)
    scene.town.does(case, "grade", grade="high", reason="扬言报复")
    scene.town.does(case, "correct", changes={"title": "改过的标题"}, reason="写错")
    scene.settle()
    invited = scene.other_town.case(case)
    assert (invited["grade"], invited["title"]) == ("high", "改过的标题")


def test_only_who_takes_part_writes_joint_entries(scene: Scene) -> None:
    case = joint(scene)
    written = scene.other_town.asks(case, "joint/entries", text="我方意见")
    scene.settle()
    assert scene.other_town.answer_to(case, written) == ("granted", None)
    scene.town.does(case, "joint/entries", text="牵头方意见")
    scene.settle()
    entries = [one for one in scene.other_town.case(case)["log"] if one["kind"] == "joint_noted"]
    assert [one["data"]["center"] for one in entries] == [OTHER_TOWN, TOWN]


def test_a_joint_entry_follows_the_case_to_the_new_lead(scene: Scene) -> None:
    case = joint(scene)
    scene.town.does(case, "joint", partners=[FAR_VILLAGE], reason="涉及平坝")
    scene.settle()
    scene.far_village.asks(case, "joint/accept")
    scene.settle()
    with scene.offline(FAR_VILLAGE):
        written = scene.far_village.asks(case, "joint/entries", text="离线时写的")
        scene.town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
        scene.settle()
        scene.other_town.asks(case, "handoff/accept")
        scene.settle()
    scene.settle()
    assert scene.far_village.answer_to(case, written) == ("granted", None)
    assert scene.other_town.case(case)["log"][-1]["center"] == OTHER_TOWN


# --- the lead --------------------------------------------------------------------------------------


def test_a_handoff_moves_custody_and_lead_when_the_peer_accepts(scene: Scene) -> None:
    case = joint(scene)
    offered = scene.town.does(case, "handoff", to=OTHER_TOWN, reason="沟在祥城")
    assert (offered["holder"], offered["epoch"]) == (TOWN, 1)
    scene.settle()
    accepted = scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    assert scene.other_town.answer_to(case, accepted) == ("granted", None)
    document = scene.other_town.case(case)
    assert (document["holder"], document["joint"]["lead"], document["epoch"]) == (OTHER_TOWN, OTHER_TOWN, 2)
    assert partners(document) == {TOWN: "accepted"}


def test_a_handoff_can_be_declined(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="沟在祥城")
    scene.settle()
    assert scene.other_town.case(case)["invitation"] == {"kind": "handoff", "reason": "沟在祥城", "holder": TOWN}
    declined = scene.other_town.asks(case, "handoff/decline", reason="不归我们")
    scene.settle()
    assert scene.other_town.sees(case) is None
    entry = scene.town.case(case)["log"][-1]
    assert (entry["kind"], entry["data"]["what"], entry["data"]["request"]["id"]) == ("declined", "handoff", declined)
    assert scene.town.case(case)["holder"] == TOWN


def test_an_offer_ends_when_the_case_goes_elsewhere(scene: Scene) -> None:
    case = scene.town.registers(grade="high")
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="沟在祥城")
    scene.settle()
    assert scene.other_town.sees(case) == "invited"
    scene.town.does(case, "escalate", reason="太大")
    scene.settle()
    assert scene.other_town.sees(case) is None


def test_a_new_offer_takes_the_place_of_the_old_one(scene: Scene) -> None:
    case = scene.village.registers()
    scene.village.does(case, "handoff", to=FAR_VILLAGE, reason="甲")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", FAR_VILLAGE: "invited"}
    scene.village.does(case, "handoff", to=scene.other_village.code, reason="乙")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", scene.other_village.code: "invited"}


def test_an_acceptance_that_comes_too_late_is_told_so(scene: Scene) -> None:
    case = scene.town.registers(grade="high")
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="沟在祥城")
    scene.settle()
    scene.stop(TOWN)
    accepted = scene.other_town.asks(case, "handoff/accept")
    scene.town.does(case, "escalate", reason="太大")
    scene.start(TOWN)
    scene.settle()
    with scene.other_town.member.read() as session:
        row = session.get(RequestRow, accepted)
        assert row is not None
        assert (row.state, row.reason) == ("refused", "stale-epoch")
    assert scene.county.case(case)["holder"] == COUNTY


def test_only_a_center_of_the_same_level_is_offered_a_case(scene: Scene) -> None:
    case = scene.town.registers()
    for to in (COUNTY, VILLAGE):
        refused = scene.town.refused(case, "handoff", to=to, reason="-")
        assert (refused.status, refused.type, refused.document["field"]) == (422, "invalid", "to")


def test_the_common_ancestor_orders_who_leads(scene: Scene) -> None:
    case = joint(scene)
    header = scene.county.case(case)
    assert (header["access"], header["joint"]["lead"], partners(header)) == ("header", TOWN, {OTHER_TOWN: "accepted"})
    assert f'href="/cases/{case}/joint/lead"' in scene.county.page(f"/cases/{case}")
    form = scene.county.page(f"/cases/{case}/joint/lead")
    assert [f'value="{code}"' in form for code in (TOWN, OTHER_TOWN, COUNTY)] == [True, True, False]
    ordered = scene.county.asks(case, "joint/lead", to=OTHER_TOWN, reason="纠纷发生地在祥城")
    scene.settle()
    assert scene.county.answer_to(case, ordered) == ("granted", None)
    document = scene.other_town.case(case)
    assert (document["joint"]["lead"], partners(document)) == (OTHER_TOWN, {TOWN: "accepted"})
    assert scene.other_town.kinds(case)[-3:] == ["lead_ordered", "handed_off", "delivered"]


def test_an_order_that_confirms_the_lead_moves_nothing(scene: Scene) -> None:
    case = joint(scene)
    ordered = scene.county.asks(case, "joint/lead", to=TOWN, reason="维持")
    scene.settle()
    assert scene.county.answer_to(case, ordered) == ("granted", None)
    assert (scene.town.case(case)["holder"], scene.town.case(case)["epoch"]) == (TOWN, 1)


def test_a_township_does_not_order_who_leads_between_townships(scene: Scene) -> None:
    case = joint(scene)
    ordered = scene.other_town.asks(case, "joint/lead", to=OTHER_TOWN, reason="我们来")
    scene.settle()
    assert scene.other_town.answer_to(case, ordered) == ("refused", "not-an-ancestor")


# --- one agreement ---------------------------------------------------------------------------------


def test_a_joint_case_closes_when_every_accepted_partner_has_countersigned(scene: Scene) -> None:
    case = joint(scene)
    scene.town.does(case, "mediations", **SESSION)
    first = scene.town.does(case, "agree", agreement="第一稿")["agreement_seq"]
    scene.settle()
    scene.town.does(case, "fail", reason="有一方反悔")
    scene.town.does(case, "mediations", **SESSION)
    second = scene.town.does(case, "agree", agreement="第二稿")["agreement_seq"]
    stale = scene.other_town.asks(case, "joint/countersign", agreement_seq=first)
    scene.settle()
    assert scene.other_town.answer_to(case, stale) == ("refused", "stale-agreement")
    refused = scene.town.refused(case, "close")
    assert (refused.status, refused.type, refused.document["missing"]) == (409, "not-countersigned", [OTHER_TOWN])
    scene.other_town.asks(case, "joint/countersign", agreement_seq=second)
    scene.settle()
    assert scene.town.case(case)["joint"]["partners"] == [
        {"code": OTHER_TOWN, "status": "accepted", "countersigned": True}
    ]
    assert scene.town.does(case, "close")["status"] == "closed"
    scene.settle()
    assert scene.other_town.case(case)["log"] == scene.town.case(case)["log"]


def test_after_a_handoff_the_old_lead_countersigns(scene: Scene) -> None:
    case = joint(scene)
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    scene.other_town.does(case, "accept")
    scene.other_town.does(case, "mediations", **SESSION)
    agreed = scene.other_town.does(case, "agree", agreement="一纸协议")["agreement_seq"]
    assert scene.other_town.refused(case, "close").document["missing"] == [TOWN]
    scene.settle()
    scene.town.asks(case, "joint/countersign", agreement_seq=agreed)
    scene.settle()
    assert scene.other_town.does(case, "close")["status"] == "closed"
