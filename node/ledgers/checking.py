"""A foreign ledger is checked, row by row: what could be registered, what is wrong where, what is there already."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.cases.duplicates import ALIKE, SINCE, titles_alike
from node.cases.inputs import RegisterInput
from node.cases.tables import CaseRow
from node.i18n import Language
from node.invalid import Invalid
from node.ledger_file import given_of
from node.ledgers.reading import Sheet
from node.ledgers.tables import ImportedRow


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one cell: its row and column as a spreadsheet names them, and why, in words."""

    row: int
    column: str
    head: str
    message: str


@dataclass(frozen=True, slots=True)
class Twin:
    """A row that looks like an open matter here, or like a row above it."""

    row: int
    like: str


@dataclass(slots=True)
class Checked:
    """What a ledger holds.

    Attributes:
        matters: rows that can be registered, with the digest of what each says.
        flaws: what is wrong.
        twins: rows that look like something that is there.
        known: how many rows were registered by an earlier import.
    """

    matters: dict[int, tuple[str, RegisterInput]] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    twins: list[Twin] = field(default_factory=list)
    known: int = 0


def check(
    session: Session, me: str, sheet: Sheet, mapping: Mapping[int, str], *, now: datetime, language: Language
) -> Checked:
    """Check every row; nothing is written."""
    found, seen = Checked(), set(session.scalars(select(ImportedRow.digest)))
    alike = _Likeness(session, me, now)
    for number, row in enumerate(sheet.rows, start=sheet.first):
        given = {name: row[place] for place, name in mapping.items() if place < len(row) and row[place]}
        if not given:
            continue
        digest = hashlib.sha256(json.dumps(given, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
        if digest in seen:
            found.known += 1
            continue
        try:
            matter = RegisterInput.model_validate(given_of(given))
        except ValidationError as error:
            found.flaws += _flaws(number, sheet, mapping, error, language)
            continue
        seen.add(digest)
        if like := alike.to(matter, number):
            found.twins.append(Twin(number, like))
        found.matters[number] = (digest, matter)
    return found


def _flaws(
    number: int, sheet: Sheet, mapping: Mapping[int, str], error: ValidationError, language: Language
) -> list[Flaw]:
    columns = {name: place for place, name in mapping.items()}
    told = Invalid(error.errors(include_url=False, include_input=False)).document(language)["errors"]
    assert isinstance(told, list)
    found = []
    for one in told:
        assert isinstance(one, dict)
        place = columns.get(str(one["field"]).split(".")[0])
        column = column_letter(place) if place is not None else ""
        head = sheet.heads[place] if place is not None else str(one["field"])
        found.append(Flaw(number, column, head, str(one["message"])))
    return found


def column_letter(place: int) -> str:
    """The name of a column from its place: 0 is A, 26 is AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


class _Likeness:
    """Finds what looks alike: same type, same place, similar title. People are never compared."""

    def __init__(self, session: Session, me: str, now: datetime) -> None:
        ours = select(CaseRow.category, CaseRow.place, CaseRow.title, CaseRow.display_number).where(
            CaseRow.holder == me, CaseRow.ended.is_(False), CaseRow.registered_at > now - timedelta(days=SINCE.days)
        )
        self._titles: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for category, place, title, number in session.execute(ours):
            self._titles.setdefault((category, place or ""), []).append((title or "", number))

    def to(self, matter: RegisterInput, number: int) -> str:
        """What it looks like: the number of a case, or the row above it; empty for nothing."""
        there = self._titles.setdefault((matter.category, matter.place), [])
        like = next((name for title, name in there if titles_alike(title, matter.title) >= ALIKE), "")
        there.append((matter.title, f"#{number}"))
        return like
