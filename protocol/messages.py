"""What one center says to another: CloudEvents 1.0 in JSON.

A message is one line of compact JSON; any CloudEvents SDK reads an unsealed one. Beside the standard attributes
there are two extensions: ``destination`` (the center it is for) and ``hops`` (relays passed so far). A message for
somebody beyond the neighbour is signed by its source, compressed and sealed to its destination: the relay sees
``SEALED``, the route and a size.

Unknown types are no error here: whoever receives one parks it and replays it after an upgrade.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Literal

import pydantic_core
from pydantic import Field, JsonValue, SkipValidation, StringConstraints, ValidationError

from protocol.centers import Certificate
from protocol.codes import Category, CenterCode, Grade, Status
from protocol.compression import compress, decompress
from protocol.entries import PLACE_MAX, REASON_MAX, TITLE_MAX, Kind
from protocol.errors import BadRecord, LocalError
from protocol.keys import SealingKey, SigningKey, from_text, seal, to_text, verify
from protocol.policy_order import PolicyOrder
from protocol.records import BODY_MAX_BYTES, NO_NUL, Count, Frozen, Instant, Number, Record, Token, flaws
from protocol.status import DayRow

CONTEXT = b"liandong message 1"
MESSAGE_MAX_BYTES = 96 * 1024
"""One message: a body of 32 KB, quoted twice in the worst case, and its envelope."""
SEALED_MAX_PLAIN_BYTES = 2 * MESSAGE_MAX_BYTES + 1024
"""What lies inside a seal: a message, quoted once more, and its signature."""
HOPS_MAX = 16
"""A message that passed this many relays is going in circles."""
ENTRIES_MAX_BYTES = 40 * 1024
"""Entries of one message together, unless a single one is larger."""
OBSTACLES_MAX = 50
"""Obstacles of one receipt; with reasons in any script they fit into one message."""
OBSTACLE_REASON_MAX = 300
"""Characters of an obstacle's reason that its source is told."""
CERTIFICATES_MAX = 40
"""Certificates of one message."""
POLICIES_MAX = 16
"""Policies of one message: one of each center up to the root, which is at most eight levels away."""
BACKUP_PARTS_MAX = 3000
"""Pieces of one backup: 66 MB, the quota of a center at its parent."""
YEARS_MAX = 10
"""Years of which a center tells what it lost: more than a center keeps open cases of."""


class MessageTooLarge(LocalError):
    """The message is larger than anybody reads."""


class Lane(StrEnum):
    """The two lanes of a link; ``case`` goes first."""

    CASE = "case"
    BULK = "bulk"


class Type(StrEnum):
    """Message types; the version stands at the end."""

    ENTRIES = "cn.liandong.case.entries.v1"
    TRANSFER = "cn.liandong.case.transfer.v1"
    REFUSAL = "cn.liandong.case.refusal.v1"
    HEADER = "cn.liandong.case.header.v1"
    INVITATION = "cn.liandong.case.invitation.v1"
    REQUEST = "cn.liandong.case.request.v1"
    ANSWER = "cn.liandong.case.answer.v1"
    VIEW = "cn.liandong.case.view.v1"
    CERTIFICATES = "cn.liandong.center.certificates.v1"
    POLICIES = "cn.liandong.center.policies.v1"
    KNOCK = "cn.liandong.center.knock.v1"
    WELCOME = "cn.liandong.center.welcome.v1"
    FAREWELL = "cn.liandong.center.farewell.v1"
    LOST = "cn.liandong.center.lost.v1"
    TOLD = "cn.liandong.center.told.v1"
    RECOVERED = "cn.liandong.center.recovered.v1"
    BACKUP_PART = "cn.liandong.backup.part.v1"
    BACKUP_WANTED = "cn.liandong.backup.wanted.v1"
    BACKUP_OFFERED = "cn.liandong.backup.offered.v1"
    DAYS = "cn.liandong.status.days.v1"
    RECEIPT = "cn.liandong.receipt.v1"
    UNDELIVERABLE = "cn.liandong.undeliverable.v1"
    SEALED = "cn.liandong.sealed.v1"
    VOID = "cn.liandong.void.v1"


class Message(Frozen):
    """The CloudEvents envelope."""

    specversion: Literal["1.0"] = "1.0"
    id: Token
    source: Annotated[str, Field(pattern=r"^/centers/[0-9]{12}$")]
    type: Token
    time: Instant
    destination: CenterCode
    hops: Annotated[int, Field(ge=0, le=HOPS_MAX)] = 0
    subject: Token | None = None
    datacontenttype: str | None = None
    data: SkipValidation[JsonValue] = None  # it was just read as JSON, or comes from a model of ours
    data_base64: str | None = None

    @property
    def sender(self) -> str:
        """The source center's code."""
        return self.source.removeprefix("/centers/")


NumberText = Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=100)]


class Entries(Frozen):
    """Log entries of one case, in order, for somebody who follows it or is about to hold it."""

    case_id: Token
    entries: Annotated[tuple[Record, ...], Field(min_length=1)]


class TransferNotice(Frozen):
    """Custody is yours: you have the log up to ``seq``, whose last entry is the transfer that opened ``epoch``."""

    case_id: Token
    epoch: Number
    seq: Number
    kind: Kind


class Refusal(Frozen):
    """A transfer can't be taken; custody goes back."""

    case_id: Token
    epoch: Number
    reason: Annotated[str, Field(max_length=REASON_MAX)]


class CaseHeader(Frozen):
    """What the holder's ancestors may know of a high-grade, joint, overdue or supervised case: no parties, no text."""

    case_id: Token
    number: NumberText
    display_number: NumberText
    category: Category
    grade: Grade
    status: Status
    origin: CenterCode
    holder: CenterCode | None = None
    in_transit_to: CenterCode | None = None
    epoch: Number
    seq: Count
    deadline: Instant | None = None
    joint: bool = False
    supervised: bool = False
    registered_at: Instant
    withdrawn: bool = False


class InvitationKind(StrEnum):
    """What somebody is invited to."""

    JOINT = "joint"
    HANDOFF = "handoff"


class Invitation(Frozen):
    """An invitation: header, title, place and reason."""

    kind: InvitationKind
    header: CaseHeader
    title: Annotated[str, Field(max_length=TITLE_MAX)]
    place: Annotated[str, Field(max_length=PLACE_MAX)]
    reason: Annotated[str, Field(max_length=REASON_MAX)]
    withdrawn: bool = False


class RequestMessage(Frozen):
    """A request of a center that does not hold the case."""

    request: Record


class RequestState(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"


class Answer(Frozen):
    """The holder's answer to a request."""

    request_id: Token
    case_id: Token
    state: RequestState
    reason: Annotated[str, StringConstraints(pattern=NO_NUL, max_length=REASON_MAX)] | None = None
    holder: CenterCode | None = None
    in_transit_to: CenterCode | None = None


class View(Frozen):
    """The entries sent before this are for an ancestor that broke the glass: readable until ``until``, then purged."""

    case_id: Token
    until: Instant


class Certificates(Frozen):
    """Certificates that the receiver may not know yet."""

    certificates: Annotated[tuple[Certificate, ...], Field(max_length=CERTIFICATES_MAX)]


class Policies(Frozen):
    """Policies of centers above the receiver; each is signed by whoever set it."""

    orders: Annotated[tuple[PolicyOrder, ...], Field(max_length=POLICIES_MAX)]


class Knock(Frozen):
    """We are to be your child: this is the NKey with which we log in to your broker."""

    nkey: Annotated[str, StringConstraints(pattern=r"^U[A-Z2-7]{55}$")]


class Welcome(Frozen):
    """You are our child from now on: here is our broker.

    Attributes:
        url: where it is.
        ca: authority of its certificate, PEM; None on loopback or with a public one.
    """

    url: Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=500)]
    ca: Annotated[str, StringConstraints(pattern=NO_NUL, max_length=20_000)] | None = None


class Farewell(Frozen):
    """We are your child no longer; what you still have for us goes the new way."""

    parent: CenterCode


class Lost(Frozen):
    """Our database was lost: tell us again what you hold of our cases."""

    incarnation: Token


class Told(Frozen):
    """What we hold of your cases went before this; there is nothing more."""

    incarnation: Token
    cases: Count


NumberRanges = Annotated[str, StringConstraints(pattern=r"^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$", max_length=8000)]
"""Running numbers of a year: ``1-3,7``."""


class Recovered(Frozen):
    """A lost database has back what others held of it.

    Attributes:
        incarnation: of the new database.
        cases: how many cases came back.
        lost: running numbers of matters of ours that nobody else held, by year.
    """

    incarnation: Token
    cases: Count
    lost: Annotated[dict[int, NumberRanges], Field(max_length=YEARS_MAX)] = Field(default_factory=dict)


class BackupPart(Frozen):
    """A piece of a center's sealed backup: to its parent, which keeps it, or back to the center."""

    backup: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    made_at: Instant
    part: Annotated[int, Field(ge=1, le=BACKUP_PARTS_MAX)]
    parts: Annotated[int, Field(ge=1, le=BACKUP_PARTS_MAX)]
    data: Annotated[str, Field(max_length=BODY_MAX_BYTES)]


class BackupWanted(Frozen):
    """Give us back the newest backup that you keep of us."""

    incarnation: Token


class BackupOffered(Frozen):
    """What we keep of you; its pieces follow. Without ``backup`` we keep nothing."""

    backup: Token | None = None
    made_at: Instant | None = None
    parts: Count = 0


class Days(Frozen):
    """Daily rows of counters, newest state of each."""

    rows: tuple[DayRow, ...]


class Obstacle(Frozen):
    """Why a message could not be applied at its destination; it waits there, parked."""

    message_id: Token
    reason: Annotated[str, StringConstraints(pattern=NO_NUL, max_length=OBSTACLE_REASON_MAX)]


class Receipt(Frozen):
    """These messages were applied at their destination, also some that were parked before; those in ``parked`` not."""

    ids: tuple[Token, ...]
    parked: Annotated[tuple[Obstacle, ...], Field(max_length=OBSTACLES_MAX)] = ()


class Undeliverable(Frozen):
    """A message could not be brought to its destination."""

    message_id: Token
    reason: Annotated[str, Field(max_length=REASON_MAX)]


class Void(Frozen):
    """Nothing: the place of a message that was taken back before it was offered."""


PAYLOADS: dict[str, type[Frozen]] = {
    Type.ENTRIES: Entries,
    Type.TRANSFER: TransferNotice,
    Type.REFUSAL: Refusal,
    Type.HEADER: CaseHeader,
    Type.INVITATION: Invitation,
    Type.REQUEST: RequestMessage,
    Type.ANSWER: Answer,
    Type.VIEW: View,
    Type.CERTIFICATES: Certificates,
    Type.POLICIES: Policies,
    Type.KNOCK: Knock,
    Type.WELCOME: Welcome,
    Type.FAREWELL: Farewell,
    Type.LOST: Lost,
    Type.TOLD: Told,
    Type.RECOVERED: Recovered,
    Type.BACKUP_PART: BackupPart,
    Type.BACKUP_WANTED: BackupWanted,
    Type.BACKUP_OFFERED: BackupOffered,
    Type.DAYS: Days,
    Type.RECEIPT: Receipt,
    Type.UNDELIVERABLE: Undeliverable,
    Type.VOID: Void,
}
"""The payload of each type that is not sealed."""

BULK_TYPES = frozenset({Type.DAYS, Type.BACKUP_PART, Type.BACKUP_WANTED, Type.BACKUP_OFFERED})
"""Types that travel on the bulk lane."""


def lane_of(type_: str) -> Lane:
    """The lane that a type travels on."""
    return Lane.BULK if type_ in BULK_TYPES else Lane.CASE


def source_of(code: str) -> str:
    """The CloudEvents source of a center."""
    return f"/centers/{code}"


def write_message(message: Message) -> bytes:
    """A message as one line of compact JSON.

    Raises:
        MessageTooLarge: nobody would read it.
    """
    line = message.model_dump_json(exclude_none=True).encode()
    if len(line) > MESSAGE_MAX_BYTES:
        raise MessageTooLarge(f"{message.type} of {len(line)} bytes")
    return line


def read_message(line: bytes) -> Message:
    """Read one line.

    Raises:
        BadRecord: too large, no JSON, or no envelope.
    """
    if len(line) > MESSAGE_MAX_BYTES:
        raise BadRecord(f"message of {len(line)} bytes")
    try:
        return Message.model_validate(pydantic_core.from_json(line, allow_inf_nan=False))
    except ValueError as error:
        raise BadRecord("message does not parse") from error


def read_payload(message: Message) -> Frozen:
    """Read the payload of a message of a known type.

    Raises:
        BadRecord: it does not parse, or its type is unknown.
    """
    if message.type not in PAYLOADS:
        raise BadRecord(f"payload of unknown type {message.type}")
    try:
        return PAYLOADS[message.type].model_validate(message.data)
    except ValidationError as error:
        raise BadRecord(f"{message.type}: {flaws(error)}") from error


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
