"""The search: numbers by their beginning or their last digits, and letters within title, place and description.

It looks at nothing that this center may not read of a case now (``node.access``): where only the header is known, only
its number is found. Persons are not searched.

What few cases fit is taken from the index, sorted and counted. What many fit is not: from the newest case on each is
looked at until a page is full, which is soon where many fit; such a list does not say how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    cast,
    column,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.access import named
from node.cases.searched import RUNS, VECTOR, SearchedRow, folded, grams, number_key
from node.cases.tables import CaseRow

FEW: Final = 1000
"""Cases that are sorted and counted in some milliseconds."""

_GRAMS: Final = table("searched_grams", column("rowid"), column("searched_grams"))

LAST: Final = "\U0010ffff"
"""Stands behind whatever may follow a beginning."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a search asks for, for one database at one instant.

    Attributes:
        fits: the condition under which a case is found.
        counted: whether few cases fit: how many is known quickly.
        exact: the condition under which it has just this number.
    """

    fits: ColumnElement[bool]
    counted: bool
    exact: ColumnElement[bool]


def match(session: Session, words: str, now: datetime) -> Match:
    """How to look for these words: by the index where few rows have them, else one by one."""
    asked = _Asked(words, is_sqlite=session.get_bind().dialect.name == "sqlite")
    few = all(_few(session, query) for query in (asked.by_number(), asked.by_words()))
    return Match(asked.indexed(now) if few else asked.one_by_one(now), few, CaseRow.id.in_(asked.exact()))


def fitting(words: str, now: datetime, *, is_sqlite: bool) -> ColumnElement[bool]:
    """The condition under which a case is found, for those who read all of them."""
    return _Asked(words, is_sqlite=is_sqlite).indexed(now)


def _few(session: Session, query: Select[str]) -> bool:
    rows = select(func.count()).select_from(query.limit(FEW + 1).subquery())
    return (session.scalar(rows) or 0) <= FEW


class _Asked:
    """Words that somebody looks for."""

    def __init__(self, words: str, *, is_sqlite: bool) -> None:
        self._words = folded(words.strip())
        self._number = number_key(words)
        self._is_sqlite = is_sqlite

    def by_number(self) -> Select[str]:
        """Ids of cases by their number."""
        return select(SearchedRow.case_id).where(self._numbered())

    def by_words(self) -> Select[str]:
        """Ids of cases by their words, whether these may be read or not."""
        return select(SearchedRow.case_id).where(*self._having_grams(), self._having_words())

    def exact(self) -> Select[str]:
        """Ids of cases that have just this number: the digits behind the year, or the whole of it."""
        back = self._number[::-1]
        if self._number.isdecimal():
            return select(SearchedRow.case_id).where(_begins(SearchedRow.display_back, back.rstrip("0") + "〕"))
        return select(SearchedRow.case_id).where(
            or_(SearchedRow.number == self._number, SearchedRow.display == self._number)
        )

    def indexed(self, now: datetime) -> ColumnElement[bool]:
        """Found through the index."""
        readable = select(CaseRow.id).where(named(now), CaseRow.id.in_(self.by_words()))
        return CaseRow.id.in_(union(self.by_number(), readable))

    def one_by_one(self, now: datetime) -> ColumnElement[bool]:
        """Found by looking at the row of each case."""
        fits = or_(self._numbered(), and_(named(now), self._having_words()))
        return select(fits).where(SearchedRow.case_id == CaseRow.id).correlate(CaseRow).scalar_subquery()

    def _numbered(self) -> ColumnElement[bool]:
        forth = () if self._number.isdecimal() else (SearchedRow.number, SearchedRow.display)
        back = self._number[::-1]
        return or_(
            *(_begins(one, self._number) for one in forth),
            *(_begins(one, back) for one in (SearchedRow.number_back, SearchedRow.display_back)),
        )

    def _having_words(self) -> ColumnElement[bool]:
        return SearchedRow.words.contains(self._words, autoescape=True)

    def _having_grams(self) -> Sequence[ColumnElement[bool]]:
        """Rows that have all grams of what is looked for; what has no letters at all has none."""
        runs = RUNS.findall(self._words)
        pairs = dict.fromkeys(pair for run in runs for pair in grams(run) if len(pair) > 1)
        alone = dict.fromkeys(run for run in runs if len(run) == 1)
        if not pairs and not alone:
            return ()
        if self._is_sqlite:
            asked = " AND ".join([*(f'"{pair}"' for pair in pairs), *(f'"{one}" *' for one in alone)])
            return (SearchedRow.doc == _GRAMS.c.rowid, _GRAMS.c.searched_grams.op("MATCH")(asked))
        from sqlalchemy.dialects.postgresql import TSQUERY  # noqa: PLC0415 - memory

        asked = " & ".join([*(f"'{pair}'" for pair in pairs), *(f"'{one}':*" for one in alone)])
        return (literal_column(VECTOR).op("@@")(cast(asked, TSQUERY)),)


def _begins(numbers: InstrumentedAttribute[str], beginning: str) -> ColumnElement[bool]:
    return and_(numbers >= beginning, numbers < beginning + LAST) if beginning else false()
