"""Keeps the process small on old PCs.

glibc gives every thread an arena of its own and, once a large block was freed, keeps later ones on the heap: each
password hash (19 MiB) would stay with the process. Two arenas and a fixed threshold give large blocks back at once.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of ``mallopt(3)``."""

ARENAS = 2
LARGE_BYTES = 1024 * 1024
TRIM_BYTES = 256 * 1024


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
