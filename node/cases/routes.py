"""Routing rules: where matters of a type at a place belong, as people set them or a ruling decided.

They are this center's own and bind nobody: they are offered when somebody studies or assigns such a matter.
"""

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.orm import Session

from node.cases import inputs
from node.cases.tables import CaseRow, RequestRow, RouteRow
from protocol.payloads import RequestState

if TYPE_CHECKING:
    from node.unit import Unit

OFFERED_MAX = 5


def remember_ruling(unit: "Unit", asked: RequestRow, ruling: inputs.RuleInput) -> None:
    """Keep a ruling as a rule for its type and place."""
    row = unit.session.get(CaseRow, asked.case_id)
    assert row is not None
    assert ruling.route_place is not None
    add(
        unit,
        RouteRow(
            category=row.category,
            place=ruling.route_place,
            to=ruling.to,
            department=ruling.department,
            reason=ruling.reason,
            actor=asked.actor,
            request_id=asked.id,
        ),
    )


def add(unit: "Unit", route: RouteRow) -> RouteRow:
    """Keep a rule."""
    route.id, route.at = unit.new_id(), unit.now
    route.place = route.place.replace("\0", "")
    unit.session.add(route)
    unit.session.flush()
    return route


def in_force(session: Session) -> list[RouteRow]:
    """All rules, the newest first; rulings that were not granted are none."""
    return list(session.scalars(select(RouteRow).where(_counts()).order_by(RouteRow.at.desc(), RouteRow.id)))


def offered(session: Session, category: str, place: str) -> list[RouteRow]:
    """The rules for a matter of this type at this place, the closest place first."""
    text = place.replace("\0", "").strip()
    if not text:
        return []
    same = or_(literal(text).contains(RouteRow.place), RouteRow.place.contains(text, autoescape=True))
    query = select(RouteRow).where(_counts(), RouteRow.category == category, same)
    query = query.order_by(func.length(RouteRow.place).desc(), RouteRow.at.desc()).limit(OFFERED_MAX)
    return list(session.scalars(query))


def _counts() -> ColumnElement[bool]:
    granted = select(RequestRow.id).where(RequestRow.state == RequestState.GRANTED)
    return or_(RouteRow.request_id.is_(None), RouteRow.request_id.in_(granted))
