"""Follow-up visits (回访): on which days an agreement is asked after, and which of them comes next.

By custom on days 7 and 30 after the agreement, and on the day by which it is to be fulfilled. A visit stands for the
first planned day that no visit stood for before.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from protocol.case import CaseState
from protocol.codes import Status

ASKED_AFTER = frozenset({Status.AGREED, Status.CLOSED})
"""Statuses in which somebody asks whether the agreement holds."""


def planned(reached: date, due_on: date | None, days: Sequence[int]) -> list[date]:
    """The days on which somebody asks, each once, in order.

    Args:
        reached: the local day of the agreement.
        due_on: the day by which it is to be fulfilled.
        days: days after the agreement, policy.
    """
    found = {reached + timedelta(days=count) for count in days}
    if due_on is not None:
        found.add(due_on)
    return sorted(found)


def next_visit(state: CaseState, reached: date | None, days: Sequence[int]) -> date | None:
    """The next planned day of this case; None where nothing was agreed, or all visits were made.

    Args:
        state: the case.
        reached: the local day of its agreement (the protocol knows no time zones).
        days: days after the agreement, policy.
    """
    agreement = state.agreement
    if agreement is None or reached is None or state.status not in ASKED_AFTER:
        return None
    made = state.visits - agreement.visits_before
    waiting = planned(reached, agreement.due_on, days)[made:]
    return waiting[0] if waiting else None
