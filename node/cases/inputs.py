"""What people may send to act on a case: one model per act, strict, every limit named in ``protocol.entries``."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from node.i18n import N_
from protocol import entries as e
from protocol.codes import AgreementForm, Category, CenterCode, Grade, Part, PartyRole, Retention, Source, Trigger
from protocol.records import Number, Token

YEARS = range(1900, 3000)
"""Years that people mean; beyond them calculating with time zones soon leaves the calendar."""


def _meant_instant(value: datetime) -> datetime:
    try:
        year = value.astimezone(UTC).year
    except OverflowError:
        year = 0
    if year not in YEARS:
        raise ValueError(N_("Give date and time with time zone, such as 2026-03-01T09:00:00+08:00."))
    return value


def _meant_day(value: date) -> date:
    if value.year not in YEARS:
        raise ValueError(N_("Give a date such as 2026-03-01."))
    return value


Moment = Annotated[AwareDatetime, AfterValidator(_meant_instant)]
"""An instant with its zone, in a year that somebody may mean."""

Day = Annotated[date, AfterValidator(_meant_day)]
"""A day in a year that somebody may mean."""


class Input(BaseModel):
    """Base of all inputs; ``epoch`` is the custody epoch that the person saw, 409 if the case has moved since."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    epoch: Number | None = None


class PartyInput(BaseModel):
    """A party (当事人)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: e.Name
    role: PartyRole = PartyRole.OTHER
    phone: Annotated[str, Field(max_length=e.PHONE_MAX)] | None = None
    address: Annotated[str, Field(max_length=e.SHORT_TEXT_MAX)] | None = None
    id_number: Annotated[str, Field(max_length=20)] | None = None


class MemberInput(BaseModel):
    """A member of a task force (专班)."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: e.Name
    role: Annotated[str, Field(max_length=e.NAME_MAX)] = ""


Parties = Annotated[list[PartyInput], Field(min_length=1, max_length=e.PARTIES_MAX)]
Members = Annotated[list[MemberInput], Field(max_length=e.MEMBERS_MAX)]
Description = Annotated[str, Field(max_length=e.TEXT_MAX)]


class RegisterInput(BaseModel):
    """A matter to register: title, category, place and one party's name are required."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: e.Title
    category: Category
    place: e.Place
    parties: Parties
    description: Description | None = None
    source: Source = Source.VISIT
    grade: Grade = Grade.LOW
    occurred_at: Moment | None = None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class NothingInput(Input):
    """An act that needs no words."""


class ReasonInput(Input):
    """An act that needs a reason."""

    reason: e.Reason


class GradeInput(ReasonInput):
    """A study (研判): the risk grade, who judged, which triggers they found, which departments are needed."""

    grade: Grade
    judged_by: Annotated[list[e.Name], Field(max_length=e.JUDGES_MAX), BeforeValidator(_as_list)] = []
    triggers: Annotated[list[Trigger], Field(max_length=len(Trigger))] = []
    departments: Annotated[list[e.Name], Field(max_length=e.DEPARTMENTS_MAX), BeforeValidator(_as_list)] = []


class ChangesInput(BaseModel):
    """What a correction may change."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: e.Title | None = None
    category: Category | None = None
    place: e.Place | None = None
    parties: Parties | None = None
    description: Description | None = None
    source: Source | None = None
    occurred_at: Moment | None = None


class CorrectInput(ReasonInput):
    """A correction."""

    changes: ChangesInput


class NoteInput(Input):
    """A remark; a center that does not hold the case may send at most 1,500 characters."""

    text: e.Text


class RequestTextInput(Input):
    """A text that travels as a request."""

    text: e.RequestText


class MediationInput(Input):
    """A mediation session."""

    held_at: Moment
    place: e.Place
    mediators: Annotated[list[e.Name], Field(min_length=1, max_length=e.MEDIATORS_MAX), BeforeValidator(_as_list)]
    summary: e.Text
    outcome: e.ShortText | None = None
    participants: Annotated[list[e.Name], Field(max_length=e.PARTICIPANTS_MAX), BeforeValidator(_as_list)] = []


class TermInput(BaseModel):
    """One term: what is to be done, how much is to be paid (yuan), until when, by whom."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: e.ShortText
    amount: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)] | None = None
    due_on: Day | None = None
    by: e.Name | None = None


class AgreeInput(Input):
    """The parties' agreement."""

    agreement: e.Text
    due_on: Day | None = None
    manner: AgreementForm = AgreementForm.WRITTEN
    terms: Annotated[list[TermInput], Field(max_length=e.TERMS_MAX)] = []


class FulfilInput(Input):
    """A term of the present agreement that was fulfilled, counted from one."""

    agreement_seq: Number
    term: Annotated[int, Field(ge=1, le=e.TERMS_MAX)]
    on: Day
    note: Annotated[str, Field(max_length=e.TEXT_MAX)] | None = None


class ReferInput(ReasonInput):
    """Where the matter goes: a court, arbitration, another authority."""

    to: e.ShortText


class InquiryInput(Input):
    """Somebody who was asked what they know (调查)."""

    held_at: Moment
    place: e.Place
    inquirers: Annotated[list[e.Name], Field(min_length=1, max_length=e.MEDIATORS_MAX), BeforeValidator(_as_list)]
    asked: e.Name
    text: e.Text


class FileInput(Input):
    """Papers that were put into the dossier (归卷)."""

    parts: Annotated[list[Part], Field(min_length=1, max_length=len(Part)), BeforeValidator(_as_list)]
    pages: Annotated[int, Field(ge=1, le=e.PAGES_MAX)] | None = None
    note: Annotated[str, Field(max_length=e.TEXT_MAX)] | None = None


class AttachInput(Input):
    """A file that has come (附件): what it is was judged by its content, how long it is was counted."""

    name: e.FileName
    type: e.MediaType
    size: Annotated[int, Field(ge=1, le=e.FILE_MAX_BYTES)]
    sha256: e.Sha256
    part: Part | None = None
    note: e.FileNote | None = None


class ArchiveInput(Input):
    """How long the dossier of an ended case is kept, and why parts of it are missing."""

    retention: Retention
    explanation: e.Reason | None = None


class VisitInput(Input):
    """A follow-up visit."""

    held_at: Moment
    method: e.ShortText
    fulfilled: bool | None = None
    satisfied: bool | None = None
    note: Annotated[str, Field(max_length=e.REQUEST_TEXT_MAX)] | None = None
    danger: Annotated[str, Field(max_length=e.SHORT_TEXT_MAX)] | None = None
    relapsed: bool | None = None


class EscalateInput(ReasonInput):
    """Why the case goes up, and by which triggers."""

    triggers: Annotated[list[Trigger], Field(max_length=len(Trigger))] = []


class AssignInput(Input):
    """四定: lead, department, handler, deadline (an instant, or working days from delivery)."""

    to: CenterCode
    deadline: Moment | None = None
    working_days: Annotated[int, Field(ge=1, le=366)] | None = None
    lead: e.Name
    department: e.Name
    handler: e.Name
    instructions: Annotated[str, Field(max_length=e.TEXT_MAX)] = ""


class ExtendInput(ReasonInput):
    """A deadline put off: to an instant, or by working days; and which parties agreed."""

    deadline: Moment | None = None
    working_days: Annotated[int, Field(ge=1, le=366)] | None = None
    consented: Annotated[list[e.Name], Field(min_length=1, max_length=e.PARTIES_MAX), BeforeValidator(_as_list)]


class CallInput(Input):
    """Which stations are called, by their ids, with what task, until when."""

    stations: Annotated[list[Token], Field(min_length=1, max_length=20), BeforeValidator(_as_list)]
    task: e.Text
    report_by: Moment


class MediatorsInput(BaseModel):
    """Mediators of one center who share a subsidy."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    center: CenterCode
    names: Annotated[list[e.Name], Field(min_length=1, max_length=e.MEDIATORS_MAX)]


class SubsidyInput(Input):
    """The claim of a subsidy: who shares it; our own mediators alone, or those of partners, too."""

    mediators: Annotated[list[e.Name], Field(min_length=1, max_length=e.MEDIATORS_MAX), BeforeValidator(_as_list)]
    partners: Annotated[list[MediatorsInput], Field(max_length=e.PARTNERS_MAX)] = []


class JudgeInput(Input):
    """A claim approved, or turned down with a reason; which claim is read from the case."""

    approved: bool
    reason: Annotated[str, Field(max_length=e.REASON_MAX)] = ""


class UrgeInput(RequestTextInput):
    """A supervision order."""

    reply_by: Moment | None = None


class JointInput(ReasonInput):
    """Who is invited to mediate jointly."""

    partners: Annotated[list[CenterCode], Field(min_length=1, max_length=e.PARTNERS_MAX)]
    members: Members = []


class JoinInput(Input):
    """Our members of the task force."""

    members: Members = []


class CountersignInput(Input):
    """Which agreement is countersigned."""

    agreement_seq: Number


class RuleInput(ReasonInput):
    """Who deals with a disputed case; with ``route_place`` the ruling is offered next time for that place, too."""

    to: CenterCode
    department: e.Name | None = None
    route_place: e.Place | None = None


class MergeInput(Input):
    """The case, by id or number, that ours is a duplicate of."""

    into: Annotated[str, Field(min_length=1, max_length=100)]


class ToInput(ReasonInput):
    """To which center, and why."""

    to: CenterCode
