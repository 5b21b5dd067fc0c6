"""Ledgers are brought in: staged, checked, then registered in small transactions that people never wait behind.

All or nothing is said of the file: with a flaw in any row nothing is registered, unless somebody wants the good rows
alone. Each row that was registered is remembered by what it says, in the transaction that registers it. So an import
that was broken off goes on where it stopped, and the same file twice changes nothing.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from node.audit.trail import Actor, Event, record
from node.cases import service
from node.cases.inputs import RegisterInput
from node.center import Center
from node.i18n import N_, Language
from node.ledgers.checking import Checked, check
from node.ledgers.reading import Sheet, guessed, lacking, read_sheet
from node.ledgers.tables import ImportedRow, ImportRow
from node.problems import Problem
from node.unit import unit_of
from protocol.entries import Party

BATCH: Final = 50
"""Matters of one transaction."""

KEPT: Final = timedelta(days=1)
"""A ledger that nobody registered goes after this, with the people in it."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A ledger that waits, with what it holds."""

    row: ImportRow
    sheet: Sheet
    mapping: dict[int, str]
    checked: Checked
    lacking: list[str]


def stage(center: Center, name: str, content: bytes, actor: str) -> str:
    """Keep a ledger to be checked; its id.

    Raises:
        Problem: 422 ``no-ledger``.
    """
    mapping = guessed(read_sheet(content))
    with unit_of(center) as unit:
        unit.session.execute(delete(ImportRow).where(ImportRow.content.is_not(None), ImportRow.at < unit.now - KEPT))
        row = ImportRow(
            id=unit.new_id(), name=name[:200], content=content, mapping=json.dumps(mapping), state="checked", total=0,
            done=0, actor=actor, at=unit.now,
        )  # fmt: skip
        unit.session.add(row)
        return row.id


def found(session: Session, import_id: str) -> ImportRow:
    """An import.

    Raises:
        Problem: 404 ``not-found``.
    """
    row = session.get(ImportRow, import_id)
    if row is None:
        raise Problem(404, "not-found", N_("There is no such import."))
    return row


def staged(session: Session, center: Center, import_id: str, language: Language) -> Staged | None:
    """What a ledger holds; None where its content is gone, since it was registered.

    Raises:
        Problem: 404 ``not-found``.
    """
    row = found(session, import_id)
    if row.content is None:
        return None
    sheet = read_sheet(row.content)
    mapping = {int(place): name for place, name in json.loads(row.mapping).items()}
    missing = lacking(mapping)
    checked = Checked() if missing else check(
        session, center.code, sheet, mapping, now=center.clock.now(), language=language
    )  # fmt: skip
    return Staged(row, sheet, mapping, checked, missing)


def map_columns(center: Center, import_id: str, mapping: dict[int, str]) -> None:
    """Say which field each column holds.

    Raises:
        Problem: 404 ``not-found``.
    """
    with center.database.write() as session:
        found(session, import_id).mapping = json.dumps(mapping)


def begin(
    center: Center, import_id: str, language: Language, actor: Actor, *, good_only: bool, twins: bool
) -> list[tuple[str, RegisterInput]]:
    """Decide which rows are registered, and say that it has begun; ``register`` then does it.

    Args:
        center: this center.
        import_id: the import.
        language: of what is refused.
        actor: who wants it; it stands in the audit log.
        good_only: whether rows with flaws are left out; otherwise one flaw stops all.
        twins: whether rows that look like something that is there are registered, too.

    Raises:
        Problem: 404 ``not-found``; 409 ``ledger-flawed`` where a flaw stops it, or nothing says what a column is.
    """
    with center.database.write() as session:
        one = staged(session, center, import_id, language)
        if one is None:
            return []
        if one.lacking or (one.checked.flaws and not good_only):
            raise Problem(409, N_("ledger-flawed"), N_("Nothing was registered: mend the file, or take the good rows."))
        likes = {twin.row for twin in one.checked.twins}
        rows = [matter for number, matter in one.checked.matters.items() if twins or number not in likes]
        record(session, center.clock.now(), actor, Event.IMPORTED, subject=import_id, cases=str(len(rows)))
        one.row.state, one.row.total, one.row.done = "running", len(rows), 0
        return rows


def register(center: Center, import_id: str, rows: list[tuple[str, RegisterInput]], actor: str) -> None:
    """Register the rows, so many at a time; what was registered meanwhile is left out."""
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        with unit_of(center) as unit:
            for digest, given in batch:
                if unit.session.get(ImportedRow, digest) is not None:
                    continue
                parties = tuple(Party.model_validate(one.model_dump(exclude_none=True)) for one in given.parties)
                registration = service.Registration(parties=parties, **given.model_dump(exclude={"parties"}))
                case_id = service.register(unit, registration, actor).id
                unit.session.add(ImportedRow(digest=digest, case_id=case_id))
            done = start + len(batch)
            unit.session.execute(update(ImportRow).where(ImportRow.id == import_id).values(done=done))
    with center.database.write() as session:
        row = found(session, import_id)
        row.state, row.content = "done", None
