"""The simulator as part of the tests: past failures stay mended, fresh seeds hold, a seed plays the same way twice."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAST = Path(__file__).parent / "regressions.json"
"""Every seed that ever failed, why, and what mended it."""

FRESH = 100
"""Seeds that nobody has seen before, of each state of the sources."""


def first_fresh() -> int:
    """Where the fresh seeds begin: a number drawn from the sources, so that whoever has the same plays the same."""
    text = hashlib.sha256()
    for package in ("protocol", "node", "tests/sim"):
        for file in sorted((ROOT / package).rglob("*.py")):
            text.update(file.read_bytes())
    return int.from_bytes(text.digest()[:4]) % 10**9 + 1


LAST_WORDS = 60
"""Lines of a failure that are shown; its command shows all."""


def simulate(*arguments: str, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the simulator in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
    )


def digests(output: str) -> dict[int, str]:
    """The digest of each seed's trace."""
    return {int(seed): digest for seed, digest in re.findall(r"^seed (\d+) +\S+ +([0-9a-f]{16})", output, re.MULTILINE)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_seed_that_ever_failed_holds() -> None:
    past = json.loads(PAST.read_text(encoding="utf-8"))
    assert past
    seeds = ",".join(f"{one['profile']}:{one['seed']}" for one in past)
    done = simulate("--these", seeds, "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fresh_seeds_hold() -> None:
    done = simulate("--seeds", str(FRESH), "--first", str(first_fresh()), "--processes", "2", "--quiet")
    print(done.stdout)
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-LAST_WORDS:])


def test_a_seed_plays_the_same_way_in_another_process_whatever_python_hashes() -> None:
    one = simulate("--seeds", "6", "--first", "3", "--go-on", hash_seed=1)
    other = simulate("--seeds", "4", "--first", "5", "--go-on", hash_seed=2)
    seen, again = digests(one.stdout), digests(other.stdout)
    assert set(again) == {5, 6, 7, 8}, other.stdout + other.stderr
    assert {seed: seen[seed] for seed in again} == again


def test_a_county_where_nothing_fails_comes_to_rest() -> None:
    done = simulate("--seeds", "10", "--profile", "calm")
    assert done.returncode == 0, done.stdout + done.stderr
