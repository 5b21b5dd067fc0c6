"""What a link needs of the database: records at the start, the next frame, what was acknowledged. Runs in threads."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from node.db import Database
from node.federation.tables import InboxRow, LaneRow, LinkRow, OutboxRow, ReceivedFrameRow
from node.rows import table_of
from protocol.compression import decompress
from protocol.link import Compare, LaneRecord, Load, MarkAcked, Position
from protocol.messages import Lane
from protocol.wire import FRAME_MAX_PLAIN_BYTES, ORIGIN, chain, pack

FRAME_MESSAGES = 300
"""Messages that we put into one frame, half of what it may carry: so long people wait behind its commit."""
RECEIVED_MAX_BYTES = 2 * FRAME_MAX_PLAIN_BYTES
"""What was applied at once: frames that fit into one commit, and the line ends between them."""


def add_link(session: Session, peer: str, direction: str, nkey: str | None, *, begun: int = 0) -> None:
    """Begin a link with a neighbour: its row and both lanes at zero.

    Args:
        session: a unit of work.
        peer: the neighbour.
        direction: ``up`` to our parent, ``down`` to our child.
        nkey: the public key with which a child logs in to our broker.
        begun: the version of the certificate that it begins with, where there may have been a link before.
    """
    session.add(LinkRow(peer=peer, direction=direction, nkey=nkey, state="offline", carried=begun))
    for lane in Lane:
        outward = LaneRow(peer=peer, lane=lane, last_seq=0, offered_seq=0, acked_seq=0)
        outward.offered_digest = outward.acked_digest = ORIGIN
        session.add(outward)
        session.add(InboxRow(peer=peer, lane=lane, applied_seq=0, applied_digest=ORIGIN))
    session.flush()


def archive_link(session: Session, peer: str, kept_as: str) -> None:
    """End a link and make room for one that begins at zero; its messages stay readable under another name."""
    session.flush()
    for table in (OutboxRow, LaneRow, InboxRow, ReceivedFrameRow):
        session.execute(update(table).where(table.peer == peer).values(peer=kept_as))
    session.execute(delete(LinkRow).where(LinkRow.peer == peer))
    session.expire_all()


def read_records(database: Database, peer: str) -> dict[Lane, LaneRecord]:
    """What the database knows of a neighbour's lanes."""
    with database.read() as session:
        rows = session.scalars(select(LaneRow).where(LaneRow.peer == peer)).all()
        applied = {row.lane: row for row in session.scalars(select(InboxRow).where(InboxRow.peer == peer))}
        return {
            Lane(row.lane): LaneRecord(
                last=row.last_seq,
                offered=Position(row.offered_seq, row.offered_digest),
                acked=Position(row.acked_seq, row.acked_digest),
                applied=Position(applied[row.lane].applied_seq, applied[row.lane].applied_digest),
                peer_incarnation=applied[row.lane].peer_incarnation,
                kept=_kept(session, row),
            )
            for row in rows
        }


_LANES, _OUTBOX = table_of(LaneRow), table_of(OutboxRow)
_WAITING = select(_LANES.c.peer, _LANES.c.lane, _LANES.c.last_seq).where(_LANES.c.last_seq > _LANES.c.acked_seq)
_THIS = (_LANES.c.peer == bindparam("of_peer"), _LANES.c.lane == bindparam("of_lane"))
_SENT = (_OUTBOX.c.peer == bindparam("of_peer"), _OUTBOX.c.lane == bindparam("of_lane"))
_LOCK = select(_LANES.c.peer).where(*_THIS).with_for_update()
_NEXT = (
    select(_OUTBOX.c.seq, _OUTBOX.c.body)
    .where(*_SENT, _OUTBOX.c.seq > bindparam("after"))
    .order_by(_OUTBOX.c.seq)
    .limit(bindparam("most"))
)
_OFFERED = (
    update(_LANES)
    .where(*_THIS, _LANES.c.offered_seq < bindparam("end_seq"))
    .values(offered_seq=bindparam("end_seq"), offered_digest=bindparam("end_digest"))
)
_END_OF_FRAME = (
    update(_OUTBOX).where(*_SENT, _OUTBOX.c.seq == bindparam("end_seq")).values(digest=bindparam("end_digest"))
)
_ACKED = (
    update(_LANES)
    .where(*_THIS, _LANES.c.acked_seq < bindparam("to_seq"))
    .values(acked_seq=bindparam("to_seq"), acked_digest=bindparam("to_digest"))
)
"""Asked after every commit or with every frame, hence built once, and of the tables themselves."""


def _kept(session: Session, lane: LaneRow) -> Position:
    """The position after which the outbox still has all messages; the oldest that is left says where it is."""
    oldest = session.execute(
        select(OutboxRow.seq, OutboxRow.digest)
        .where(OutboxRow.peer == lane.peer, OutboxRow.lane == lane.lane)
        .order_by(OutboxRow.seq)
        .limit(1)
    ).one_or_none()
    if oldest is None or oldest.digest is None or oldest.seq == 1:
        return Position(lane.kept_seq, lane.kept_digest)
    return Position(oldest.seq, oldest.digest)


def read_last(database: Database) -> list[tuple[str, Lane, int]]:
    """The highest number of every lane that has something unacknowledged."""
    with database.read() as session:
        return [(peer, Lane(lane), last) for peer, lane, last in session.connection().execute(_WAITING)]


def read_links(database: Database) -> tuple[dict[str, str], dict[str, int]]:
    """Direction of every link that is neither revoked nor set aside, and how many files were carried over it."""
    ours = LinkRow.revoked_at.is_(None), or_(LinkRow.direction == "up", LinkRow.nkey.is_not(None))
    with database.read() as session:
        rows = session.execute(select(LinkRow.peer, LinkRow.direction, LinkRow.carried).where(*ours)).all()
        return {row.peer: row.direction for row in rows}, {row.peer: row.carried for row in rows}


def load_frame(
    database: Database, peer: str, load: Load, marks: Sequence[MarkAcked] = ()
) -> tuple[int, Position, bytes]:
    """Take the next messages of a lane, and record that they are offered before anybody can see them.

    Args:
        database: our database.
        peer: the neighbour.
        load: what the link's machine asks for.
        marks: what the peer's database holds, recorded on this occasion.

    Returns:
        How many, the position after the last, and the packed payload.
    """
    place = {"of_peer": peer, "of_lane": load.lane.value}
    with database.write(behind_people=True) as session:
        for mark in marks:
            _record_acked(session, peer, mark)
        connection = session.connection()
        connection.execute(_LOCK, place)
        rows = connection.execute(_NEXT, {**place, "after": load.after.seq, "most": FRAME_MESSAGES}).all()
        if not rows:
            return 0, load.after, b""
        assert rows[0].seq == load.after.seq + 1
        bodies = [row.body for row in rows]
        count, payload = pack(bodies, load.budget)
        end = Position(load.after.seq + count, chain(load.after.digest, bodies[:count])[-1])
        # Recorded as offered; the last message of a frame keeps the digest up to it.
        connection.execute(_OFFERED, {**place, "end_seq": end.seq, "end_digest": end.digest})
        connection.execute(_END_OF_FRAME, {**place, "end_seq": end.seq, "end_digest": end.digest})
        return count, end, payload


def mark_acked(database: Database, peer: str, mark: MarkAcked) -> None:
    """Record what the peer's database holds."""
    with database.write(behind_people=True) as session:
        _record_acked(session, peer, mark)


def _record_acked(session: Session, peer: str, mark: MarkAcked) -> None:
    values = {
        "of_peer": peer,
        "of_lane": mark.lane.value,
        "to_seq": mark.position.seq,
        "to_digest": mark.position.digest,
    }
    session.connection().execute(_ACKED, values)


def digest_at(database: Database, peer: str, compare: Compare) -> bytes | None:
    """Our own digest at a position; None where we never offered it, or keep its messages no longer."""
    lane, seq = compare.lane, compare.position.seq
    ours = (OutboxRow.peer == peer, OutboxRow.lane == lane, OutboxRow.seq <= seq)
    with database.read() as session:
        row = session.execute(
            select(LaneRow.offered_seq, LaneRow.kept_seq, LaneRow.kept_digest).where(
                LaneRow.peer == peer, LaneRow.lane == lane
            )
        ).one_or_none()
        if row is None or not row.kept_seq <= seq <= row.offered_seq:
            return None
        kept = session.execute(
            select(OutboxRow.seq, OutboxRow.digest)
            .where(*ours, OutboxRow.seq > row.kept_seq, OutboxRow.digest.is_not(None))
            .order_by(OutboxRow.seq.desc())
            .limit(1)
        ).one_or_none()
        known, digest = kept or (row.kept_seq, row.kept_digest)
        assert digest is not None
        bodies = session.scalars(select(OutboxRow.body).where(*ours, OutboxRow.seq > known).order_by(OutboxRow.seq))
        links = [digest, *chain(digest, bodies)]
    return links[-1] if known + len(links) - 1 == seq else None


def received_digest_at(database: Database, peer: str, lane: Lane, incarnation: str, seq: int) -> bytes | None:
    """The peer's digest at a position, as we received it; None where we don't keep it, or no longer."""
    if seq == 0:
        return ORIGIN
    kept = select(
        ReceivedFrameRow.first_seq, ReceivedFrameRow.last_seq, ReceivedFrameRow.digest, ReceivedFrameRow.payload
    ).where(ReceivedFrameRow.peer == peer, ReceivedFrameRow.lane == lane, ReceivedFrameRow.incarnation == incarnation)
    with database.read() as session:
        frame = session.execute(
            kept.where(ReceivedFrameRow.first_seq <= seq, ReceivedFrameRow.last_seq >= seq).limit(1)
        ).one_or_none()
        if frame is None or frame.last_seq == seq:
            return frame.digest if frame is not None else None
        before = ORIGIN
        if frame.first_seq > 1:
            preceding = session.execute(kept.where(ReceivedFrameRow.last_seq == frame.first_seq - 1)).one_or_none()
            if preceding is None:
                return None
            before = preceding.digest
    messages = decompress(frame.payload, RECEIVED_MAX_BYTES).split(b"\n")
    return chain(before, messages[: seq - frame.first_seq + 1])[-1]


def count_carried(session: Session, peer: str) -> None:
    """Record that a file was carried over a link: whoever runs the link begins anew, with the positions of now."""
    session.execute(update(LinkRow).where(LinkRow.peer == peer).values(carried=LinkRow.carried + 1))


def read_carried(database: Database) -> dict[str, int]:
    """How many files were carried over each link."""
    with database.read() as session:
        return dict(session.execute(select(LinkRow.peer, LinkRow.carried)).all())


def record_state(database: Database, peer: str, values: dict[str, str | float | datetime | None]) -> None:
    """Record how a link stands."""
    with database.write(behind_people=True) as session:
        session.execute(update(LinkRow).where(LinkRow.peer == peer).values(**values))


def all_offline(database: Database) -> None:
    """At the start of a process nobody is linked."""
    with database.write(behind_people=True) as session:
        session.execute(update(LinkRow).where(LinkRow.state != "stopped").values(state="offline"))


def backlog(session: Session, peer: str) -> int:
    """Messages that a neighbour's database does not hold yet."""
    total = select(func.coalesce(func.sum(LaneRow.last_seq - LaneRow.acked_seq), 0)).where(LaneRow.peer == peer)
    return int(session.scalar(total) or 0)


def oldest_unacked(session: Session) -> dict[str, datetime]:
    """When the oldest message was queued that each neighbour's database does not hold yet."""
    rows = session.execute(
        select(LaneRow.peer, func.min(OutboxRow.queued_at))
        .join(
            OutboxRow,
            (OutboxRow.peer == LaneRow.peer)
            & (OutboxRow.lane == LaneRow.lane)
            & (OutboxRow.seq == LaneRow.acked_seq + 1),
        )
        .group_by(LaneRow.peer)
    )
    return dict(rows.all())
