"""What a command says on a terminal: in the reader's language, tables that keep their columns in Chinese too."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TypeVar

import typer

from node.i18n import DEFAULT, LANGUAGES, Language, translate

Item = TypeVar("Item")

LANGUAGE_VARIABLE = "LIANDONG_LANG"

_VARIABLES = (LANGUAGE_VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG")
_chosen: ContextVar[Language | None] = ContextVar("language", default=None)


def language_of(environment: Mapping[str, str], arguments: Sequence[str] = ()) -> Language:
    """The language of the command line: ``--lang``, then the environment, then Chinese.

    ``C`` and ``POSIX`` say nothing about a language.
    """
    wanted = [environment.get(name, "") for name in _VARIABLES]
    for position, here in enumerate(arguments):
        if here == "--lang":
            wanted[:0] = arguments[position + 1 : position + 2]
        elif here.startswith("--lang="):
            wanted.insert(0, here.removeprefix("--lang="))
    for tag in wanted:
        primary = tag.replace("_", "-").split("-")[0].split(".")[0].lower()
        for language in LANGUAGES:
            if primary == language.split("-")[0]:
                return language
    return DEFAULT


def language() -> Language:
    """The language of this run."""
    return _chosen.get() or language_of(os.environ, sys.argv[1:])


def choose(language: Language) -> None:
    """Speak this language from now on."""
    _chosen.set(language)


def word(msgid: str, **places: object) -> str:
    """A catalog message in the language of this run."""
    return translate(language(), msgid, **places)


def say(msgid: str, **places: object) -> None:
    """Say a catalog message."""
    typer.echo(word(msgid, **places))


def complain(text: str) -> None:
    """Say on standard error what is wrong."""
    typer.secho(text, err=True, fg=typer.colors.RED)


def remark(msgid: str, **places: object) -> None:
    """Say on standard error what a person should know, and a program reading the output should not."""
    typer.echo(word(msgid, **places), err=True)


def show_json(document: object) -> None:
    """Print a document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def show_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; ``headers`` are catalog messages."""
    table = [[word(header) for header in headers], *([_cell(value) for value in row] for row in rows)]
    widths = [max(width_of(row[column]) for row in table) for column in range(len(headers))]
    for number, row in enumerate(table):
        cells = [cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        typer.secho(line, bold=number == 0)


def progress(items: Sequence[Item], msgid: str) -> Iterator[Item]:
    """Go through items with a bar on standard error, where that is a terminal."""
    with typer.progressbar(items, label=word(msgid), file=sys.stderr) as bar:
        yield from bar


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
