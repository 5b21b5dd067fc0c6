"""Daily inspections (日排查): a grid worker or a village says each day what was found, or that nothing was (零报告).

The statements stay here. What travels are counters of the day (``inspections``, ``zero_reports``, ``found``), so that
every center above knows who has looked and what came of it, and nothing of people or places.
"""

from collections import Counter
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.accounts.service import Caller
from node.clock import local_day
from node.reports.tables import InspectionRow
from node.status.counters import read_counters
from node.status.tables import DayCounterRow
from node.unit import Unit
from protocol.entries import PLACE_MAX

COUNTED = ("inspections", "zero_reports", "found")

FOUND_MAX = 999
"""Matters that one person finds in a day; more is a typing error."""


class InspectionInput(BaseModel):
    """What today's inspection found; 0 is the zero report. A second one of the same day takes the first one's place."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    found: Annotated[int, Field(ge=0, le=FOUND_MAX)]
    area: Annotated[str, Field(max_length=PLACE_MAX)] = ""


def counts_of(row: InspectionRow | None) -> Counter[str]:
    """What a statement adds to the counters of its day."""
    if row is None:
        return Counter()
    return Counter({"inspections": 1, "zero_reports": int(row.found == 0), "found": row.found})


def state(unit: Unit, caller: Caller, given: InspectionInput) -> InspectionRow:
    """Write down what somebody says of today."""
    day = local_day(unit.now)
    mine = select(InspectionRow).where(InspectionRow.day == day, InspectionRow.username == caller.username)
    row = unit.session.scalar(mine.with_for_update())
    before = counts_of(row)
    if row is None:
        row = InspectionRow(day=day, username=caller.username)
        unit.session.add(row)
    row.actor, row.area, row.found, row.at = caller.display_name, given.area, given.found, unit.now
    change = counts_of(row)
    change.subtract(before)
    unit.ledger.add(day, change)
    unit.session.flush()
    return row


def found_one(unit: Unit, caller: Caller, area: str) -> None:
    """A matter that somebody has just reported counts in what today's inspection found."""
    row = unit.session.get(InspectionRow, (local_day(unit.now), caller.username))
    found = min(FOUND_MAX, 1 + (row.found if row is not None else 0))
    state(unit, caller, InspectionInput(found=found, area=row.area if row is not None else area))


def count_again(unit: Unit) -> None:
    """Make the counters of each day say what its statements say, where a revived center has these alone."""
    said: dict[str, Counter[str]] = {}
    for row in unit.session.scalars(select(InspectionRow)):
        said.setdefault(row.day, Counter()).update(counts_of(row))
    for day, counts in said.items():
        stored = unit.session.get(DayCounterRow, (unit.me, day))
        change = Counter(counts)
        change.subtract({name: read_counters(stored.counters).get(name, 0) if stored else 0 for name in COUNTED})
        unit.ledger.add(day, change)


def on_day(session: Session, day: str) -> list[InspectionRow]:
    """All statements of a day, the earliest first."""
    return list(
        session.scalars(
            select(InspectionRow).where(InspectionRow.day == day).order_by(InspectionRow.at, InspectionRow.username)
        )
    )
