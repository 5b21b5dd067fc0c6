"""The examples of docs/protocol.md are what this code writes and reads, byte for byte."""

import json
from typing import TypedDict

import pytest
import zstandard

from protocol.carry import Contents, Part, read_blocks, read_cover, verify
from protocol.keys import from_text
from protocol.messages import read_message
from protocol.sealing import open_message
from protocol.wire import Data, StatusFrame, chain, read_frame, unpack, unpack_status, verify_frame
from tests.protocol.examples import COUNTY, GOLDEN, TOWNSHIP, examples

NAMES = ("hello", "data", "ack", "status", "recover", "return", "sealed_message", "carry")


class Golden(TypedDict, total=False):
    """What a file holds; which of it depends on the kind."""

    zstd: str
    frame_hex: str
    header: str
    signature: str
    signing_key: str
    messages: list[str]
    digests: list[str]
    document: str
    message: str
    sealed: str
    cover: str
    file_hex: str


def golden(name: str) -> Golden:
    """What the file holds."""
    document: Golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return document


def test_there_is_an_example_of_everything_and_of_nothing_else() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(NAMES) == set(examples())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_what_this_code_writes(name: str) -> None:
    expected = golden(name)
    if expected["zstd"] != ".".join(str(part) for part in zstandard.ZSTD_VERSION):
        pytest.skip("another zstd may compress to other bytes")
    assert examples()[name] == expected


@pytest.mark.parametrize("name", ["hello", "data", "ack", "status", "recover", "return"])
def test_an_example_of_a_frame_is_read_and_verified(name: str) -> None:
    example = golden(name)
    frame = read_frame(bytes.fromhex(example["frame_hex"]))
    verify_frame(frame, (example["signing_key"],))
    assert frame.header.model_dump_json(exclude_none=True) == example["header"]
    assert frame.signature == from_text(example["signature"])
    if isinstance(frame.header, Data):
        messages = unpack(frame.header, frame.payload)
        assert [message.decode() for message in messages] == example["messages"]
        links = chain(from_text(frame.header.before), messages)
        assert links == [from_text(link) for link in example["digests"]]
        assert links[-1] == from_text(frame.header.digest)
    if isinstance(frame.header, StatusFrame):
        assert unpack_status(frame.payload).decode() == example["document"]


def test_the_example_of_a_sealed_message_is_opened_by_its_destination() -> None:
    example = golden("sealed_message")
    inner = open_message(read_message(example["sealed"].encode()), COUNTY.sealing, (example["signing_key"],))
    assert inner == read_message(example["message"].encode())


def test_the_example_of_a_carried_file_is_opened_by_its_receiver() -> None:
    example = golden("carry")
    first, *others = read_blocks([bytes.fromhex(example["file_hex"])])
    cover, frame = read_cover(first, TOWNSHIP.code, TOWNSHIP.sealing)
    verify(frame, example["signing_key"])
    assert cover.model_dump_json(exclude_none=True) == example["cover"]
    contents = Contents(cover, example["signing_key"], TOWNSHIP.sealing)
    [part] = [contents.read(block) for block in others]
    contents.finish()
    assert isinstance(part, Part)
    assert [message.decode() for message in part.messages] == example["messages"]
