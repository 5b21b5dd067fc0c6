"""Retention: what is past its time is forgotten in small steps, and positions can still be compared."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from node.db import Database
from node.federation import lanes, retention
from node.federation.tables import LaneRow, LinkRow, OutboxRow, ReceivedFrameRow
from node.migrations import migrate
from protocol.link import Compare, Position
from protocol.messages import Lane
from protocol.wire import ORIGIN, chain
from tests.conftest import HeldClock
from tests.vaults import TEST_VAULT

PEER = "532923102000"
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
OLD = NOW - retention.KEPT - timedelta(days=1)
BODIES = [f"message {number}".encode() for number in range(1, 1001)]
LINKS = [ORIGIN, *chain(ORIGIN, BODIES)]
FRAME = 100
RECEIVED = 500


@pytest.fixture
def lane(database: Database) -> Database:
    """A thousand messages, offered in frames of a hundred and acknowledged; 650 of them are old."""
    with database.write() as session:
        lanes.add_link(session, PEER, "up", None)
        rows = [
            {
                "peer": PEER,
                "lane": Lane.CASE.value,
                "seq": seq,
                "message_id": f"m{seq}",
                "destination": PEER,
                "body": body,
                "digest": LINKS[seq] if seq % FRAME == 0 else None,
                "queued_at": OLD if seq <= 650 else NOW,
            }
            for seq, body in enumerate(BODIES, start=1)
        ]
        session.execute(insert(OutboxRow), rows)
        frames = [
            {
                "peer": PEER,
                "lane": Lane.CASE.value,
                "incarnation": "a" * 32,
                "first_seq": first,
                "last_seq": first,
                "digest": ORIGIN,
                "payload": b"",
                "received_at": OLD if first <= 450 else NOW,
            }
            for first in range(1, RECEIVED + 1)
        ]
        session.execute(insert(ReceivedFrameRow), frames)
    set_acked(database, 1000)
    return database


def set_acked(database: Database, seq: int) -> None:
    with database.write() as session:
        session.execute(update(LaneRow).values(last_seq=1000, offered_seq=1000, acked_seq=seq))


def first_kept(database: Database) -> int:
    with database.read() as session:
        return session.scalars(select(func.min(OutboxRow.seq))).one()


def digest_at(database: Database, seq: int) -> bytes | None:
    return lanes.digest_at(database, PEER, Compare(Lane.CASE, Position(seq, ORIGIN)))


def test_old_messages_go_and_every_later_position_can_still_be_compared(lane: Database, clock: HeldClock) -> None:
    retention.purge_old(lane, clock)
    assert first_kept(lane) == 600, "the last old one that keeps a digest stays"
    assert all(digest_at(lane, seq) == LINKS[seq] for seq in range(600, 1001, 7))
    assert digest_at(lane, 599) is None
    with lane.read() as session:
        assert session.scalar(select(func.min(ReceivedFrameRow.first_seq))) == 451
    assert retention.purge_old(lane, clock) == 0


@pytest.mark.parametrize(("acked", "first"), [(0, 1), (99, 1), (100, 100), (250, 200), (640, 600)])
def test_what_the_neighbour_does_not_hold_is_never_purged(
    lane: Database, clock: HeldClock, acked: int, first: int
) -> None:
    set_acked(lane, acked)
    retention.purge_old(lane, clock)
    assert first_kept(lane) == first


@pytest.mark.parametrize(
    ("offsets", "purges"),
    [([-86_401.0], False), ([86_401.0, -315_360_000.0], False), ([86_401.0, 2.0], True), ([3_600.0], True), ([], True)],
)
def test_a_clock_that_all_neighbours_contradict_makes_nobody_forget(
    lane: Database, clock: HeldClock, offsets: list[float], *, purges: bool
) -> None:
    with lane.write() as session:
        for number, offset in enumerate(offsets):
            session.add(LinkRow(peer=f"53292310{number}000", direction="down", state="linked", clock_offset=offset))
    assert (retention.purge_old(lane, clock) > 0) is purges


def test_no_transaction_takes_more_than_a_batch(lane: Database, clock: HeldClock) -> None:
    sizes: list[int] = []
    last = [1000 + RECEIVED]

    def look() -> None:
        with lane.read() as session:
            left = sum(session.scalars(select(func.count()).select_from(table)).one() for table in TABLES)
        sizes.append(last[0] - left)
        last[0] = left

    lane.on_commit(look)
    assert retention.purge_old(lane, clock) == 599 + 450
    assert sum(sizes) == 599 + 450
    assert max(sizes) == retention.BATCH


TABLES = (OutboxRow, ReceivedFrameRow)


def test_the_messages_of_a_link_that_was_begun_anew_go_too(lane: Database, clock: HeldClock) -> None:
    with lane.write() as session:
        for table in (OutboxRow, LaneRow):
            session.execute(update(table).values(peer=f"{PEER}#1"))
    set_acked(lane, 3)
    retention.purge_old(lane, clock)
    assert first_kept(lane) >= 650


def test_disk_space_is_given_back(tmp_path: Path) -> None:
    file = tmp_path / "center.db"
    database = Database(f"sqlite:///{file}", vault=TEST_VAULT)
    migrate(database)
    with database.write() as session:
        lanes.add_link(session, PEER, "up", None)
        row = {"peer": PEER, "lane": "case", "destination": PEER, "queued_at": OLD, "digest": ORIGIN}
        rows = [{**row, "seq": seq, "message_id": f"m{seq}", "body": bytes(8000)} for seq in range(1, 4001)]
        session.execute(insert(OutboxRow), rows)
    set_acked(database, 1000)
    with database.write() as session:
        session.execute(update(LaneRow).values(acked_seq=4000))
    clock = HeldClock(NOW)
    before = pages(database)
    while retention.purge_old(database, clock):
        pass
    for _ in range(20):
        database.give_back()
    assert pages(database) < before / 3
    database.dispose()
    assert file.stat().st_size < before * 4096 / 3


def pages(database: Database) -> int:
    with database.read() as session:
        return int(session.connection().exec_driver_sql("PRAGMA page_count").scalar_one())
