"""Cases as the API shows them."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.access import Access, access_of
from node.cases.path import stops_of
from node.cases.tables import CaseRow, EntryRow, RequestRow
from node.cases.working_days import arranged, working_days
from protocol.case import CaseState, PartnerStatus, Subsidy, VisitPlan
from protocol.codes import AgreementForm
from protocol.entries import EntryHead, Member, Party, Term
from protocol.payloads import CaseHeader, Invitation, RequestState
from protocol.records import Instant
from protocol.requests import RequestHead


class RequestOut(BaseModel):
    """A request and where it stands."""

    id: str
    kind: str
    epoch: int
    state: str
    reason: str | None
    center: str
    actor: str
    at: Instant
    mine: bool


class RequestAnswer(BaseModel):
    """202: the request was sent to the holder."""

    request: RequestOut


class PartnerOut(BaseModel):
    """A partner of a joint mediation; ``countersigned`` is None where only the header is known."""

    code: str
    status: str
    countersigned: bool | None


class JointOut(BaseModel):
    """A joint mediation (专班); where only the header is known, without members and those who have not answered."""

    lead: str | None
    partners: list[PartnerOut]
    members: list[Member]


class InvitationOut(BaseModel):
    """What this center is invited to."""

    kind: str
    reason: str
    holder: str | None


class LogEntry(BaseModel):
    """One entry of the log; ``data`` is None where the body was purged."""

    seq: int
    epoch: int
    kind: str
    at: Instant
    center: str
    actor: str
    data: dict[str, JsonValue] | None


class StopOut(BaseModel):
    """A term of custody; ``working_days`` lie between delivery and leaving, or now; ``since`` is None on the way."""

    center: str
    since: Instant | None
    until: Instant | None
    by: str
    working_days: int


class TermOut(Term):
    """A term of the agreement, and whether it is fulfilled."""

    fulfilled: bool


class AgreementOut(BaseModel):
    """The present agreement but for its text, which stands in the log."""

    at: Instant
    due_on: date | None
    manner: AgreementForm
    terms: list[TermOut]


class VisitOut(BaseModel):
    """A planned visit: ``open``, ``kept``, or ``missed``, its window having passed."""

    day: date
    state: Literal["open", "kept", "missed"]


class CaseItem(BaseModel):
    """A case as lists show it; what this center may not see is None."""

    id: str
    number: str
    display_number: str
    title: str | None
    category: str
    place: str | None
    grade: str
    status: str
    access: str
    origin: str
    holder: str | None
    in_transit_to: str | None
    epoch: int
    deadline: Instant | None
    deadline_by_weekdays: bool
    overdue: bool
    joint: JointOut | None
    supervised: bool
    returns: int
    subsidy: Subsidy | None
    registered_at: Instant
    description: str | None = None
    source: str | None = None
    occurred_at: Instant | None = None
    aliases: list[str] = []
    accepted_by: str | None = None
    agreement_seq: int | None = None
    followers: list[str] = []
    invitation: InvitationOut | None = None
    requests: list[RequestOut] = []


class CaseDocument(CaseItem):
    """A case whole."""

    parties: list[Party] | None
    agreement: AgreementOut | None
    visits: list[VisitOut] | None
    path: list[StopOut] | None
    log: list[LogEntry] | None


class CasePage(BaseModel):
    """A page of a list; ``total`` is null where a search fits so many that nobody counts them."""

    items: list[CaseItem]
    next_cursor: str | None
    total: int | None


def case_document(session: Session, row: CaseRow, now: datetime) -> CaseDocument:
    """The whole case, as far as it may be seen."""
    item = case_items(session, [row], now)[0]
    full = item.access == Access.FULL
    state = CaseState.model_validate_json(row.state) if full and row.state is not None else None
    log = _log(session, row.id) if full else None
    return CaseDocument(
        **{name: getattr(item, name) for name in CaseItem.model_fields},
        parties=list(state.parties) if state is not None else None,
        agreement=_agreement(state) if state is not None else None,
        visits=_visits(state.visit_plan) if state is not None else None,
        path=_path(log, state, now) if log is not None and state is not None else None,
        log=log,
    )


def _agreement(state: CaseState) -> AgreementOut | None:
    found = state.agreement
    if found is None or state.agreement_seq is None:
        return None
    terms = [
        TermOut(**term.model_dump(), fulfilled=number in found.fulfilled)
        for number, term in enumerate(found.terms, start=1)
    ]
    return AgreementOut(at=found.at, due_on=found.due_on, manner=found.manner, terms=terms)


def _visits(plan: VisitPlan) -> list[VisitOut]:
    return [
        VisitOut(day=day, state="kept" if day in plan.kept else "missed" if day in plan.missed else "open")
        for day in plan.days
    ]


def _path(log: list[LogEntry], state: CaseState, now: datetime) -> list[StopOut]:
    """The centers on the way with their working days; the last one's end where the case ended."""
    ended = state.end.at if state.end is not None else None
    return [
        StopOut(
            center=stop.center,
            since=stop.since,
            until=stop.until or ended,
            by=stop.by,
            working_days=working_days(stop.since, stop.until or ended or now) if stop.since is not None else 0,
        )
        for stop in stops_of(log)
    ]


def case_items(session: Session, rows: Sequence[CaseRow], now: datetime) -> list[CaseItem]:
    """Cases as a list shows them."""
    requests = _requests(session, [row.id for row in rows])
    return [_item(row, requests.get(row.id, []), now) for row in rows]


def _item(row: CaseRow, requests: list[RequestOut], now: datetime) -> CaseItem:
    access = access_of(row, now)
    full = access is Access.FULL
    state = CaseState.model_validate_json(row.state) if full and row.state is not None else None
    invitation = Invitation.model_validate_json(row.invitation) if row.invitation is not None else None
    named = access in {Access.FULL, Access.INVITED}
    item = CaseItem(
        id=row.id,
        number=row.number,
        display_number=row.display_number,
        title=row.title if named else None,
        category=row.category,
        place=row.place if named else None,
        grade=row.grade,
        status=row.status,
        access=access,
        origin=row.origin,
        holder=row.holder,
        in_transit_to=row.in_transit_to,
        epoch=row.epoch,
        deadline=row.deadline,
        deadline_by_weekdays=row.deadline is not None and not arranged(row.deadline),
        overdue=not row.ended and row.deadline is not None and row.deadline < now,
        joint=_joint(state) if state is not None else _joint_of_header(row),
        supervised=row.supervised,
        returns=row.returns,
        subsidy=Subsidy.model_validate_json(row.subsidy) if row.subsidy is not None else None,
        registered_at=row.registered_at,
        requests=requests,
    )
    if invitation is not None:
        item.invitation = InvitationOut(kind=invitation.kind, reason=invitation.reason, holder=invitation.header.holder)
    return _with_state(item, state) if state is not None else item


def _with_state(item: CaseItem, state: CaseState) -> CaseItem:
    item.description, item.source, item.occurred_at = state.description, state.source, state.occurred_at
    item.aliases, item.followers = list(state.aliases), state.followers
    item.accepted_by, item.agreement_seq = state.custody.accepted_by, state.agreement_seq
    return item


def _joint(state: CaseState) -> JointOut | None:
    if not state.partners:
        return None
    partners = [
        PartnerOut(
            code=code,
            status=partner.status,
            countersigned=partner.countersigned is not None and partner.countersigned == state.agreement_seq,
        )
        for code, partner in state.partners.items()
    ]
    return JointOut(lead=state.holder or state.in_transit_to, partners=partners, members=list(state.members))


def _joint_of_header(row: CaseRow) -> JointOut | None:
    """Who mediates jointly, as the holder told those above it; an invitation says nothing of the others."""
    if row.header is None or not row.joint:
        return None
    header = CaseHeader.model_validate_json(row.header)
    partners = [PartnerOut(code=code, status=PartnerStatus.ACCEPTED, countersigned=None) for code in header.partners]
    return JointOut(lead=row.holder or row.in_transit_to, partners=partners, members=[])


def _requests(session: Session, case_ids: Sequence[str]) -> dict[str, list[RequestOut]]:
    rows = session.scalars(
        select(RequestRow)
        .where(RequestRow.case_id.in_(case_ids), RequestRow.state.in_(list(RequestState)))
        .order_by(RequestRow.at, RequestRow.id)
    )
    found: dict[str, list[RequestOut]] = {}
    for row in rows:
        found.setdefault(row.case_id, []).append(request_out(row))
    return found


def request_out(row: RequestRow) -> RequestOut:
    """A request as the API shows it."""
    return RequestOut(
        id=row.id,
        kind=row.kind,
        epoch=row.epoch,
        state=row.state,
        reason=row.reason,
        center=row.center,
        actor=row.actor,
        at=row.at,
        mine=row.mine,
    )


def _log(session: Session, case_id: str) -> list[LogEntry]:
    rows = session.scalars(select(EntryRow).where(EntryRow.case_id == case_id).order_by(EntryRow.seq))
    return [_log_entry(row) for row in rows]


def _log_entry(row: EntryRow) -> LogEntry:
    head = EntryHead.model_validate_json(row.head)
    data: dict[str, JsonValue] | None = json.loads(row.body) if row.body is not None else None
    if data is not None and isinstance(request := data.pop("request", None), dict):
        asked = RequestHead.model_validate_json(str(request["head"]))
        data["request"] = {
            "id": asked.id,
            "kind": asked.kind,
            "center": asked.center,
            "actor": asked.actor,
            "at": asked.model_dump(mode="json")["at"],
        }
    return LogEntry(
        seq=head.seq, epoch=head.epoch, kind=head.kind, at=head.at, center=head.center, actor=head.actor, data=data
    )
