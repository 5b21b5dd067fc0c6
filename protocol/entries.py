"""The kinds of log entries of a case, and what each body says.

Kinds are past tense: an entry says what happened. Every limit has a name; texts that came in with a request of another
center are limited tighter, since the entry carries the request beside them.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationError

from protocol.codes import Category, CenterCode, Grade, PartyRole, Source, Trigger
from protocol.errors import BadRecord
from protocol.keys import Signed, SigningKey
from protocol.records import (
    Frozen,
    Head,
    Instant,
    Number,
    Record,
    Token,
    check_body,
    flaws,
    make_record,
    parse_head,
    signed_head,
)

CONTEXT = b"liandong entry 1"

TITLE_MAX = 200
PLACE_MAX = 200
NAME_MAX = 100
PHONE_MAX = 30
SHORT_TEXT_MAX = 200
TEXT_MAX = 4000
"""Free text of one entry: with four-byte characters still half of a body."""
REASON_MAX = 1000
REQUEST_TEXT_MAX = 1500
"""Free text of one request: it stands twice in the entry made from it."""
PARTIES_MAX = 30
PARTNERS_MAX = 20
MEMBERS_MAX = 30
MEDIATORS_MAX = 20

Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX)]
Place = Annotated[str, Field(min_length=1, max_length=PLACE_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
ShortText = Annotated[str, Field(min_length=1, max_length=SHORT_TEXT_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_MAX)]
RequestText = Annotated[str, Field(min_length=1, max_length=REQUEST_TEXT_MAX)]


class Kind(StrEnum):
    """Kinds of entries."""

    REGISTERED = "registered"
    GRADED = "graded"
    CORRECTED = "corrected"
    ACCEPTED = "accepted"
    NOTED = "noted"
    MEDIATED = "mediated"
    AGREED = "agreed"
    COUNTERSIGNED = "countersigned"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    REFERRED = "referred"
    CLOSED = "closed"
    REOPENED = "reopened"
    MERGED = "merged"
    VISITED = "visited"
    ESCALATED = "escalated"
    ASSIGNED = "assigned"
    RETURNED = "returned"
    HANDED_OFF = "handed_off"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    RECALLED = "recalled"
    URGED = "urged"
    ANSWERED = "answered"
    INVITED = "invited"
    OFFERED = "offered"
    JOINED = "joined"
    DECLINED = "declined"
    JOINT_NOTED = "joint_noted"
    LEAD_ORDERED = "lead_ordered"
    VIEWED = "viewed"
    RENUMBERED = "renumbered"
    REHOMED = "rehomed"
    REPLACED = "replaced"


class Party(Frozen):
    """A party (当事人). Nothing about ethnicity, education or the like exists (个人信息保护法 §6, §28)."""

    name: Name
    role: PartyRole = PartyRole.OTHER
    phone: Annotated[str, Field(max_length=PHONE_MAX)] | None = None
    address: Annotated[str, Field(max_length=SHORT_TEXT_MAX)] | None = None
    id_number: Annotated[str, Field(max_length=20)] | None = None


class Member(Frozen):
    """A member of a task force (专班)."""

    name: Name
    role: Annotated[str, Field(max_length=NAME_MAX)] = ""
    center: CenterCode | None = None


class Body(Frozen):
    """Base of all bodies; ``request`` is another center's signed request that this entry was made from."""

    request: Record | None = None


class Registered(Body):
    """A matter was entered."""

    number: str
    display_number: str
    title: Title
    category: Category
    place: Place
    parties: Annotated[tuple[Party, ...], Field(min_length=1, max_length=PARTIES_MAX)]
    description: Annotated[str, Field(max_length=TEXT_MAX)] | None = None
    source: Source = Source.VISIT
    grade: Grade = Grade.LOW
    occurred_at: Instant | None = None


class Graded(Body):
    """The risk grade was judged anew (研判)."""

    grade: Grade
    reason: Reason


class Changes(Frozen):
    """What a correction may change; what is absent stays."""

    title: Title | None = None
    category: Category | None = None
    place: Place | None = None
    parties: Annotated[tuple[Party, ...], Field(min_length=1, max_length=PARTIES_MAX)] | None = None
    description: Annotated[str, Field(max_length=TEXT_MAX)] | None = None
    source: Source | None = None
    occurred_at: Instant | None = None


class Corrected(Body):
    """A mistake was corrected; entries themselves never change."""

    changes: Changes
    reason: Reason


class Noted(Body):
    """A remark, by the holder or by somebody who takes part."""

    text: Text
    by: CenterCode | None = None


class Mediated(Body):
    """A mediation session took place."""

    held_at: Instant
    place: Place
    mediators: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MEDIATORS_MAX)]
    summary: Text
    outcome: ShortText | None = None


class Agreed(Body):
    """The parties agreed (人民调解法 §28, §29)."""

    agreement: Text
    due_on: date | None = None


class Countersigned(Body):
    """A partner of a joint mediation countersigned the agreement."""

    agreement_seq: Number
    center: CenterCode


class WithReason(Body):
    """Something that needs a reason and nothing else."""

    reason: Reason


class Bounced(WithReason):
    """A transfer came back; ``successor`` where its destination was merged into another center."""

    successor: CenterCode | None = None


class Reopened(WithReason):
    """An ended case was taken up again, by the holder or at another center's request."""

    by: CenterCode | None = None


class Referred(WithReason):
    """The matter went to a court, arbitration or another authority."""

    to: ShortText


class Merged(Body):
    """The case was found to be a duplicate of another."""

    into: Token


class Visited(Body):
    """A follow-up visit (回访)."""

    held_at: Instant
    method: ShortText
    fulfilled: bool | None = None
    satisfied: bool | None = None
    note: Annotated[str, Field(max_length=REQUEST_TEXT_MAX)] | None = None
    by: CenterCode | None = None


class Transfer(Body):
    """Custody leaves for ``to``."""

    to: CenterCode
    reason: Annotated[str, Field(max_length=REASON_MAX)] = ""


class Escalated(Transfer):
    """Custody leaves for the parent (上报)."""

    triggers: tuple[Trigger, ...] = ()


class Assigned(Transfer):
    """Custody leaves for a child, with lead, department, handler and deadline (四定).

    The deadline is an instant, or working days from delivery; ``not_after`` is the assigner's own deadline.
    """

    deadline: Instant | None = None
    working_days: Annotated[int, Field(ge=1, le=366)] | None = None
    not_after: Instant | None = None
    lead: Name
    department: Name
    handler: Name
    instructions: Annotated[str, Field(max_length=TEXT_MAX)] = ""


class Recalled(Transfer):
    """Custody goes back to whoever made the last transfer; ``taken_back`` where it had never been offered to a wire."""

    taken_back: bool = False


class Delivered(Body):
    """The destination's database has it: custody has moved. ``deadline`` is this term's."""

    deadline: Instant | None = None


class Urged(Body):
    """A supervision order (督办)."""

    text: Text
    reply_by: Instant | None = None
    by: CenterCode


class Answered(Body):
    """The answer to a supervision order."""

    urge_seq: Number
    text: Text
    by: CenterCode | None = None


class Invited(Body):
    """Partners were invited to mediate jointly."""

    partners: Annotated[tuple[CenterCode, ...], Field(min_length=1, max_length=PARTNERS_MAX)]
    reason: Reason
    members: Annotated[tuple[Member, ...], Field(max_length=MEMBERS_MAX)] = ()


class Offered(Body):
    """A peer was asked to take the case over."""

    to: CenterCode
    reason: Reason


class Joined(Body):
    """An invited partner accepted."""

    center: CenterCode
    members: Annotated[tuple[Member, ...], Field(max_length=MEMBERS_MAX)] = ()


class DeclinedWhat(StrEnum):
    """What was declined."""

    JOINT = "joint"
    HANDOFF = "handoff"


class Declined(Body):
    """An invitation or an offer was declined."""

    what: DeclinedWhat
    center: CenterCode
    reason: Reason


class JointNoted(Body):
    """An accepted partner, or the lead, wrote into the joint log."""

    text: Text
    center: CenterCode


class LeadOrdered(Body):
    """The common ancestor decided who leads."""

    to: CenterCode
    reason: Reason
    by: CenterCode


class Viewed(Body):
    """An ancestor broke the glass: it may read the case until ``until``."""

    by: CenterCode
    reason: Reason
    until: Instant


class Renumbered(Body):
    """The number was given twice after a restore; the old one stays as an alias."""

    number: str
    display_number: str
    old_number: str


class Rehomed(Transfer):
    """Custody leaves for a successor center (撤乡并镇)."""


class Replaced(Body):
    """A center that held the case or takes part in it was merged into another one, which takes its place."""

    former: CenterCode
    successor: CenterCode


BODIES: dict[str, type[Body]] = {
    Kind.REGISTERED: Registered,
    Kind.GRADED: Graded,
    Kind.CORRECTED: Corrected,
    Kind.ACCEPTED: Body,
    Kind.NOTED: Noted,
    Kind.MEDIATED: Mediated,
    Kind.AGREED: Agreed,
    Kind.COUNTERSIGNED: Countersigned,
    Kind.FAILED: WithReason,
    Kind.WITHDRAWN: WithReason,
    Kind.REFERRED: Referred,
    Kind.CLOSED: Body,
    Kind.REOPENED: Reopened,
    Kind.MERGED: Merged,
    Kind.VISITED: Visited,
    Kind.ESCALATED: Escalated,
    Kind.ASSIGNED: Assigned,
    Kind.RETURNED: Transfer,
    Kind.HANDED_OFF: Transfer,
    Kind.DELIVERED: Delivered,
    Kind.BOUNCED: Bounced,
    Kind.RECALLED: Recalled,
    Kind.URGED: Urged,
    Kind.ANSWERED: Answered,
    Kind.INVITED: Invited,
    Kind.OFFERED: Offered,
    Kind.JOINED: Joined,
    Kind.DECLINED: Declined,
    Kind.JOINT_NOTED: JointNoted,
    Kind.LEAD_ORDERED: LeadOrdered,
    Kind.VIEWED: Viewed,
    Kind.RENUMBERED: Renumbered,
    Kind.REHOMED: Rehomed,
    Kind.REPLACED: Replaced,
}
"""The body of each kind."""


class EntryHead(Head):
    """Head of a log entry; ``seq`` has no gaps within a case."""

    seq: Number


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry, read: the record as stored, its head and its body."""

    record: Record
    head: EntryHead
    body: Body


def parse_body(kind: str, text: str) -> Body:
    """Read the text of a body.

    Raises:
        BadRecord: unknown kind, or the body does not parse.
    """
    body_type = BODIES.get(kind)
    if body_type is None:
        raise BadRecord(f"unknown kind of entry {kind!r}")
    try:
        return body_type.model_validate_json(text)
    except ValidationError as error:
        raise BadRecord(f"body of {kind}: {flaws(error)}") from error


def write_entry(key: SigningKey, head: EntryHead, body: Body, salt: bytes) -> Entry:
    """Sign a new entry.

    Raises:
        BodyTooLarge: the body exceeds 32 KB.
    """
    record, signed = make_record(key, CONTEXT, head, body, salt)
    return Entry(record=record, head=signed, body=body)


def read_head(text: str) -> EntryHead:
    """Read a head as it stands in our log."""
    return EntryHead.model_validate_json(text)


def read_entry(record: Record) -> Entry:
    """Read a record as an entry, checking its body's digest (the signature is checked by ``verify_entry``).

    Raises:
        BadRecord: it does not parse, or the body is another one.
    """
    head = parse_head(record, EntryHead)
    return Entry(record=record, head=head, body=parse_body(head.kind, check_body(record, head)))


def signed_entry(entry: Entry, public_keys: tuple[str, ...]) -> Signed:
    """What the author's key should have signed; nobody applies the entry before that is verified.

    Raises:
        BadRecord: the signature is no base64.
    """
    return signed_head(entry.record, CONTEXT, public_keys)


def verify_entry(entry: Entry, public_keys: tuple[str, ...]) -> None:
    """Check that the author's key signed the entry's head.

    Raises:
        BadRecord: it did not.
    """
    if not signed_entry(entry, public_keys).verifies():
        raise BadRecord("signature does not verify")
