"""What centers do by themselves when a center was merged into another one.

Theory of operation. A certificate names the successor, and certificates reach everybody. From the moment that it knows,

the old center     registers nothing, refuses transfers with the successor's name, and gives every case that it holds
                   (open ones first, ended ones too) to the successor: ordinary transfers of the kind ``rehomed``. What
                   is on its way to it comes back to its sender; what comes back to it goes to the successor.
every holder       lets the successor take the old one's place on its cases (``node.cases.successors``): a return, a
                   recall, a countersignature of the successor count, and the successor gets the whole log.
every child        of the old center comes under the successor (``node.rehoming.moving``).
everybody          refuses what people mean for the old center with the successor's name.

Nothing of this needs a person, an order or a second look at who was told: each step looks at what is there now. It may
be interrupted anywhere and goes on. An old center that is off line does its part when it comes back; what was sent to
it before it knew, it takes and passes on.
"""

from datetime import timedelta

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from node.cases import log, successors, transfers
from node.cases.tables import CaseRow, EntryRow
from node.center import Center
from node.rehoming import moving
from node.rehoming.tables import SuccessionRow
from node.unit import Unit, unit_of
from protocol.centers import Tree
from protocol.entries import Kind, Rehomed
from protocol.errors import Refused

logger = structlog.get_logger()

BATCH = 50
"""Cases of one transaction: people never wait behind it."""

AGAIN = timedelta(hours=1)
"""A case that came back from the successor goes to it again after this time; each way adds to its log."""


def is_due(center: Center) -> bool:
    """Whether some center has changed; tells from memory, since it is asked every second."""
    tree = center.directory.tree
    return bool(tree.merged()) or moving.wanted_parent(tree, center.code) is not None


def go_on(center: Center) -> int:
    """Do what is to be done now, in short transactions; returns how many cases were touched."""
    moving.knock(center)
    merged = center.directory.tree.merged()
    if not merged:
        return 0
    touched = 0
    with center.database.read() as session:
        todo = {code: heir for code, heir in merged.items() if session.get(SuccessionRow, (code, heir)) is None}
        retiring = center.code in merged and _leaving(center, session)
    if center.code not in merged:  # what leaves is put right where it arrives
        for code, heir in todo.items():
            touched += _replace(center, code, heir)
    while retiring:
        with unit_of(center) as unit:
            gone = _retire(unit, _leaving(center, unit.session))
        touched += gone
        if not gone:
            break
    return touched


def _leaving(center: Center, session: Session) -> list[str]:
    """The next cases that we hold and that are not waiting after they came back; open ones first."""
    came_back = exists().where(
        EntryRow.case_id == CaseRow.id,
        EntryRow.seq == CaseRow.seq,
        EntryRow.kind == Kind.BOUNCED,
        EntryRow.at > center.clock.now() - AGAIN,
    )
    held = select(CaseRow.id).where(CaseRow.holder == center.code, CaseRow.state.is_not(None), ~came_back)
    return list(session.scalars(held.order_by(CaseRow.ended, CaseRow.registered_at, CaseRow.id).limit(BATCH)))


def _retire(unit: Unit, case_ids: list[str]) -> int:
    """Give cases to our successor; says how many went."""
    successor = unit.tree.heir(unit.me)
    gone = 0
    for case_id in case_ids:
        try:
            with unit.attempt():
                body = Rehomed(to=successor)
                transfers.transfer(unit, case_id, Kind.REHOMED, body, log.SYSTEM)
        except Refused as refused:
            logger.warning("case.not_rehomed", case_id=case_id, successor=successor, reason=refused.reason)
        else:
            gone += 1
    return gone


def _replace(center: Center, code: str, heir: str) -> int:
    """Let a successor take its place on all cases that we hold, and remember that it has."""
    after, touched = "", 0
    while True:
        with unit_of(center) as unit:
            named = select(CaseRow.id).where(
                CaseRow.holder == center.code, CaseRow.id > after, CaseRow.centers.contains(code, autoescape=True)
            )
            case_ids = unit.session.scalars(named.order_by(CaseRow.id).limit(BATCH)).all()
            if not case_ids:
                unit.session.add(SuccessionRow(code=code, successor=heir, done_at=unit.now))
                logger.info("center.succeeded", code=code, successor=heir, cases=touched)
                return touched
            after = case_ids[-1]
            for case_id in case_ids:
                touched += _catch_up(unit, case_id, unit.tree)


def _catch_up(unit: Unit, case_id: str, tree: Tree) -> bool:
    state = unit.book.state(case_id)
    if state is None or state.holder != unit.me or not successors.outdated(state, tree):
        return False
    successors.catch_up(unit, state)
    return True
