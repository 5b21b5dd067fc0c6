"""What the database must not show by itself: party data and free text, sealed with a key that lies outside of it.

Whoever has the database file, a dump of the PostgreSQL server, or the disk of that server reads no names, telephone
numbers or statements. Whoever has the whole data directory has the key, too: against the thief of a PC only an
encrypted disk helps, or a key file elsewhere (``storage_key_file``).

AES-256-GCM by ``cryptography``; each value is bound to its table and column. A value begins with the number of its key,
so that several keys may be in use while values are sealed anew (``node.resealing``).
"""

import hashlib
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.operators import OperatorType, is_, is_not
from sqlalchemy.types import TypeDecorator

from node.federation.private_file import write_private
from protocol.errors import BadRecord, LocalError
from protocol.keys import from_text, to_text

STORAGE_KEY_FILE: Final = "storage.key"

KEY_BYTES: Final = 32
NUMBER_BYTES: Final = 4
NONCE_BYTES: Final = 12
"""What AES-GCM takes. Each process counts on from a number that it draws: no two values share one, however many there
are, and nobody waits for the system's chance (which lets other threads run, and waits for them)."""
NONCES: Final = 1 << 8 * NONCE_BYTES
FORM: Final = b"\x01"
"""The first byte of every sealed value: a later form may be told from this one."""


class Unsealable(LocalError):
    """A stored value was sealed with a key that we do not have, or was changed."""


class _Key:
    """One key, and the number by which its values are known."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError("a storage key has 32 bytes")
        self.secret = secret
        self.prefix = FORM + hashlib.blake2b(secret, digest_size=NUMBER_BYTES, person=b"liandong vault").digest()
        self.cipher = AESGCM(secret)


class Vault:
    """Seals and opens stored values.

    Args:
        secrets: keys of 32 bytes, the newest first; with that one is sealed.
        file: where they lie; read again when a value names a key that was added since.
    """

    def __init__(self, secrets: Sequence[bytes], file: Path | None = None) -> None:
        self._file = file
        self._nonces = itertools.count(int.from_bytes(os.urandom(NONCE_BYTES)))
        self._take(secrets)

    def _take(self, secrets: Sequence[bytes]) -> None:
        keys = [_Key(secret) for secret in secrets]
        self._newest = keys[0]
        self._keys = {key.prefix: key for key in keys}

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The keys, newest first."""
        return tuple(key.secret for key in self._keys.values())

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Seal a value.

        Args:
            plain: the value.
            place: table and column; it opens nowhere else.
        """
        nonce = (next(self._nonces) % NONCES).to_bytes(NONCE_BYTES)
        return self._newest.prefix + nonce + self._newest.cipher.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Open a value.

        Raises:
            Unsealable: it was sealed with another key or for another place, or was changed.
        """
        begin = len(FORM) + NUMBER_BYTES
        key = self._keys.get(sealed[:begin]) or self.reread().get(sealed[:begin])
        if key is None:
            raise Unsealable("sealed with a key that is not here")
        nonce, rest = sealed[begin : begin + NONCE_BYTES], sealed[begin + NONCE_BYTES :]
        try:
            return key.cipher.decrypt(nonce, rest, place)
        except (InvalidTag, ValueError) as error:
            raise Unsealable("a sealed value was changed") from error

    def is_newest(self, sealed: bytes) -> bool:
        """Whether a value is sealed with the newest key."""
        return sealed.startswith(self._newest.prefix)

    def reread(self) -> dict[bytes, _Key]:
        """Know the keys that were added to the file since."""
        if self._file is not None:
            self._take(read_secrets(self._file))
        return self._keys


def new_secret() -> bytes:
    """Draw a key."""
    return os.urandom(KEY_BYTES)


def write_secrets(file: Path, secrets: Sequence[bytes]) -> None:
    """Write the keys' file, of mode 600."""
    write_private(file, json.dumps({"keys": [to_text(secret) for secret in secrets]}).encode("ascii"))


def read_secrets(file: Path) -> tuple[bytes, ...]:
    """Read the keys' file.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged.
    """
    try:
        secrets = tuple(from_text(text) for text in json.loads(file.read_text(encoding="ascii"))["keys"])
    except (KeyError, TypeError, BadRecord) as error:
        raise ValueError(f"{file.name} is damaged") from error
    if not secrets or {len(secret) for secret in secrets} != {KEY_BYTES}:
        raise ValueError(f"{file.name} is damaged")
    return secrets


def open_vault(file: Path) -> Vault:
    """The vault of a keys' file.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged.
    """
    return Vault(read_secrets(file), file)


def give_vault(dialect: Dialect, vault: Vault) -> None:
    """Let a database's sealed columns be sealed and opened by this vault."""
    dialect.liandong_vault = vault  # type: ignore[attr-defined] # each engine has a dialect of its own


def vault_of(dialect: Dialect) -> Vault:
    """The vault of a database.

    Raises:
        Unsealable: nobody gave it one.
    """
    vault = getattr(dialect, "liandong_vault", None)
    if not isinstance(vault, Vault):
        raise Unsealable("this database was opened without its storage key")
    return vault


class _Uncomparable(TypeDecorator.Comparator[Any]):
    """What lies sealed is sealed another way each time: a question that compares it would find nothing."""

    def operate(self, op: OperatorType, *other: Any, **options: Any) -> ColumnElement[Any]:  # noqa: ANN401 - as above
        """Only ask whether there is something.

        Raises:
            TypeError: the column is compared with anything but NULL.
        """
        columns = all(isinstance(one, ColumnElement) for one in other)  # the mapper looks columns up by ==
        if op not in {is_, is_not} and not columns:
            raise TypeError(f"a sealed column can't be compared: {self.expr}")
        return super().operate(op, *other, **options)


class SealedBytes(TypeDecorator[bytes]):
    """Bytes that lie sealed in the database. They can be compared with nothing there but NULL.

    Args:
        place: table and column.
    """

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Uncomparable

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """Seal."""
        return None if value is None else vault_of(dialect).seal(value, self.place.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """Open."""
        return None if value is None else vault_of(dialect).open(bytes(value), self.place.encode())


class SealedText(TypeDecorator[str]):
    """Text that lies sealed in the database.

    Args:
        place: table and column.
    """

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Uncomparable

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Seal."""
        return None if value is None else vault_of(dialect).seal(value.encode(), self.place.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Open."""
        return None if value is None else vault_of(dialect).open(bytes(value), self.place.encode()).decode()


Sealed: Final[tuple[type[TypeDecorator[Any]], ...]] = (SealedBytes, SealedText)
"""Types of columns that lie sealed in the database."""
