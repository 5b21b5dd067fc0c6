"""Follow-up visits (回访) and fulfilment: when an agreement, or a failure, is asked after, and what was found.

By custom on days 7 and 30, and on each day by which something of the agreement is to be fulfilled; failed mediations
are visited, too. The days are written into the log with the agreement or the failure, so that every later holder keeps
them whatever its own policy says. A visit stands for the first open day whose window it falls into; a window that
passes without a visit is written down as missed. So the visits that fell due are those that stand for a day and those
that were missed.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from protocol.case import CaseState, VisitPlan
from protocol.entries import PLANNED_VISITS_MAX, Agreed, Entry, Fulfilled, Visited, VisitMissed
from protocol.errors import Refused


def planned(reached: date, dues: Iterable[date | None], days: Sequence[int]) -> tuple[date, ...]:
    """The days on which somebody asks, each once, in order.

    Args:
        reached: the local day of the agreement, or of the failure.
        dues: the days by which it, or one of its terms, is to be fulfilled; those before ``reached`` ask nobody.
        days: days afterwards, policy.
    """
    found = {reached + timedelta(days=count) for count in days}
    found |= {due for due in dues if due is not None and due >= reached}
    return tuple(sorted(found)[:PLANNED_VISITS_MAX])


def dues_of(agreed: Agreed) -> list[date | None]:
    """The days by which something of the agreement is to be fulfilled."""
    return [agreed.due_on, *(term.due_on for term in agreed.terms)]


def stands_for(plan: VisitPlan, on: date, window: int) -> date | None:
    """The planned day that a visit on this local day stands for; None where it is beside the plan.

    Args:
        plan: the planned days.
        on: the local day of the visit.
        window: days around a planned day in which a visit stands for it, policy.
    """
    return next((day for day in plan.open if abs((on - day).days) <= window), None)


def passed(plan: VisitPlan, today: date, window: int) -> list[date]:
    """Open days whose window has passed."""
    return [day for day in plan.open if (today - day).days > window]


def visited(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``visited``.

    Raises:
        Refused: ``no-such-visit`` where it claims a day that is not open.
    """
    body, plan = entry.body, state.visit_plan
    assert isinstance(body, Visited)
    if body.visit_on is None:
        return {"visits": state.visits + 1}
    _must_be_open(plan, body.visit_on)
    return {"visits": state.visits + 1, "visit_plan": plan.model_copy(update={"kept": (*plan.kept, body.visit_on)})}


def missed(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``visit_missed``.

    Raises:
        Refused: ``no-such-visit``.
    """
    body, plan = entry.body, state.visit_plan
    assert isinstance(body, VisitMissed)
    _must_be_open(plan, body.visit_on)
    return {"visit_plan": plan.model_copy(update={"missed": (*plan.missed, body.visit_on)})}


def _must_be_open(plan: VisitPlan, day: date) -> None:
    if day not in plan.open:
        raise Refused("no-such-visit", day=day.isoformat())


def fulfilled(state: CaseState, entry: Entry) -> dict[str, Any]:
    """Effect of ``fulfilled``: a term of the present agreement.

    Raises:
        Refused: ``stale-agreement``, ``no-such-term``, ``already-fulfilled``.
    """
    body, agreement = entry.body, state.agreement
    assert isinstance(body, Fulfilled)
    if agreement is None or body.agreement_seq != state.agreement_seq:
        raise Refused("stale-agreement", agreement_seq=state.agreement_seq)
    if body.term > len(agreement.terms):
        raise Refused("no-such-term", term=body.term)
    if body.term in agreement.fulfilled:
        raise Refused("already-fulfilled", term=body.term)
    return {"agreement": agreement.model_copy(update={"fulfilled": (*agreement.fulfilled, body.term)})}
