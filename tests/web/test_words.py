"""Every code has a word, levels load by name, times and links read as people say them."""

from datetime import UTC, datetime, timedelta

import pytest

from node.accounts.roles import Role
from node.i18n import LANGUAGES, translate
from node.level import UnknownLevel, load_level
from node.web import times
from node.web.case_actions import ACTIONS
from node.web.links import LinkRow, condition_of, sum_of
from node.words import KINDS, LISTS, REQUESTS, STATUSES, TRIGGERS, place_name, spoken, word, words
from protocol.codes import Category, Grade, PartyRole, Source, Status, Trigger
from protocol.entries import Kind
from protocol.messages import Type
from protocol.requests import Ask

NOW = datetime(2026, 3, 18, 2, 31, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_every_word_is_translated(name: str) -> None:
    chinese = words("zh-CN", name)
    assert all(not text.isascii() for _, text in chinese), chinese
    assert [code for code, _ in words("en", name)] == [code for code, _ in chinese]


def test_every_code_has_a_word() -> None:
    assert set(LISTS["category"]) == set(Category)
    assert set(LISTS["grade"]) == set(Grade)
    assert set(LISTS["source"]) == set(Source)
    assert set(LISTS["party_role"]) == set(PartyRole)
    assert set(STATUSES) == set(Status)
    assert set(TRIGGERS) == set(Trigger)
    assert set(KINDS) == set(Kind)
    assert set(REQUESTS) == set(Ask)
    assert set(LISTS["role"]) == set(Role)
    assert set(LISTS["message"]) == set(Type)


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert word("zh-CN", "kind", "teleported") == "teleported"
    assert word("zh-CN", "status", None) == ""


def test_codes_in_a_refusal_become_words() -> None:
    places = {"status": "agreed", "missing": ["mediation", "trigger:grade_high"], "holder": "x", "n": 3}
    assert spoken("en", places) == {
        "status": "Agreed",
        "missing": ["a mediation attempt", "High risk"],
        "holder": "x",
        "n": 3,
    }


@pytest.mark.parametrize(
    ("official", "said"),
    [
        ("谢官营村民委员会", "谢官营村"),
        ("沙龙社区村民委员会", "沙龙社区"),
        ("城南社区居民委员会", "城南社区"),
        ("城南居民委员会", "城南社区"),
        ("沙龙镇", "沙龙镇"),
        ("村民委员会", "村民委员会"),
    ],
)
def test_a_place_is_called_as_people_call_it(official: str, said: str) -> None:
    assert place_name(official) == said


@pytest.mark.parametrize("name", ["county", "township", "village"])
def test_a_level_loads_by_name(name: str) -> None:
    level = load_level(name)
    assert level.name == name
    assert (level.template_directory / "home_lead.html").is_file()
    for language in LANGUAGES:
        assert translate(language, level.letter) == word(language, "letter", name)
    icons = (level.template_directory.parents[1] / "node/web/icons.txt").read_text(encoding="utf-8").split()
    assert {item.icon for item in level.navigation} <= set(icons)


@pytest.mark.parametrize("name", ["prefecture", "node", "os", "../county", "", "County"])
def test_an_unknown_level_is_named_in_the_error(name: str) -> None:
    with pytest.raises(UnknownLevel, match="unknown level"):
        load_level(name)


@pytest.mark.parametrize(
    ("instant", "chinese", "english"),
    [
        (NOW, "今天10:31", "today 10:31"),
        (NOW - timedelta(hours=12), "昨天22:31", "yesterday 22:31"),
        (NOW - timedelta(days=13), "3月5日10:31", "5 March 10:31"),
        (NOW - timedelta(days=365), "2025年3月18日10:31", "18 March 2025 10:31"),
    ],
)
def test_instants_are_told_in_local_time(instant: datetime, chinese: str, english: str) -> None:
    assert times.when(instant, NOW, "zh-CN") == chinese
    assert times.when(instant, NOW, "en") == english


@pytest.mark.parametrize(
    ("deadline", "tone", "text"),
    [
        (NOW + timedelta(days=9), "none", "剩9天"),
        (NOW + timedelta(days=3), "blue", "剩3天"),
        (NOW + timedelta(hours=7), "yellow", "今天17:31到期"),
        (NOW - timedelta(hours=1), "red", "今天09:31已到期"),
        (NOW - timedelta(days=2), "red", "超期2天"),
    ],
)
def test_a_deadline_says_what_is_left(deadline: datetime, tone: str, text: str) -> None:
    shown = times.due(deadline, NOW, 3, "zh-CN")
    assert (shown.tone, shown.text) == (tone, text)
    assert shown.iso.endswith("+08:00")


def test_the_day_stands_with_its_weekday() -> None:
    assert times.long_day(NOW, "zh-CN") == "3月18日 星期三"
    assert times.long_day(NOW, "en") == "Wednesday, 18 March"


def link(direction: str, state: str, backlog: int = 0, *, connected: bool = True) -> LinkRow:
    condition = condition_of(state, connected=connected, backlog=backlog)
    return LinkRow(
        peer="532923102000",
        level="township",
        direction=direction,
        condition=condition,
        words="",
        sent=0,
        acked=0,
        applied=0,
        backlog=backlog,
        oldest_unacked_at=None,
        parked=0,
        last_hello_at=None,
    )


@pytest.mark.parametrize(
    ("links", "condition", "words", "serious"),
    [
        ([link("up", "linked")], "up", "已连接", False),
        ([link("up", "linked", 500)], "behind", "追赶中", False),
        ([link("up", "offline", 3, connected=False)], "down", "与上级断开", True),
        ([link("up", "linked"), link("down", "greeting")], "down", "已连接1/2", False),
        ([link("up", "offline"), link("down", "stopped")], "stopped", "1条链路停止", True),
    ],
)
def test_links_are_summed_up_by_the_worst(links: list[LinkRow], condition: str, words: str, serious: bool) -> None:
    found = sum_of(links, "zh-CN")
    assert found is not None
    assert (found.condition, found.words, found.serious) == (condition, words, serious)


def test_a_center_without_links_shows_none() -> None:
    assert sum_of([], "zh-CN") is None


def test_every_field_of_a_form_is_one_of_its_model() -> None:
    for action in ACTIONS:
        names = {field.name for field in action.fields}
        known = set(action.model.model_fields)
        if action.act == "correct":
            known |= {"title", "category", "place", "description"}
        assert names <= known, action.act
        required = {name for name, info in action.model.model_fields.items() if info.is_required()}
        assert required - {"changes"} <= names, action.act
