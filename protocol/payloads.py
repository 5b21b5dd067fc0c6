"""What messages carry: the payload of each type (``protocol.messages``)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from protocol.case import Subsidy
from protocol.centers import NKEY, Certificate
from protocol.codes import Category, CenterCode, Grade, Status
from protocol.entries import FILE_MAX_BYTES, PARTNERS_MAX, PLACE_MAX, REASON_MAX, TITLE_MAX, Kind, Sha256
from protocol.policy_order import PolicyOrder
from protocol.records import BODY_MAX_BYTES, NO_NUL, Count, DigestText, Frozen, Instant, Number, Record, Token
from protocol.status import DayRow

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
RELEASED_BY_MAX = 16
"""Certificates that together say where one center is to stand."""
PIECE_BYTES = 24_000
"""Bytes of one piece of an attachment, but for its last: 32,000 characters. Two fit into a frame, so a frame of cases
never waits long."""
PIECES_MAX = -(-FILE_MAX_BYTES // PIECE_BYTES)
"""Pieces of one attachment."""
WANTED_MAX = 24
"""Pieces that are asked for at once, half a megabyte: what all outboxes on the way hold of one file."""
YEARS_MAX = 10
"""Years of which a center tells what it lost: more than a center keeps open cases of."""

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
    """What the ancestors may know of a high-grade, joint, overdue, supervised or disputed case: no party, no text.

    ``partners`` are the centers that mediate jointly with the holder, so that who stands above them all can say who
    leads; those that were asked and have not answered are nobody's business. ``withdrawn`` is the last header of a case
    that concerns them no longer; ``void`` says beside it that the log does not go so far any more, since a database
    went back in time: an earlier place may be told next.
    """

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
    partners: Annotated[tuple[CenterCode, ...], Field(max_length=PARTNERS_MAX)] = ()
    supervised: bool = False
    returns: Count = 0
    subsidy: Subsidy | None = None
    registered_at: Instant
    withdrawn: bool = False
    void: bool = False


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
    """We are to be your child.

    Attributes:
        nkey: the key with which we log in to your broker.
        released_by: versions of the certificates that say so, by code: ours, and those of the centers whose place you
            take. Who knows them all and newer ones knows that the decision was overruled.
    """

    nkey: Annotated[str, StringConstraints(pattern=NKEY)]
    released_by: Annotated[dict[CenterCode, Number], Field(min_length=1, max_length=RELEASED_BY_MAX)]


class NewKey(Frozen):
    """We want to sign with another key from now on; give us a certificate of it.

    Attributes:
        signing_key: the public half, base64.
        proof: signature of the new key over our code and itself (``protocol.centers.prove_key``): it is ours.
    """

    signing_key: DigestText
    proof: Annotated[str, Field(max_length=128)]


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


class AttachmentWanted(Frozen):
    """Give us these pieces of a file that this case names; the sender reads the whole case.

    Attributes:
        case_id: the case.
        sha256: of the file's bytes.
        first: number of the first piece wanted, from 1.
        last: number of the last one.
    """

    case_id: Token
    sha256: Sha256
    first: Annotated[int, Field(ge=1, le=PIECES_MAX)]
    last: Annotated[int, Field(ge=1, le=PIECES_MAX)]


class AttachmentPiece(Frozen):
    """A piece of a file that the receiver asked for: ``PIECE_BYTES`` of it, in base64."""

    sha256: Sha256
    piece: Annotated[int, Field(ge=1, le=PIECES_MAX)]
    data: Annotated[str, Field(max_length=BODY_MAX_BYTES)]


class Absence(StrEnum):
    """Why a file can't be given."""

    NOT_HERE = "not_here"
    NO_ACCESS = "no_access"


class AttachmentAbsent(Frozen):
    """We can't give you this file: we don't have it, or you don't read that case whole, as far as we know."""

    case_id: Token
    sha256: Sha256
    reason: Absence


class AuditHead(Frozen):
    """Where the sender's audit log ends today, and which digest the row of the last head has now."""

    number: Count
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    before_number: Count
    before_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
