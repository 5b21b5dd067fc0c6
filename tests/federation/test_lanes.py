"""What a lane's tables answer about positions: every offered message has a digest, kept or computed."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, update

from node.db import Database
from node.federation import lanes
from node.federation.tables import LaneRow, OutboxRow
from protocol.link import START, Compare, Load, Position
from protocol.messages import Lane
from protocol.wire import ORIGIN, chain

PEER = "532923102000"
BODIES = [f"message {number}".encode() for number in range(1, 31)]
LINKS = [ORIGIN, *chain(ORIGIN, BODIES)]
BUDGET = 128 * 1024


@pytest.fixture
def outbox(database: Database) -> Database:
    """Thirty messages wait on a lane of which nothing was ever offered."""
    with database.write() as session:
        lanes.add_link(session, PEER, "up", None)
        row = {
            "peer": PEER,
            "lane": Lane.CASE.value,
            "destination": PEER,
            "queued_at": datetime(2026, 3, 2, tzinfo=UTC),
        }
        rows = [{**row, "seq": seq, "message_id": f"m{seq}", "body": body} for seq, body in enumerate(BODIES, start=1)]
        session.execute(insert(OutboxRow), rows)
    return database


@pytest.fixture
def offer(outbox: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Offers the messages between two numbers as one frame."""

    def offer(after: int, last: int) -> None:
        monkeypatch.setattr(lanes, "FRAME_MESSAGES", last - after)
        count, end, _payload = lanes.load_frame(outbox, PEER, Load(Lane.CASE, Position(after, LINKS[after]), 0, BUDGET))
        assert (count, end) == (last - after, Position(last, LINKS[last]))

    return offer


def digest_at(database: Database, seq: int) -> bytes | None:
    return lanes.digest_at(database, PEER, Compare(Lane.CASE, Position(seq, ORIGIN)))


def test_before_the_first_message_stands_the_origin(outbox: Database) -> None:
    assert digest_at(outbox, 0) == ORIGIN


def test_every_offered_message_has_its_digest_wherever_frames_ended(
    outbox: Database, offer: Callable[[int, int], None]
) -> None:
    offer(0, 10)
    offer(10, 25)
    assert [digest_at(outbox, seq) for seq in range(26)] == LINKS[:26]


def test_what_was_not_offered_has_none(outbox: Database, offer: Callable[[int, int], None]) -> None:
    offer(0, 10)
    assert digest_at(outbox, 11) is None


def test_a_frame_sent_again_in_another_cut_takes_nothing_back(
    outbox: Database, offer: Callable[[int, int], None]
) -> None:
    offer(0, 10)
    offer(10, 25)
    offer(0, 18)
    record = lanes.read_records(outbox, PEER)[Lane.CASE]
    assert record.offered == Position(25, LINKS[25])
    assert [digest_at(outbox, seq) for seq in range(26)] == LINKS[:26]


def test_messages_that_are_kept_no_longer_leave_later_ones_their_digest(
    outbox: Database, offer: Callable[[int, int], None]
) -> None:
    offer(0, 10)
    offer(10, 25)
    with outbox.write() as session:
        session.execute(update(LaneRow).where(LaneRow.lane == Lane.CASE).values(acked_seq=10, acked_digest=LINKS[10]))
        session.execute(delete(OutboxRow).where(OutboxRow.seq < 10))
    assert [digest_at(outbox, seq) for seq in range(10, 26)] == LINKS[10:26]
    assert digest_at(outbox, 5) is None


def test_a_frame_takes_at_most_five_hundred_messages(database: Database) -> None:
    with database.write() as session:
        lanes.add_link(session, PEER, "up", None)
        row = {
            "peer": PEER,
            "lane": Lane.CASE.value,
            "destination": PEER,
            "queued_at": datetime(2026, 3, 2, tzinfo=UTC),
        }
        count = lanes.FRAME_MESSAGES + 1
        rows = [{**row, "seq": seq, "message_id": f"m{seq}", "body": b"message"} for seq in range(1, count + 1)]
        session.execute(insert(OutboxRow), rows)
    assert lanes.load_frame(database, PEER, Load(Lane.CASE, START, 0, BUDGET))[0] == lanes.FRAME_MESSAGES
