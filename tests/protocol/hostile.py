"""Bytes as a hostile or broken peer would send them."""

import json
from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from pydantic import JsonValue

BRIEFLY = settings(max_examples=100, deadline=None)
LONG = settings(max_examples=500, deadline=None)
"""Without a deadline: a busy machine is no failure."""

MARK = "the place of the hostile value"

HOSTILE_VALUES = (
    "null",
    "true",
    "-1",
    "0",
    "1.5",
    "1e400",
    "-0.0",
    "NaN",
    "Infinity",
    "2147483648",
    "9223372036854775808",
    "9" * 5000,
    '""',
    '"1"',
    '"=="',
    '"AAAA"',
    '"é"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"\\n"',
    '"532923102000\\n"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"2026-03-02T01:00:00"',
    '"99999999999999999999"',
    "99999999999999999999",
    '"' + "长" * 5000 + '"',
    '"' + "a" * 40_000 + '"',
    "[]",
    "{}",
    "[[[[1]]]]",
    '{"a":{"b":null}}',
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    "",
    "}",
)
"""JSON, or what should be: wrong types, numbers and instants out of bounds, broken and control characters, depth."""


def hostile_variants(document: str) -> Iterator[str]:
    """The document with each of its values replaced by each hostile one, and with hostile additions."""
    tree: JsonValue = json.loads(document)
    for place in _places(tree):
        marked = json.dumps(_replaced(tree, place, MARK), ensure_ascii=False)
        for value in HOSTILE_VALUES:
            yield marked.replace(f'"{MARK}"', value)
    for value in HOSTILE_VALUES:
        yield value
        yield document[:-1] + f', "payload_digest": {value}, "of a newer version": {value}}}'


Place = tuple[str | int, ...]


def _places(tree: JsonValue, at: Place = ()) -> Iterator[Place]:
    branches: list[tuple[str | int, JsonValue]] = []
    if isinstance(tree, dict):
        branches = list(tree.items())
    elif isinstance(tree, list):
        branches = list(enumerate(tree))
    for key, branch in branches:
        yield (*at, key)
        yield from _places(branch, (*at, key))


def _replaced(tree: JsonValue, place: Place, value: str) -> JsonValue:
    if not place:
        return value
    here, deeper = place[0], place[1:]
    if isinstance(tree, dict):
        return {key: _replaced(branch, deeper, value) if key == here else branch for key, branch in tree.items()}
    assert isinstance(tree, list)
    return [_replaced(branch, deeper, value) if index == here else branch for index, branch in enumerate(tree)]


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """Valid bytes, damaged here and there."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat", "truncate"])):
            case "flip" if start < len(data):
                data[start] ^= draw(st.integers(1, 255))
            case "cut":
                del data[start:stop]
            case "insert":
                data[start:start] = draw(st.binary(max_size=20))
            case "repeat":
                data[start:start] = data[start:stop]
            case _:
                del data[stop:]
    return bytes(data)
