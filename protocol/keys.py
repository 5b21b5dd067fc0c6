"""Signatures (Ed25519), digests (BLAKE2b) and sealing (X25519 sealed boxes), all through libsodium.

Nothing here draws a random number: seeds come in as arguments. Every signature is bound to what it signs by a
context, so that a signature over an entry can never pass as one over a frame. Texts carry keys and signatures in
base64.

The algorithm id (``ALGORITHM``) stands in certificates, which leaves room for SM2/SM3.
"""

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

from nacl import bindings
from nacl.exceptions import CryptoError

from protocol.errors import BadRecord, SealedToAnother

ALGORITHM = "ed25519"
SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
DIGEST_BYTES = 32


class SigningKey:
    """The private half of a center's signing key.

    Args:
        seed: 32 random bytes, kept in a file of mode 600.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 bytes")
        public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public = to_text(public)

    def sign(self, context: bytes, data: bytes) -> bytes:
        """Return the 64-byte signature over ``data`` in this context."""
        return bindings.crypto_sign(context + b"\0" + data, self._secret)[:SIGNATURE_BYTES]


def verify(public: str, context: bytes, data: bytes, signature: bytes) -> bool:
    """Say whether ``signature`` over ``data`` in this context was made by the key ``public``.

    Raises:
        BadRecord: the key is no base64.
    """
    key = from_text(public)
    # libsodium reads exactly these lengths, whatever it is given.
    if len(key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + context + b"\0" + data, key)
    except CryptoError:
        return False
    return True


class Signed(NamedTuple):
    """Data, and a signature over it that one of these keys should have made."""

    public_keys: tuple[str, ...]
    context: bytes
    data: bytes
    signature: bytes

    def verifies(self) -> bool:
        """Say whether one of the keys made the signature.

        Raises:
            BadRecord: a key is no base64.
        """
        return any(verify(public, self.context, self.data, self.signature) for public in self.public_keys)


class SealingKey:
    """The private half of a center's sealing key.

    Args:
        seed: 32 random bytes, kept in a file of mode 600.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a seed has 32 bytes")
        public, self._secret = bindings.crypto_box_seed_keypair(seed)
        self._public = public
        self.public = to_text(public)

    def open(self, sealed: bytes) -> bytes:
        """Open what was sealed to us.

        Raises:
            SealedToAnother: it was sealed to somebody else, or damaged.
        """
        try:
            return bindings.crypto_box_seal_open(sealed, self._public, self._secret)
        except CryptoError as error:
            raise SealedToAnother("sealed to another key, or damaged") from error

    def ephemeral_seed(self, context: bytes) -> bytes:
        """A seed to seal something to somebody with, which only we can make again.

        Args:
            context: what is said of nothing else that we ever seal.
        """
        return hashlib.blake2b(context, digest_size=SEED_BYTES, key=self._secret, person=b"liandong seal").digest()

    def open_own(self, sealed: bytes, public: str, context: bytes) -> bytes:
        """Open what we sealed to somebody else ourselves, with a seed of ``ephemeral_seed``.

        Args:
            sealed: the box.
            public: the sealing key that it was sealed to.
            context: the one that it was sealed with.

        Raises:
            BadRecord: it was sealed to another, by another, or with another context.
        """
        ephemeral_public, ephemeral_secret = bindings.crypto_box_seed_keypair(self.ephemeral_seed(context))
        recipient = from_text(public)
        if not sealed.startswith(ephemeral_public):
            raise BadRecord("not sealed by us")
        try:
            nonce = _nonce(ephemeral_public, recipient)
            return bindings.crypto_box_open(sealed[len(ephemeral_public) :], nonce, recipient, ephemeral_secret)
        except CryptoError as error:
            raise BadRecord("sealed to another key, or damaged") from error


def _nonce(ephemeral_public: bytes, recipient: bytes) -> bytes:
    """The nonce of a sealed box, as libsodium makes it."""
    return hashlib.blake2b(ephemeral_public + recipient, digest_size=bindings.crypto_box_NONCEBYTES).digest()


def seal(public: str, plain: bytes, ephemeral_seed: bytes) -> bytes:
    """Seal ``plain`` to the holder of ``public``: libsodium's sealed box, with the ephemeral seed given.

    Args:
        public: the destination's sealing key.
        plain: what only the destination may read.
        ephemeral_seed: 32 bytes that nobody can guess, never used twice.

    Raises:
        BadRecord: ``public`` is no key that anything can be sealed to.
    """
    recipient = from_text(public)
    ephemeral_public, ephemeral_secret = bindings.crypto_box_seed_keypair(ephemeral_seed)
    try:
        box = bindings.crypto_box(plain, _nonce(ephemeral_public, recipient), recipient, ephemeral_secret)
    except CryptoError as error:
        raise BadRecord("no key to seal to") from error
    return ephemeral_public + box


def digest(*parts: bytes) -> bytes:
    """BLAKE2b-256 over the concatenation of ``parts``."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        state.update(part)
    return state.digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left, right)


def to_text(data: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def from_text(text: str) -> bytes:
    """Base64 text as bytes.

    Raises:
        BadRecord: it is no base64.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise BadRecord("not base64") from error
