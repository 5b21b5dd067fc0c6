"""The simulator as part of the tests: past failures stay mended, a seed plays the same way twice, calm stays calm."""

import json
import re
from pathlib import Path

import pytest

from tests.sim.command import simulate

PAST = Path(__file__).parent / "regressions.json"
"""Every seed that ever failed, why, and what mended it."""


def digests(output: str) -> dict[int, str]:
    """The digest of each seed's trace."""
    return {int(seed): digest for seed, digest in re.findall(r"^seed (\d+) +\S+ +([0-9a-f]{16})", output, re.MULTILINE)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_seed_that_ever_failed_holds() -> None:
    past = json.loads(PAST.read_text(encoding="utf-8"))
    assert past
    seeds = ",".join(f"{one['profile']}:{one['seed']}" for one in past)
    done = simulate("--these", seeds, "--processes", "2", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_plays_the_same_way_in_another_process_whatever_python_hashes() -> None:
    one = simulate("--seeds", "6", "--first", "3", "--go-on", hash_seed=1)
    other = simulate("--seeds", "4", "--first", "5", "--go-on", hash_seed=2)
    seen, again = digests(one.stdout), digests(other.stdout)
    assert set(again) == {5, 6, 7, 8}, other.stdout + other.stderr
    assert {seed: seen[seed] for seed in again} == again


def test_a_county_where_nothing_fails_comes_to_rest() -> None:
    done = simulate("--seeds", "10", "--profile", "calm")
    assert done.returncode == 0, done.stdout + done.stderr
