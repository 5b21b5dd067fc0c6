"""Frames: bytes between parent and child."""

import json
import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocol.centers import CHAIN_MAX
from protocol.compression import compress, decompress
from protocol.errors import BadFrame, RemoteError
from protocol.keys import SIGNATURE_BYTES, digest, from_text, to_text
from protocol.messages import MESSAGE_MAX_BYTES, Lane
from protocol.records import NUMBER_MAX
from protocol.wire import (
    CONTEXT,
    FRAME_MAX_BYTES,
    FRAME_MAX_MESSAGES,
    FRAME_MAX_PLAIN_BYTES,
    HEADER_MAX_BYTES,
    MAGIC,
    ORIGIN,
    PROTOCOL_VERSION,
    Data,
    Frame,
    FrameKind,
    Header,
    Hello,
    Return,
    StatusFrame,
    chain,
    pack,
    pack_status,
    read_frame,
    unpack,
    unpack_status,
    verify_frame,
    write_frame,
)
from tests.protocol import examples
from tests.protocol.examples import TOWNSHIP, VILLAGE
from tests.protocol.hostile import BRIEFLY, LONG, hostile_variants, mutated

HELLO = examples.hello()
DATA, PAYLOAD = examples.data()
ACK = examples.ack()
STATUS, STATUS_PAYLOAD = examples.status()
FRAMES: dict[FrameKind, tuple[Header, bytes]] = {
    FrameKind.HELLO: (HELLO, b""),
    FrameKind.DATA: (DATA, PAYLOAD),
    FrameKind.ACK: (ACK, b""),
    FrameKind.STATUS: (STATUS, STATUS_PAYLOAD),
    FrameKind.RECOVER: (examples.recover(), b""),
    FrameKind.RETURN: examples.returned(),
    FrameKind.COVER: (examples.cover(), b""),
}
KINDS = pytest.mark.parametrize("kind", FrameKind, ids=lambda kind: kind.name.lower())
KEYS = (VILLAGE.key.public, TOWNSHIP.key.public)


def frame_of(kind: FrameKind) -> bytes:
    """A valid frame of a kind."""
    header, payload = FRAMES[kind]
    return write_frame(header, VILLAGE.key, payload)


def frame_by_hand(kind: int, header: bytes, payload: bytes = b"", *, version: int = PROTOCOL_VERSION) -> bytes:
    """A frame with any header, rightly signed: a peer may be hostile and yet know its key."""
    signed = struct.pack(">2sBBH", MAGIC, version, kind, len(header)) + header
    return signed + VILLAGE.key.sign(CONTEXT, signed) + payload


def data_of(messages: list[bytes], payload: bytes | None = None) -> tuple[Data, bytes]:
    """A DATA header over messages, and its payload."""
    packed = compress(b"\n".join(messages)) if payload is None else payload
    changes = {"first": 1, "last": len(messages), "payload_digest": to_text(digest(packed))}
    return DATA.model_copy(update=changes), packed


# --- writing and reading -------------------------------------------------------------------------------------


@KINDS
def test_every_frame_survives_the_wire(kind: FrameKind) -> None:
    header, payload = FRAMES[kind]
    frame = read_frame(write_frame(header, VILLAGE.key, payload))
    verify_frame(frame, KEYS)
    assert frame.header == header
    assert type(frame.header) is type(header)
    assert frame.payload == payload


def test_a_first_hello_that_holds_nothing_survives_the_wire() -> None:
    into = HELLO.lanes[Lane.CASE].into
    assert into.incarnation is None
    read = read_frame(frame_of(FrameKind.HELLO)).header
    assert isinstance(read, Hello)
    assert read.lanes[Lane.CASE].into == into


def test_unknown_fields_of_a_newer_version_are_kept() -> None:
    header = json.loads(HELLO.model_dump_json(exclude_none=True)) | {"window": 5}
    read = read_frame(frame_by_hand(FrameKind.HELLO, json.dumps(header).encode())).header
    assert read.model_extra == {"window": 5}


def test_lanes_that_we_do_not_know_are_left_out_of_a_greeting() -> None:
    header = json.loads(HELLO.model_dump_json(exclude_none=True))
    header["lanes"]["attachments"] = {"out": {"seq": 5, "digest": "of the future"}}
    read = read_frame(frame_by_hand(FrameKind.HELLO, json.dumps(header).encode())).header
    assert isinstance(read, Hello)
    assert read.lanes == HELLO.lanes


@pytest.mark.parametrize("lanes", [None, 5, "case", [], {"case": 5}])
def test_lanes_of_another_form_are_refused(lanes: object) -> None:
    header = json.loads(HELLO.model_dump_json(exclude_none=True)) | {"lanes": lanes}
    with pytest.raises(BadFrame):
        read_frame(frame_by_hand(FrameKind.HELLO, json.dumps(header).encode()))


@KINDS
def test_only_the_senders_key_verifies(kind: FrameKind) -> None:
    frame = read_frame(frame_of(kind))
    verify_frame(frame, (TOWNSHIP.key.public, VILLAGE.key.public))
    for keys in ((), (TOWNSHIP.key.public,)):
        with pytest.raises(BadFrame, match="signature"):
            verify_frame(frame, keys)


@KINDS
def test_no_byte_of_a_frame_may_change(kind: FrameKind) -> None:
    valid = frame_of(kind)
    for place in range(len(valid)):
        damaged = valid[:place] + bytes([valid[place] ^ 1]) + valid[place + 1 :]
        with pytest.raises(RemoteError):
            verify_frame(read_frame(damaged), KEYS)


@KINDS
def test_no_byte_of_a_frame_may_be_missing(kind: FrameKind) -> None:
    valid = frame_of(kind)
    for length in range(len(valid)):
        with pytest.raises(RemoteError):
            verify_frame(read_frame(valid[:length]), KEYS)


@pytest.mark.parametrize("kind", [FrameKind.HELLO, FrameKind.ACK])
def test_bytes_behind_the_signature_are_refused_where_nobody_signed_them(kind: FrameKind) -> None:
    with pytest.raises(BadFrame, match="nobody signed"):
        read_frame(frame_of(kind) + b"x")


@pytest.mark.parametrize("kind", [FrameKind.DATA, FrameKind.STATUS])
def test_a_payload_is_signed_through_its_digest(kind: FrameKind) -> None:
    header, payload = FRAMES[kind]
    with pytest.raises(BadFrame, match="payload does not match"):
        verify_frame(read_frame(write_frame(header, VILLAGE.key, payload + b"x")), KEYS)


# --- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "too short"),
        (b"LD\1\1\0", "too short"),
        (b"XX\1\1\0\0" + bytes(64), "no Liandong frame"),
        (b"LD\2\1\0\0" + bytes(64), "protocol version 2; we speak 1"),
        (b"LD\1\1\0\0" + bytes(63), "cut off"),
        (b"LD\1\1\0\0" + bytes(64), "does not parse"),
        (b"LD\1\0\0\0" + bytes(64), "does not parse"),
        (b"LD\1\5\0\2{}" + bytes(64), "does not parse"),
        (b"LD\1\1\0\2{}" + bytes(64), "does not parse"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(BadFrame, match=complaint):
        read_frame(data)


def test_a_header_has_at_most_32_kilobytes() -> None:
    text = HELLO.model_dump_json(exclude_none=True).encode()
    full = text + b" " * (HEADER_MAX_BYTES - len(text))
    read_frame(frame_by_hand(FrameKind.HELLO, full))
    with pytest.raises(BadFrame, match="cut off"):
        read_frame(frame_by_hand(FrameKind.HELLO, full + b" "))


def test_a_payload_has_at_most_256_kilobytes() -> None:
    full = bytes(FRAME_MAX_BYTES)
    header = DATA.model_copy(update={"payload_digest": to_text(digest(full))})
    verify_frame(read_frame(write_frame(header, VILLAGE.key, full)), KEYS)
    with pytest.raises(BadFrame, match="larger than 256 KB"):
        read_frame(write_frame(header, VILLAGE.key, full + b"\0"))


def test_the_largest_chain_of_certificates_fits_into_a_hello() -> None:
    largest = examples.certificate(VILLAGE._replace(name="长" * 100, level="l" * 20), TOWNSHIP)
    hello = HELLO.model_copy(update={"chain": (largest,) * CHAIN_MAX})
    assert read_frame(write_frame(hello, VILLAGE.key)).header == hello


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (FrameKind.HELLO, {"sender": "5329"}),
        (FrameKind.HELLO, {"session": ""}),
        (FrameKind.HELLO, {"session": "s" * 65}),
        (FrameKind.HELLO, {"answering": "a b"}),
        (FrameKind.HELLO, {"incarnation": "\0"}),
        (FrameKind.HELLO, {"software": "s" * 41}),
        (FrameKind.HELLO, {"protocol_versions": [1] * 17}),
        (FrameKind.HELLO, {"clock": "2026-03-02T01:00:00"}),
        (FrameKind.HELLO, {"lanes": {"case": {}}}),
        (FrameKind.HELLO, {"chain": [{"claims": "", "signature": ""}] * (CHAIN_MAX + 1)}),
        (FrameKind.DATA, {"first": 0}),
        (FrameKind.DATA, {"last": NUMBER_MAX + 1}),
        (FrameKind.DATA, {"lane": "fast"}),
        (FrameKind.DATA, {"before": to_text(bytes(31))}),
        (FrameKind.DATA, {"payload_digest": None}),
        (FrameKind.ACK, {"seq": -1}),
        (FrameKind.ACK, {"digest": ""}),
        (FrameKind.STATUS, {"payload_digest": "AAAA"}),
    ],
)
def test_headers_have_limits(kind: FrameKind, changes: dict[str, object]) -> None:
    header = json.loads(FRAMES[kind][0].model_dump_json(exclude_none=True))
    read_frame(frame_by_hand(kind, json.dumps(header).encode()))
    with pytest.raises(BadFrame, match="does not parse"):
        read_frame(frame_by_hand(kind, json.dumps(header | changes).encode()))


# --- messages in a frame -------------------------------------------------------------------------------------

lines = st.binary(min_size=1, max_size=60).map(lambda line: line.replace(b"\n", b" "))


@BRIEFLY
@given(st.lists(lines, min_size=1, max_size=40), st.integers(min_value=0, max_value=2000))
def test_messages_are_packed_within_the_budget_and_unpacked(messages: list[bytes], budget: int) -> None:
    count, payload = pack(messages, budget)
    assert 1 <= count <= len(messages)
    assert count == 1 or len(payload) <= budget
    assert unpack(data_of(messages[:count], payload)[0], payload) == messages[:count]


def test_a_frame_is_filled_as_long_as_the_budget_lasts() -> None:
    messages = [line.encode() for line in (f'{{"id":"{number:032x}"}}' for number in range(400))]
    everything, payload = pack(messages)
    assert everything == 400
    half, smaller = pack(messages, len(payload) // 2)
    assert 100 < half < 300
    assert len(smaller) <= len(payload) // 2


def test_a_frame_has_at_most_500_messages() -> None:
    assert pack([b"{}"] * (FRAME_MAX_MESSAGES + 1))[0] == FRAME_MAX_MESSAGES
    full = [b"{}"] * FRAME_MAX_MESSAGES
    assert unpack(*data_of(full)) == full
    with pytest.raises(BadFrame, match="501 messages"):
        unpack(*data_of([*full, b"{}"]))


def test_a_frame_has_at_most_one_megabyte_of_messages() -> None:
    large = b"a" * MESSAGE_MAX_BYTES
    count, payload = pack([large] * 20)
    assert count == FRAME_MAX_PLAIN_BYTES // (MESSAGE_MAX_BYTES + 1)
    assert unpack(data_of([large] * count)[0], payload) == [large] * count
    with pytest.raises(BadFrame, match="too large"):
        unpack(*data_of([large] * (count + 1)))


def test_a_budget_above_the_limit_of_a_frame_does_not_lift_it() -> None:
    incompressible = [_noise(number) for number in range(10)]
    count, payload = pack(incompressible, 10 * FRAME_MAX_BYTES)
    assert count == 2
    assert len(payload) <= FRAME_MAX_BYTES


def test_a_lone_message_goes_whatever_the_budget() -> None:
    count, payload = pack([_noise(1), b"{}"], 1000)
    assert count == 1
    assert len(payload) > 1000


def _noise(seed: int) -> bytes:
    """Ninety kilobytes that no codec makes smaller."""
    blocks = (digest(bytes([seed]), number.to_bytes(4, "big")) for number in range(90 * 32))
    return b"".join(blocks).replace(b"\n", b"\0")


@pytest.mark.parametrize(("first", "last"), [(2, 1), (5, 1), (1, NUMBER_MAX)])
def test_a_frame_names_how_many_messages_it_has(first: int, last: int) -> None:
    with pytest.raises(BadFrame, match="messages"):
        unpack(DATA.model_copy(update={"first": first, "last": last}), PAYLOAD)


@pytest.mark.parametrize(("claimed", "complaint"), [(1, "more than 1"), (3, "fewer than 3")])
def test_a_frame_holds_the_messages_that_it_names(claimed: int, complaint: str) -> None:
    header, payload = data_of([b"{}", b"{}"])
    with pytest.raises(BadFrame, match=complaint):
        unpack(header.model_copy(update={"last": claimed}), payload)


def test_a_status_document_survives() -> None:
    payload_digest, payload = pack_status(b'{"rows":[]}')
    assert from_text(payload_digest) == digest(payload)
    assert unpack_status(payload) == b'{"rows":[]}'


@BRIEFLY
@given(st.lists(lines, max_size=5), st.lists(lines, max_size=5))
def test_a_digest_chain_continues_where_it_ended(sooner: list[bytes], later: list[bytes]) -> None:
    links = chain(ORIGIN, sooner)
    before = links[-1] if links else ORIGIN
    assert chain(ORIGIN, [*sooner, *later]) == links + chain(before, later)


def test_a_digest_chain_tells_other_messages_apart() -> None:
    ends = {chain(ORIGIN, messages)[-1] for messages in ([b"a", b"b"], [b"b", b"a"], [b"ab"], [b"a\nb"], [b"a"])}
    assert len(ends) == 5


# --- compression ---------------------------------------------------------------------------------------------


@BRIEFLY
@given(st.binary(max_size=500))
def test_what_was_compressed_is_decompressed(data: bytes) -> None:
    assert decompress(compress(data), len(data)) == data


def without_size() -> bytes:
    """A zstd frame that does not say how large it is."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 100)


def with_blocks(claimed: int, block: int, count: int) -> bytes:
    """A zstd frame that claims some size and a huge window, and holds blocks of one repeated byte, none the last."""
    header = b"\x28\xb5\x2f\xfd\x80" + bytes([(31 - 10) << 3]) + struct.pack("<I", claimed)
    return header + ((0b010 | block << 3).to_bytes(3, "little") + b"a") * count


BOMBS: dict[str, Callable[[], bytes]] = {
    "it says that it is large": lambda: compress(bytes(64 << 20)),
    "it does not say how large it is": without_size,
    "it says less than it holds": lambda: with_blocks(1000, 100_000, 60_000),
    "it says more than it holds": lambda: with_blocks(FRAME_MAX_PLAIN_BYTES, 10, 1),
    "it holds nothing, often": lambda: with_blocks(1000, 0, 60_000),
    "it is followed by another": lambda: compress(b"a") + compress(b"b"),
    "it is followed by something to skip": lambda: compress(b"a") + struct.pack("<II", 0x184D2A50, 3) + b"abc",
    "it is something to skip": lambda: struct.pack("<II", 0x184D2A50, 3) + b"abc",
    "it is empty": lambda: b"",
    "it is cut off": lambda: compress(b"a" * 1000)[:-1],
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_neither_memory_nor_time(bomb: Callable[[], bytes]) -> None:
    payload = bomb()
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BadFrame):
        unpack_status(payload)
    with pytest.raises(BadFrame):
        unpack(DATA, payload)
    assert time.process_time() - began < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2 * FRAME_MAX_PLAIN_BYTES
    tracemalloc.stop()


def test_a_megabyte_of_line_ends_costs_little_memory() -> None:
    header, payload = data_of([b""] * 10)
    bomb = compress(b"\n" * FRAME_MAX_PLAIN_BYTES)
    assert unpack(header, payload) == [b""] * 10
    tracemalloc.start()
    with pytest.raises(BadFrame, match="more than 10"):
        unpack(header, bomb)
    assert tracemalloc.get_traced_memory()[1] < 3 * FRAME_MAX_PLAIN_BYTES
    tracemalloc.stop()


# --- from a hostile peer -------------------------------------------------------------------------------------


def take(data: bytes) -> Frame | None:
    """Read a frame and what it holds; None where it is the peer's fault."""
    try:
        frame = read_frame(data)
        verify_frame(frame, KEYS)
        if isinstance(frame.header, Data | Return):
            unpack(frame.header, frame.payload)
        if isinstance(frame.header, StatusFrame):
            unpack_status(frame.payload)
        if isinstance(frame.header, Hello):
            for certificate in frame.header.chain:
                certificate.parse()
    except RemoteError:
        return None
    return frame


@KINDS
def test_a_hostile_header_raises_nothing_but_the_peers_fault(kind: FrameKind) -> None:
    header, payload = FRAMES[kind]
    for text in hostile_variants(header.model_dump_json(exclude_none=True)):
        raw = text.encode("utf-8", "surrogatepass")[:0xFFFF]
        for kind_byte in (kind, kind % len(FrameKind) + 1):
            frame = take(frame_by_hand(kind_byte, raw, payload))
            if frame is not None:
                frame.header.model_dump_json().encode()


@LONG
@given(st.binary(max_size=300), st.integers(0, 8))
def test_arbitrary_bytes_raise_nothing_but_the_peers_fault(data: bytes, kind: int) -> None:
    assert take(data) is None
    assert take(frame_by_hand(kind, data)) is None
    assert take(MAGIC + bytes([1, kind]) + data) is None


@LONG
@given(st.sampled_from(FrameKind).map(frame_of).flatmap(mutated))
def test_a_damaged_frame_raises_nothing_but_the_peers_fault(data: bytes) -> None:
    take(data)


@LONG
@given(mutated(PAYLOAD) | mutated(STATUS_PAYLOAD) | st.binary(max_size=300), st.integers(1, 3))
def test_a_damaged_payload_raises_nothing_but_the_peers_fault(payload: bytes, last: int) -> None:
    header = DATA.model_copy(update={"last": last, "payload_digest": to_text(digest(payload))})
    take(write_frame(header, VILLAGE.key, payload))
    status = STATUS.model_copy(update={"payload_digest": to_text(digest(payload))})
    take(write_frame(status, VILLAGE.key, payload))


def test_a_signature_has_its_place_behind_the_header() -> None:
    valid = frame_of(FrameKind.ACK)
    length = int.from_bytes(valid[4:6], "big")
    assert len(valid) == 6 + length + SIGNATURE_BYTES
