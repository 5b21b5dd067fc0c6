"""Cases as pages show them: what this center may see now, and nothing more (``node.access`` decides)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.access import Access, access_of, visible, visible_row
from node.cases.documents import CaseDocument, case_document
from node.cases.tables import CaseRow
from node.center import Center
from node.web.case_offers import Situation
from protocol.case import CaseState, PartnerStatus
from protocol.codes import Status
from protocol.messages import InvitationKind

LISTED: Final = 50
"""Cases on the first page: more than a person reads, few enough for an old PC."""


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case in a list; ``title`` is None where only its header may be seen."""

    id: str
    display_number: str
    title: str | None
    category: str
    grade: str
    status: str
    holder: str | None
    in_transit_to: str | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as the API shows it, and its state where this center may read it."""

    document: CaseDocument
    state: CaseState | None


def open_cases(session: Session, now: datetime) -> tuple[list[CaseLine], int]:
    """Open cases that this center may see, the most urgent first, at most ``LISTED``; and how many there are."""
    condition = visible(now) & CaseRow.ended.is_(False)
    total = session.scalar(select(func.count()).select_from(CaseRow).where(condition)) or 0
    urgent = (CaseRow.deadline.is_(None), CaseRow.deadline, CaseRow.registered_at.desc())
    rows = session.scalars(select(CaseRow).where(condition).order_by(*urgent).limit(LISTED)).all()
    return [_line(row, now) for row in rows], total


def _line(row: CaseRow, now: datetime) -> CaseLine:
    named = access_of(row, now) in (Access.FULL, Access.INVITED)
    return CaseLine(
        id=row.id,
        display_number=row.display_number,
        title=row.title if named else None,
        category=row.category,
        grade=row.grade,
        status=row.status,
        holder=row.holder,
        in_transit_to=row.in_transit_to,
        deadline=row.deadline,
    )


def read_case(session: Session, case_id: str, now: datetime) -> CaseView:
    """The case, as far as it may be seen.

    Raises:
        Problem: 404 ``not-found``.
    """
    row, access = visible_row(session, case_id, now)
    state = None
    if access is Access.FULL and row.state is not None:
        state = CaseState.model_validate_json(row.state)
    return CaseView(case_document(session, row, now), state)


def situation_of(center: Center, case: CaseView) -> Situation:
    """Where this center stands to the case."""
    tree = center.directory.tree
    document = case.document
    return Situation(
        me=center.code,
        status=Status(document.status),
        holder=document.holder,
        state=case.state,
        invited=_invited(center.code, case),
        above=document.holder is not None and tree.is_ancestor(center.code, document.holder),
        has_parent=center.parent is not None,
        has_children=bool(tree.children(center.code)),
    )


def _invited(me: str, case: CaseView) -> InvitationKind | None:
    """What this center is invited to and has not answered: by the log where it reads it, else by the invitation."""
    state = case.state
    if state is None:
        invitation = case.document.invitation
        return InvitationKind(invitation.kind) if invitation is not None else None
    if state.offer is not None and state.offer.to == me:
        return InvitationKind.HANDOFF
    partner = state.partners.get(me)
    invited = partner is not None and partner.status is PartnerStatus.INVITED
    return InvitationKind.JOINT if invited else None
