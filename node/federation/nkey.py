"""NKeys: the Ed25519 key pair with which a center logs in to a broker.

The broker knows public keys only (``U...``); the seed (``SU...``) never leaves the center that made it. It
proves who connects, nothing else: frames and entries are signed with the center's own signing key.
"""

import os
from collections.abc import Callable

import nkeys  # type: ignore[import-untyped]

SEED_BYTES = 32

PUBLIC_KEY_PATTERN = r"^U[A-Z2-7]{55}$"
"""Form of a user's public NKey."""


class BadSeed(ValueError):
    """This is not the NKey seed of a user."""


def new_user_seed(random_bytes: Callable[[int], bytes] = os.urandom) -> tuple[str, str]:
    """Make a key pair of a user, from the system's randomness; return its seed and its public key."""
    seed = nkeys.encode_seed(random_bytes(SEED_BYTES), nkeys.PREFIX_BYTE_USER).decode("ascii")
    return seed, public_of(seed)


def public_of(seed: str) -> str:
    """Return the public key that belongs to a user's seed.

    Raises:
        BadSeed: the text is not such a seed.
    """
    raw = seed.strip().encode("ascii", errors="replace")
    try:
        kind, secret = nkeys.decode_seed(raw)
        # Written again it must be the same: decode_seed looks at neither the checksum nor the end.
        if kind != nkeys.PREFIX_BYTE_USER or nkeys.encode_seed(secret, kind) != raw:
            raise BadSeed("not the NKey seed of a user")
        return str(nkeys.from_seed(raw).public_key.decode("ascii"))
    except (nkeys.NkeysError, ValueError) as error:
        raise BadSeed("not the NKey seed of a user") from error
