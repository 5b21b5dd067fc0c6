"""The audit log: one row for each act, in its transaction; a row that was touched is found. On both databases."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, update

from node.audit import trail
from node.audit.tables import AuditHeadRow, AuditRow
from node.audit.trail import Actor, Event, Verdict
from node.db import Database

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
LI = Actor("li", "10.0.0.7")


def write(database: Database, count: int, start: datetime = NOW, step: timedelta = timedelta(minutes=1)) -> None:
    for number in range(count):
        with database.write() as session:
            trail.record(session, start + number * step, LI, Event.CASE_VIEWED, case_id=f"case-{number}")


def verdict(database: Database) -> Verdict:
    with database.read() as session:
        return trail.verify(session)


def test_an_untouched_chain_fits_to_its_end(database: Database) -> None:
    assert verdict(database).bad is None
    write(database, 5)
    found = verdict(database)
    assert (found.rows, found.bad, found.number) == (5, None, 5)


@pytest.mark.parametrize("column", ["at", "actor", "address", "event", "case_id", "subject", "detail"])
def test_a_row_that_was_changed_is_named(database: Database, column: str) -> None:
    write(database, 5)
    other = {"at": NOW + timedelta(days=1), "detail": '{"roles": "admin"}'}.get(column, "other")
    with database.write() as session:
        session.execute(update(AuditRow).where(AuditRow.number == 3).values({column: other}))
    assert verdict(database).bad == 3


def test_a_row_that_was_taken_out_is_named(database: Database) -> None:
    write(database, 5)
    with database.write() as session:
        session.execute(delete(AuditRow).where(AuditRow.number == 2))
    assert verdict(database).bad == 2


def test_rows_that_were_cut_off_at_the_end_or_added_there_are_named(database: Database) -> None:
    write(database, 5)
    with database.write() as session:
        session.execute(delete(AuditRow).where(AuditRow.number == 5))
    assert verdict(database).bad == 5
    with database.write() as session:
        session.execute(delete(AuditHeadRow))
    assert verdict(database).bad == 1


def test_no_row_without_its_act_and_no_act_without_its_row(database: Database) -> None:
    def act() -> None:
        with database.write() as session:
            trail.record(session, NOW, LI, Event.POLICY_SET)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        act()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditRow)) == 0
    assert verdict(database).rows == 0


def test_people_who_act_at_once_stand_in_one_chain(database: Database) -> None:
    threads = [threading.Thread(target=write, args=(database, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verdict(database)
    assert (found.rows, found.bad) == (40, None)


def test_rows_are_kept_180_days_at_least_and_the_chain_goes_on_behind_those_that_went(database: Database) -> None:
    write(database, 4, NOW - timedelta(days=200), timedelta(days=10))
    with pytest.raises(AssertionError), database.write() as session:
        trail.purge(session, NOW, 179)
    with database.write() as session:
        assert trail.purge(session, NOW, 180) == 2
    found = verdict(database)
    assert (found.rows, found.bad, found.number) == (3, None, 5)
    with database.write() as session:
        assert trail.purge(session, NOW, 180) == 0
        session.execute(delete(AuditRow).where(AuditRow.number == 3))
    assert verdict(database).bad == 3


def test_what_others_made_up_is_kept_plain_and_short(database: Database) -> None:
    with database.write() as session:
        trail.record(session, NOW, LI, Event.REFUSED, subject="/\0" + "x" * 5000, reason="\ud800𠮷" + "y" * 5000)
    with database.read() as session:
        row = session.scalars(select(AuditRow)).one()
        assert len(row.subject) == trail.SUBJECT_MAX
        assert "\0" not in row.subject
    assert verdict(database).bad is None


def test_a_person_who_looks_again_soon_goes_on_looking(database: Database) -> None:
    write(database, 1)
    with database.read() as session:
        assert trail.looked(session, NOW + timedelta(minutes=9), LI, "case-0")
        assert not trail.looked(session, NOW + timedelta(minutes=11), LI, "case-0")
        assert not trail.looked(session, NOW, Actor("wang"), "case-0")
        assert not trail.looked(session, NOW, LI, "case-1")
