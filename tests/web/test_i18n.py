"""Every text a person reads is in the catalogs, and the catalogs hold nothing else."""

import re
import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po as babel_read_po

from node import i18n
from node.i18n import LANGUAGES, N_, Language, negotiate, read_po, translate, translate_plural

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocol", "node", "county", "township", "village", "deploy")
METHODS = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "N_": None,
    "ngettext": (1, 2),
    "translate": (2,),
    "translate_plural": (2, 3),
    "Problem": (2,),
}
PROBLEM_TYPE = re.compile(r"[a-z]+(-[a-z]+)+|invalid|refused|forbidden|internal|unauthenticated|unreachable")


@cache
def texts_in_code() -> dict[str | tuple[str, ...], str]:
    """Message id, or (singular, plural) -> where it is used first."""
    found: dict[str | tuple[str, ...], str] = {}
    for package in PACKAGES:
        for name, line, message, _, _ in extract_from_dir(ROOT / package, METHODS, keywords=KEYWORDS):
            found.setdefault(message, f"{package}/{name}:{line}")
    return {message: place for message, place in found.items() if message}


@cache
def catalog(language: Language) -> Catalog:
    with path_of(language).open("rb") as file:
        return babel_read_po(file, abort_invalid=True)


def path_of(language: Language) -> Path:
    return i18n.LOCALE_DIRECTORY / language.replace("-", "_") / "LC_MESSAGES" / f"{i18n.DOMAIN}.po"


def test_every_text_has_its_chinese() -> None:
    chinese = catalog("zh-CN")
    missing = [
        f"{place}: {message!r}"
        for message, place in sorted(texts_in_code().items(), key=lambda pair: pair[1])
        if not has_translation(chinese, message)
    ]
    assert not missing, "add to the zh_CN catalog:\n" + "\n".join(missing)


def test_every_problem_type_has_a_title_in_english_too() -> None:
    english = catalog("en")
    types = [text for text in texts_in_code() if isinstance(text, str) and PROBLEM_TYPE.fullmatch(text)]
    assert len(types) > 5
    assert not [type_ for type_ in types if not has_translation(english, type_)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_left_over_or_fuzzy(language: Language) -> None:
    used = texts_in_code()
    messages = [message for message in catalog(language) if message.id]
    assert not [message.id for message in messages if message.id not in used]
    assert not [message.id for message in messages if message.fuzzy]
    assert not [str(message) for message in catalog(language).obsolete.values()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_the_same_places(language: Language) -> None:
    wrong = []
    for message in catalog(language):
        known = set().union(*(places(text) for text in forms(message.id)))
        if message.id and any(not places(text) <= known for text in forms(message.string)):
            wrong.append(message.id)
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_our_reader_reads_what_babel_reads(language: Language) -> None:
    ours = read_po(path_of(language).read_text(encoding="utf-8"))
    babels = {}
    for message in catalog(language):
        if message.id and all(forms(message.string)):
            babels["\0".join(forms(message.id))] = "\0".join(forms(message.string))
    ours.pop("")
    assert ours == babels


def test_the_reader_takes_long_lines_and_leaves_out_fuzzy_and_empty_ones() -> None:
    po = """
#: a.py:1
msgid ""
"long "
"text"
msgstr ""
"langer "
"\\"Text\\"\\n"

#, fuzzy
msgid "guess"
msgstr "x"

msgid "empty"
msgstr ""

msgid "{n} day"
msgid_plural "{n} days"
msgstr[0] "{n}天"

#~ msgid "old"
#~ msgstr "y"
"""
    assert read_po(po) == {"long text": 'langer "Text"\n', "{n} day\0{n} days": "{n}天"}


def test_places_are_filled_in_the_readers_way() -> None:
    assert translate("en", "{a} and {b}", a=1, b=["x", "y"]) == "1 and x, y"
    assert translate("zh-CN", "{a}和{b}", a=1, b=["x", "y"]) == "1和x、y"
    assert translate("en", "{a} and {b}", a=1) == "1 and {b}", "a place that nothing fills stays"
    assert translate("en", "") == ""
    assert N_("unchanged") == "unchanged"


def test_numbers_choose_the_form() -> None:
    assert translate_plural("en", "{n} day left", "{n} days left", 1) == "1 day left"
    assert translate_plural("en", "{n} day left", "{n} days left", 2) == "2 days left"
    assert translate_plural("zh-CN", "{n} day left", "{n} days left", 2) == "剩2天"


@pytest.mark.parametrize(
    ("header", "cookie", "language"),
    [
        (None, None, "zh-CN"),
        ("", None, "zh-CN"),
        ("de,fr;q=0.8", None, "zh-CN"),
        ("en-US,en;q=0.9", None, "en"),
        ("de,en;q=0.3,zh;q=0.8", None, "zh-CN"),
        ("en;q=0", None, "zh-CN"),
        ("en;q=broken, zh-TW", None, "zh-CN"),
        ("en", "zh-CN", "zh-CN"),
        ("zh-CN", "en", "en"),
        ("en", "klingon", "en"),
    ],
)
def test_the_choice_before_counts_more_than_the_browser(header: str | None, cookie: str | None, language: str) -> None:
    assert negotiate(header, cookie) == language


def has_translation(known: Catalog, message: str | tuple[str, ...]) -> bool:
    found = known.get(message)
    if found is None or found.fuzzy or found.id != message:
        return False
    return all(forms(found.string))


def forms(text: str | Sequence[str] | None) -> list[str]:
    """Singular and plural forms, or the one text."""
    return [text or ""] if isinstance(text, str) or text is None else list(text)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
