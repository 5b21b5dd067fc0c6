"""The simulator's command, for tests: run it in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

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
