"""``carry out``: what waits for a neighbour is written into a file, for a center without a network.

The messages are recorded as offered before the file gets its name, in the transactions that read them: from then on
they may be anywhere, and a transfer among them can no longer be taken back at once. They wait on, since only the
neighbour's answer says that they arrived: the next file holds them again, and so does the wire if it comes back.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import func, select

from node.clock import LOCAL_ZONE
from node.federation import chores, lanes
from node.federation.neighbour import check_neighbour
from node.federation.tables import OutboxRow
from node.i18n import N_
from node.status.reporting import Reporter
from node.trouble import Trouble
from node.version import VERSION
from protocol.carry import BLOCK_MAX_BYTES, FILE_MAX_BYTES, write_cover, write_sealed
from protocol.keys import SEED_BYTES, digest, to_text
from protocol.link import LaneRecord, Load, Position
from protocol.messages import Lane
from protocol.wire import (
    FRAME_MAX_BYTES,
    CarriedLane,
    Cover,
    Data,
    Header,
    InPosition,
    OutPosition,
    StatusFrame,
    pack_status,
)

if TYPE_CHECKING:
    from node.center import Center

SESSION_BYTES = 12
COPY_BYTES = 1 << 20
"""Written to the stick at a time, between two steps of the progress bar."""

Step = Callable[[int, int], None]
"""Told how much is done, of how much."""


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What a file holds.

    Attributes:
        messages: how many.
        cases: how many cases our own messages among them are about.
        last: number of the last message of a case's lane.
        left: messages that did not fit and wait for a later file.
        confirmed: how many messages of the neighbour it acknowledges, since ever.
    """

    file: Path
    peer: str
    messages: int
    cases: int
    last: int
    left: int
    confirmed: int
    size: int


@dataclass
class _Draft:
    """A file in the making; its blocks wait in a file of their own until the cover can say where they end."""

    center: "Center"
    peer: str
    session: str
    spool: IO[bytes]
    limit: int
    ends: dict[Lane, Position] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether another block might not fit."""
        return self.spool.tell() + BLOCK_MAX_BYTES > self.limit

    def add(self, header: Header, payload: bytes) -> None:
        """Sign, seal and write a frame."""
        center = self.center
        sealing_key = center.directory.tree.claims[self.peer].sealing_key
        seed = center.random_bytes(SEED_BYTES)
        self.spool.write(write_sealed(header, payload, center.identity.signing, sealing_key, seed))


def carry_out(
    center: "Center", peer: str, target: Path, step: Step | None = None, *, limit: int = FILE_MAX_BYTES
) -> CarriedOut:
    """Write what waits for a neighbour into a file, and what we hold of its messages.

    Args:
        center: our center.
        peer: the neighbour.
        target: the file, or a directory that it is written into under a name that says what it is.
        step: is told of the progress.
        limit: bytes that the file may have.

    Raises:
        Trouble: ``peer`` is no neighbour, the file exists, or it can't be written.
        DatabaseUnavailable: nothing was written.
    """
    check_neighbour(center, peer)
    file = target / file_name(center.code, peer, center.clock.now()) if target.is_dir() else target
    if file.exists():
        raise Trouble(N_("{file} exists; name another file."), file=str(file))
    if peer == center.parent:
        chores.tell_days(center)
    records = lanes.read_records(center.database, peer)
    with _writing(file), tempfile.TemporaryFile(dir=center.data_dir) as spool:
        draft = _Draft(center, peer, center.random_bytes(SESSION_BYTES).hex(), spool, limit)
        _add_status(draft)
        for lane in Lane:
            draft.ends[lane] = _add_messages(draft, lane, records[lane])
        cover = _cover(draft, records)
        with center.database.write() as session:
            lanes.count_carried(session, peer)
        _save(file, write_cover(cover, center.identity.signing), spool, step)
    return CarriedOut(
        file=file,
        peer=peer,
        messages=sum(draft.ends[lane].seq - records[lane].acked.seq for lane in Lane),
        cases=_cases(center, peer, records[Lane.CASE].acked.seq, draft.ends[Lane.CASE].seq),
        last=draft.ends[Lane.CASE].seq,
        left=sum(max(0, records[lane].last - draft.ends[lane].seq) for lane in Lane),
        confirmed=sum(cover.lanes[lane].into.seq for lane in Lane),
        size=file.stat().st_size,
    )


def file_name(sender: str, receiver: str, made_at: datetime) -> str:
    """What a file is called: from whom, to whom, when (local time)."""
    return f"联动-{sender}-to-{receiver}-{made_at.astimezone(LOCAL_ZONE):%Y%m%d-%H%M}.ldc"


def _add_status(draft: _Draft) -> None:
    """Our counters, and those of the centers below us; only a parent wants them."""
    center = draft.center
    if draft.peer != center.parent:
        return
    for document in Reporter(center).snapshot(True, center.clock.now()):
        payload_digest, payload = pack_status(document)
        header = StatusFrame(
            sender=center.code, receiver=draft.peer, session=draft.session, payload_digest=payload_digest
        )
        draft.add(header, payload)


def _add_messages(draft: _Draft, lane: Lane, record: LaneRecord) -> Position:
    """All that waited on a lane when we began; what is queued meanwhile may come along in the last frame."""
    center, end = draft.center, record.acked
    while end.seq < record.last and not draft.full:
        before = end
        _count, end, payload = lanes.load_frame(center.database, draft.peer, Load(lane, before, 0, FRAME_MAX_BYTES))
        header = Data(
            sender=center.code,
            receiver=draft.peer,
            session=draft.session,
            lane=lane,
            incarnation=center.identity.incarnation,
            first=before.seq + 1,
            last=end.seq,
            before=to_text(before.digest),
            digest=to_text(end.digest),
            payload_digest=to_text(digest(payload)),
        )
        draft.add(header, payload)
    return end


def _cover(draft: _Draft, records: dict[Lane, LaneRecord]) -> Cover:
    """The cover; what we have applied is read now, when nothing more is added."""
    center = draft.center
    present = lanes.read_records(center.database, draft.peer)
    return Cover(
        sender=center.code,
        receiver=draft.peer,
        session=draft.session,
        sealed_to=center.directory.tree.claims[draft.peer].sealing_key,
        incarnation=center.identity.incarnation,
        former=center.identity.former,
        software=f"liandong {VERSION}",
        made_at=center.clock.now(),
        lanes={
            lane: CarriedLane(
                after=_told(records[lane].acked), out=_told(draft.ends[lane]), into=_applied(present[lane])
            )
            for lane in Lane
        },
        chain=tuple(center.directory.chain(center.code)),
    )


def _told(position: Position) -> OutPosition:
    return OutPosition(seq=position.seq, digest=to_text(position.digest))


def _applied(record: LaneRecord) -> InPosition:
    applied = record.applied
    return InPosition(seq=applied.seq, digest=to_text(applied.digest), incarnation=record.peer_incarnation)


def _cases(center: "Center", peer: str, after: int, last: int) -> int:
    """How many cases our messages between two numbers are about."""
    query = select(func.count(func.distinct(OutboxRow.case_id))).where(
        OutboxRow.peer == peer, OutboxRow.lane == Lane.CASE, OutboxRow.seq > after, OutboxRow.seq <= last
    )
    with center.database.read() as session:
        return session.scalar(query) or 0


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """Say in words what the disk or the stick says."""
    try:
        yield
    except OSError as error:
        raise Trouble(
            N_("{file} can't be written: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error


def _save(file: Path, beginning: bytes, spool: IO[bytes], step: Step | None) -> None:
    """Write the file beside its place, make sure that it is on the stick, and only then give it its name."""
    unfinished = file.with_name(f".{file.name}.new")
    total = spool.tell()
    spool.seek(0)
    try:
        with unfinished.open("wb") as out:
            out.write(beginning)
            while piece := spool.read(COPY_BYTES):
                out.write(piece)
                if step is not None:
                    step(spool.tell(), total)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
        _sync_directory(file.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
