"""A backup sealed in pieces: whoever keeps them can't read them, leave one out, or put them in another order.

The first piece begins with a fresh file key, sealed to the backup key, and the header of libsodium's secretstream
(XChaCha20-Poly1305); then each piece is one message of that stream, the last one marked as such.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from nacl import bindings
from nacl.exceptions import CryptoError

from node.i18n import N_
from node.trouble import Trouble
from node.unit import system_random
from protocol.errors import BadRecord
from protocol.keys import SealingKey, seal

MAGIC = b"LDBK1"
PIECE_BYTES = 23_000
"""Plain bytes of a piece: with its tag and in base64 it stays below 32 KB, the most that a body may have."""
SEALED_KEY_BYTES = 32 + 48

_FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_HEADER_BYTES = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES


class CannotOpen(Trouble):
    """A sealed backup can't be opened with this key."""


def seal_pieces(source: BinaryIO, public: str) -> Iterator[bytes]:
    """Seal a file in pieces, each small enough for a message."""
    key = bindings.crypto_secretstream_xchacha20poly1305_keygen()
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    header = bindings.crypto_secretstream_xchacha20poly1305_init_push(state, key)
    lead = MAGIC + seal(public, key, system_random(32)) + header
    plain = source.read(PIECE_BYTES)
    while True:
        following = source.read(PIECE_BYTES)
        tag = _MESSAGE if following else _FINAL
        yield lead + bindings.crypto_secretstream_xchacha20poly1305_push(state, plain, tag=tag)
        if not following:
            return
        lead, plain = b"", following


def open_pieces(pieces: Iterable[bytes], key: SealingKey, out: BinaryIO) -> None:
    """Open what ``seal_pieces`` made.

    Raises:
        CannotOpen: it was sealed to another key, is damaged, or not complete.
    """
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    tag = None
    try:
        for number, sealed in enumerate(pieces):
            piece = sealed
            if number == 0:
                end = len(MAGIC) + SEALED_KEY_BYTES
                file_key = _file_key(sealed[:end], key)
                bindings.crypto_secretstream_xchacha20poly1305_init_pull(
                    state, sealed[end : end + _HEADER_BYTES], file_key
                )
                piece = sealed[end + _HEADER_BYTES :]
            plain, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, piece)
            out.write(plain)
    except (CryptoError, ValueError) as error:
        raise CannotOpen(N_("The backup is damaged.")) from error
    if tag != _FINAL:
        raise CannotOpen(N_("The backup is not complete."))


def _file_key(lead: bytes, key: SealingKey) -> bytes:
    if not lead.startswith(MAGIC):
        raise CannotOpen(N_("The backup is damaged."))
    try:
        return key.open(lead[len(MAGIC) :])
    except BadRecord as error:
        raise CannotOpen(N_("The backup was made with another backup key.")) from error
