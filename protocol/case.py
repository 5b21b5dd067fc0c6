"""What a case is at one moment: the state that the fold of its log gives (``protocol.folding``)."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from protocol.codes import ENDED, Category, CenterCode, Grade, Rung, Source, Status, Trigger
from protocol.custody import Custody
from protocol.entries import Member, Party
from protocol.records import Frozen, Instant


class PartnerStatus(StrEnum):
    """Where a partner of a joint mediation stands."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class Partner(Frozen):
    """A partner of a joint mediation.

    Attributes:
        status: where it stands.
        reason: why it was invited, while it has not answered: whoever holds the case next invites it again with this.
        countersigned: seq of the agreement that it countersigned.
    """

    status: PartnerStatus
    reason: str | None = None
    countersigned: int | None = None


class Offer(Frozen):
    """A handoff offered to a peer that has not answered yet."""

    to: CenterCode
    reason: str
    seq: int


class Urge(Frozen):
    """A supervision order and whether it was answered.

    Attributes:
        by: who ordered it.
        reply_by: until when an answer is wanted.
        answered: whether it was answered.
        number: its number.
        rung: the step of the ladder that ordered it by itself.
        epoch: the custody term that it was ordered in.
    """

    by: CenterCode
    reply_by: Instant | None = None
    answered: bool = False
    number: str | None = None
    rung: Rung | None = None
    epoch: int | None = None


class Outcome(StrEnum):
    """How a case ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    REFERRED = "referred"
    MERGED = "merged"


class End(Frozen):
    """Where, when and how a case ended; ``on_time`` is None where no deadline stood."""

    center: CenterCode
    at: Instant
    outcome: Outcome
    on_time: bool | None = None


class TakenBack(Frozen):
    """An end that another center than its own took back: a successor reopened what its predecessor had ended.

    Attributes:
        end: the end; it stays counted where it was.
        by: who took it back; the end is taken off there.
        visited: whether it had been followed up.
    """

    end: End
    by: CenterCode
    visited: bool


class Agreement(Frozen):
    """What follow-up visits are planned by: when it was reached, when it is due, how many visits were before it."""

    at: Instant
    due_on: date | None = None
    visits_before: int = 0


class CaseState(Frozen):
    """The state of a case after ``seq`` entries."""

    id: str
    number: str
    display_number: str
    aliases: tuple[str, ...] = ()
    title: str
    category: Category
    place: str
    parties: tuple[Party, ...]
    description: str | None = None
    source: Source
    grade: Grade
    occurred_at: Instant | None = None
    registered_at: Instant
    origin: CenterCode
    status: Status
    seq: int
    custody: Custody
    mediations: int = 0
    failures: int = 0
    triggers: frozenset[Trigger] = frozenset()
    agreement_seq: int | None = None
    agreement: Agreement | None = None
    partners: dict[str, Partner] = Field(default_factory=dict)
    members: tuple[Member, ...] = ()
    offer: Offer | None = None
    urges: dict[int, Urge] = Field(default_factory=dict)
    end: End | None = None
    taken_back: tuple[TakenBack, ...] = ()
    reopenings: int = 0
    extensions: int = 0
    late: tuple[CenterCode, ...] = ()
    """Who gave the case away after its deadline, once for each such term."""
    visits: int = 0

    @property
    def epoch(self) -> int:
        """Custody epoch."""
        return self.custody.epoch

    @property
    def holder(self) -> str | None:
        """The holder; None while in flight."""
        return self.custody.holder

    @property
    def in_transit_to(self) -> str | None:
        """The destination while in flight."""
        return self.custody.in_transit_to

    @property
    def deadline(self) -> datetime | None:
        """Deadline of this term."""
        return self.custody.deadline

    @property
    def ended(self) -> bool:
        """Whether the case has ended."""
        return self.status in ENDED

    @property
    def joint(self) -> bool:
        """Whether somebody else was asked to take part and has not declined."""
        return any(partner.status is not PartnerStatus.DECLINED for partner in self.partners.values())

    @property
    def supervised(self) -> bool:
        """Whether somebody above has ever given a supervision order."""
        return bool(self.urges)

    @property
    def accepted_partners(self) -> list[str]:
        """Codes of the partners that take part."""
        return [code for code, partner in self.partners.items() if partner.status is PartnerStatus.ACCEPTED]

    @property
    def invited(self) -> dict[str, str]:
        """Partners that have not answered their invitation yet, and why each was invited."""
        waiting = {code: one for code, one in self.partners.items() if one.status is PartnerStatus.INVITED}
        return {code: one.reason or "" for code, one in waiting.items()}

    @property
    def followers(self) -> list[str]:
        """Who gets every entry: those who held it, and accepted partners."""
        held = list(self.custody.held_by)
        return held + [code for code in self.accepted_partners if code not in held]

    def overdue(self, now: datetime) -> bool:
        """Whether this term's deadline has passed while the case is open."""
        return not self.ended and self.deadline is not None and self.deadline < now

    def missing_countersignatures(self) -> list[str]:
        """Accepted partners that have not countersigned the present agreement."""
        if self.agreement_seq is None:
            return []
        return [code for code in self.accepted_partners if self.partners[code].countersigned != self.agreement_seq]
