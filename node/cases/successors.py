"""Centers that were merged: on every case that named one, its successor takes its place.

The holder's node writes that down, as ``replaced``, when it learns of the merger and when a case comes to it. So where
a case goes back to, who mediates jointly and who gets every entry never leads to a center that is no more.
"""

from node.cases import log
from node.unit import Unit
from protocol.case import CaseState, PartnerStatus
from protocol.centers import Tree
from protocol.entries import Kind, Replaced
from protocol.errors import Refused


def check_active(unit: Unit, code: str) -> None:
    """Refuse what is meant for a center that was merged, and name its successor.

    Raises:
        Refused: ``retired``.
    """
    heir = unit.tree.heir(code)
    if heir != code:
        raise Refused("retired", center=code, successor=heir)


def outdated(state: CaseState, tree: Tree) -> list[str]:
    """Merged centers that a case still names where it should name their successors."""
    custody = state.custody
    named = {sender.center for sender in custody.stack}
    named |= {code for code, partner in state.partners.items() if partner.status is not PartnerStatus.DECLINED}
    named |= {code for code in (custody.last_sender, state.offer.to if state.offer else None) if code is not None}
    named |= {code for code in custody.held_by if tree.heir(code) not in custody.held_by}
    return sorted(code for code in named if tree.retired(code))


def catch_up(unit: Unit, state: CaseState) -> CaseState:
    """Let successors take the place of merged centers on a case that we hold.

    Raises:
        Refused: the case waits for its recovery.
    """
    for code in outdated(state, unit.tree):
        body = Replaced(former=code, successor=unit.tree.heir(code))
        state = log.write(unit, state.id, Kind.REPLACED, body, log.SYSTEM)
    return state
