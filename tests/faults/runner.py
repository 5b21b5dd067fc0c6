"""``python -m tests.faults.runner DIRECTORY``: the real ``liandong serve`` of a center, with a fault in its hands.

Whatever starts it takes it along when it ends, so that a killed test leaves nothing behind.
"""

import argparse
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from node import cli, opening
from node.commands import serving  # noqa: F401 - imported here and so once, in the nest
from tests.faults.points import Death, arm

PR_SET_PDEATHSIG = 1


class SteppedClock:
    """The system's clock, moved by as many seconds as stand in a file; an administrator's hand on the clock."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """The instant that this machine believes in."""
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text(encoding="ascii")))

    def steady(self) -> float:
        """Seconds that no hand moves."""
        return time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a center."""
    before = os.getppid()
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--die", type=Death.read, help="point:side:passage")
    parser.add_argument("--clock", type=Path, help="file with the seconds by which this center's clock is off")
    given = parser.parse_args(arguments)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    assert os.getppid() == before, "whoever started this is gone"
    if given.die is not None:
        arm(given.die)
    if given.clock is not None:
        opening.__dict__["SystemClock"] = partial(SteppedClock, given.clock)
    cli.app(["serve", "--dir", str(given.directory)])


if __name__ == "__main__":
    main()
