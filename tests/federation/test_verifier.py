"""Verifying signatures beside our process: the answer is the same, whatever becomes of that process."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.federation.verifier import MANY, VerifierBeside, VerifierHere, verify_all
from protocol.keys import Signed, SigningKey

KEY, OTHER = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
CONTEXT = b"test 1"


def signed(number: int, key: SigningKey = KEY, public_keys: tuple[str, ...] = (OTHER.public, KEY.public)) -> Signed:
    data = f"第{number}条".encode()
    return Signed(public_keys, CONTEXT, data, key.sign(CONTEXT, data))


def mixed(count: int) -> tuple[list[Signed], list[bool]]:
    """Signatures of which every third fails, each in another way, and what must be said of them."""
    good = [signed(number) for number in range(count)]
    for place in range(0, count, 9):
        good[place] = good[place]._replace(data="改过的".encode())
    for place in range(3, count, 9):
        good[place] = good[place]._replace(public_keys=(OTHER.public,))
    for place in range(6, count, 9):
        good[place] = good[place]._replace(public_keys=())
    return good, [place % 3 != 0 for place in range(count)]


def children() -> set[int]:
    """Our child processes (Linux)."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended since it was listed
            found |= {int(pid) for pid in (task / "children").read_text(encoding="ascii").split()}
    return found


@pytest.fixture
def fresh() -> Iterator[VerifierBeside]:
    """A verifier that has had nothing to verify yet."""
    verifier = VerifierBeside()
    yield verifier
    verifier.close()


@pytest.fixture
def before() -> set[int]:
    """Our child processes before there is a verifier's."""
    return children()


@pytest.fixture
def verifier(before: set[int], fresh: VerifierBeside) -> VerifierBeside:
    """A verifier whose process was started by a first batch, which it verified here meanwhile."""
    checks, expected = mixed(MANY)
    assert list(fresh.begin(checks).result()) == expected
    fresh.begin(checks).result()
    assert len(children() - before) == 1
    return fresh


def test_a_process_beside_ours_says_the_same_as_we_do(verifier: VerifierBeside, before: set[int]) -> None:
    checks, expected = mixed(3 * MANY)
    assert list(verifier.begin(checks).result()) == expected == verify_all(checks)
    assert list(VerifierHere().begin(checks).result()) == expected
    assert len(children() - before) == 1


def test_many_jobs_are_answered_each_with_its_own(verifier: VerifierBeside) -> None:
    jobs = [mixed(MANY + number) for number in range(8)]
    verdicts = [verifier.begin(checks) for checks, _ in jobs]
    assert [list(one.result()) for one in verdicts] == [expected for _, expected in jobs]


def test_few_signatures_need_no_process(fresh: VerifierBeside) -> None:
    before = children()
    checks, expected = mixed(MANY - 1)
    assert list(fresh.begin(checks).result()) == expected
    assert children() == before


def test_the_process_is_killed_and_the_answer_is_the_same(verifier: VerifierBeside, before: set[int]) -> None:
    checks, expected = mixed(MANY)
    [pid] = children() - before
    os.kill(pid, signal.SIGKILL)
    assert list(verifier.begin(checks).result()) == expected
    assert list(verifier.begin(checks).result()) == expected


def test_the_process_can_not_be_started_and_the_answer_is_the_same(
    fresh: VerifierBeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    checks, expected = mixed(MANY)
    for _ in range(3):
        assert list(fresh.begin(checks).result()) == expected


class Named(str):
    """Text that can't be handed to another process; its own signature verifies all the same."""

    __slots__ = ()


def test_what_can_not_be_handed_over_is_answered_too(verifier: VerifierBeside) -> None:
    checks, expected = mixed(MANY)
    checks = [one._replace(public_keys=tuple(map(Named, one.public_keys))) for one in checks]
    assert list(verifier.begin(checks).result()) == expected


def test_the_process_ends_with_the_verifier(verifier: VerifierBeside, before: set[int]) -> None:
    checks, expected = mixed(MANY)
    verifier.close()
    assert children() == before
    assert list(verifier.begin(checks).result()) == expected, "and it still answers"


def test_the_process_ends_when_there_is_nothing_to_do(
    verifier: VerifierBeside, before: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.federation.verifier.IDLE_S", 0.05)
    checks, expected = mixed(MANY)
    thread = verifier.thread
    assert thread is not None
    verifier.begin(checks).result()
    thread.join(10)
    assert not thread.is_alive()
    assert children() == before
    for _ in range(2):
        assert list(verifier.begin(checks).result()) == expected, "and begins again"
