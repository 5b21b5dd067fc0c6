"""What a case is at one moment: the state that the fold of its log gives (``protocol.folding``)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer

from protocol.codes import (
    ENDED,
    AgreementForm,
    Category,
    CenterCode,
    Grade,
    Part,
    Retention,
    Rung,
    Source,
    Status,
    Trigger,
)
from protocol.custody import Custody
from protocol.entries import Member, Party, Share, Term
from protocol.records import Frozen, Instant

Triggers = Annotated[frozenset[Trigger], PlainSerializer(sorted, return_type=list[Trigger], when_used="json")]
"""Triggers, written in one order: everybody who follows a case keeps the same bytes of its fold."""


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


class Call(Frozen):
    """A department or station that was called: by which center, until when it was to report, when it did."""

    center: CenterCode
    station: str
    station_id: str
    report_by: Instant
    reported_at: Instant | None = None

    @property
    def in_time(self) -> bool:
        """Whether it has reported in time."""
        return self.reported_at is not None and self.reported_at <= self.report_by


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
    """

    end: End
    by: CenterCode


class Agreement(Frozen):
    """The present agreement: when it was reached, until when it is to be fulfilled, its terms and those fulfilled."""

    at: Instant
    due_on: date | None = None
    manner: AgreementForm = AgreementForm.WRITTEN
    terms: tuple[Term, ...] = ()
    fulfilled: tuple[int, ...] = ()


class Study(Frozen):
    """The last study of the matter (研判): where it stands in the log, by whom, and which departments it needs."""

    seq: int
    judged_by: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()


class SubsidyState(StrEnum):
    """Where a claim stands."""

    CLAIMED = "claimed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Subsidy(Frozen):
    """The subsidy of a case: which entry claims it, how much in yuan, who shares it, and where the claim stands."""

    seq: int
    at: Instant
    yuan: int
    shares: tuple[Share, ...]
    state: SubsidyState = SubsidyState.CLAIMED


class Archive(Frozen):
    """When the dossier went to the archive, how long it is kept, and whether somebody explained what is missing."""

    at: Instant
    retention: Retention
    explained: bool = False


class VisitPlan(Frozen):
    """Days on which somebody asks afterwards, those that a visit stands for, and those whose window has passed."""

    days: tuple[date, ...] = ()
    kept: tuple[date, ...] = ()
    missed: tuple[date, ...] = ()

    @property
    def open(self) -> tuple[date, ...]:
        """Days that wait for their visit."""
        return tuple(day for day in self.days if day not in self.kept and day not in self.missed)


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
    triggers: Triggers = frozenset()
    agreement_seq: int | None = None
    agreement: Agreement | None = None
    partners: dict[str, Partner] = Field(default_factory=dict)
    members: tuple[Member, ...] = ()
    offer: Offer | None = None
    urges: dict[int, Urge] = Field(default_factory=dict)
    end: End | None = None
    taken_back: tuple[TakenBack, ...] = ()
    reopenings: int = 0
    calls: dict[int, Call] = Field(default_factory=dict)
    handler: str | None = None
    """Who deals with it at the holder: whom the assignment names, then who accepted it, then who mediates."""
    extensions: int = 0
    returns: int = 0
    study: Study | None = None
    absorbed: tuple[str, ...] = ()
    """Numbers of duplicates that ended in this case."""
    merged_into: str | None = None
    late: tuple[CenterCode, ...] = ()
    """Who gave the case away after its deadline, once for each such term."""
    visits: int = 0
    visit_plan: VisitPlan = VisitPlan()
    subsidy: Subsidy | None = None
    inquiries: int = 0
    filed: tuple[Part, ...] = ()
    """Parts of the dossier that came as paper, or as a picture of it."""
    attachments: int = 0
    archive: Archive | None = None

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
