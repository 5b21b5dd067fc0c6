"""The columns of an exported ledger: what each is called, how wide it is, and its cell of a case.

A case is read from its row and, where this center reads it whole, from its state as JSON: building a state of a
hundred thousand cases would take minutes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from node.access import Access, access_of, visible
from node.cases.tables import CaseRow
from node.center import Center
from node.clock import LOCAL_ZONE
from node.i18n import N_, Language, joined
from node.words import place_name, word

Cell = str | int | date | None

BATCH: Final = 500
"""Rows in memory at once."""

MASKED_KEEP: Final = (3, 4)
"""Digits of a telephone number that a masked ledger shows, at its beginning and at its end."""


@dataclass(frozen=True, slots=True)
class Line:
    """A case on its way into a ledger.

    Attributes:
        number: its line, from 1.
        row: columns of its row.
        state: its state; empty where this center does not read it whole.
        named: whether title and place may be read.
    """

    number: int
    row: Row[Any]
    state: Mapping[str, Any]
    named: bool


class Writer:
    """Cells of cases, in one reader's language.

    Args:
        center: this center.
        language: of words and of enumerations.
        full: whether parties stand there by name and number; otherwise 张某 and 138****0000. Identity numbers never do.
    """

    def __init__(self, center: Center, language: Language, *, full: bool) -> None:
        self._language = language
        self._full = full
        self._tree = center.directory.tree

    def cells(self, line: Line) -> list[Cell]:
        """The cells of one case, as ``COLUMNS`` stand."""
        row, state = line.row, line.state
        end, agreement = state.get("end"), state.get("agreement") if state.get("agreement_seq") else None
        parties = state.get("parties", [])
        return [
            line.number,
            row.display_number,
            _day(row.registered_at),
            row.title if line.named else "",
            self._word("category", row.category),
            row.place if line.named else "",
            self._word("source", state.get("source")),
            self._word("grade", row.grade),
            self._joined(self._person(one["name"]) for one in parties),
            self._joined(self._phone(one["phone"]) for one in parties if one.get("phone")),
            state.get("description", ""),
            row.handler if state else "",
            self._name(row.holder or row.in_transit_to),
            self._word("status", row.status),
            _day(row.deadline),
            _day(datetime.fromisoformat(end["at"])) if end else None,
            self._word("manner", agreement.get("manner", "written")) if agreement else "",
            state.get("mediations", 0) if state else None,
            state.get("visits", 0) if state else None,
            row.number,
        ]

    def _name(self, code: str | None) -> str:
        return place_name(self._tree.name(code)) if code else ""

    def _word(self, name: str, code: str | None) -> str:
        return word(self._language, name, code) if code else ""

    def _joined(self, texts: Iterable[str]) -> str:
        return joined(self._language, texts)

    def _person(self, name: str) -> str:
        return name if self._full else f"{name[0]}某"

    def _phone(self, number: str) -> str:
        first, last = MASKED_KEEP
        if self._full:
            return number
        return f"{number[:first]}****{number[-last:]}" if len(number) > first + last else "****"


COLUMNS: Final = (
    (N_("Sequence"), 6),
    (N_("Case number"), 20),
    (N_("Registered on"), 12),
    (N_("Matter"), 32),
    (N_("Type of dispute"), 14),
    (N_("Place"), 20),
    (N_("Source"), 12),
    (N_("Risk"), 9),
    (N_("Parties"), 20),
    (N_("Phone"), 16),
    (N_("What happened"), 40),
    (N_("Handler"), 12),
    (N_("Responsible center"), 16),
    (N_("Status"), 12),
    (N_("Deadline"), 12),
    (N_("Ended on"), 12),
    (N_("Form of the agreement"), 10),
    (N_("Sessions"), 9),
    (N_("Visits"), 9),
    (N_("Full number"), 26),
)
"""What each column is called (catalog messages), and its width in characters."""


_READ: Final = (
    "id",
    "access",
    "view_until",
    "invitation",
    "header",
    "number",
    "display_number",
    "title",
    "place",
    "category",
    "grade",
    "status",
    "holder",
    "in_transit_to",
    "handler",
    "deadline",
    "registered_at",
    "state",
)


def read_lines(session: Session, conditions: Sequence[ColumnElement[bool]], now: datetime) -> Iterator[Line]:
    """The cases that may be seen and fit these conditions, the oldest first."""
    query = select(*(getattr(CaseRow, name) for name in _READ)).where(visible(now), *conditions)
    query = query.order_by(CaseRow.registered_at, CaseRow.id).execution_options(yield_per=BATCH)
    for number, row in enumerate(session.execute(query), start=1):
        access = access_of(row, now)
        whole = access is Access.FULL and row.state is not None
        yield Line(number, row, json.loads(row.state) if whole else {}, access in (Access.FULL, Access.INVITED))


def _day(at: datetime | None) -> date | None:
    return at.astimezone(LOCAL_ZONE).date() if at is not None else None
