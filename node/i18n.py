"""Words in the reader's language: Chinese by default, English on request.

Message ids are the English texts; only where an id is a name (the type of a problem) does English have a
catalog too. The catalogs are ``locale/*/LC_MESSAGES/liandong.po``. They are read as they stand when first
needed, so an editable install, a wheel and a fresh clone all show the same words and no compiled file can be
out of date. The reader below knows the part of the format that ``pybabel`` writes; a test compares it with
Babel's own on the committed catalog.

Code that says something to people marks it with ``N_("...")`` and passes the id on; whoever knows the
reader's language calls ``translate`` at the edge. ``docs/translations.md`` tells how to extract and complete
the catalog.
"""

import ast
import gettext
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Final, Literal, get_args

Language = Literal["zh-CN", "en"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
DEFAULT: Final[Language] = "zh-CN"

LOCALE_DIRECTORY: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "liandong"

_SEPARATORS: Final[Mapping[Language, str]] = {"zh-CN": "、", "en": ", "}
_MO_MAGIC: Final = 0x950412DE


def N_(msgid: str) -> str:  # noqa: N802 - gettext's own name for a marker
    """Mark ``msgid`` for the catalog; it is translated later, where the reader's language is known."""
    return msgid


def translate(language: Language, msgid: str, /, **places: object) -> str:
    """The text of ``msgid`` with its ``{named}`` places filled; a place that nothing fills stays as it is.

    Lists and tuples are joined with the language's own separator. An id without translation is returned as
    it is.
    """
    return _filled(language, _catalog(language).gettext(msgid) if msgid else "", places)


def translate_plural(language: Language, singular: str, plural: str, n: int, /, **places: object) -> str:
    """The text for ``n`` things (gettext's ``ngettext``); ``{n}`` is filled with the number.

    Write both forms into the call itself: that is how the catalog comes to hold them as a pair.
    """
    return _filled(language, _catalog(language).ngettext(singular, plural, n), {"n": n, **places})


def joined(language: Language, parts: Iterable[object]) -> str:
    """The parts as one enumeration."""
    return _SEPARATORS[language].join(map(str, parts))


def negotiate(accept_language: str | None, cookie: str | None) -> Language:
    """The language to answer in: the chosen one (cookie), else the browser's first known, else Chinese."""
    for language in LANGUAGES:
        if cookie == language:
            return language
    for tag in _preferences(accept_language or ""):
        primary = tag.split("-")[0].lower()
        if primary == "zh":
            return "zh-CN"
        if primary == "en":
            return "en"
    return DEFAULT


def _preferences(header: str) -> list[str]:
    """Language tags of an Accept-Language header, best first; broken parts are skipped."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, parameters = part.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighted.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _filled(language: Language, text: str, places: Mapping[str, object]) -> str:
    if "{" not in text or not places:
        return text
    return text.format_map(_Places(language, places))


class _Places(dict[str, object]):
    """Values of places as text; an unknown place is left standing."""

    def __init__(self, language: Language, places: Mapping[str, object]) -> None:
        super().__init__(
            (name, joined(language, value) if isinstance(value, list | tuple) else value)
            for name, value in places.items()
        )

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


@cache
def _catalog(language: Language) -> gettext.NullTranslations:
    path = LOCALE_DIRECTORY / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"
    return gettext.GNUTranslations(BytesIO(_compiled(read_po(path.read_text(encoding="utf-8")))))


def read_po(text: str) -> dict[str, str]:
    """Messages of a ``.po`` file in gettext's compiled form: ``singular NUL plural`` -> ``form NUL form``.

    Fuzzy, obsolete and empty entries are left out, as msgfmt leaves them out. The header is the entry of
    ``""``.
    """
    messages: dict[str, str] = {}
    for block in _blocks(text):
        fields, fuzzy = _fields(block)
        msgid = fields.get("msgid")
        if msgid is None or (fuzzy and msgid):
            continue
        plural = fields.get("msgid_plural")
        forms = [value for name, value in sorted(fields.items()) if name.startswith("msgstr")]
        if not all(forms):
            continue
        messages[msgid if plural is None else f"{msgid}\0{plural}"] = "\0".join(forms)
    return messages


def _blocks(text: str) -> Iterator[list[str]]:
    """Entries of the file; they are divided by empty lines."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            block.append(line.strip())
        elif block:
            yield block
            block = []


def _fields(block: list[str]) -> tuple[dict[str, str], bool]:
    """Keyword -> text of one entry, and whether it is marked fuzzy."""
    fields: dict[str, str] = {}
    fuzzy = False
    keyword = ""
    for line in block:
        if line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        first, _, rest = line.partition(" ")
        keyword, text = (keyword, line) if line.startswith('"') else (first, rest)
        fields[keyword] = fields.get(keyword, "") + str(ast.literal_eval(text.strip()))
    return fields, fuzzy


def _compiled(messages: Mapping[str, str]) -> bytes:
    """The machine form that ``gettext`` reads (GNU gettext manual, "The Format of GNU MO Files")."""
    pairs = [(msgid.encode(), msgstr.encode()) for msgid, msgstr in sorted(messages.items())]
    originals, translations, strings = b"", b"", b""
    start = 28 + 16 * len(pairs)
    for index in (0, 1):
        table = b""
        for pair in pairs:
            table += pack("<II", len(pair[index]), start + len(strings))
            strings += pair[index] + b"\0"
        originals, translations = (table, translations) if index == 0 else (originals, table)
    header = pack("<7I", _MO_MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    return header + originals + translations + strings
