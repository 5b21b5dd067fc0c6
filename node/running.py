"""Whether a center runs: the lock that ``liandong serve`` holds on its data directory.

Two processes on one directory would be two sessions of one identity, which the federation treats as an alarm. The
lock is the kernel's (``flock``): it goes with its process, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from node.i18n import N_
from node.trouble import Trouble

FILE = "serve.lock"


class AlreadyRunning(Trouble):
    """Another process serves this directory."""


def running_pid(data_dir: Path) -> int | None:
    """The process that serves this directory; None if none does."""
    try:
        with (data_dir / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or b"0")
    except FileNotFoundError:
        pass
    return None


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Be the only process that serves this directory, or restores into it.

    Raises:
        AlreadyRunning: another one does; says which.
    """
    with (data_dir / FILE).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(
                N_("The center in {directory} runs already, as process {pid}."),
                directory=str(data_dir),
                pid=file.read().decode() or "?",
            ) from None
        # The lock is what counts. On a full disk nobody learns who holds it, but whoever holds it can still free space.
        with suppress(OSError):
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield
