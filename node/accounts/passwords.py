"""Password hashes: argon2id (RFC 9106).

Theory of operation. A hash carries its own parameters, so they can be raised later: a password that verifies
against an ``outdated`` hash is hashed anew at that moment, the only one at which it is known. A user name
that doesn't exist is checked against a dummy hash, so that the time of the answer doesn't tell which names
exist. Hashing is slow on purpose; a login never does it inside a write transaction.
"""

import base64
import threading
import unicodedata

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

MEMORY_KIB = 19 * 1024
"""Memory of one hash. OWASP's Password Storage Cheat Sheet gives 19 MiB, 2 passes, 1 lane as its argon2id
minimum; a village's old PC with 2 GB does that in well under a second."""

PASSES = 2
"""Passes over that memory (argon2's ``t``)."""

LANES = 1
"""Lanes (argon2's ``p``): old PCs have no cores to spare."""

CONCURRENT_HASHES = 4
"""At most so many hashes at once, so that a flood of logins takes 76 MiB and not forty times 19."""

NO_SALT, NO_DIGEST = (base64.b64encode(bytes(size)).decode("ascii").rstrip("=") for size in (16, 32))
"""Of the dummy hash: made by nobody, of a form that takes as long to check as any."""


class PasswordHasher:
    """Hashes and verifies passwords.

    Args:
        memory_kib: memory of one hash, in KiB (8 at least).
        passes: passes over it.
        lanes: parallel lanes.
    """

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES, lanes: int = LANES) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._turn = threading.BoundedSemaphore(CONCURRENT_HASHES)
        self._dummy = f"$argon2id$v={ARGON2_VERSION}$m={memory_kib},t={passes},p={lanes}${NO_SALT}${NO_DIGEST}"

    def hash(self, password: str) -> str:
        """The hash to store, with salt and parameters in it."""
        with self._turn:
            return self._argon2.hash(_bytes(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. ``None`` (no such user) takes as long and is always false."""
        with self._turn:
            try:
                self._argon2.verify(self._dummy if password_hash is None else password_hash, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False
        return password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._argon2.check_needs_rehash(password_hash)


def _bytes(password: str) -> bytes:
    """NFKC first (NIST SP 800-63B): full-width digits from a Chinese keyboard are the same password."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
