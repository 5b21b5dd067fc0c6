"""Party data goes when its time is over, and only then; heads stay and verify."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from node import policies
from node.audit.tables import AuditRow
from node.audit.trail import Event
from node.cases.log import write
from node.cases.proof import Prover
from node.cases.purging import WAITED, YEAR, Purged, go_on, over_at
from node.cases.tables import CaseRow, EntryRow
from node.center import Center
from node.db import Base
from node.unit import unit_of
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, PartyRole, Retention
from protocol.policy import Policy
from tests.centers import family
from tests.conftest import HeldClock

NAME = "柯纳蕊"
CASE, OPEN = "case-1", "case-2"
YEARS = 2


@pytest.fixture
def center(tmp_path: Path, clock: HeldClock) -> Iterator[Center]:
    """A county whose people are kept two years, with a case that was withdrawn and one that is open."""
    with family(tmp_path) as people:
        center = people.root().center
        center.clock = clock
        with unit_of(center) as unit:
            policies.set_policy(unit, Policy(purge_years=YEARS))
        for number, case_id in enumerate((CASE, OPEN), start=1):
            with unit_of(center) as unit:
                body = e.Registered(
                    number=f"{center.code}-2026-000{number}",
                    display_number=f"祥云〔2026〕{number}号",
                    title=f"{NAME}家的界桩",
                    category=Category.NEIGHBOURHOOD,
                    place="村口",
                    parties=(e.Party(name=NAME, role=PartyRole.APPLICANT),),
                )
                write(unit, case_id, e.Kind.REGISTERED, body, "受理员")
        with unit_of(center) as unit:
            write(unit, CASE, e.Kind.WITHDRAWN, e.WithReason(reason=f"{NAME}和好了"), "受理员")
        yield center


def stored(center: Center) -> str:
    """Everything that the database holds, sealed columns opened."""
    with center.database.read() as session:
        return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))


def state_of(center: Center, case_id: str) -> CaseState | None:
    with unit_of(center) as unit:
        return unit.book.state(case_id)


def test_an_ended_case_is_marked_and_a_month_later_its_people_are_gone(center: Center, clock: HeldClock) -> None:
    assert go_on(center) == Purged(0, 0, 0)
    clock.advance(YEARS * YEAR + timedelta(days=1))
    assert go_on(center) == Purged(1, 1, 0)
    assert state_of(center, CASE) is not None
    clock.advance(WAITED)
    assert go_on(center).purged == 1
    assert go_on(center) == Purged(0, 0, 0)
    assert state_of(center, CASE) is None
    with center.database.read() as session:
        entries = session.execute(select(EntryRow.head, EntryRow.salt, EntryRow.body).where(EntryRow.case_id == CASE))
        assert [(bool(row.head), row.salt, row.body) for row in entries] == [(True, None, None)] * 2
        proof = Prover(session, center.root_key).prove(CASE)
        assert (proof.entries, proof.purged, proof.flaw) == (2, 2, None)
        row = session.execute(select(CaseRow.access, CaseRow.title, CaseRow.number).where(CaseRow.id == CASE)).one()
        assert row == ("header", None, f"{center.code}-2026-0001")
        told = select(AuditRow.subject).where(AuditRow.event == Event.CASE_PURGED, AuditRow.case_id == CASE)
        assert session.scalars(told).all() == [f"{center.code}-2026-0001"]
    state = state_of(center, OPEN)
    assert state is not None
    assert state.parties[0].name == NAME


def test_nothing_of_a_purged_case_s_people_is_left(center: Center, clock: HeldClock) -> None:
    with unit_of(center) as unit:
        write(unit, OPEN, e.Kind.WITHDRAWN, e.WithReason(reason="好了"), "受理员")
    assert NAME in stored(center)
    clock.advance(YEARS * YEAR + timedelta(days=1))
    go_on(center)
    clock.advance(WAITED)
    assert go_on(center).purged == 2
    assert NAME not in stored(center)


def test_a_clock_that_was_set_wrongly_destroys_nothing(center: Center, clock: HeldClock) -> None:
    clock.advance(100 * YEAR)
    assert go_on(center).marked == 1
    clock.advance(-100 * YEAR)
    for _ in range(3):
        clock.advance(WAITED)
        assert go_on(center).purged == 0
    assert state_of(center, CASE) is not None


def test_a_case_that_was_reopened_meanwhile_stays(center: Center, clock: HeldClock) -> None:
    clock.advance(YEARS * YEAR + timedelta(days=1))
    assert go_on(center).marked == 1
    with unit_of(center) as unit:
        write(unit, CASE, e.Kind.REOPENED, e.Reopened(reason="又吵了"), "受理员")
    clock.advance(WAITED)
    assert go_on(center).purged == 0
    assert state_of(center, CASE) is not None


def test_without_a_rule_nothing_goes(center: Center, clock: HeldClock) -> None:
    with unit_of(center) as unit:
        policies.set_policy(unit, Policy(purge_years=0))
    clock.advance(50 * YEAR)
    assert go_on(center) == Purged(0, 0, 0)


@pytest.mark.parametrize(
    ("retention", "kept"), [(Retention.SHORT, 10), (Retention.LONG, 30), (Retention.PERMANENT, None)]
)
def test_an_archived_dossier_is_kept_as_long_as_the_archive_says(
    center: Center, clock: HeldClock, retention: Retention, kept: int | None
) -> None:
    began: datetime = clock.now()
    with unit_of(center) as unit:
        body = e.Archived(retention=retention, explanation="无其他材料")
        state = write(unit, CASE, e.Kind.ARCHIVED, body, "受理员")
    due = over_at(state, YEARS)
    assert due == (began + kept * YEAR if kept is not None else None)
