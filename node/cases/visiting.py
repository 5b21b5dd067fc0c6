"""Agreements, failures and follow-up visits (回访): days are planned in local time, kept, and missed."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from node.cases import log
from node.cases.tables import CaseRow
from node.clock import LOCAL_ZONE
from node.i18n import DEFAULT, N_, translate
from node.unit import Unit, unit_of
from protocol import entries as e
from protocol.case import CaseState
from protocol.entries import Kind
from protocol.visits import dues_of, passed, planned, stands_for

if TYPE_CHECKING:
    from node.center import Center

BATCH = 100
"""Cases whose missed visits are written down in one transaction: people never wait behind it."""


def agree(unit: Unit, state: CaseState, agreed: e.Agreed, actor: str) -> CaseState:
    """Record the agreement, with the days on which it is asked after."""
    days = planned(_today(unit), dues_of(agreed), unit.center.policy.visit_days)
    return log.write(unit, state.id, Kind.AGREED, agreed.model_copy(update={"visit_on": days}), actor)


def fail(unit: Unit, state: CaseState, reason: str, actor: str) -> CaseState:
    """Record that mediation failed, with the days on which the parties are visited."""
    days = planned(_today(unit), (), unit.center.policy.visit_days)
    return log.write(unit, state.id, Kind.FAILED, e.Failed(reason=reason, visit_on=days), actor)


def visit(unit: Unit, state: CaseState, visited: e.Visited, actor: str) -> CaseState:
    """Record a visit, for the planned day that it stands for; a relapse takes an ended case up again."""
    on = visited.held_at.astimezone(LOCAL_ZONE).date()
    day = stands_for(state.visit_plan, on, unit.center.policy.visit_window)
    after = log.write(unit, state.id, Kind.VISITED, visited.model_copy(update={"visit_on": day}), actor)
    if not (visited.relapsed and after.ended):
        return after
    reason = translate(DEFAULT, N_("The dispute broke out again, as a visit found."))
    reopened = e.Reopened(reason=reason, by=visited.by)
    return log.write(unit, state.id, Kind.REOPENED, reopened, actor)


def note_missed(center: "Center") -> int:
    """Write down the planned visits whose window has passed; returns how many cases had some."""
    today, window = center.clock.now().astimezone(LOCAL_ZONE).date(), center.policy.visit_window
    late = select(CaseRow.id).where(CaseRow.holder == center.code, CaseRow.visit_on < today - timedelta(days=window))
    with center.database.read() as session:
        case_ids = session.scalars(late.order_by(CaseRow.visit_on).limit(BATCH)).all()
    if not case_ids:
        return 0
    with unit_of(center) as unit:
        return sum(_note_missed(unit, case_id) for case_id in case_ids)


def _note_missed(unit: Unit, case_id: str) -> bool:
    state = unit.book.state(case_id)
    if state is None or state.holder != unit.me or unit.awaiting.of(state, unit.tree):
        return False
    missed = passed(state.visit_plan, _today(unit), unit.center.policy.visit_window)
    for day in missed:
        log.write(unit, case_id, Kind.VISIT_MISSED, e.VisitMissed(visit_on=day), log.SYSTEM)
    return bool(missed)


def _today(unit: Unit) -> date:
    return unit.now.astimezone(LOCAL_ZONE).date()
