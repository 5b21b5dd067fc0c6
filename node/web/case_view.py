"""A case as its page shows it: what this center may see now, and nothing more (``node.access`` decides)."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from node.access import Access, relations_in, visible_row
from node.accounts.roles import TABLE, Action, Relation
from node.cases.documents import CaseDocument, case_document
from node.cases.stations import callable_stations
from node.center import Center
from node.web.case_offers import Situation
from protocol.case import CaseState, PartnerStatus, SubsidyState
from protocol.codes import Grade, Status
from protocol.payloads import InvitationKind


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as the API shows it, its state where this center may read it, and whether anybody here can be called."""

    document: CaseDocument
    state: CaseState | None
    has_stations: bool = False


def read_case(session: Session, case_id: str, now: datetime) -> CaseView:
    """The case, as far as it may be seen.

    Raises:
        Problem: 404 ``not-found``.
    """
    row, access = visible_row(session, case_id, now)
    state = None
    if access is Access.FULL and row.state is not None:
        state = CaseState.model_validate_json(row.state)
    return CaseView(case_document(session, row, now), state, bool(callable_stations(session)))


def relations_of(center: Center, case: CaseView) -> frozenset[Relation]:
    """How this center stands to the case, by what it may see of it."""
    tree, document = center.directory.tree, case.document
    if case.state is not None:
        found = relations_in(case.state, center.code, tree)
        return found if found & TABLE[Action.read_whole].does else found | {Relation.viewing}
    holder = document.holder or document.in_transit_to
    above = holder is not None and tree.is_ancestor(center.code, holder)
    told = Relation.invited if document.access == Access.INVITED else Relation.header
    return frozenset({told, Relation.ancestor}) if above else frozenset({told})


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A day on which the parties are visited, whether a visit stands for it, and whether its window has passed."""

    day: date
    made: bool
    missed: bool


def agreement_of(case: CaseView) -> str:
    """The text of the present agreement; empty where there is none, or its body was purged."""
    state = case.state
    if state is None or state.agreement_seq is None:
        return ""
    entry = next((entry for entry in case.document.log or [] if entry.seq == state.agreement_seq), None)
    return str((entry.data or {}).get("agreement", "")) if entry is not None else ""


def planned_visits(case: CaseView) -> list[PlannedVisit]:
    """The planned visits after the present agreement or failure."""
    if case.state is None:
        return []
    plan = case.state.visit_plan
    return [PlannedVisit(day, day in plan.kept, day in plan.missed) for day in plan.days]


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
        leads=len(may_lead(center, document)) > 1,
        subsidised=_subsidised(center, document),
        claimed=document.subsidy is not None and document.subsidy.state is SubsidyState.CLAIMED,
        disputed=document.returns >= center.policy.returns_before_ruling,
        has_parent=center.parent is not None,
        has_children=bool(tree.children(center.code)),
        has_stations=case.has_stations,
    )


def may_lead(center: Center, document: CaseDocument) -> list[str]:
    """Who may be told to lead a joint mediation by this center: the holder and its partners below this center."""
    joint = document.joint
    if joint is None or document.holder is None:
        return []
    taking_part = [partner.code for partner in joint.partners if partner.status == PartnerStatus.ACCEPTED]
    return [code for code in (document.holder, *taking_part) if center.directory.tree.is_ancestor(center.code, code)]


def _subsidised(center: Center, document: CaseDocument) -> bool:
    """Whether a subsidy may be claimed: the rules pay one, and no claim waits or was approved."""
    if not center.policy.subsidy(Grade(document.grade)):
        return False
    return document.subsidy is None or document.subsidy.state is SubsidyState.REJECTED


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
