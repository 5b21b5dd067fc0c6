"""Lists of cases: filters, search, pages; and posts that are sent again."""

from datetime import timedelta

import pytest

from node.cases import search
from tests.cases.scene import FOUR, OTHER_VILLAGE, SESSION, TOWN, VILLAGE, Desk, Json, Scene, refusal


def ids(page: Json) -> list[str]:
    return [str(item["id"]) for item in page["items"]]


def matters(desk: Desk, mark: str, count: int) -> list[str]:
    """Matters of which only these carry the mark, oldest first."""
    return [desk.registers(title=f"{mark}第{number}件") for number in range(count)]


def test_pages_follow_each_other_newest_first_and_total_counts_all(each_scene: Scene) -> None:
    desk = each_scene.far_village
    cases = matters(desk, "翻页", 7)
    page: Json = {}
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for expected in (3, 3, 1):
        page = desk.get("/cases", q="翻页", limit=3, **cursor)
        assert (len(page["items"]), page["total"]) == (expected, 7)
        seen += ids(page)
        cursor = {"cursor": page["next_cursor"]}
    assert page["next_cursor"] is None
    assert seen == list(reversed(cases))


def test_a_page_stays_where_it_is_when_new_matters_come(each_scene: Scene) -> None:
    desk = each_scene.far_village
    cases = matters(desk, "插队", 4)
    first = desk.get("/cases", q="插队", limit=2)
    late = matters(desk, "插队", 1)
    second = desk.get("/cases", q="插队", limit=2, cursor=first["next_cursor"])
    assert ids(first) + ids(second) == list(reversed(cases))
    assert late[0] not in ids(second)


@pytest.mark.parametrize(
    "cursor", ["x", "!", "MjAyNi0wMy0wMg==", "MjAyNi0wMy0wMlQwMDowMDowMCswMDowMCAA", "\u4e2d", "A" * 201]
)
def test_a_cursor_that_is_none_of_ours_is_refused(each_scene: Scene, cursor: str) -> None:
    refused = refusal(each_scene.village.request("GET", "/cases", query={"cursor": cursor}))
    assert (refused.status, refused.type) == (422, "invalid")


def test_filters(scene: Scene) -> None:
    town = scene.town
    case = town.registers(title="筛选之件", category="forest_land", grade="medium")
    other = town.registers(title="筛选之二", category="traffic")
    town.does(other, "withdraw", reason="-")
    town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    everything: list[Json] = [
        {"category": "forest_land"},
        {"grade": "medium"},
        {"status": "registered"},
        {"holder": OTHER_VILLAGE},
        {"category": "forest_land", "grade": "medium", "status": "registered", "holder": OTHER_VILLAGE},
    ]
    for filters in everything:
        assert ids(town.get("/cases", q="筛选之", **filters)) == [case], filters
    assert ids(town.get("/cases", q="筛选之", status="withdrawn")) == [other]
    assert ids(town.get("/cases", q="筛选之", holder=TOWN)) == [other]
    assert ids(town.get("/cases", q="筛选之", grade="high")) == []
    assert ids(town.get("/cases", q="筛选之", overdue="true")) == []
    assert ids(town.get("/cases", q="筛选之", overdue="false")) == [other, case]
    scene.fed.clock.advance(timedelta(days=30))
    assert ids(town.get("/cases", q="筛选之", overdue="true")) == [case]
    assert ids(town.get("/cases", q="筛选之", overdue="false")) == [other]


def test_a_search_looks_at_number_display_number_title_and_place(scene: Scene) -> None:
    village = scene.village
    case = village.registers(title="百分%之_百", place="老槐树下")
    document = village.case(case)
    for words in (document["number"], document["display_number"], "分%之_", "老槐树"):
        assert ids(village.get("/cases", q=words)) == [case], words
    assert case not in ids(village.get("/cases", q="分_之%")), "wildcards are letters like others"
    assert village.get("/cases", q="张三")["total"] == 0, "persons are not searched"


def test_a_search_finds_letters_within_words_and_descriptions_also_of_ended_cases(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers(title="搜索甲的水渠", place="老营盘88号旁", description="双方为KTV噪音争执，祖坟旁有碑。")
    village.does(case, "withdraw", reason="-")
    for words in ("渠", "的水", "营盘88", "88号旁", "争执，祖坟", "ktv", "碑", "执，祖"):
        assert case in ids(village.get("/cases", q=words)), words
    for words in ("争执祖坟", "水的", "坟祖", "碑双"):
        assert ids(village.get("/cases", q=words)) == [], words


def test_a_search_finds_numbers_by_their_last_digits_and_however_they_are_typed(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers(title="按号找")
    document = village.case(case)
    serial = document["number"][-4:]
    display = document["display_number"]
    for words in (serial, serial.lstrip("0"), display, display.removesuffix("号"), f"2026〕{serial.lstrip('0')}号"):
        assert case in ids(village.get("/cases", q=words)), words
    assert case in ids(village.get("/cases", q=display.translate(str.maketrans("〔〕", "[]"))))
    assert village.get("/cases", q="9" + serial)["items"] == []


def test_what_is_corrected_is_found_by_its_new_words_alone(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers(title="改前之名", description="改前之事")
    village.does(case, "correct", changes={"title": "改后之名", "description": "改后之事"}, reason="写错了")
    for words, there in (("改后之名", [case]), ("改后之事", [case]), ("改前之名", []), ("改前之事", [])):
        assert ids(village.get("/cases", q=words)) == there, words


def test_where_very_many_fit_the_newest_are_shown_and_nobody_counts_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    village = scene.village
    cases = [village.registers(title=f"多得很之{number}") for number in range(4)]
    monkeypatch.setattr(search, "FEW", 3)
    first = village.get("/cases", q="多得很", limit=3)
    assert (ids(first), first["total"]) == (cases[:0:-1], None)
    rest = village.get("/cases", q="多得很", limit=3, cursor=first["next_cursor"])
    assert (ids(rest), rest["next_cursor"]) == (cases[:1], None)
    assert ids(village.get("/cases", q="多得很", status="withdrawn")) == []


def test_items_have_all_but_log_parties_and_what_follows_from_them(scene: Scene) -> None:
    case = scene.village.registers(title="看看列表", description="经过")
    [item] = scene.village.get("/cases", q="看看列表")["items"]
    document = scene.village.case(case)
    assert set(document) - set(item) == {"log", "parties", "path", "agreement", "visits"}
    assert item == {name: value for name, value in document.items() if name in item}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "many"},
        {"status": "lost"},
        {"grade": "huge"},
        {"category": "gossip"},
        {"holder": "532"},
        {"overdue": "perhaps"},
        {"q": "长" * 101},
    ],
)
def test_filters_that_make_no_sense_are_refused(scene: Scene, query: dict[str, str]) -> None:
    refused = refusal(scene.village.request("GET", "/cases", query=query))
    assert (refused.status, refused.type) == (422, "invalid")
    assert refused.document["errors"][0]["field"] in query


# --- sent again ------------------------------------------------------------------------------------


def test_a_post_that_is_sent_again_acts_once(each_scene: Scene) -> None:
    village = each_scene.village
    matter: Json = {"title": "只登一次", "category": "other", "place": "p", "parties": [{"name": "n"}]}
    first, again = [village.post("/cases", matter, key="register-once") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert village.get("/cases", q="只登一次")["total"] == 1
    case = str(first.json()["id"])
    village.does(case, "accept")
    answers = [village.post(f"/cases/{case}/mediations", SESSION, key="session-once") for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert village.kinds(case) == ["registered", "accepted", "mediated"]


def test_a_request_that_is_sent_again_is_one_request(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    answers = [scene.village.post(f"/cases/{case}/notes", {"text": "补"}, key="note-once") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    scene.settle()
    assert scene.town.kinds(case).count("noted") == 1


def test_a_refused_post_may_be_tried_again_under_its_key(scene: Scene) -> None:
    village = scene.village
    case = village.registers()
    path = f"/cases/{case}/escalate"
    assert refusal(village.post(path, {"reason": "太大"}, key="up")).type == "escalation-gated"
    village.does(case, "grade", grade="high", reason="-")
    assert village.post(path, {"reason": "太大"}, key="up").status_code == 200
    scene.settle()


def test_a_key_belongs_to_one_request(scene: Scene) -> None:
    case = scene.village.registers()
    scene.village.post(f"/cases/{case}/notes", {"text": "一"}, key="one-key")
    refused = refusal(scene.village.post(f"/cases/{case}/notes", {"text": "二"}, key="one-key"))
    assert (refused.status, refused.type) == (422, "idempotency-key-reused")
    assert scene.village.kinds(case) == ["registered", "noted"]
    assert VILLAGE in scene.sees(case)
