"""Who this center is: its code, its keys (files of mode 600 beside the database) and its database's incarnation."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from protocol.keys import SealingKey, SigningKey, from_text, to_text

KEYS_FILE = "keys.json"
NEXT_KEYS_FILE = "keys.next.json"
"""Keys that a certificate was asked for; they count when it comes (``node.rekeying``)."""


@dataclass(frozen=True)
class Identity:
    """This center.

    Attributes:
        code: division code.
        level: name of the level.
        incarnation: random id of this database.
        signing: key that signs entries, requests, messages and frames.
        sealing: key that opens what is sealed to us.
        former: earlier incarnations, from before the database was restored, newest last.
    """

    code: str
    level: str
    incarnation: str
    signing: SigningKey
    sealing: SealingKey
    former: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keys:
    """The two seeds of a center."""

    signing_seed: bytes
    sealing_seed: bytes

    @property
    def signing(self) -> SigningKey:
        """The signing key."""
        return SigningKey(self.signing_seed)

    @property
    def sealing(self) -> SealingKey:
        """The sealing key."""
        return SealingKey(self.sealing_seed)


def new_keys(random_bytes: Callable[[int], bytes] = os.urandom) -> Keys:
    """Draw fresh keys."""
    return Keys(random_bytes(32), random_bytes(32))


def write_private(path: Path, text: str) -> None:
    """Write a secret so that only we can read it, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def save_keys(directory: Path, keys: Keys, name: str = KEYS_FILE) -> None:
    """Write the keys' file."""
    document = {"signing_seed": to_text(keys.signing_seed), "sealing_seed": to_text(keys.sealing_seed)}
    write_private(directory / name, json.dumps(document))


def load_keys(directory: Path, name: str = KEYS_FILE) -> Keys:
    """Read the keys' file.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged.
    """
    document = json.loads((directory / name).read_text(encoding="utf-8"))
    try:
        return Keys(from_text(document["signing_seed"]), from_text(document["sealing_seed"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name} is damaged") from error
