"""What one center says to another: CloudEvents 1.0 in JSON.

A message is one line of compact JSON; any CloudEvents SDK reads an unsealed one. Beside the standard attributes
there are two extensions: ``destination`` (the center it is for) and ``hops`` (relays passed so far). A message for
somebody beyond the neighbour is sealed to its destination (``protocol.sealing``).

Unknown types are no error here: whoever receives one parks it and replays it after an upgrade.
"""

from enum import StrEnum
from typing import Annotated, Literal

import pydantic_core
from pydantic import Field, JsonValue, SkipValidation, ValidationError

from protocol.codes import CenterCode
from protocol.errors import BadRecord, LocalError
from protocol.payloads import (
    Answer,
    AttachmentAbsent,
    AttachmentPiece,
    AttachmentWanted,
    AuditHead,
    BackupOffered,
    BackupPart,
    BackupWanted,
    CaseHeader,
    Certificates,
    Days,
    Entries,
    Farewell,
    Invitation,
    Knock,
    Lost,
    NewKey,
    Policies,
    Receipt,
    Recovered,
    Refusal,
    RequestMessage,
    Told,
    TransferNotice,
    Undeliverable,
    View,
    Void,
    Welcome,
)
from protocol.records import Frozen, Instant, Token, flaws
from protocol.reports import WeeklyReport

MESSAGE_MAX_BYTES = 96 * 1024
"""One message: a body of 32 KB, quoted twice in the worst case, and its envelope."""
HOPS_MAX = 16
"""A message that passed this many relays is going in circles."""


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
    NEW_KEY = "cn.liandong.center.new_key.v1"
    LOST = "cn.liandong.center.lost.v1"
    TOLD = "cn.liandong.center.told.v1"
    RECOVERED = "cn.liandong.center.recovered.v1"
    BACKUP_PART = "cn.liandong.backup.part.v1"
    BACKUP_WANTED = "cn.liandong.backup.wanted.v1"
    BACKUP_OFFERED = "cn.liandong.backup.offered.v1"
    ATTACHMENT_WANTED = "cn.liandong.attachment.wanted.v1"
    ATTACHMENT_PIECE = "cn.liandong.attachment.piece.v1"
    ATTACHMENT_ABSENT = "cn.liandong.attachment.absent.v1"
    AUDIT_HEAD = "cn.liandong.audit.head.v1"
    DAYS = "cn.liandong.status.days.v1"
    WEEKLY_REPORT = "cn.liandong.report.weekly.v1"
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
    Type.NEW_KEY: NewKey,
    Type.LOST: Lost,
    Type.TOLD: Told,
    Type.RECOVERED: Recovered,
    Type.BACKUP_PART: BackupPart,
    Type.BACKUP_WANTED: BackupWanted,
    Type.BACKUP_OFFERED: BackupOffered,
    Type.ATTACHMENT_WANTED: AttachmentWanted,
    Type.ATTACHMENT_PIECE: AttachmentPiece,
    Type.ATTACHMENT_ABSENT: AttachmentAbsent,
    Type.AUDIT_HEAD: AuditHead,
    Type.DAYS: Days,
    Type.WEEKLY_REPORT: WeeklyReport,
    Type.RECEIPT: Receipt,
    Type.UNDELIVERABLE: Undeliverable,
    Type.VOID: Void,
}
"""The payload of each type that is not sealed."""

BULK_TYPES = frozenset(
    {
        Type.ATTACHMENT_WANTED,
        Type.ATTACHMENT_PIECE,
        Type.ATTACHMENT_ABSENT,
        Type.AUDIT_HEAD,
        Type.DAYS,
        Type.WEEKLY_REPORT,
        Type.BACKUP_PART,
        Type.BACKUP_WANTED,
        Type.BACKUP_OFFERED,
    }
)
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
