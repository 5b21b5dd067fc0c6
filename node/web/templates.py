"""The template environment: escaping always on, words in the reader's language, times in local time.

Words, times and names depend on who reads, so the functions take ``language``, ``now`` and ``names`` from
the context that ``node.web.rendering`` fills for every page.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final, cast

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from node import words
from node.clock import LOCAL_ZONE
from node.i18n import Language, translate, translate_plural
from node.web import times
from node.web.static_files import static_url
from protocol.status import Rate

TEMPLATE_DIRECTORY: Final = Path(__file__).parent / "templates"


def _language(context: Context) -> Language:
    return cast("Language", context["language"])


@pass_context
def _gettext(context: Context, msgid: str, /, **places: object) -> str:
    return translate(_language(context), msgid, **places)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, n: int, /, **places: object) -> str:
    return translate_plural(_language(context), singular, plural, n, **places)


@pass_context
def _word(context: Context, code: str | None, name: str) -> str:
    """``{{ case.status | word("status") }}``."""
    return words.word(_language(context), name, code)


@pass_context
def _center(context: Context, code: str | None) -> str:
    """The name of a center by its code."""
    names = cast("Callable[[str], str]", context["names"])
    return names(code) if code else "—"


@pass_context
def _level_of(context: Context, code: str) -> str:
    """The level of a center by its code."""
    levels = cast("Callable[[str], str]", context["levels"])
    return levels(code)


@pass_context
def _when(context: Context, instant: datetime) -> str:
    return times.when(instant, context["now"], _language(context))


@pass_context
def _day(context: Context, day: datetime | date) -> str:
    today = context["now"].astimezone(LOCAL_ZONE).date()
    local = day.astimezone(LOCAL_ZONE).date() if isinstance(day, datetime) else day
    return times.day_words(local, today, _language(context))


@pass_context
def _due(context: Context, deadline: datetime) -> times.Due:
    return times.due(deadline, context["now"], context["near_days"], _language(context))


@pass_context
def _span(context: Context, start: datetime, end: datetime | None = None) -> str:
    """How long it lasts: ``{{ since | span(until) }}``, until now where there is no end."""
    return times.span(start, end or context["now"], _language(context))


def _percent(rate: Rate) -> str:
    """A rate of a hundred, with one decimal, rounded half up as people do it."""
    tenths = (2000 * rate.numerator + rate.denominator) // (2 * rate.denominator)
    return f"{tenths // 10}.{tenths % 10}"


MASKED_KEEP: Final = (3, 4)
"""Digits of a telephone number that stay readable at its begin and its end."""


def _masked(number: str) -> str:
    """A telephone number where it only helps to tell people apart: 138****0000."""
    first, last = MASKED_KEEP
    hidden = len(number) - first - last
    return number[:first] + "*" * hidden + number[-last:] if hidden > 0 else "*" * len(number)


@cache
def environment(level_directory: Path) -> Environment:
    """The environment of a level; its own templates are found under ``level/``."""
    env = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(TEMPLATE_DIRECTORY), PrefixLoader({"level": FileSystemLoader(level_directory)})]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals |= {"_": _gettext, "ngettext": _ngettext, "static": static_url}
    env.filters |= {
        "word": _word,
        "center": _center,
        "level_of": _level_of,
        "when": _when,
        "day": _day,
        "time": times.clock_time,
        "iso": times.iso,
        "due": _due,
        "span": _span,
        "masked": _masked,
        "percent": _percent,
    }
    return env
