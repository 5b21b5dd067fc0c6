"""The disk of a township is full: for its database, its log and its broker.

The disk is a small one of its own where this machine lets us mount one (root). Elsewhere the kernel forbids the
township's process to make any file larger than its largest is now, which to the process is the same.
"""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.processes import SMALL, TOWNSHIP, County, Served, county
from tests.faults.told import must_be_told
from tests.faults.work import working

DISK_MB = 48
PIECE = 64 * 1024


class Disk(Protocol):
    """A disk that can be full."""

    def fill(self, center: Served) -> None:
        """Leave no room on it."""

    def free(self, center: Served) -> None:
        """Leave room on it."""


class SmallDisk:
    """A disk of its own, in memory."""

    def __init__(self, place: Path) -> None:
        self._ballast = place / "ballast"

    def fill(self, center: Served) -> None:
        """Write until nothing more goes in."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for size in (PIECE, 1):
                while _written(ballast.fileno(), bytes(size)):
                    pass

    def free(self, center: Served) -> None:
        """Delete what was written."""
        self._ballast.unlink()


def _written(file: int, piece: bytes) -> bool:
    try:
        return os.write(file, piece) > 0
    except OSError:
        return False


class LimitedFiles:
    """No file of the center's process grows."""

    def fill(self, center: Served) -> None:
        """Let no file become larger than it is."""
        self._limit(center, min(one.stat().st_size for one in _growing(center)))

    def free(self, center: Served) -> None:
        """Let files be as large as they like."""
        self._limit(center, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(center: Served, size: int) -> None:
        assert center.process is not None
        resource.prlimit(center.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _growing(center: Served) -> list[Path]:
    return [center.settings.data_dir / name for name in ("center.db", "center.db-wal", "center.log")]


def can_mount() -> bool:
    """Whether this machine lets us have a small disk."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk]:
    """A small disk at a place, until the end of the block."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", str(place)], check=True)
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def disk_full(place: Path, nest: Nest, times: int) -> Figure:
    """Fill the township's own small disk again and again."""
    with small_disk(place / TOWNSHIP) as disk, county(place, nest, parents=SMALL) as here:
        return strike(here, disk, "disk full: database, log and broker", times)


def files_limited(place: Path, nest: Nest, times: int) -> Figure:
    """Let no file of the township's process grow."""
    with county(place, nest, parents=SMALL) as here:
        return strike(here, LimitedFiles(), "files of database and log can't grow", times)


def strike(here: County, disk: Disk, fault: str, times: int) -> Figure:
    """Fill a disk of the township again and again; the clerk is told, and it heals alone."""
    township = here[TOWNSHIP]
    log = township.log_into_its_directory()
    here.start()
    assert township.process is not None
    pid = township.process.pid
    with working(here) as work:
        for _ in range(times):
            disk.fill(township)
            must_be_told(township, work.visitor.acts)
            assert township.readiness() is not None, "it still answers"
            waiting = work.escalated()
            time.sleep(1)
            disk.free(township)
            work.arrives(waiting, since=time.monotonic())
    assert township.process.pid == pid
    assert township.process.running, "and nobody had to start it again"
    assert log.stat().st_size > 0
    return figure(fault, times, work)
