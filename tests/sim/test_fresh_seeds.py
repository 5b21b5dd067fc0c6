"""Seeds that nobody has seen before hold. A file of its own: it takes as long as many others together."""

import hashlib

import pytest

from tests.sim.command import LAST_WORDS, ROOT, simulate

FRESH = 300
"""Seeds that nobody has seen before, of each state of the sources."""


def first_fresh() -> int:
    """Where the fresh seeds begin: a number drawn from the sources, so that whoever has the same plays the same."""
    text = hashlib.sha256()
    for package in ("protocol", "node", "tests/sim"):
        for file in sorted((ROOT / package).rglob("*.py")):
            text.update(file.read_bytes())
    return int.from_bytes(text.digest()[:4]) % 10**9 + 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fresh_seeds_hold() -> None:
    done = simulate("--seeds", str(FRESH), "--first", str(first_fresh()), "--processes", "2", "--quiet")
    print(done.stdout)
    assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-LAST_WORDS:])
