"""Where the bytes of attachments lie: ``attachments/ab/abcdef…`` in the data directory, named by their SHA-256.

A file is written under a name of its own, brought to the disk, and only then given its place; so what stands in a
place is whole. Rows name files only in the transaction that gives the place. What has a place and no row (a crash
between the two) is found by ``node.attachments.keeping``.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from node.i18n import N_
from node.problems import Problem
from protocol.payloads import PIECE_BYTES

DIRECTORY = "attachments"
FREE_MIN = 512 * 1024 * 1024
"""Bytes of disk that the center itself needs: with less free, no file is let in."""
MEGABYTE = 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a center lets in, in bytes: of one file, and of all files of one case."""

    file: int = 50 * MEGABYTE
    case: int = 500 * MEGABYTE


def not_saved(error: OSError) -> Problem:
    """507 ``not-saved``: the disk took nothing, or not all of it; nothing of it is left."""
    if error.errno in _FULL:
        return Problem(507, N_("not-saved"), N_("The file was not saved: the disk of this center is full."))
    reason = os.strerror(error.errno) if error.errno is not None else type(error).__name__
    return Problem(507, "not-saved", N_("The file was not saved: {reason}."), reason=reason)


class Incoming:
    """A file that is being let in. ``discard`` is harmless once it has its place."""

    def __init__(self, directory: Path) -> None:
        handle, name = tempfile.mkstemp(dir=directory, prefix="upload-")
        self.path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._sum = hashlib.sha256()
        self.size = 0
        self.head = b""

    def write(self, data: bytes, head: int) -> None:
        """Take the next bytes, and remember the first ``head`` of all.

        Raises:
            OSError: the disk is full, or fails.
        """
        self._file.write(data)
        self._sum.update(data)
        self.size += len(data)
        if len(self.head) < head:
            self.head += data[: head - len(self.head)]

    def close(self) -> None:
        """All has come: bring it to the disk.

        Raises:
            OSError: the disk is full, or fails.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of all that came."""
        return self._sum.hexdigest()

    def discard(self) -> None:
        """Nobody wants it."""
        with suppress(OSError):  # what could not be written can't be flushed either
            self._file.close()
        self.path.unlink(missing_ok=True)


class FileStore:
    """The files of one center.

    Args:
        data_dir: the center's data directory; made use of only when the first file comes.
        limits: what it lets in.
    """

    def __init__(self, data_dir: Path, limits: Limits) -> None:
        self.limits = limits
        self.checked_at: datetime | None = None
        """When the directory was last compared with the rows."""
        self.root = data_dir / DIRECTORY
        self._incoming = self.root / "incoming"

    def path(self, sha256: str) -> Path:
        """Where a file has its place."""
        return self.root / sha256[:2] / sha256

    def preview(self, sha256: str) -> Path:
        """Where its preview lies, if there is one."""
        return self.root / "previews" / f"{sha256}.jpg"

    def has(self, sha256: str, size: int) -> bool:
        """Whether a file of this size stands in the place."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def is_sound(self, sha256: str) -> bool:
        """Whether the bytes in the place are what its name says; reads all of them."""
        try:
            with self.path(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def has_room(self, size: int) -> bool:
        """Whether the disk takes a file of this size and still leaves the center what it needs."""
        self._make(self._incoming)
        return shutil.disk_usage(self._incoming).free - size > FREE_MIN

    # --- a file is let in --------------------------------------------------------------------------

    def begin(self) -> Incoming:
        """Begin to let a file in.

        Raises:
            Problem: 507 ``not-saved``.
        """
        try:
            if not self.has_room(0):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return Incoming(self._incoming)
        except OSError as error:
            raise not_saved(error) from error

    def place(self, incoming: Incoming) -> None:
        """Give a file its place, in the transaction that gives it a row.

        Raises:
            Problem: 507 ``not-saved``.
        """
        try:
            self._place(incoming.path, incoming.sha256)
        except OSError as error:
            raise not_saved(error) from error

    def _place(self, path: Path, sha256: str) -> None:
        target = self.path(sha256)
        self._make(target.parent)
        path.replace(target)
        _sync(target.parent)

    # --- a file comes in pieces --------------------------------------------------------------------

    def keep_piece(self, sha256: str, number: int, piece: bytes) -> None:
        """Keep a piece of a file that is on its way; the same piece may come twice.

        Raises:
            OSError: the disk is full, or fails.
        """
        self._make(self._incoming)
        descriptor = os.open(self._part(sha256), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, piece, (number - 1) * PIECE_BYTES)
        finally:
            os.close(descriptor)

    def complete(self, sha256: str) -> bool:
        """All pieces came: if they are the file that was asked for, it gets its place. Else they are thrown away.

        Raises:
            OSError: the disk fails.
        """
        part = self._part(sha256)
        try:
            with part.open("rb") as file:
                sound = hashlib.file_digest(file, "sha256").hexdigest() == sha256
                os.fsync(file.fileno())
        except FileNotFoundError:
            return False
        if sound:
            self._place(part, sha256)
        else:
            part.unlink()
        return sound

    def read_pieces(self, sha256: str, first: int, last: int) -> Iterator[bytes]:
        """Pieces of a file, up to its end.

        Raises:
            OSError: it can't be read.
        """
        with self.path(sha256).open("rb") as file:
            file.seek((first - 1) * PIECE_BYTES)
            for _ in range(first, last + 1):
                if not (piece := file.read(PIECE_BYTES)):
                    return
                yield piece

    def _part(self, sha256: str) -> Path:
        return self._incoming / f"{sha256}.part"

    # --- what nobody needs -------------------------------------------------------------------------

    def remove(self, sha256: str) -> None:
        """Remove a file, its preview and what came of it."""
        for path in (self.path(sha256), self.preview(sha256), self._part(sha256)):
            path.unlink(missing_ok=True)

    def strays(self, before: float) -> Iterator[Path]:
        """Files in their places, and unfinished ones, that were last written before an instant (seconds)."""
        for path in self.root.glob("*/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    yield path

    @staticmethod
    def _make(directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def pieces_of(size: int) -> int:
    """How many pieces a file of this size has."""
    return -(-size // PIECE_BYTES)


def _sync(directory: Path) -> None:
    """Make a new name last through a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
