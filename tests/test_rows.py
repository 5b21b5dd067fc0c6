"""Many rows at once stand in the table as if each had been mapped."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from node.db import Database
from node.federation.tables import LaneRow, OutboxRow
from node.rows import insert_rows, table_of, update_rows

OUTBOX = table_of(OutboxRow)
COLUMNS = ("peer", "lane", "seq", "message_id", "destination", "body", "queued_at")
NOON = datetime(2026, 3, 18, 12, 0, 0, 250, tzinfo=UTC)
IN_CHINA = NOON.astimezone(timezone(timedelta(hours=8)))


def row(seq: int, queued_at: datetime = NOON) -> tuple[object, ...]:
    return ("532923102201", "case", seq, f"m{seq}", "532923102201", b"\0\xff%s", queued_at)


def test_rows_are_inserted_and_changed_as_their_types_say(database: Database) -> None:
    with database.write() as session:
        insert_rows(session.connection(), OUTBOX, COLUMNS, [row(1), row(2, IN_CHINA)])
        changes = [("见证人不在场 100%", IN_CHINA, "m1"), (None, None, "m2")]
        update_rows(session.connection(), OUTBOX, ("parked_reason", "receipt_at"), "message_id", changes)
    with database.read() as session:
        first, second = session.scalars(select(OutboxRow).order_by(OutboxRow.seq))
        assert (first.seq, first.body, first.queued_at) == (1, b"\0\xff%s", NOON)
        assert (first.parked_reason, first.receipt_at) == ("见证人不在场 100%", NOON)
        assert (second.queued_at, second.parked_reason, second.receipt_at) == (NOON, None, None)


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.write() as session:
        insert_rows(session.connection(), OUTBOX, COLUMNS, [])
        assert session.scalars(select(OutboxRow)).all() == []


def test_an_instant_without_zone_is_refused(database: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="naive"), database.write() as session:
        insert_rows(session.connection(), OUTBOX, COLUMNS, [row(1, naive)])


def test_a_column_that_only_a_mapped_row_would_fill_in_must_be_named(database: Database) -> None:
    with pytest.raises(AssertionError, match="default"), database.write() as session:
        insert_rows(session.connection(), table_of(LaneRow), ("peer", "lane"), [("532923102201", "case")])
