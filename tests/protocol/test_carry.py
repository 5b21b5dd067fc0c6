"""Carried files: what is accepted, and every way in which a file can be wrong."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.actions import LaneRecord, Position, StopReason
from protocol.carry import (
    BLOCK_MAX_BYTES,
    MAGIC,
    BadFile,
    Contents,
    Flaw,
    Part,
    judge,
    position,
    read_blocks,
    read_cover,
    verify,
    write_cover,
    write_sealed,
)
from protocol.keys import digest, to_text
from protocol.messages import Lane
from protocol.wire import ORIGIN, CarriedLane, Cover, Header, InPosition, OutPosition, chain, pack
from tests.protocol import examples
from tests.protocol.examples import COUNTY, TOWNSHIP, VILLAGE

COVER = examples.cover()
MESSAGES = examples.entry_messages()
LINKS = [ORIGIN, *chain(ORIGIN, MESSAGES)]
SEED = b"\x07" * 32
FRESH = {lane: LaneRecord() for lane in Lane}


def read(data: bytes, *, me: str = TOWNSHIP.code, keys: object = TOWNSHIP.sealing) -> list[Part | bytes]:
    """Read a whole file, as its receiver does."""
    first, *others = read_blocks([data])
    sealing = keys if isinstance(keys, type(TOWNSHIP.sealing)) else TOWNSHIP.sealing
    cover, frame = read_cover(first, me, sealing)
    verify(frame, VILLAGE.key.public)
    contents = Contents(cover, VILLAGE.key.public, sealing)
    found = [contents.read(block) for block in others]
    contents.finish()
    return found


def flaw_of(data: bytes, *, me: str = TOWNSHIP.code, keys: object = TOWNSHIP.sealing) -> Flaw:
    with pytest.raises(BadFile) as caught:
        read(data, me=me, keys=keys)
    return caught.value.flaw


def file_of(*blocks: bytes, cover: Cover = COVER) -> bytes:
    return b"".join([write_cover(cover, VILLAGE.key), *blocks])


def sealed(header: Header, payload: bytes) -> bytes:
    return write_sealed(header, payload, VILLAGE.key, TOWNSHIP.sealing.public, SEED)


def block_of(first: int, last: int, **changes: object) -> bytes:
    """A DATA frame of the file with some of the messages."""
    header, _ = examples.data()
    _, payload = pack(MESSAGES[first - 1 : last])
    told = {
        "first": first,
        "last": last,
        "before": to_text(LINKS[first - 1]),
        "digest": to_text(LINKS[last]),
        "payload_digest": to_text(digest(payload)),
    }
    return sealed(header.model_copy(update={**told, **changes}), payload)


# --- a good file --------------------------------------------------------------------------------------------


def test_a_file_brings_its_messages_with_their_digests() -> None:
    [part] = read(examples.carried_file())
    assert isinstance(part, Part)
    assert (part.lane, part.first, list(part.messages)) == (Lane.CASE, 1, MESSAGES)
    assert part.end == Position(2, LINKS[2])
    assert [part.digest_at(seq) for seq in range(4)] == [*LINKS, None]


def test_several_frames_follow_each_other() -> None:
    parts = read(file_of(block_of(1, 1), block_of(2, 2)))
    assert [part.first for part in parts if isinstance(part, Part)] == [1, 2]


def test_a_file_may_bring_counters() -> None:
    header, payload = examples.status()
    assert read(file_of(sealed(header, payload), block_of(1, 2)))[0] == examples.status_document()


def test_a_file_may_say_no_more_than_what_has_arrived() -> None:
    nothing = OutPosition(seq=0, digest=to_text(ORIGIN))
    lanes = {lane: carried.model_copy(update={"out": nothing}) for lane, carried in COVER.lanes.items()}
    assert read(file_of(cover=COVER.model_copy(update={"lanes": lanes}))) == []


@given(sizes=st.lists(st.integers(1, 400), min_size=1))
def test_a_file_may_be_read_in_pieces_of_any_size(sizes: list[int]) -> None:
    data = examples.carried_file()

    def pieces() -> Iterable[bytes]:
        at, number = 0, 0
        while at < len(data):
            size = sizes[number % len(sizes)]
            yield data[at : at + size]
            at, number = at + size, number + 1

    assert list(read_blocks(pieces())) == list(read_blocks([data]))


def test_whoever_finds_a_stick_reads_no_message() -> None:
    data = examples.carried_file()
    for text in ("宅基地", "张某", "escalated", "entries"):
        assert text.encode() not in data


# --- a bad one ----------------------------------------------------------------------------------------------


def test_a_file_that_ends_anywhere_else_was_cut_off() -> None:
    data = examples.carried_file()
    for length in range(1, len(data)):
        assert flaw_of(data[:length]) is Flaw.CUT_OFF, length


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_a_file_may_change(place: int, bit: int) -> None:
    data = bytearray(examples.carried_file())
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(BadFile):
        read(bytes(data))


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"", Flaw.NO_FILE),
        (b"%PDF-1.7 something else", Flaw.NO_FILE),
        (MAGIC[:-1] + b"\x02" + b"...", Flaw.NEWER),
        (MAGIC + b"\0\0\0\0", Flaw.DAMAGED),
        (MAGIC + (BLOCK_MAX_BYTES + 1).to_bytes(4, "big"), Flaw.DAMAGED),
        (MAGIC + b"\0\0\0\x02no", Flaw.DAMAGED),
        (examples.carried_file() + b"\0\0", Flaw.CUT_OFF),
        (examples.carried_file() + b"\0\0\0\x02no", Flaw.DAMAGED),
    ],
    ids=["empty", "a document", "newer", "no block", "huge block", "no frame", "crumbs behind", "more behind"],
)
def test_what_is_no_file_is_refused(data: bytes, flaw: Flaw) -> None:
    with pytest.raises(BadFile) as caught:
        read(data)
    assert caught.value.flaw is flaw


def test_a_file_for_somebody_else_is_refused() -> None:
    assert flaw_of(examples.carried_file(), me=COUNTY.code) is Flaw.OTHER_RECEIVER


def test_a_file_for_a_former_life_of_ours_is_refused() -> None:
    assert flaw_of(examples.carried_file(), keys=COUNTY.sealing) is Flaw.FORMER_KEY


def test_a_file_that_somebody_else_signed_is_refused() -> None:
    forged = write_cover(COVER, COUNTY.key) + examples.carried_blocks()[1]
    assert flaw_of(forged) is Flaw.NOT_SIGNED
    inside = write_sealed(*examples.data(), COUNTY.key, TOWNSHIP.sealing.public, SEED)
    assert flaw_of(file_of(inside)) is Flaw.NOT_SIGNED


def test_a_cover_must_tell_of_every_lane() -> None:
    cover = COVER.model_copy(update={"lanes": {Lane.CASE: COVER.lanes[Lane.CASE]}})
    assert flaw_of(file_of(cover=cover)) is Flaw.DAMAGED


def hello_block() -> bytes:
    return sealed(examples.hello(), b"")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: block_of(1, 2, session="another"),
        lambda: block_of(1, 2, sender=COUNTY.code),
        lambda: block_of(1, 2, incarnation="another"),
        lambda: block_of(2, 2),
        lambda: block_of(1, 2, before=to_text(LINKS[1])),
        lambda: block_of(1, 2, digest=to_text(LINKS[1])),
        lambda: block_of(1, 2, lane=Lane.BULK),
        lambda: block_of(1, 2) + block_of(1, 2),
        hello_block,
    ],
    ids=["session", "sender", "incarnation", "first", "before", "digest", "lane", "twice", "hello"],
)
def test_a_frame_that_does_not_belong_there_is_refused(wrong: Callable[[], bytes]) -> None:
    assert flaw_of(file_of(wrong())) in {Flaw.DAMAGED, Flaw.CUT_OFF}


def test_the_cover_of_a_file_never_passes_as_a_greeting() -> None:
    first, _ = read_blocks([examples.carried_file()])
    _, frame = read_cover(first, TOWNSHIP.code, TOWNSHIP.sealing)
    assert not isinstance(frame.header, type(examples.hello()))


# --- positions ----------------------------------------------------------------------------------------------


def at(seq: int, text: str = "ours") -> Position:
    links = [ORIGIN, *chain(ORIGIN, [f"{text} {number}".encode() for number in range(seq)])]
    return Position(seq, links[seq])


def told(at: Position) -> OutPosition:
    return OutPosition(seq=at.seq, digest=to_text(at.digest))


def carrying(
    after: Position = Position(),  # noqa: B008 - frozen
    out: Position = at(9, "theirs"),  # noqa: B008 - frozen
    into: Position = Position(),  # noqa: B008 - frozen
    of: str | None = "ours",
) -> Cover:
    """A cover with these positions of the case lane."""
    held = InPosition(seq=into.seq, digest=to_text(into.digest), incarnation=of)
    lane = CarriedLane(after=told(after), out=told(out), into=held)
    return COVER.model_copy(update={"incarnation": "theirs", "lanes": {**COVER.lanes, Lane.CASE: lane}})


def judged(cover: Cover, **known: object) -> StopReason | None:
    record = LaneRecord(**{"peer_incarnation": "theirs", **known})  # type: ignore[arg-type]
    found = judge(cover, {"ours", "ours-before"}, {**FRESH, Lane.CASE: record})
    return found[1] if found is not None else None


THEIRS = {"applied": at(5, "theirs")}
OURS = {"last": 8, "offered": at(7), "acked": at(5)}


@pytest.mark.parametrize(
    ("cover", "known"),
    [
        (carrying(), {}),
        (carrying(), THEIRS),
        (carrying(after=at(5, "theirs")), THEIRS),
        (carrying(after=at(2, "theirs"), out=at(4, "theirs")), THEIRS),
        (carrying(out=at(5, "theirs")), THEIRS),
        (carrying(into=at(7)), OURS),
        (carrying(into=at(5)), OURS),
        (carrying(into=at(2)), OURS),
        (carrying(into=Position(), of=None), OURS),
        (carrying(into=at(7), of="ours-before"), OURS),
        (carrying().model_copy(update={"incarnation": "heir", "former": ("theirs",)}), THEIRS),
    ],
    ids=["first", "overlap", "exact", "old", "known", "all", "same", "old acks", "none", "heirs", "heir"],
)
def test_positions_that_can_be_are_accepted_also_old_ones(cover: Cover, known: dict[str, object]) -> None:
    assert judged(cover, **known) is None


@pytest.mark.parametrize(
    ("cover", "known", "reason"),
    [
        (carrying(after=at(6, "theirs")), THEIRS, StopReason.SELF_RESTORED),
        (carrying(after=at(1, "theirs")), {}, StopReason.SELF_RESTORED),
        (carrying(), {**THEIRS, "peer_incarnation": "another"}, StopReason.PEER_RESTORED),
        (carrying(after=at(5, "others")), THEIRS, StopReason.DIVERGED),
        (carrying(out=at(5, "others")), THEIRS, StopReason.DIVERGED),
        (carrying(after=Position(0, b"x" * 32)), THEIRS, StopReason.DIVERGED),
        (carrying(into=at(8)), OURS, StopReason.SELF_RESTORED),
        (carrying(into=at(5), of="another"), OURS, StopReason.SELF_RESTORED),
        (carrying(into=at(5, "others")), OURS, StopReason.DIVERGED),
    ],
    ids=["gap", "first gap", "incarnation", "after", "out", "origin", "unoffered", "other life", "other digest"],
)
def test_positions_that_cannot_be_are_refused_as_on_the_link(
    cover: Cover, known: dict[str, object], reason: StopReason
) -> None:
    assert judged(cover, **known) is reason


def test_a_told_position_is_a_position() -> None:
    assert position(told(at(3))) == at(3)
