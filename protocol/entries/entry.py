"""A log entry: a signed head, and a body of the kind that the head names."""

from dataclasses import dataclass

from pydantic import ValidationError

from protocol.entries import attachments, calls, dossier, joint, matter, mediation, subsidies, supervision, transfers
from protocol.entries.kinds import Kind
from protocol.entries.parts import Body, WithReason
from protocol.errors import BadRecord
from protocol.keys import Signed, SigningKey
from protocol.records import Head, Number, Record, check_body, flaws, make_record, parse_head, signed_head

CONTEXT = b"liandong entry 1"


BODIES: dict[str, type[Body]] = {
    Kind.REGISTERED: matter.Registered,
    Kind.GRADED: matter.Graded,
    Kind.CORRECTED: matter.Corrected,
    Kind.ACCEPTED: Body,
    Kind.NOTED: matter.Noted,
    Kind.MEDIATED: mediation.Mediated,
    Kind.AGREED: mediation.Agreed,
    Kind.COUNTERSIGNED: mediation.Countersigned,
    Kind.FULFILLED: mediation.Fulfilled,
    Kind.FAILED: mediation.Failed,
    Kind.WITHDRAWN: WithReason,
    Kind.REFERRED: mediation.Referred,
    Kind.CLOSED: Body,
    Kind.REOPENED: mediation.Reopened,
    Kind.MERGED: matter.Merged,
    Kind.ABSORBED: matter.Absorbed,
    Kind.INQUIRED: dossier.Inquired,
    Kind.FILED: dossier.Filed,
    Kind.ATTACHED: attachments.Attached,
    Kind.ARCHIVED: dossier.Archived,
    Kind.VISITED: mediation.Visited,
    Kind.VISIT_MISSED: mediation.VisitMissed,
    Kind.SUBSIDY_CLAIMED: subsidies.SubsidyClaimed,
    Kind.SUBSIDY_JUDGED: subsidies.SubsidyJudged,
    Kind.ESCALATED: transfers.Escalated,
    Kind.ASSIGNED: transfers.Assigned,
    Kind.RETURNED: transfers.Transfer,
    Kind.HANDED_OFF: transfers.Transfer,
    Kind.DELIVERED: transfers.Delivered,
    Kind.BOUNCED: transfers.Bounced,
    Kind.RECALLED: transfers.Recalled,
    Kind.EXTENDED: supervision.Extended,
    Kind.CALLED: calls.Called,
    Kind.REPORTED: calls.Reported,
    Kind.URGED: supervision.Urged,
    Kind.ANSWERED: supervision.Answered,
    Kind.INVITED: joint.Invited,
    Kind.OFFERED: joint.Offered,
    Kind.JOINED: joint.Joined,
    Kind.DECLINED: joint.Declined,
    Kind.JOINT_NOTED: joint.JointNoted,
    Kind.LEAD_ORDERED: supervision.LeadOrdered,
    Kind.RULED: supervision.Ruled,
    Kind.VIEWED: supervision.Viewed,
    Kind.RENUMBERED: matter.Renumbered,
    Kind.REHOMED: transfers.Rehomed,
    Kind.REPLACED: transfers.Replaced,
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
