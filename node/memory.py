"""Keeps the process small and quick on old PCs.

glibc gives every thread an arena of its own and, once a large block was freed, keeps later ones on the heap: each
password hash (19 MiB) would stay with the process. Two arenas and a fixed threshold give large blocks back at once.
"""

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of ``mallopt(3)``."""

ARENAS = 2
LARGE_BYTES = 1024 * 1024
TRIM_BYTES = 256 * 1024


YOUNG = 50_000
"""Objects more than before at which Python's collector of circular garbage looks through the young ones."""


def collect_seldom() -> None:
    """Call once all modules are imported: spare the collector what it would look through in vain.

    What is there now stays. A frame's objects, ten thousand and more, and those of a page have no circles and die by
    themselves; with Python's 700 they would be looked through every few milliseconds, for a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def stay_small() -> bool:
    """Set the allocator's limits; says whether this system has them (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    limits = {_ARENA_MAX: ARENAS, _MMAP_THRESHOLD: LARGE_BYTES, _TRIM_THRESHOLD: TRIM_BYTES}
    return all(mallopt(parameter, value) == 1 for parameter, value in limits.items())
