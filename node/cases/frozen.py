"""Cases that may be somebody else's, since our database went back in time; they stay until all neighbours were met.

These are the cases that we held when we learned of it, those whose entries come back to us, and those that come in by
a transfer from before: we may have taken it, and moved the case on, in the time that we forgot.
"""

from datetime import datetime

from sqlalchemy import select

from node.cases.tables import FrozenCaseRow
from node.federation.tables import IdentityRow, LinkRow
from node.unit import Unit
from protocol.errors import Refused
from protocol.link import StopReason
from protocol.payloads import CaseHeader


def check(unit: Unit, case_id: str) -> None:
    """Refuse to move a case that may be somebody else's: our database went back in time, or there are two of us.

    Raises:
        Refused: ``custody-frozen``.
    """
    forked = select(LinkRow.peer).where(LinkRow.stop_reason == StopReason.SELF_FORKED).limit(1)
    if is_frozen(unit, case_id) or unit.session.scalar(forked) is not None:
        raise Refused("custody-frozen")


def is_frozen(unit: Unit, case_id: str) -> bool:
    """Whether this case may be somebody else's."""
    return unit.session.get(FrozenCaseRow, case_id) is not None


def freeze(unit: Unit, case_id: str, *, told: CaseHeader | None = None) -> None:
    """Let this case stay where it is until all neighbours were met.

    Args:
        unit: the unit of work.
        case_id: the case.
        told: what our ancestors know of it from us.
    """
    row = unit.session.get(FrozenCaseRow, case_id)
    if row is None:
        row = FrozenCaseRow(case_id=case_id)
        unit.session.add(row)
    if told is not None:
        row.told = told.model_dump_json()
    unit.session.flush()


def freeze_if_old(unit: Unit, case_id: str, given_at: datetime) -> None:
    """Freeze a case that was given to us before we learned that we forgot something, while a neighbour is awaited."""
    awaited = select(LinkRow.peer).where(LinkRow.healing.is_(True), LinkRow.revoked_at.is_(None)).limit(1)
    if unit.session.scalar(awaited) is None:
        return
    restored_at = unit.session.scalar(select(IdentityRow.restored_at))
    if restored_at is not None and given_at < restored_at:
        freeze(unit, case_id)
