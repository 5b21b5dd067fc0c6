"""What is forgotten, and when: sent messages, received frames, answers to repeated requests, expired tokens.

Sent and received messages are kept 90 days (those of the bulk lane a week), so that a neighbour whose database went
back in time gets them back. They are purged in small transactions, oldest first; people never wait behind it. A message
that a neighbour's database does not hold yet is never purged, however old. The last message that keeps a digest of the
chain stays, so that every position behind it can still be compared (``lanes.digest_at``). While all neighbours
contradict our clock nothing is forgotten: a clock that jumped ten years ahead must not take with it what a restored
neighbour will ask for.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, tuple_
from sqlalchemy.orm import Session

from node import idempotency
from node.accounts.sessions import purge_tokens
from node.cases.tables import PastHeaderRow
from node.clock import Clock
from node.db import Database
from node.federation.tables import LaneRow, LinkRow, OutboxRow, ReceivedFrameRow
from protocol.messages import Lane

KEPT = timedelta(days=90)
"""How long sent and received messages of the case lane are kept."""
KEPT_BULK = timedelta(days=7)
"""The same for the bulk lane: nightly backups pass there, and only the newest is worth anything. Daily rows have tables
of their own."""
DOUBT = timedelta(days=1)
"""Offset of a neighbour's clock from which on one of the two is wrong."""
BATCH = 200
"""Rows of one transaction."""
BATCHES = 50
"""Transactions of one round. With a round every 30 s more is purged than a link can bring."""
LOOK = 10_000
"""Numbers of a lane among which the next digest is looked for; a frame has at most 500."""


def purge_old(database: Database, clock: Clock) -> int:
    """Forget what is past its time, by a clock that can be believed; returns how many messages and frames."""
    with database.read() as session:
        if _is_contradicted(session):
            return 0
    now = clock.now()
    with database.write(behind_people=True) as session:
        idempotency.purge(session, clock)
        purge_tokens(session, clock)
        session.execute(delete(PastHeaderRow).where(PastHeaderRow.at < now - KEPT))
    gone = 0
    for _ in range(BATCHES):
        with database.read() as session:
            ends = _ends(session, now)
            frames = _frames(session, now)
        if not ends and not frames:
            break
        gone += _purge(database, ends, frames)
    database.give_back()
    return gone


def _is_contradicted(session: Session) -> bool:
    """Whether all neighbours that we are linked with have another clock than we."""
    offsets = session.scalars(select(LinkRow.clock_offset).where(LinkRow.state == "linked")).all()
    return bool(offsets) and all(offset is not None and abs(offset) > DOUBT.total_seconds() for offset in offsets)


def _purge(database: Database, ends: dict[tuple[str, str], int], frames: list[tuple[str, str, str, int]]) -> int:
    gone = 0
    for (peer, lane), end in ends.items():
        with database.write(behind_people=True) as session:
            old = delete(OutboxRow).where(OutboxRow.peer == peer, OutboxRow.lane == lane, OutboxRow.seq < end)
            gone += len(session.scalars(old.returning(OutboxRow.seq)).all())
    if frames:
        with database.write(behind_people=True) as session:
            session.execute(delete(ReceivedFrameRow).where(_FRAME.in_(frames)))
        gone += len(frames)
    return gone


_FRAME = tuple_(ReceivedFrameRow.peer, ReceivedFrameRow.lane, ReceivedFrameRow.incarnation, ReceivedFrameRow.first_seq)


def _past(lane: ColumnElement[str], at: ColumnElement[datetime], now: datetime) -> ColumnElement[bool]:
    """Whether something of a lane is past its time."""
    return or_(at < now - KEPT, and_(lane == Lane.BULK.value, at < now - KEPT_BULK))


def _frames(session: Session, now: datetime) -> list[tuple[str, str, str, int]]:
    """Keys of the oldest frames that are past their time."""
    old = select(
        ReceivedFrameRow.peer, ReceivedFrameRow.lane, ReceivedFrameRow.incarnation, ReceivedFrameRow.first_seq
    ).where(_past(ReceivedFrameRow.lane.expression, ReceivedFrameRow.received_at.expression, now))
    rows = session.execute(old.order_by(ReceivedFrameRow.received_at).limit(BATCH))
    return [(row.peer, row.lane, row.incarnation, row.first_seq) for row in rows]


def _ends(session: Session, now: datetime) -> dict[tuple[str, str], int]:
    """Of each lane that has messages past their time: the number that the next batch ends before."""
    firsts = select(OutboxRow.peer, OutboxRow.lane, func.min(OutboxRow.seq)).group_by(OutboxRow.peer, OutboxRow.lane)
    acked = {(row.peer, row.lane): row.acked_seq for row in session.scalars(select(LaneRow))}
    ends: dict[tuple[str, str], int] = {}
    for peer, lane, first in session.execute(firsts):
        old = select(func.max(OutboxRow.seq)).where(
            OutboxRow.peer == peer,
            OutboxRow.lane == lane,
            OutboxRow.seq < first + LOOK,
            _past(OutboxRow.lane.expression, OutboxRow.queued_at.expression, now),
        )
        if "#" not in peer:  # else the lane of a link that was begun anew: nobody will compare or take anything
            old = old.where(OutboxRow.seq <= acked.get((peer, lane), 0), OutboxRow.digest.is_not(None))
        end = session.scalar(old)
        if end is not None and end > first:
            ends[peer, lane] = min(end, first + BATCH)
    return ends
