"""Processes that stop answering without going away."""

import os
import signal
import time
from pathlib import Path

PATIENCE = 30.0


def freeze(pid: int) -> None:
    """Stop a process and return once all its threads stand still: on a busy machine that takes a while.

    ``SIGCONT`` lets it go on.

    Raises:
        TimeoutError: some thread was still running after 30 s.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE
    while not all(_stopped(task) for task in Path(f"/proc/{pid}/task").iterdir()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def _stopped(task: Path) -> bool:
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
