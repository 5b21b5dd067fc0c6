"""What a search looks at: one narrow row of each case that this center knows, and an index of its letter pairs.

Chinese words mostly have two characters and no spaces between them, so the index holds every two neighbouring
characters (grams) of title, place and description, and the last one of each run alone. A row can hold what is looked
for only if it has all grams of it; the few that do are read. SQLite's FTS5 keeps the grams, PostgreSQL's GIN does; both
follow the table by themselves, and both are derived: backups hold the rows, never the index.

Parties stand nowhere in it: nobody is found by name, telephone number or address. What a purge or a redaction takes
from the case is taken from here in the same transaction.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, String, Text, bindparam, delete, text
from sqlalchemy.orm import Mapped, mapped_column

from node.db import Base
from node.rows import insert_rows, table_of, update_rows
from protocol.case import CaseState

BYTEWISE: Final = String().with_variant(String(collation="C"), "postgresql")
"""Text ordered by its code points on both databases, so that a beginning is a range of the index."""

RUNS: Final = re.compile(r"[0-9a-z\u0080-\U0010ffff]+")
"""Runs of letters: what FTS5's ``ascii`` tokenizer takes for one word. Other ASCII characters stand between words."""

DESCRIBED: Final = frozenset({"full", "viewed"})
"""What a center may see of a case whose description it may read (``node.access``)."""

BRACKETS: Final = str.maketrans("[]()（）【】", "〔〕〔〕〔〕〔〕")


class SearchedRow(Base):
    """What of a case can be found. ``words`` is small letters only; each number stands forwards and backwards."""

    __tablename__ = "searched"

    doc: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(unique=True)
    number: Mapped[str] = mapped_column(BYTEWISE, index=True)
    number_back: Mapped[str] = mapped_column(BYTEWISE, index=True)
    display: Mapped[str] = mapped_column(BYTEWISE, index=True)
    display_back: Mapped[str] = mapped_column(BYTEWISE, index=True)
    words: Mapped[str] = mapped_column(Text)
    grams: Mapped[str] = mapped_column(Text)


class Findable(NamedTuple):
    """By what a case can be found: its numbers, and the words that may be read here."""

    number: str
    display_number: str
    title: str | None
    place: str | None
    description: str | None


_TABLE = table_of(SearchedRow)
COLUMNS: Final = ("number", "number_back", "display", "display_back", "words", "grams")
_FORGET = delete(_TABLE).where(_TABLE.c.case_id.in_(bindparam("ids", expanding=True)))


def findable(row: Mapping[str, Any], state: CaseState | None) -> Findable:
    """By what a case can be found at this center, from its row and, where we may read it, its log."""
    readable = state is not None and row["access"] in DESCRIBED
    description = state.description if state is not None and readable else None
    return Findable(row["number"], row["display_number"], row["title"], row["place"], description)


class Changes:
    """What changes of that in one unit of work."""

    def __init__(self) -> None:
        self._new: dict[str, Findable] = {}
        self._changed: dict[str, Findable] = {}
        self._gone: list[str] = []

    def note(self, case_id: str, before: Findable | None, after: Findable | None) -> None:
        """Note by what a case was found, and by what it is from now on; None where it is not known."""
        if before == after:
            return
        if after is None:
            self._gone.append(case_id)
        elif before is None:
            self._new[case_id] = after
        else:
            self._changed[case_id] = after

    def write(self, connection: Connection) -> None:
        """Write it; SQLite's and PostgreSQL's own index follows."""
        insert_rows(connection, _TABLE, ("case_id", *COLUMNS), ((id_, *values(one)) for id_, one in self._new.items()))
        changed = ((*values(one), id_) for id_, one in self._changed.items())
        update_rows(connection, _TABLE, COLUMNS, "case_id", changed)
        if self._gone:
            connection.execute(_FORGET, {"ids": self._gone})


def values(one: Findable) -> tuple[str, ...]:
    """The columns that say it, in the order of ``COLUMNS``."""
    number, display = number_key(one.number), number_key(one.display_number)
    words = folded("\n".join(part for part in (one.title, one.place, one.description) if part))
    return number, number[::-1], display, display[::-1], words, " ".join(grams(words))


def folded(words: str) -> str:
    """Words as they are compared: small letters, and nothing that PostgreSQL does not take."""
    return words.replace("\0", "").casefold()


def number_key(number: str) -> str:
    """A number as it is compared: without 号 at its end, and whatever brackets somebody typed."""
    return "".join(folded(number).translate(BRACKETS).split()).removesuffix("号")


def grams(words: str) -> list[str]:
    """Every two neighbouring characters, once, and the last one of each run alone."""
    found: dict[str, None] = {}
    for run in RUNS.findall(words):
        found.update(dict.fromkeys(map("".join, itertools.pairwise(run))))
        found[run[-1]] = None
    return list(found)


DERIVED: Final = "searched_grams"
"""Stands in the name of whatever belongs to the index of the letter pairs."""

_SQLITE: Final = (
    (
        "CREATE VIRTUAL TABLE IF NOT EXISTS searched_grams USING fts5("
        "grams, content='searched', content_rowid='doc', tokenize='ascii', detail='none', columnsize=0)"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS searched_added AFTER INSERT ON searched BEGIN "
        "INSERT INTO searched_grams (rowid, grams) VALUES (new.doc, new.grams); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS searched_gone AFTER DELETE ON searched BEGIN "
        "INSERT INTO searched_grams (searched_grams, rowid, grams) VALUES ('delete', old.doc, old.grams); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS searched_changed AFTER UPDATE OF grams ON searched BEGIN "
        "INSERT INTO searched_grams (searched_grams, rowid, grams) VALUES ('delete', old.doc, old.grams); "
        "INSERT INTO searched_grams (rowid, grams) VALUES (new.doc, new.grams); END"
    ),
    "INSERT INTO searched_grams (searched_grams) VALUES ('rebuild')",
)

VECTOR: Final = "array_to_tsvector(string_to_array(searched.grams, ' '))"
"""What PostgreSQL's index holds; a query has to say it in the same words."""

_POSTGRESQL: Final = (
    "CREATE INDEX IF NOT EXISTS ix_searched_grams ON searched "
    "USING gin (array_to_tsvector(string_to_array(grams, ' ')))"
)


def build_index(connection: Connection) -> None:
    """Make the index of the letter pairs of all rows that the table has; afterwards it follows the table by itself."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else (_POSTGRESQL,):
        connection.execute(text(statement))


def drop_index(connection: Connection) -> None:
    """Take the index away; nothing is lost."""
    kind = "TABLE" if connection.dialect.name == "sqlite" else "INDEX"
    connection.execute(text(f"DROP {kind} IF EXISTS {'' if kind == 'TABLE' else 'ix_'}{DERIVED}"))
