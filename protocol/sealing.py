"""Messages for somebody beyond the neighbour: signed by their source, compressed, sealed to their destination.

The relay sees ``SEALED``, the route and a size.
"""

from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from protocol.compression import compress, decompress
from protocol.errors import BadRecord
from protocol.keys import SealingKey, SigningKey, from_text, seal, to_text, verify
from protocol.messages import MESSAGE_MAX_BYTES, Message, Type, read_message, write_message
from protocol.records import Frozen

CONTEXT = b"liandong message 1"
SEALED_MAX_PLAIN_BYTES = 2 * MESSAGE_MAX_BYTES + 1024
"""What lies inside a seal: a message, quoted once more, and its signature."""


class _Signed(Frozen):
    """What lies inside the seal: the message's exact text and its source's signature."""

    message: str
    signature: str


def seal_message(message: Message, key: SigningKey, sealing_key: str, ephemeral_seed: bytes) -> Message:
    """Sign, compress and seal a message to its destination; what stays readable is the route.

    Args:
        message: what the destination shall read.
        key: the source's signing key.
        sealing_key: the destination's public sealing key.
        ephemeral_seed: the source's own, of ``sealing_context(message)``; so it can open the message again itself,
            when it has lost it and gets it back.

    Raises:
        MessageTooLarge: nobody would read it.
        BadRecord: the destination's sealing key is none.
    """
    text = write_message(message).decode()
    signed = _Signed(message=text, signature=to_text(key.sign(CONTEXT, text.encode())))
    sealed = seal(sealing_key, compress(signed.model_dump_json().encode()), ephemeral_seed)
    return Message(
        id=message.id,
        source=message.source,
        type=Type.SEALED,
        time=message.time,
        destination=message.destination,
        datacontenttype="application/octet-stream",
        data_base64=to_text(sealed),
    )


def open_message(outer: Message, key: SealingKey, source_keys: tuple[str, ...]) -> Message:
    """Open a sealed message and check that its source signed it for this destination.

    Raises:
        RemoteError: it was sealed to another, is damaged, or is not what its envelope says.
    """
    return _opened(outer, key.open(from_text(outer.data_base64 or "")), source_keys)


def open_own_message(
    outer: Message, key: SealingKey, destination_keys: Sequence[str], source_keys: tuple[str, ...]
) -> Message:
    """Open a message that we sealed to somebody else ourselves.

    Args:
        outer: as it travelled.
        key: our own.
        destination_keys: sealing keys that the destination ever had.
        source_keys: signing keys that we ever had.

    Raises:
        RemoteError: we did not seal it, it is damaged, or is not what its envelope says.
    """
    sealed = from_text(outer.data_base64 or "")
    for public in destination_keys:
        with suppress(BadRecord):
            return _opened(outer, key.open_own(sealed, public, sealing_context(outer)), source_keys)
    raise BadRecord("not sealed by us")


def sealing_context(message: Message) -> bytes:
    """What makes the seal of a message different from all others; its envelope says the same as its content."""
    return f"{message.id} {message.destination} {message.time.isoformat()}".encode()


def _opened(outer: Message, compressed: bytes, source_keys: tuple[str, ...]) -> Message:
    plain = decompress(compressed, SEALED_MAX_PLAIN_BYTES)
    try:
        signed = _Signed.model_validate_json(plain)
    except ValidationError as error:
        raise BadRecord("sealed content does not parse") from error
    text = signed.message.encode()
    if not any(verify(public, CONTEXT, text, from_text(signed.signature)) for public in source_keys):
        raise BadRecord("sealed message is not signed by its source")
    inner = read_message(text)
    if (inner.id, inner.source, inner.destination) != (outer.id, outer.source, outer.destination):
        raise BadRecord("sealed message is not the one its envelope names")
    return inner
