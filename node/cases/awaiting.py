"""Whose copy of a case may be ahead of ours, since our database was lost.

What we had written last may have reached one center and no other. Until everybody who may have it has told us, we
append nothing to a case that we share: a second entry at the same place of its log could never be taken back.
See ``node.cases.recovery``.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.federation.tables import RecoveryRow
from protocol.case import CaseState
from protocol.centers import Tree


class Awaiting:
    """Who is still awaited, in one unit of work.

    Args:
        session: the unit's.
        me: our code.
    """

    def __init__(self, session: Session, me: str) -> None:
        self._session = session
        self._me = me
        self._told: frozenset[str] | None = None
        self._read = False

    def of(self, state: CaseState, tree: Tree) -> tuple[str, ...]:
        """Codes of the centers that may know more of this case than we do; none where no recovery goes on.

        A case that nobody else was ever told of is not waited for. Our neighbours always are: what left us went
        through them. Whoever was revoked is not.
        """
        told = self.told()
        if told is None:
            return ()
        concerned = concerned_by(state) - {self._me}
        if not concerned:
            return ()
        parent = tree.parent(self._me)
        concerned |= {*tree.children(self._me), *({parent} if parent is not None else ())}
        return tuple(code for code in sorted(concerned - told) if tree.known(code))

    def told(self) -> frozenset[str] | None:
        """Who has told us all that it holds; None where no recovery goes on."""
        if not self._read:
            self._told, self._read = self._look(), True
        return self._told

    def forget(self) -> None:
        """Look again the next time."""
        self._read = False

    def _look(self) -> frozenset[str] | None:
        own = self._session.get(RecoveryRow, self._me)
        if own is None or own.told_at is not None:
            return None
        told = select(RecoveryRow.center).where(RecoveryRow.told_at.is_not(None))
        return frozenset(self._session.scalars(told))


def concerned_by(state: CaseState) -> set[str]:
    """Everybody who may hold entries of this case: followers, the invited, and both ends of a transfer under way."""
    flight = state.custody.flight
    offered = {state.offer.to} if state.offer is not None else set()
    under_way = {flight.sender, flight.to} if flight is not None else set()
    return {*state.followers, *state.partners, *offered, *under_way}
