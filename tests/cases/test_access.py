"""Who sees what of a case, at every center and at every step (DESIGN section 4)."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from node.cases.tables import CaseRow, EntryRow
from node.federation import chores
from tests.cases.scene import (
    COUNTY,
    FAR_VILLAGE,
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    SESSION,
    TOWN,
    VILLAGE,
    Desk,
    Json,
    Scene,
)
from tests.cases.stored import tells

SECRETS: Json = {
    "title": "甘家排水沟秘密标题",
    "place": "甘家巷秘密地点",
    "description": "秘密详情",
    "parties": [{"name": "甘秘密", "phone": "13900009999", "address": "秘密地址", "id_number": "532923199001010011"}],
}
WORDS = ("秘密", "13900009999", "532923199001010011")
"""Found in everything of SECRETS, and of the texts below."""

HEADER = {
    "id",
    "number",
    "display_number",
    "category",
    "grade",
    "status",
    "access",
    "origin",
    "holder",
    "epoch",
    "overdue",
    "deadline_by_weekdays",
    "supervised",
    "returns",
    "registered_at",
}
"""What a header may say, beside the deadline and the destination where there are some."""


def said(document: Json) -> set[str]:
    """What a document says something about."""
    return {name for name, value in document.items() if value not in (None, [], "")}


def assert_header_only(scene: Scene, desk: Desk, case: str) -> Json:
    """This center sees the header, and nothing more lies in its database."""
    document = desk.case(case)
    assert document["access"] == "header"
    assert HEADER <= said(document) <= HEADER | {"deadline", "in_transit_to", "requests", "joint"}
    if document["joint"] is not None:
        assert not document["joint"]["members"], "names are for who takes part"
        assert {each["status"] for each in document["joint"]["partners"]} <= {"accepted"}
    row = desk.row(case)
    assert row is not None
    assert (row.state, row.invitation, row.title, row.place) == (None, None, None, None)
    assert not [word for word in WORDS if word in f"{document}{row.header}"]
    return document


# --- step by step ----------------------------------------------------------------------------------


def test_an_ordinary_case_is_seen_by_who_held_it_and_nobody_else(scene: Scene) -> None:
    case = scene.village.registers(**SECRETS)
    assert scene.sees(case) == {VILLAGE: "full"}
    scene.village.does(case, "accept")
    scene.village.does(case, "mediations", **SESSION)
    with scene.offline(TOWN):
        scene.village.does(case, "escalate", reason="太大")
        assert scene.sees(case) == {VILLAGE: "full"}, "custody has not arrived"
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full"}
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", OTHER_VILLAGE: "full"}
    scene.other_village.does(case, "return", reason="不归我们")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", OTHER_VILLAGE: "full"}
    scene.town.does(case, "withdraw", reason="自行和解")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", OTHER_VILLAGE: "full"}


def test_a_high_grade_case_shows_its_header_to_all_above_as_long_as_it_is_one(scene: Scene) -> None:
    village = scene.village
    case = village.registers(**SECRETS)
    village.does(case, "grade", grade="high", reason="秘密理由")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "header", COUNTY: "header"}
    for desk in (scene.town, scene.county):
        header = assert_header_only(scene, desk, case)
        assert (header["grade"], header["status"], header["holder"]) == ("high", "registered", VILLAGE)
    village.does(case, "accept")
    scene.settle()
    assert scene.county.case(case)["status"] == "accepted", "headers are kept up to date"
    village.does(case, "grade", grade="low", reason="已缓和")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full"}


def test_a_header_goes_along_with_the_case(scene: Scene) -> None:
    case = scene.village.registers(**SECRETS, grade="high")
    scene.village.does(case, "escalate", reason="秘密")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", COUNTY: "header"}
    assert scene.county.case(case)["holder"] == TOWN
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="秘密")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", COUNTY: "header", OTHER_TOWN: "invited"}
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", COUNTY: "header", OTHER_TOWN: "full"}
    assert assert_header_only(scene, scene.county, case)["holder"] == OTHER_TOWN
    scene.other_town.does(case, "assign", to=FAR_VILLAGE, **FOUR)
    scene.settle()
    assert scene.county.case(case)["holder"] == FAR_VILLAGE
    scene.far_village.does(case, "grade", grade="low", reason="已缓和")
    scene.settle()
    everyone_who_held_it = {VILLAGE: "full", TOWN: "full", OTHER_TOWN: "full", FAR_VILLAGE: "full"}
    assert scene.sees(case) == everyone_who_held_it


def test_when_a_high_grade_case_leaves_a_township_that_only_had_its_header_the_header_goes(scene: Scene) -> None:
    """Between villages of two townships: the old holder's township is no longer above the holder."""
    case = scene.village.registers(**SECRETS, grade="high")
    scene.village.does(case, "handoff", to=FAR_VILLAGE, reason="秘密")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "header", COUNTY: "header", FAR_VILLAGE: "invited"}
    scene.far_village.asks(case, "handoff/accept")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", OTHER_TOWN: "header", COUNTY: "header", FAR_VILLAGE: "full"}


def test_an_overdue_case_shows_its_header_to_all_above(scene: Scene) -> None:
    case = scene.town.registers(**SECRETS)
    four = {name: value for name, value in FOUR.items() if name != "working_days"}
    until = scene.fed.clock.now() + timedelta(hours=1)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, deadline=until.isoformat(), **four)
    scene.settle()
    assert COUNTY not in scene.sees(case)
    scene.fed.clock.advance(timedelta(hours=2))
    chores.run(scene.other_village.center)
    scene.settle()
    header = assert_header_only(scene, scene.county, case)
    assert (header["overdue"], header["holder"]) == (True, OTHER_VILLAGE)
    scene.other_village.does(case, "return", reason="办不了")
    scene.settle()
    assert COUNTY not in scene.sees(case), "the township's own term has no deadline that passed"


def test_a_supervised_case_shows_its_header_to_all_above(scene: Scene) -> None:
    case = scene.town.registers(**SECRETS)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    scene.town.asks(case, "urge", text="秘密督办")
    scene.settle()
    assert scene.sees(case) == {TOWN: "full", OTHER_VILLAGE: "full", COUNTY: "header"}
    assert assert_header_only(scene, scene.county, case)["supervised"] is True


def test_an_invitation_shows_header_title_place_and_reason_and_no_more(scene: Scene) -> None:
    parties_and_texts = ("秘密阿诗玛", "13911112222", "秘密石林巷", "秘密来龙去脉", "秘密备注", "秘密成员")
    party = {"name": "秘密阿诗玛", "phone": "13911112222", "address": "秘密石林巷"}
    case = scene.town.registers(**{**SECRETS, "parties": [party], "description": "秘密来龙去脉"})
    scene.town.does(case, "accept")
    scene.town.does(case, "notes", text="秘密备注")
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界", members=[{"name": "秘密成员"}])
    scene.settle()
    assert scene.sees(case) == {TOWN: "full", OTHER_TOWN: "invited", COUNTY: "header"}
    above = assert_header_only(scene, scene.county, case)
    assert above["joint"] == {"lead": TOWN, "partners": [], "members": []}, "who has not answered is nobody's business"
    document = scene.other_town.case(case)
    assert said(document) == HEADER | {"title", "place", "invitation"}
    assert (document["title"], document["place"]) == (SECRETS["title"], SECRETS["place"])
    assert document["invitation"] == {"kind": "joint", "reason": "两镇交界", "holder": TOWN}
    assert document["status"] == "accepted"
    assert not tells(scene.other_town, *parties_and_texts)
    assert set(tells(scene.town, *parties_and_texts)) == set(parties_and_texts)


def test_who_declines_sees_nothing_any_more_and_keeps_nothing(scene: Scene) -> None:
    secrets = {**SECRETS, "title": "甘家界址纠纷", "place": "甘家巷底"}
    case = scene.town.registers(**secrets)
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    request = scene.other_town.asks(case, "joint/decline", reason="不在我镇")
    scene.settle()
    assert scene.sees(case) == {TOWN: "full"}, "nor is it joint any more for those above"
    assert scene.other_town.row(case) is None
    declined = scene.town.case(case)["log"][-1]
    assert (declined["kind"], declined["data"]["reason"], declined["data"]["request"]["id"]) == (
        "declined",
        "不在我镇",
        request,
    )


def test_who_accepts_sees_everything_from_the_beginning(scene: Scene) -> None:
    case = scene.town.registers(**SECRETS)
    scene.town.does(case, "notes", text="秘密备注")
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    scene.other_town.asks(case, "joint/accept")
    scene.settle()
    assert scene.sees(case) == {TOWN: "full", OTHER_TOWN: "full", COUNTY: "header"}
    assert scene.other_town.case(case)["log"] == scene.town.case(case)["log"]
    assert scene.other_town.case(case)["parties"] == scene.town.case(case)["parties"]
    assert scene.other_town.case(case)["invitation"] is None


def test_an_invitation_is_withdrawn_when_the_case_ends_and_given_again_when_it_is_reopened(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    scene.town.does(case, "withdraw", reason="自行和解")
    scene.settle()
    assert OTHER_TOWN not in scene.sees(case)
    scene.town.does(case, "reopen", reason="反悔")
    scene.settle()
    assert scene.sees(case)[OTHER_TOWN] == "invited"


# --- breaking the glass ----------------------------------------------------------------------------


def test_an_ancestor_with_a_reason_reads_the_case_for_a_while_and_its_reason_stands_in_the_log(scene: Scene) -> None:
    case = scene.village.registers(**SECRETS, grade="high")
    scene.settle()
    request = scene.county.asks(case, "view", reason="上级督查")
    scene.settle()
    assert scene.county.answer_to(case, request) == ("granted", None)
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "header", COUNTY: "full"}
    seen = scene.county.case(case)
    assert seen["parties"][0]["name"] == "甘秘密"
    viewed = scene.village.case(case)["log"][-1]
    assert (viewed["kind"], viewed["data"]["by"], viewed["data"]["reason"]) == ("viewed", COUNTY, "上级督查")
    assert COUNTY not in scene.village.case(case)["followers"]

    scene.village.does(case, "notes", text="看过之后")
    scene.village.does(case, "accept")
    scene.settle()
    assert "noted" not in scene.county.kinds(case), "a view is no following"

    scene.fed.clock.advance(timedelta(hours=25))
    assert scene.county.sees(case) == "header"
    chores.run(scene.county.center)
    assert_header_only(scene, scene.county, case)
    assert scene.county.case(case)["status"] == "accepted"
    with scene.county.member.read() as session:
        assert session.scalar(select(func.count()).select_from(EntryRow).where(EntryRow.case_id == case)) == 0


def test_the_glass_can_be_broken_again(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.settle()
    for _ in range(2):
        scene.county.asks(case, "view", reason="上级督查")
        scene.settle()
        assert scene.county.case(case)["log"] == scene.village.case(case)["log"]
        scene.fed.clock.advance(timedelta(hours=25))
        chores.run(scene.county.center)
        assert scene.county.sees(case) == "header"


def test_a_case_that_came_to_whoever_viewed_it_stays(scene: Scene) -> None:
    case = scene.town.registers(**SECRETS, grade="high")
    scene.settle()
    scene.county.asks(case, "view", reason="上级督查")
    scene.settle()
    scene.town.does(case, "escalate", reason="太大")
    scene.settle()
    scene.fed.clock.advance(timedelta(hours=25))
    chores.run(scene.county.center)
    assert scene.county.sees(case) == "full"
    assert scene.county.case(case)["log"] == scene.town.case(case)["log"]


def test_what_is_invisible_can_neither_be_viewed_nor_asked_about(scene: Scene) -> None:
    case = scene.village.registers()
    scene.settle()
    asking: list[tuple[str, Json]] = [("view", {"reason": "?"}), ("notes", {"text": "?"}), ("urge", {"text": "?"})]
    for act, given in asking:
        refused = scene.county.refused(case, act, **given)
        assert (refused.status, refused.type) == (404, "not-found")
    assert scene.county.refused(case, "assign", to=TOWN, **FOUR).status == 404
    assert scene.other_village.refused(case, "recall", reason="?").status == 404


def test_a_search_finds_no_words_that_this_center_may_not_read(scene: Scene) -> None:
    case = scene.village.registers(title="查无此名的沟", grade="high")
    scene.settle()
    scene.county.asks(case, "view", reason="督查")
    scene.settle()
    assert [one["id"] for one in scene.county.get("/cases", q="查无此名")["items"]] == [case]
    scene.fed.clock.advance(timedelta(hours=25))
    assert scene.county.get("/cases", q="查无此名")["items"] == []
    number = scene.village.case(case)["number"]
    assert [one["id"] for one in scene.county.get("/cases", q=number)["items"]] == [case]


# --- relays ----------------------------------------------------------------------------------------


def test_a_relay_keeps_only_sealed_bytes(scene: Scene) -> None:
    """A village's case goes from one township to the other, over the county, which is no party to it."""
    words = ("柯纳蕊", "CANARY-4711", "沉默的金丝雀")
    case = scene.village.registers(
        title="沉默的金丝雀", parties=[{"name": "柯纳蕊", "phone": "CANARY-4711"}], description="沉默的金丝雀"
    )
    scene.village.does(case, "escalate", reason="沉默的金丝雀", triggers=["group_incident"])
    scene.settle()
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="沉默的金丝雀")
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    scene.other_town.does(case, "notes", text="沉默的金丝雀")
    scene.village.asks(case, "notes", text="沉默的金丝雀")
    scene.settle()
    assert scene.sees(case) == {VILLAGE: "full", TOWN: "full", OTHER_TOWN: "full"}
    assert scene.village.case(case)["log"] == scene.other_town.case(case)["log"]
    for desk in (scene.village, scene.town, scene.other_town):
        assert set(tells(desk, *words)) == set(words)
    assert not tells(scene.county, *words, case)
    directory = scene.county.member.settings.data_dir
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    raw = b"".join(path.read_bytes() for path in files)
    assert not [word for word in (*words, case) if word.encode() in raw]


@pytest.mark.parametrize("access", ["header", "invited"])
def test_acts_of_a_holder_are_refused_to_whoever_sees_only_a_part(scene: Scene, access: str) -> None:
    case = scene.town.registers(grade="high")
    scene.town.does(case, "joint", partners=[OTHER_TOWN], reason="两镇交界")
    scene.settle()
    desk = scene.county if access == "header" else scene.other_town
    assert desk.sees(case) == access
    acts: list[tuple[str, Json]] = [("accept", {}), ("grade", {"grade": "low", "reason": "-"}), ("close", {})]
    for act, given in acts:
        refused = desk.refused(case, act, **given)
        assert (refused.status, refused.type, refused.document["holder"]) == (409, "not-holder", TOWN)


def test_rows_of_cases_that_nobody_here_may_see_are_gone(scene: Scene) -> None:
    with scene.other_village.member.read() as session:
        visible = {row["id"] for row in scene.other_village.get("/cases", limit=200)["items"]}
        stored = set(session.scalars(select(CaseRow.id)))
    assert stored == visible
