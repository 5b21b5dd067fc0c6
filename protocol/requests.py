"""Requests: how everyone who is not the holder speaks to a case.

A request is a signed record like an entry. The holder's node grants it by appending an entry that contains it, or
refuses it; the asker is always told. Requests of ``EPOCH_BOUND`` kinds hold only for the custody epoch they name;
the rest follow the case to its holder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationError

from protocol.codes import CenterCode
from protocol.entries import MEMBERS_MAX, REASON_MAX, File, Member, Name, Reason, RequestText, ShortText
from protocol.errors import BadRecord
from protocol.keys import SigningKey
from protocol.records import (
    Frozen,
    Head,
    Instant,
    Number,
    Record,
    Token,
    check_body,
    check_signature,
    make_record,
    parse_head,
)

CONTEXT = b"liandong request 1"


class Ask(StrEnum):
    """Kinds of requests."""

    NOTE = "note"
    URGE = "urge"
    ANSWER = "answer"
    JOINT_ACCEPT = "joint_accept"
    JOINT_DECLINE = "joint_decline"
    JOINT_ENTRY = "joint_entry"
    COUNTERSIGN = "countersign"
    HANDOFF_ACCEPT = "handoff_accept"
    HANDOFF_DECLINE = "handoff_decline"
    RECALL = "recall"
    VISIT = "visit"
    REOPEN = "reopen"
    LEAD_ORDER = "lead_order"
    RULE = "rule"
    ABSORB = "absorb"
    JUDGE_SUBSIDY = "judge_subsidy"
    ATTACH = "attach"
    VIEW = "view"


EPOCH_BOUND = frozenset(
    {
        Ask.RECALL,
        Ask.COUNTERSIGN,
        Ask.JOINT_ACCEPT,
        Ask.JOINT_DECLINE,
        Ask.HANDOFF_ACCEPT,
        Ask.HANDOFF_DECLINE,
    }
)
"""Kinds that hold only for the epoch they name."""


class AskNote(Frozen):
    """Please note this."""

    text: RequestText


class AskUrge(Frozen):
    """A supervision order (督办) under its asker's number."""

    text: RequestText
    reply_by: Instant | None = None
    number: ShortText | None = None


class AskAnswer(Frozen):
    """The answer to a supervision order, by one who held the case."""

    urge_seq: Number
    text: RequestText


class AskJoin(Frozen):
    """We accept the invitation."""

    members: Annotated[tuple[Member, ...], Field(max_length=MEMBERS_MAX)] = ()


class AskReason(Frozen):
    """A request that needs a reason and nothing else."""

    reason: Reason


class AskNothing(Frozen):
    """A request that needs no words."""


class AskCountersign(Frozen):
    """We countersign the agreement."""

    agreement_seq: Number


class AskVisit(Frozen):
    """We visited (回访)."""

    held_at: Instant
    method: ShortText
    fulfilled: bool | None = None
    satisfied: bool | None = None
    note: RequestText | None = None
    danger: ShortText | None = None
    relapsed: bool | None = None


class AskLead(Frozen):
    """The common ancestor decides who leads."""

    to: CenterCode
    reason: Reason


class AskRule(Frozen):
    """A superior rules who deals with a case that was returned again and again."""

    to: CenterCode
    department: Name | None = None
    reason: Reason


class AskJudgeSubsidy(Frozen):
    """A center above approves a claim, or turns it down with a reason."""

    claim_seq: Number
    approved: bool
    reason: Annotated[str, Field(max_length=REASON_MAX)] = ""


class AskAbsorb(Frozen):
    """Our case of this number was the same matter; it ended in yours."""

    case_id: Token
    number: ShortText


BODIES: dict[Ask, type[Frozen]] = {
    Ask.NOTE: AskNote,
    Ask.URGE: AskUrge,
    Ask.ANSWER: AskAnswer,
    Ask.JOINT_ACCEPT: AskJoin,
    Ask.JOINT_DECLINE: AskReason,
    Ask.JOINT_ENTRY: AskNote,
    Ask.COUNTERSIGN: AskCountersign,
    Ask.HANDOFF_ACCEPT: AskNothing,
    Ask.HANDOFF_DECLINE: AskReason,
    Ask.RECALL: AskReason,
    Ask.VISIT: AskVisit,
    Ask.REOPEN: AskReason,
    Ask.LEAD_ORDER: AskLead,
    Ask.RULE: AskRule,
    Ask.ABSORB: AskAbsorb,
    Ask.JUDGE_SUBSIDY: AskJudgeSubsidy,
    Ask.ATTACH: File,
    Ask.VIEW: AskReason,
}
"""The body of each kind."""


class RequestHead(Head):
    """Head of a request; ``id`` is chosen by the asker and makes a repeated request harmless."""

    id: Token


@dataclass(frozen=True, slots=True)
class CaseRequest:
    """A request, read."""

    record: Record
    head: RequestHead
    body: Frozen

    @property
    def kind(self) -> Ask:
        """What is asked."""
        return Ask(self.head.kind)


def write_request(key: SigningKey, head: RequestHead, body: Frozen, salt: bytes) -> CaseRequest:
    """Sign a new request."""
    record, signed = make_record(key, CONTEXT, head, body, salt)
    return CaseRequest(record=record, head=signed, body=body)


def read_request(record: Record, public_keys_of: Callable[[str], tuple[str, ...]]) -> CaseRequest:
    """Read a request and check that its center signed it.

    Raises:
        BadRecord: it does not parse or verify, or its kind is unknown.
    """
    head = parse_head(record, RequestHead)
    check_signature(record, CONTEXT, public_keys_of(head.center))
    text = check_body(record, head)
    try:
        body = BODIES[Ask(head.kind)].model_validate_json(text)
    except (ValidationError, ValueError) as error:
        raise BadRecord(f"request {head.kind} does not parse") from error
    return CaseRequest(record=record, head=head, body=body)
