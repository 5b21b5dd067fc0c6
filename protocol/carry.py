"""Carried files: a session of the link on a memory stick, for a center without a network.

    offset  size
    0       8      magic "LDCARRY" and the format's version
    8       4      length of the first block, big endian
    12      n      the first block: a COVER frame
    ...            4 bytes length and a block, again and again: a STATUS or DATA frame, sealed to the receiver

Theory of operation
-------------------
A file is what a sender would say in one session, written down: ordinary frames of ``protocol.wire``, each signed, all
under a session id of the file's own. It begins behind the last message that the receiver has acknowledged, so a later
file holds whatever an earlier one held that has not arrived. A lost file is therefore harmless, and so is one that
comes twice or after a later one: what is applied already is skipped.

The cover says for whom the file is, where the frames of each lane begin and end, and what the sender has applied of the
receiver's messages: that is the acknowledgement. A file that does not lead to where its cover says was cut off.

Whoever finds the stick reads the cover: who, to whom, when, and how many messages. Everything else is sealed, since
messages between neighbours are not sealed themselves; on the wire TLS covers them.

Positions from the past prove nothing, unlike those of a fresh HELLO: a file that ends behind what we hold, or that
acknowledges less than we know, is only an old one. What can't be is judged as on the link (``judge``): a file that
begins above what we hold was written for a database that held more, and so was one that acknowledges more of ours than
we ever offered.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocol.actions import LaneRecord, Position, StopReason
from protocol.errors import BadFrame, BadRecord, RemoteError
from protocol.keys import SIGNATURE_BYTES, SealingKey, SigningKey, from_text, seal
from protocol.messages import Lane
from protocol.wire import (
    FRAME_MAX_BYTES,
    HEADER_MAX_BYTES,
    CarriedLane,
    Cover,
    Data,
    Frame,
    Header,
    OutPosition,
    StatusFrame,
    chain,
    read_frame,
    unpack,
    unpack_status,
    verify_frame,
    write_frame,
)

MAGIC: Final = b"LDCARRY\x01"
FILE_MAX_BYTES = 2 * 1024**3
"""One file: sticks are FAT32 as they are sold, which takes files of less than 4 GB. What does not fit goes later."""
BLOCK_MAX_BYTES = FRAME_MAX_BYTES + HEADER_MAX_BYTES + SIGNATURE_BYTES + 1024
"""One block: the largest frame, and what the seal adds."""
_LENGTH = struct.Struct(">I")


class Flaw(StrEnum):
    """Why a file can't be used."""

    NO_FILE = "no_file"
    NEWER = "newer"
    DAMAGED = "damaged"
    CUT_OFF = "cut_off"
    OTHER_RECEIVER = "other_receiver"
    FORMER_KEY = "former_key"
    NOT_SIGNED = "not_signed"


class BadFile(RemoteError):
    """A file that can't be used.

    Args:
        flaw: why; the service says it in words.
        detail: for the log.
    """

    def __init__(self, flaw: Flaw, detail: str = "") -> None:
        super().__init__(f"{flaw}: {detail}" if detail else flaw)
        self.flaw = flaw


# --- writing ------------------------------------------------------------------------------------------------


def write_cover(cover: Cover, key: SigningKey) -> bytes:
    """The beginning of a file."""
    return MAGIC + _block(write_frame(cover, key))


def write_sealed(header: Header, payload: bytes, key: SigningKey, cover_key: str, ephemeral_seed: bytes) -> bytes:
    """A signed frame as a sealed block.

    Args:
        header: of the frame; its session is the file's.
        payload: of the frame.
        key: the sender's signing key.
        cover_key: the receiver's public sealing key.
        ephemeral_seed: 32 fresh random bytes.
    """
    return _block(seal(cover_key, write_frame(header, key, payload), ephemeral_seed))


def _block(data: bytes) -> bytes:
    assert len(data) <= BLOCK_MAX_BYTES
    return _LENGTH.pack(len(data)) + data


# --- reading ------------------------------------------------------------------------------------------------


def read_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a file, given in pieces of any size, into its blocks.

    Raises:
        BadFile: it is none, is of a newer format, or ends in the middle of a block.
    """
    pieces = iter(chunks)
    buffer = bytearray()

    def fill(size: int) -> bool:
        while len(buffer) < size:
            piece = next(pieces, b"")
            if not piece:
                return False
            buffer.extend(piece)
        return True

    def take(size: int) -> bytes:
        taken = bytes(buffer[:size])
        del buffer[:size]
        return taken

    begun = fill(len(MAGIC) + 1)
    magic = take(len(MAGIC))
    if not magic or not MAGIC.startswith(magic[: len(MAGIC) - 1]):
        raise BadFile(Flaw.NO_FILE)
    if len(magic) == len(MAGIC) and magic != MAGIC:
        raise BadFile(Flaw.NEWER, f"format {magic[-1]}")
    if not begun:
        raise BadFile(Flaw.CUT_OFF)
    while fill(1):
        if not fill(_LENGTH.size):
            raise BadFile(Flaw.CUT_OFF)
        (size,) = _LENGTH.unpack(take(_LENGTH.size))
        if not 0 < size <= BLOCK_MAX_BYTES:
            raise BadFile(Flaw.DAMAGED, f"block of {size} bytes")
        if not fill(size):
            raise BadFile(Flaw.CUT_OFF)
        yield take(size)


def read_cover(block: bytes, me: str, sealing: SealingKey) -> tuple[Cover, Frame]:
    """Read the first block of a file for us, without trusting it yet: whose signature it bears, ``verify`` tells.

    Raises:
        BadFile: it is no cover, or the file is for somebody else, or for a former life of ours.
    """
    frame = _frame(block)
    cover = frame.header
    if not isinstance(cover, Cover) or set(cover.lanes) != set(Lane):
        raise BadFile(Flaw.DAMAGED, "no cover")
    if cover.receiver != me:
        raise BadFile(Flaw.OTHER_RECEIVER, cover.receiver)
    if cover.sealed_to != sealing.public:
        raise BadFile(Flaw.FORMER_KEY)
    return cover, frame


def verify(frame: Frame, sender_key: str) -> None:
    """Check the sender's signature.

    Raises:
        BadFile: it is not the sender's, by its present key.
    """
    try:
        verify_frame(frame, (sender_key,))
    except BadFrame as error:
        raise BadFile(Flaw.NOT_SIGNED, str(error)) from error


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive messages of one lane, in a file.

    Attributes:
        first: number of the first.
        before: the digest chain before the first.
        links: the digest chain after each.
    """

    lane: Lane
    first: int
    before: bytes
    messages: tuple[bytes, ...]
    links: tuple[bytes, ...]

    @property
    def end(self) -> Position:
        """The position after the last."""
        return Position(self.first + len(self.messages) - 1, self.links[-1])

    def digest_at(self, seq: int) -> bytes | None:
        """The digest chain up to a number, where this part knows it."""
        if seq == self.first - 1:
            return self.before
        return self.links[seq - self.first] if self.first <= seq <= self.end.seq else None


class Contents:
    """What stands behind the cover, checked block by block.

    Args:
        cover: of the file, verified.
        sender_key: the sender's public signing key.
        sealing: our sealing key.
    """

    def __init__(self, cover: Cover, sender_key: str, sealing: SealingKey) -> None:
        self._cover = cover
        self._sender_key = sender_key
        self._sealing = sealing
        self._reached = {lane: position(carried.after) for lane, carried in cover.lanes.items()}

    def read(self, block: bytes) -> Part | bytes:
        """The next block: messages of a lane, or a status document.

        Raises:
            BadFile: it is damaged, not the sender's, or not the one that belongs here.
        """
        try:
            plain = self._sealing.open(block)
        except BadRecord as error:
            raise BadFile(Flaw.DAMAGED, str(error)) from error
        frame = _frame(plain)
        verify(frame, self._sender_key)
        header, cover = frame.header, self._cover
        if (header.sender, header.receiver, header.session) != (cover.sender, cover.receiver, cover.session):
            raise BadFile(Flaw.DAMAGED, "frame of another file")
        try:
            if isinstance(header, StatusFrame):
                return unpack_status(frame.payload)
            if isinstance(header, Data) and header.incarnation == cover.incarnation:
                return self._part(header, frame.payload)
        except BadFrame as error:
            raise BadFile(Flaw.DAMAGED, str(error)) from error
        raise BadFile(Flaw.DAMAGED, "frame that belongs into no file")

    def _part(self, data: Data, payload: bytes) -> Part:
        messages = unpack(data, payload)
        reached = self._reached[data.lane]
        if data.first != reached.seq + 1 or from_text(data.before) != reached.digest:
            raise BadFile(Flaw.DAMAGED, f"lane {data.lane} goes on at {data.first}, not at {reached.seq + 1}")
        part = Part(data.lane, data.first, reached.digest, tuple(messages), tuple(chain(reached.digest, messages)))
        if part.links[-1] != from_text(data.digest):
            raise BadFile(Flaw.DAMAGED, "digest chain does not add up")
        self._reached[data.lane] = part.end
        return part

    def finish(self) -> None:
        """The file is at its end.

        Raises:
            BadFile: it does not lead to where its cover says.
        """
        for lane, carried in self._cover.lanes.items():
            if self._reached[lane] != position(carried.out):
                raise BadFile(Flaw.CUT_OFF, f"lane {lane} ends at {self._reached[lane].seq}, not at {carried.out.seq}")


def position(told: OutPosition) -> Position:
    """A position as a header tells it."""
    return Position(told.seq, from_text(told.digest))


def _frame(data: bytes) -> Frame:
    try:
        return read_frame(data)
    except BadFrame as error:
        raise BadFile(Flaw.DAMAGED, str(error)) from error


# --- judging ------------------------------------------------------------------------------------------------


def judge(
    cover: Cover, incarnations: Collection[str], records: Mapping[Lane, LaneRecord]
) -> tuple[Lane, StopReason] | None:
    """Whether positions of a file can't be, as far as the records of the lanes tell.

    Digests at positions that the records do not hold must be looked up besides.

    Args:
        cover: of the file, verified.
        incarnations: of our database, the earlier ones too.
        records: what our database knows of the lanes.

    Returns:
        The lane and what is wrong with it; None where nothing is.
    """
    for lane, carried in cover.lanes.items():
        reason = _judge_theirs(carried, {cover.incarnation, *cover.former}, records[lane]) or _judge_ours(
            carried, incarnations, records[lane]
        )
        if reason is not None:
            return lane, reason
    return None


def _judge_theirs(carried: CarriedLane, incarnations: Collection[str | None], record: LaneRecord) -> StopReason | None:
    """Their messages against what we hold of them."""
    applied = record.applied
    if applied.seq > 0 and record.peer_incarnation not in incarnations:
        return StopReason.PEER_RESTORED
    if carried.after.seq > applied.seq:
        return StopReason.SELF_RESTORED
    known = {applied.seq: applied.digest, 0: Position().digest}
    for told in (position(carried.after), position(carried.out)):
        if known.get(told.seq, told.digest) != told.digest:
            return StopReason.DIVERGED
    return None


def _judge_ours(carried: CarriedLane, incarnations: Collection[str], record: LaneRecord) -> StopReason | None:
    """What they hold of ours against what we offered."""
    held = position(carried.into)
    if held.seq > record.offered.seq or (held.seq > 0 and carried.into.incarnation not in incarnations):
        return StopReason.SELF_RESTORED
    if held.seq == record.acked.seq and held.digest != record.acked.digest:
        return StopReason.DIVERGED
    return None
