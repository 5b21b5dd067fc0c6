"""The key of the backups that go to the parent: its secret half is printed once and never kept on the machine.

What is printed are 128 random bits with a checksum of 16, in Crockford's base32 (no I, L, O, U; case, spaces and
hyphens mean nothing), in groups of five. From them the X25519 key is derived. The machine keeps the public half
(``backup.key``) and seals to it; whoever gets hold of machine and parent together still can't read what
the parent keeps.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from node.federation.private_file import write_private
from node.i18n import N_
from node.trouble import Trouble
from protocol.errors import BadRecord
from protocol.keys import PUBLIC_KEY_BYTES, SealingKey, from_text

BACKUP_KEY_FILE = "backup.key"

SECRET_BYTES = 16
CHECK_BYTES = 2
GROUP = 5
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_BITS = 8 * (SECRET_BYTES + CHECK_BYTES)
_DIGITS = -(-_BITS // 5)


class BadBackupKey(Trouble):
    """What was typed is no backup key."""


def new_backup_key(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Draw a key, as it is printed."""
    secret = random_bytes(SECRET_BYTES)
    number = int.from_bytes(secret + _checksum(secret))
    digits = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(_DIGITS)))
    return "-".join(digits[start : start + GROUP] for start in range(0, _DIGITS, GROUP))


def read_backup_key(printed: str) -> SealingKey:
    """The key that was printed like this.

    Raises:
        BadBackupKey: a letter is wrong, or some are missing.
    """
    digits = printed.strip().upper().translate(_MEANT)
    number = 0
    for digit in digits:
        place = ALPHABET.find(digit)
        if place < 0:
            raise BadBackupKey(N_("This is no backup key: {digit} is not among its letters."), digit=digit)
        number = number << 5 | place
    if len(digits) != _DIGITS or number >> _BITS:
        raise BadBackupKey(
            N_("This is no backup key: it has {count} letters instead of {wanted}."), count=len(digits), wanted=_DIGITS
        )
    secret, check = number.to_bytes(SECRET_BYTES + CHECK_BYTES)[:SECRET_BYTES], number & 0xFFFF
    if check.to_bytes(CHECK_BYTES) != _checksum(secret):
        raise BadBackupKey(N_("There is a mistake in the backup key; compare it with the printed one."))
    return SealingKey(hashlib.blake2b(secret, digest_size=32, person=b"liandong backup").digest())


def _checksum(secret: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=CHECK_BYTES, person=b"liandong check").digest()


def keep_public_half(data_dir: Path, key: SealingKey) -> None:
    """Keep what backups are sealed to."""
    write_private(data_dir / BACKUP_KEY_FILE, key.public.encode("ascii") + b"\n")


def public_half(data_dir: Path) -> str | None:
    """What backups are sealed to; None where no key was ever drawn.

    Raises:
        BadBackupKey: the file is damaged.
    """
    path = data_dir / BACKUP_KEY_FILE
    if not path.exists():
        return None
    try:
        public = path.read_text(encoding="ascii").strip()
        if len(from_text(public)) == PUBLIC_KEY_BYTES:
            return public
    except (OSError, UnicodeDecodeError, BadRecord) as error:
        raise BadBackupKey(_DAMAGED, file=str(path)) from error
    raise BadBackupKey(_DAMAGED, file=str(path))


_DAMAGED = N_("{file} is damaged; draw a new key with backup --new-key.")
