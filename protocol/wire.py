"""Frames: bytes on the wire between parent and child.

    offset  size
    0       2      magic "LD"
    2       1      protocol version
    3       1      kind: 1 HELLO, 2 DATA, 3 ACK, 4 STATUS, 5 RECOVER, 6 RETURN, 7 COVER
    4       2      length of the header, big endian
    6       n      header, JSON
    6+n     64     Ed25519 signature of the sender over everything before it
    70+n    ...    payload (DATA, STATUS, RETURN), zstd; its digest stands in the header

The signature is checked before anything is decompressed. Messages of a DATA frame are lines of JSON, so that the
digest chain runs over exactly the bytes that the sender's outbox holds.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from protocol.centers import CHAIN_MAX, Certificate
from protocol.codes import CenterCode
from protocol.compression import compress, decompress
from protocol.errors import BadFrame
from protocol.keys import SIGNATURE_BYTES, SigningKey, digest, from_text, same, to_text, verify
from protocol.messages import Lane
from protocol.records import Count, DigestText, Frozen, Instant, Number, Token

CONTEXT = b"liandong frame 1"
MAGIC = b"LD"
PROTOCOL_VERSION = 1
FRAME_MAX_MESSAGES = 500
FRAME_MAX_BYTES = 256 * 1024
"""Payload of one frame, compressed: more in flight can hang a half-open socket."""
FRAME_MAX_PLAIN_BYTES = 1024 * 1024
"""Payload of one frame, decompressed: bounds the memory that a peer can make us use."""
HEADER_MAX_BYTES = 32 * 1024
"""A HELLO with the longest chain of the largest certificates."""
VERSIONS_MAX = 16
FORMER_MAX = 16
"""Earlier incarnations that a HELLO names: as many restores, newest last."""
_PREFIX = struct.Struct(">2sBBH")

ORIGIN = b"\0" * 32
"""The digest before the first message."""


class FrameKind(IntEnum):
    """Kinds of frames."""

    HELLO = 1
    DATA = 2
    ACK = 3
    STATUS = 4
    RECOVER = 5
    RETURN = 6
    COVER = 7


class Header(Frozen):
    """What every frame says: from whom, to whom, in which session."""

    sender: CenterCode
    receiver: CenterCode
    session: Token


class OutPosition(Frozen):
    """What the sender has offered on a lane."""

    seq: Count
    digest: DigestText


class InPosition(OutPosition):
    """What the sender has applied on a lane, and of which incarnation of the peer."""

    incarnation: Token | None = None


def _known_lanes(told: object) -> object:
    """Leave out lanes that we do not know: a newer peer may have more of them."""
    if not isinstance(told, Mapping):
        return told
    return {lane: positions for lane, positions in told.items() if lane in set(Lane)}


KnownLanes = BeforeValidator(_known_lanes)


class LanePositions(Frozen):
    """Both directions of one lane; ``kept`` is the place after which the sender still keeps its sent messages."""

    out: OutPosition
    into: InPosition
    kept: OutPosition | None = None


class Hello(Header):
    """The first frame of a session, in both directions.

    Attributes:
        answering: the session of the receiver's that this answers.
        incarnation: id of the sender's database.
        former: its earlier ids, from before it was restored, newest last.
        process: random id of the running process; two at once are a fork.
        stopped: why the sender has stopped the link, where it has.
    """

    answering: Token | None = None
    incarnation: Token
    former: Annotated[tuple[Token, ...], Field(max_length=FORMER_MAX)] = ()
    process: Token | None = None
    stopped: Annotated[str, Field(max_length=40)] | None = None
    protocol_versions: Annotated[tuple[int, ...], Field(max_length=VERSIONS_MAX)] = (PROTOCOL_VERSION,)
    software: Annotated[str, Field(max_length=40)] = ""
    clock: Instant
    lanes: Annotated[dict[Lane, LanePositions], KnownLanes]
    chain: Annotated[tuple[Certificate, ...], Field(max_length=CHAIN_MAX)] = ()


class Data(Header):
    """Consecutive messages of one lane; ``before`` and ``digest`` are the chain before the first and after the last."""

    lane: Lane
    incarnation: Token
    first: Number
    last: Number
    before: DigestText
    digest: DigestText
    payload_digest: DigestText


class Ack(Header):
    """The sender's database holds everything up to ``seq``; ``gap`` asks to go on from there. Also the sign of life."""

    lane: Lane
    incarnation: Token | None = None
    seq: Count
    digest: DigestText
    gap: bool = False


class Recover(Header):
    """The sender's database went back in time: it asks for its own messages after ``after`` of a lane."""

    lane: Lane
    after: Count


class Return(Header):
    """Messages of the receiver's, ``first`` to ``last``, as we once took them; where we keep none any more, no message.

    ``digest`` is the chain up to ``last``. Where ``first`` is not the number asked for, we keep what lies between no
    longer.
    """

    lane: Lane
    first: Number
    last: Count
    digest: DigestText
    payload_digest: DigestText


class StatusFrame(Header):
    """A last-value snapshot of counters; losing one is harmless."""

    payload_digest: DigestText


class CarriedLane(LanePositions):
    """One lane of a carried file: frames from ``after`` to ``out``; ``into`` is what the sender has applied."""

    after: OutPosition


class Cover(Header):
    """The first frame of a carried file (``protocol.carry``); all its frames bear its ``session``.

    Attributes:
        sealed_to: the receiver's sealing key; everything behind the cover is sealed to it.
        incarnation: id of the sender's database.
        former: its earlier ids, from before it was restored, newest last.
    """

    sealed_to: DigestText
    incarnation: Token
    former: Annotated[tuple[Token, ...], Field(max_length=FORMER_MAX)] = ()
    software: Annotated[str, Field(max_length=40)] = ""
    made_at: Instant
    lanes: Annotated[dict[Lane, CarriedLane], KnownLanes]
    chain: Annotated[tuple[Certificate, ...], Field(max_length=CHAIN_MAX)] = ()


_KINDS: dict[FrameKind, type[Header]] = {
    FrameKind.HELLO: Hello,
    FrameKind.DATA: Data,
    FrameKind.ACK: Ack,
    FrameKind.STATUS: StatusFrame,
    FrameKind.RECOVER: Recover,
    FrameKind.RETURN: Return,
    FrameKind.COVER: Cover,
}
_WITH_PAYLOAD = (Data, StatusFrame, Return)
_KIND_OF: dict[type[Header], FrameKind] = {header: kind for kind, header in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, read but not yet verified."""

    header: Header
    signed: bytes
    signature: bytes
    payload: bytes


def write_frame(header: Header, key: SigningKey, payload: bytes = b"") -> bytes:
    """Sign and serialise a frame."""
    text = header.model_dump_json(exclude_none=True).encode()
    assert len(text) <= HEADER_MAX_BYTES
    signed = _PREFIX.pack(MAGIC, PROTOCOL_VERSION, _KIND_OF[type(header)], len(text)) + text
    return signed + key.sign(CONTEXT, signed) + payload


def read_frame(data: bytes) -> Frame:
    """Read a frame without trusting it yet.

    Raises:
        BadFrame: it is none, or breaks a limit.
    """
    if len(data) < _PREFIX.size:
        raise BadFrame("too short")
    magic, version, kind, length = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise BadFrame("no Liandong frame")
    if version != PROTOCOL_VERSION:
        raise BadFrame(f"protocol version {version}; we speak {PROTOCOL_VERSION}")
    end = _PREFIX.size + length
    if length > HEADER_MAX_BYTES or len(data) < end + SIGNATURE_BYTES:
        raise BadFrame("header or signature cut off")
    if len(data) - end - SIGNATURE_BYTES > FRAME_MAX_BYTES:
        raise BadFrame("payload is larger than 256 KB")
    try:
        header = _KINDS[FrameKind(kind)].model_validate_json(data[_PREFIX.size : end])
    except ValueError as error:
        raise BadFrame("header does not parse") from error
    payload = data[end + SIGNATURE_BYTES :]
    if payload and not isinstance(header, _WITH_PAYLOAD):
        raise BadFrame("bytes that nobody signed")
    return Frame(header=header, signed=data[:end], signature=data[end : end + SIGNATURE_BYTES], payload=payload)


def verify_frame(frame: Frame, public_keys: tuple[str, ...]) -> None:
    """Check the sender's signature and the payload's digest.

    Raises:
        BadFrame: one of them is wrong.
    """
    if not any(verify(public, CONTEXT, frame.signed, frame.signature) for public in public_keys):
        raise BadFrame("signature does not verify")
    if isinstance(frame.header, _WITH_PAYLOAD) and not same(
        digest(frame.payload), from_text(frame.header.payload_digest)
    ):
        raise BadFrame("payload does not match its digest")


def pack(messages: Sequence[bytes], budget: int = FRAME_MAX_BYTES) -> tuple[int, bytes]:
    """Compress as many of ``messages`` (in order, at least one) as a frame may carry within ``budget`` bytes.

    Returns:
        How many were packed, and the payload.
    """
    assert messages
    limit = min(budget, FRAME_MAX_BYTES)
    count = _fitting(messages)
    while True:
        payload = compress(b"\n".join(messages[:count]))
        if len(payload) <= limit or count == 1:
            return count, payload
        count = max(1, min(count - 1, count * limit // len(payload)))


def _fitting(messages: Sequence[bytes]) -> int:
    total, count = 0, 0
    for message in messages[:FRAME_MAX_MESSAGES]:
        total += len(message) + 1
        if total > FRAME_MAX_PLAIN_BYTES and count:
            break
        count += 1
    return count


def unpack(header: Data | Return, payload: bytes) -> list[bytes]:
    """The messages of a DATA or RETURN frame.

    Raises:
        BadFrame: their number or size is not what a frame may carry.
    """
    count = header.last - header.first + 1
    if count == 0 and not payload and isinstance(header, Return):
        return []
    if not 1 <= count <= FRAME_MAX_MESSAGES:
        raise BadFrame(f"{count} messages")
    messages = decompress(payload, FRAME_MAX_PLAIN_BYTES).split(b"\n", count)
    if len(messages) != count:
        raise BadFrame(f"{'more' if len(messages) > count else 'fewer'} than {count} messages")
    return messages


def chain(before: bytes, messages: Iterable[bytes]) -> list[bytes]:
    """The digest chain after each message: ``d[n] = H(d[n-1], H(message[n]))``."""
    links = []
    current = before
    for message in messages:
        current = digest(current, digest(message))
        links.append(current)
    return links


def pack_status(document: bytes) -> tuple[str, bytes]:
    """Compress a status document of at most FRAME_MAX_PLAIN_BYTES; returns the payload's digest and the payload."""
    assert len(document) <= FRAME_MAX_PLAIN_BYTES
    payload = compress(document)
    assert len(payload) <= FRAME_MAX_BYTES
    return to_text(digest(payload)), payload


def unpack_status(payload: bytes) -> bytes:
    """The document of a STATUS frame.

    Raises:
        BadFrame: damaged or too large.
    """
    return decompress(payload, FRAME_MAX_PLAIN_BYTES)
