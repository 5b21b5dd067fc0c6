"""Who may see what of a case at this center: the one visibility filter.

``full``     the holder, those who held it, accepted partners, and a broken glass while it is open
``invited``  header, title, place and reason
``header``   number, category, grade, status, holder, deadline: the holder's ancestors, for some cases
otherwise    the case does not exist for this center (404)

Rows say what this center once was told; the filter says what it may still read now.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import Session

from node.accounts.roles import Relation
from node.cases.tables import CaseRow
from node.i18n import N_
from node.problems import Problem
from protocol.case import CaseState, PartnerStatus
from protocol.centers import Tree
from protocol.records import ID_PATTERN


class Access(StrEnum):
    """What a row holds."""

    FULL = "full"
    INVITED = "invited"
    HEADER = "header"
    VIEWED = "viewed"
    NONE = "none"


def visible(now: datetime) -> ColumnElement[bool]:
    """The condition under which a case row may be read now."""
    return or_(
        CaseRow.access.in_([Access.FULL, Access.INVITED, Access.HEADER]),
        and_(
            CaseRow.access == Access.VIEWED,
            or_(CaseRow.view_until > now, CaseRow.invitation.is_not(None), CaseRow.header.is_not(None)),
        ),
    )


def named(now: datetime) -> ColumnElement[bool]:
    """The condition under which title and place of a visible row may be read now."""
    return or_(
        CaseRow.access.in_([Access.FULL, Access.INVITED]),
        and_(CaseRow.access == Access.VIEWED, CaseRow.view_until > now),
    )


class Seen(Protocol):
    """What decides about access: a case's row, or these columns of it."""

    access: str
    view_until: datetime | None
    invitation: str | None
    header: str | None


def access_of(row: Seen, now: datetime) -> Access:
    """What may be read of this row now: full, invited, header or none."""
    access = Access(row.access)
    if access is not Access.VIEWED:
        return access
    if row.view_until is not None and row.view_until > now:
        return Access.FULL
    if row.invitation is not None:
        return Access.INVITED
    return Access.HEADER if row.header is not None else Access.NONE


def relations_in(state: CaseState, code: str, tree: Tree) -> frozenset[Relation]:
    """How a center stands to a case, as who reads all of it can say; headers and views are told, not found in a log."""
    partner = state.partners.get(code)
    holder = state.holder or state.in_transit_to
    found = {
        Relation.holder: state.holder == code,
        Relation.full: code in state.custody.held_by and code != state.holder,
        Relation.partner: partner is not None and partner.status is PartnerStatus.ACCEPTED,
        Relation.invited: (partner is not None and partner.status is PartnerStatus.INVITED)
        or (state.offer is not None and state.offer.to == code),
        Relation.ancestor: holder is not None and tree.is_ancestor(code, holder),
    }
    return frozenset(relation for relation, holds in found.items() if holds) or frozenset({Relation.stranger})


def visible_row(session: Session, case_id: str, now: datetime) -> tuple[CaseRow, Access]:
    """The row of a case that may be seen.

    Raises:
        Problem: 404 ``not-found``; whether the case exists elsewhere is nobody's business.
    """
    row = session.get(CaseRow, case_id) if re.fullmatch(ID_PATTERN, case_id) else None
    access = Access.NONE if row is None else access_of(row, now)
    if row is None or access is Access.NONE:
        raise Problem(404, N_("not-found"), N_("There is no such case at this center."))
    return row, access
