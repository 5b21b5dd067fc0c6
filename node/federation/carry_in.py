"""``carry in``: a file of a neighbour is applied as its frames would have been on the wire.

The whole file is verified before anything of it is applied. Then each frame is applied in a transaction of its own,
which locks the lane's row: if the wire brings the same messages at the same time, that lock decides who applies them,
and the other finds them applied. Taking the stick out in between harms nothing; the file is carried in once more.

At last the file's acknowledgements are marked. A service that runs meanwhile notices the new positions by itself
(``LinkRow.carried``).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import structlog

from node.directory import add_certificates
from node.federation import lanes
from node.federation.inbox import BadPosition, apply_frame
from node.federation.neighbour import check_neighbour
from node.i18n import N_
from node.status.reporting import Reporter
from node.trouble import Trouble
from protocol.carry import BadFile, Contents, Flaw, Part, judge, position, read_blocks, read_cover, verify
from protocol.errors import RemoteError
from protocol.link import Apply, Compare, LaneRecord, MarkAcked, Position, StopReason
from protocol.messages import Lane
from protocol.wire import Cover, Frame

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

READ_BYTES = 1 << 20
"""Read from the stick at a time, between two steps of the progress bar."""

Step = Callable[[int, int], None]
"""Told how much is done, of how much."""


class FileRefused(Trouble):
    """The file can't be used."""


_FLAWS: Final[dict[Flaw, str]] = {
    Flaw.NO_FILE: N_("{file} was not written by liandong carry out."),
    Flaw.NEWER: N_("{file} was written by a newer Liandong. Upgrade this center, then carry the file in again."),
    Flaw.DAMAGED: N_("{file} is damaged. Copy it again, or have a new one written; nothing was applied."),
    Flaw.CUT_OFF: N_("{file} was cut off. Copy it again, or have a new one written; nothing was applied."),
    Flaw.OTHER_RECEIVER: N_("{file} is for another center. Nothing was applied."),
    Flaw.FORMER_KEY: N_("{file} was written for former keys of this center. Have a new one written."),
    Flaw.NOT_SIGNED: N_("{file} is not signed by the center that it names. Nothing was applied."),
}

_REASONS: Final[dict[StopReason, str]] = {
    StopReason.SELF_RESTORED: N_(
        "{file}: {name} holds more than this center's database knows of (self_restored). The database seems to have "
        "been put back from an older copy. Nothing was applied. The link heals that as soon as there is a network."
    ),
    StopReason.PEER_RESTORED: N_(
        "{file}: the database of {name} is not the one that this center knows (peer_restored). Nothing was applied."
    ),
    StopReason.DIVERGED: N_(
        "{file}: {name} and this center hold different messages under one number (diverged). One of the databases "
        "was put back from an older copy. Nothing more was applied."
    ),
}


@dataclass(slots=True)
class CarriedIn:
    """What became of a file.

    Attributes:
        applied: messages applied now, those parked included.
        known: messages that were applied before.
        confirmed: messages of ours that the neighbour holds, and we did not know.
        waiting: messages of ours that it does not hold yet, as far as we know.
        last: number of its last message of a case's lane that we hold.
    """

    peer: str
    made_at: datetime
    applied: int = 0
    known: int = 0
    parked: int = 0
    confirmed: int = 0
    waiting: int = 0
    last: int = 0


@dataclass
class _Opened:
    """A file whose cover was read and verified."""

    center: "Center"
    file: Path
    source: IO[bytes]
    cover: Cover
    sender_key: str
    size: int
    step: Step | None
    records: dict[Lane, LaneRecord] = field(default_factory=dict)

    @property
    def peer(self) -> str:
        return self.cover.sender

    def refused(self, reason: StopReason) -> FileRefused:
        """Positions that can't be, in words."""
        name = self.center.directory.tree.name(self.peer)
        return FileRefused(_REASONS[reason], file=str(self.file), name=name)


def carry_in(center: "Center", file: Path, step: Step | None = None) -> CarriedIn:
    """Apply a file of a neighbour.

    Args:
        center: our center.
        file: the file.
        step: is told of the progress.

    Raises:
        FileRefused: it can't be used, or its positions can't be.
        Trouble: its sender is no neighbour, or its link is stopped.
        DatabaseUnavailable: what was applied before stays; carry it in again.
    """
    with _reading(file) as source:
        opened = _open(center, file, source, step)
        opened.records = lanes.read_records(center.database, opened.peer)
        _judge(opened)
        _examine(opened)
        result = CarriedIn(opened.peer, opened.cover.made_at)
        for content in _contents(opened, second=True):
            if isinstance(content, Part):
                _apply(opened, content, result)
            else:
                _report(opened, content)
        _confirm(opened, result)
    return result


@contextmanager
def _reading(file: Path) -> Iterator[IO[bytes]]:
    """Say in words what is wrong with a file."""
    try:
        with file.open("rb") as source:
            yield source
    except OSError as error:
        raise FileRefused(
            N_("{file} can't be read: {reason}"), file=str(file), reason=error.strerror or str(error)
        ) from error
    except BadFile as error:
        log.warning("carry.refused", reason=str(error))
        raise FileRefused(_FLAWS[error.flaw], file=str(file)) from error


def _open(center: "Center", file: Path, source: IO[bytes], step: Step | None) -> _Opened:
    """Read and verify the cover."""
    block = next(read_blocks(_chunks(source)), b"")
    cover, frame = read_cover(block, center.code, center.identity.sealing)
    check_neighbour(center, cover.sender)
    key = _sender_key(center, cover, frame)
    return _Opened(center, file, source, cover, key, file.stat().st_size, step)


def _sender_key(center: "Center", cover: Cover, frame: Frame) -> str:
    """The sender's present key, which signed the cover; its certificate may be news that the file brings.

    Former keys don't count: their files are of a center that has since been enrolled anew.
    """
    try:
        verify(frame, center.directory.tree.claims[cover.sender].signing_key)
    except BadFile:
        try:
            with center.database.write() as session:
                add_certificates(session, cover.chain, center.root_key)
        except RemoteError as error:
            raise BadFile(Flaw.NOT_SIGNED, str(error)) from error
        verify(frame, center.directory.tree.claims[cover.sender].signing_key)
    return center.directory.tree.claims[cover.sender].signing_key


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(READ_BYTES):
        yield piece


def _contents(opened: _Opened, *, second: bool) -> Iterator[Part | bytes]:
    """All that stands behind the cover, verified on the way."""
    blocks = read_blocks(_chunks(opened.source))
    next(blocks)
    contents = Contents(opened.cover, opened.sender_key, opened.center.identity.sealing)
    for block in blocks:
        yield contents.read(block)
        if opened.step is not None:
            opened.step(opened.source.tell() + second * opened.size, 2 * opened.size)
    contents.finish()


def _judge(opened: _Opened) -> None:
    """Refuse positions that can't be, before anything is applied."""
    center, cover = opened.center, opened.cover
    found = judge(cover, {center.identity.incarnation, *center.identity.former}, opened.records)
    reason = found[1] if found is not None else _judge_digests(opened)
    if reason is None:
        return
    log.error("carry.positions", peer=opened.peer, reason=reason)
    if reason is StopReason.SELF_RESTORED:
        lanes.record_state(center.database, opened.peer, {"stop_reason": reason})
    raise opened.refused(reason)


def _judge_digests(opened: _Opened) -> StopReason | None:
    """Compare digests at positions that the records don't hold."""
    database, peer, cover = opened.center.database, opened.peer, opened.cover
    for lane, carried in cover.lanes.items():
        record, out, held = opened.records[lane], position(carried.out), position(carried.into)
        if out.seq < record.applied.seq:
            theirs = lanes.received_digest_at(database, peer, lane, cover.incarnation, out.seq)
            if theirs not in {None, out.digest}:
                return StopReason.DIVERGED
        ours = lanes.digest_at(database, peer, Compare(lane, held))
        if ours != held.digest and (ours is not None or held.seq > record.acked.seq):
            return StopReason.DIVERGED
    return None


def _examine(opened: _Opened) -> None:
    """Read the whole file once, and see that it goes on from what we hold."""
    for content in _contents(opened, second=False):
        if isinstance(content, Part):
            _continues(opened, content, opened.records[content.lane].applied)


def _continues(opened: _Opened, part: Part, applied: Position) -> None:
    if part.digest_at(applied.seq) not in {None, applied.digest}:
        log.error("carry.positions", peer=opened.peer, reason=StopReason.DIVERGED)
        raise opened.refused(StopReason.DIVERGED)


def _apply(opened: _Opened, part: Part, result: CarriedIn) -> None:
    """Apply what we lack of a frame; if the wire was faster, look again what is left."""
    center, peer = opened.center, opened.peer
    while True:
        applied = lanes.read_records(center.database, peer)[part.lane].applied
        _continues(opened, part, applied)
        known = min(max(applied.seq - part.first + 1, 0), len(part.messages))
        messages = part.messages[known:]
        if messages:
            action = Apply(part.lane, part.first + known, part.end, opened.cover.incarnation, messages)
            try:
                result.parked += apply_frame(center, peer, action)
            except BadPosition:
                continue
        result.known += known
        result.applied += len(messages)
        return


def _report(opened: _Opened, document: bytes) -> None:
    """Keep a child's counters; what can't be is left out, as on the wire."""
    try:
        if opened.peer in opened.center.directory.tree.children(opened.center.code):
            Reporter(opened.center).receive(opened.peer, document)
    except RemoteError as error:
        log.warning("snapshot.refused", peer=opened.peer, reason=str(error))


def _confirm(opened: _Opened, result: CarriedIn) -> None:
    """Mark what the neighbour holds of ours, and sum up."""
    database, peer = opened.center.database, opened.peer
    for lane, carried in opened.cover.lanes.items():
        held = position(carried.into)
        if held.seq > opened.records[lane].acked.seq:
            lanes.mark_acked(database, peer, MarkAcked(lane, held))
            result.confirmed += held.seq - opened.records[lane].acked.seq
    with database.write() as session:
        lanes.count_carried(session, peer)
        result.waiting = lanes.backlog(session, peer)
    result.last = lanes.read_records(database, peer)[Lane.CASE].applied.seq
