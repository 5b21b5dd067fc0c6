"""Signed records: a signed head and a separable body.

A log entry and a request have the same shape. The head is kept and sent as the exact text that was signed, so that
heads verify for ever, also when fields are added later. The body is tied to the head by a salted digest and can be
removed (purged, redacted) without touching the head; the salt keeps short bodies from being guessed from their
digest.
"""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
)

from protocol.codes import CenterCode
from protocol.errors import BadRecord, LocalError
from protocol.keys import Signed, SigningKey, digest, from_text, same, to_text

BODY_MAX_BYTES = 32 * 1024
"""One body; larger things travel as attachments on the bulk lane."""

SALT_BYTES = 16
ACTOR_MAX = 100
FLAWS_MAX = 3
"""Flaws of one document that a reason names."""

NUMBER_MAX = 2**31 - 1
"""Numbers that are counted from one: what every database's integer column holds. Nothing here ever counts so far."""

Number = Annotated[int, Field(ge=1, le=NUMBER_MAX)]
Count = Annotated[int, Field(ge=0, le=NUMBER_MAX)]

ID_PATTERN = r"^[!-~]{1,64}$"
Token = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""An id: printable ASCII without spaces, as every database and every log takes it."""

NO_NUL = r"^[^\x00]*$"
"""Text that goes into plain columns: PostgreSQL refuses NUL, and one message must not stop a link."""

DigestText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""Base64 of 32 bytes: a digest, or a public key."""


def instant_text(instant: datetime) -> str:
    """An instant in UTC as RFC 3339 text with microseconds: the one form on the wire and in the API."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _to_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("instant is before year 1 or after year 9999 in UTC") from error


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc), PlainSerializer(instant_text, when_used="json")]
"""An aware instant; a time without zone is refused."""


class Frozen(BaseModel):
    """A value: frozen, unknown fields kept (a newer peer may send more than we know).

    Errors never quote the input: it may be about people, and errors are logged.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class Record(Frozen):
    """A signed record as it is stored and sent.

    Attributes:
        head: the exact JSON text that was signed.
        signature: base64 of the author's signature over the head.
        salt: base64 of the salt of the body's digest; None where the body was removed.
        body: the exact JSON text of the body; None where it was removed.
    """

    head: Annotated[str, Field(max_length=4096)]
    signature: Annotated[str, Field(max_length=128)]
    salt: Annotated[str, Field(max_length=64)] | None = None
    body: str | None = None


class Head(Frozen):
    """What every signed head says.

    Attributes:
        case_id: the case's identity.
        epoch: custody epoch, raised by one with every transfer.
        kind: what happened (entries, past tense) or what is asked (requests).
        at: when, by the author's clock.
        center: the author center's code; its key signs.
        actor: the person, by the name shown to others; ``system`` for what the node does by itself.
        body_digest: base64 of BLAKE2b(salt, body text).
    """

    case_id: Token
    epoch: Number
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    at: Instant
    center: CenterCode
    actor: Annotated[str, StringConstraints(pattern=NO_NUL, max_length=ACTOR_MAX)]
    body_digest: Annotated[str, Field(max_length=64)]


HeadType = TypeVar("HeadType", bound=Head)


class BodyTooLarge(LocalError):
    """The body is larger than 32 KB."""


def make_record(
    key: SigningKey, context: bytes, head: HeadType, body: BaseModel, salt: bytes
) -> tuple[Record, HeadType]:
    """Sign a head over its body.

    Args:
        key: the author center's signing key.
        context: what kind of record this is.
        head: the head with an empty ``body_digest``.
        body: the body.
        salt: 16 fresh random bytes.

    Raises:
        BodyTooLarge: the body exceeds BODY_MAX_BYTES.
    """
    text = body.model_dump_json(exclude_none=True)
    raw = text.encode()
    if len(raw) > BODY_MAX_BYTES:
        raise BodyTooLarge(f"{len(raw)} bytes")
    head = head.model_copy(update={"body_digest": to_text(digest(salt, raw))})
    head_text = head.model_dump_json()
    signature = key.sign(context, head_text.encode())
    return Record(head=head_text, signature=to_text(signature), salt=to_text(salt), body=text), head


def flaws(error: ValidationError) -> str:
    """What is wrong with a document, by its fields; never what stands in them, since reasons are logged and shown."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(str(part) for part in each['loc'])} ({each['msg']})" for each in found[:FLAWS_MAX]]
    return ", ".join(told)


def parse_head(record: Record, head_type: type[HeadType]) -> HeadType:
    """Read the head of a record.

    Raises:
        BadRecord: it does not parse.
    """
    try:
        return head_type.model_validate_json(record.head)
    except ValidationError as error:
        raise BadRecord(f"head: {flaws(error)}") from error


def signed_head(record: Record, context: bytes, public_keys: tuple[str, ...]) -> Signed:
    """What one of the author's keys (newest first) should have signed.

    Raises:
        BadRecord: the signature is no base64.
    """
    return Signed(public_keys, context, record.head.encode(), from_text(record.signature))


def check_signature(record: Record, context: bytes, public_keys: tuple[str, ...]) -> None:
    """Check that one of the author's keys (newest first) signed the head.

    Raises:
        BadRecord: none did.
    """
    if not signed_head(record, context, public_keys).verifies():
        raise BadRecord("signature does not verify")


def check_body(record: Record, head: Head) -> str:
    """Check that the body is the one that the head was signed over, and return its text.

    Raises:
        BadRecord: the body is missing, too large, or another one.
    """
    if record.body is None or record.salt is None:
        raise BadRecord("body is missing")
    raw = record.body.encode()
    if len(raw) > BODY_MAX_BYTES:
        raise BadRecord("body is larger than 32 KB")
    salt = from_text(record.salt)
    if len(salt) != SALT_BYTES or not same(digest(salt, raw), from_text(head.body_digest)):
        raise BadRecord("body does not match its digest")
    return record.body
