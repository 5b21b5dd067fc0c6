"""A center comes under another parent: since that was decided, or since its parent was merged.

Theory of operation. A center that learns that it is to stand under another parent *knocks* there, by way of its old
one, with the key by which it will log in. The new parent begins a link, answers with the address of its broker
(*welcome*), and signs the center's next certificate; both go the same way, one behind the other. When that certificate
reaches the center, it changes its link in the same transaction: what the old parent has not acknowledged goes out
again by the new way, in its order. Each message may thus arrive twice, and no message minds. Its *farewell* has the
old parent do the same from its side.

Nothing is lost in between. Whoever learns of the certificate sends by the new way from then on, where it waits for the
center; and since links are first in, first out, whatever was sent before stands before the certificate in the old
parent's lane, hence is applied before the link changes.

The center's keys, code, cases and counters stay. Its daily rows and headers are told to the new parent from the
beginning; the old parent and those above only it forget the headers.
"""

from datetime import timedelta

import structlog
from sqlalchemy import delete, select, update

from node import policies
from node.cases.log import tell_ancestors
from node.cases.tables import CaseRow
from node.center import Center
from node.certifying import certify_anew, spread
from node.federation.lanes import add_link
from node.federation.tables import LinkRow
from node.rehoming import renewing
from node.rehoming.readdressing import end_link, readdress
from node.rehoming.tables import MoveRow
from node.rows import table_of
from node.status.tables import DayCounterRow
from node.unit import Unit, unit_of
from protocol.centers import TAKE_OVER_STEP, Tree
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import RELEASED_BY_MAX, Farewell, Knock, Welcome

logger = structlog.get_logger()

KNOCK_AGAIN = timedelta(minutes=5)
"""A knock that nobody answered is repeated: the new parent may have had no broker yet."""

_LINKS = table_of(LinkRow)
_PARENT = select(_LINKS.c.peer).where(_LINKS.c.direction == "up", _LINKS.c.revoked_at.is_(None))
"""Whom our link leads to; asked with every certificate, hence built once."""

_NEVER_CAME = select(LinkRow).where(
    LinkRow.direction == "down", LinkRow.last_hello_at.is_(None), LinkRow.carried > 0, LinkRow.revoked_at.is_(None)
)
"""Links that a certificate began, not an enrolment, and over which nobody has greeted."""


def wanted_parent(tree: Tree, me: str) -> str | None:
    """The parent under which a center is to come and is not yet; None where it stands right."""
    claims = tree.claims.get(me)
    if claims is None or claims.parent is None or claims.revoked:
        return None
    wanted = tree.heir(claims.moving_to or claims.parent)
    return wanted if wanted not in {me, claims.parent} and tree.known(wanted) else None


def _deciding(tree: Tree, me: str) -> list[str]:
    """Whose certificates say where a center is to stand: its own, those of its parent to be and its successors."""
    found = [me]
    claims = tree.claims[me]
    here = claims.moving_to or claims.parent
    while here in tree.claims and here not in found and len(found) < RELEASED_BY_MAX:
        found.append(here)
        here = tree.claims[here].successor
    return found


def knock(center: Center) -> bool:
    """Knock at the parent under which we are to come, if it is time; says whether we did."""
    wanted = wanted_parent(center.directory.tree, center.code)
    if wanted is None or center.reach is None:
        return False
    key = center.reach.link_key()
    with unit_of(center) as unit:
        row = unit.session.get(MoveRow, wanted)
        if key is None or (row is not None and row.knocked_at > unit.now - KNOCK_AGAIN):
            return False
        if row is None:
            row = MoveRow(parent=wanted)
            unit.session.add(row)
        row.knocked_at, row.url, row.ca, row.settled_at = unit.now, None, None, None
        released_by = {code: unit.tree.claims[code].version for code in _deciding(unit.tree, unit.me)}
        unit.outbox.send(Type.KNOCK, Knock(nkey=key, released_by=released_by), wanted)
        logger.info("move.knocked", parent=wanted)
    return True


def on_knock(unit: Unit, message: Message, payload: Knock) -> None:
    """Take over a center that was released to us, or whose parent was merged into us.

    Raises:
        BadRecord: it was not, as far as we know; who knows of a later decision lets the knock be.
        BrokerTrouble: we have no broker that it could reach; the knock is parked.
    """
    child, reach = message.sender, unit.center.reach
    if reach is None:
        raise BadRecord("we have no address")
    if unit.tree.parent(child) != unit.me and wanted_parent(unit.tree, child) != unit.me:
        if all(_known(unit.tree, code) >= version for code, version in payload.released_by.items()):
            logger.info("move.overruled", child=child)
            return
        raise BadRecord(f"{child} was not released to us")
    address = reach.for_children()
    unit.outbox.send(Type.WELCOME, Welcome(url=address.url, ca=address.ca), child)
    if unit.tree.parent(child) == unit.me:
        return
    waiting = end_link(unit, child)
    claims = {"parent": unit.me, "moving_to": None, "link_key": payload.nkey}
    certificate = certify_anew(unit, child, step=TAKE_OVER_STEP, **claims)
    add_link(unit.session, child, "down", payload.nkey, begun=unit.tree.claims[child].version)
    unit.outbox.neighbours_changed()
    readdress(unit, waiting, child)
    policies.tell(unit, child)
    spread(unit, [certificate])
    # What we told of them while they stood elsewhere was not ours to tell.
    theirs = DayCounterRow.code.in_([child, *unit.tree.descendants(child)])
    unit.session.execute(update(DayCounterRow).where(theirs).values(told=False))
    logger.info("move.taken_over", child=child)


def _known(tree: Tree, code: str) -> int:
    """The version of the newest certificate that we have of a center; 0 of none."""
    claims = tree.claims.get(code)
    return claims.version if claims is not None else 0


def on_welcome(unit: Unit, message: Message, payload: Welcome) -> None:
    """Our new parent tells where its broker is.

    Raises:
        BadRecord: we did not knock there.
    """
    row = unit.session.get(MoveRow, message.sender)
    if row is None:
        raise BadRecord(f"welcome of {message.sender}, where we did not knock")
    row.url, row.ca, row.settled_at = payload.url, payload.ca, None


def on_farewell(unit: Unit, message: Message, payload: Farewell) -> None:
    """A child of ours has changed its link: what still waits for it goes the new way."""
    child = message.sender
    link = unit.session.get(LinkRow, child)
    if link is None or link.direction != "down" or unit.tree.parent(child) == unit.me:
        return
    waiting = end_link(unit, child)
    readdress(unit, waiting, child)
    logger.info("move.left", child=child, parent=payload.parent, readdressed=len(waiting))


def tree_changed(unit: Unit, before: Tree) -> None:
    """Certificates came: change our links where our neighbours changed, and who is told the headers of our cases."""
    follow_parent(unit)
    renewing.renew_parent(unit, before)
    renewing.take_children(unit)
    _let_go(unit)
    old, new = set(before.ancestors(unit.me)), set(unit.tree.ancestors(unit.me))
    if before.known(unit.me) and new - old:
        _tell_headers(unit)
    for code in _left(unit, before):
        _forget_headers(unit, {code, *unit.tree.descendants(code)})


def follow_parent(unit: Unit) -> None:
    """Change our link where our certificate names another parent than the link leads to."""
    parent = unit.tree.parent(unit.me)
    left = unit.session.connection().scalar(_PARENT)
    if parent is None or left is None or left == parent:
        return
    waiting = end_link(unit, left)
    add_link(unit.session, parent, "up", None, begun=unit.tree.claims[unit.me].version)
    unit.outbox.neighbours_changed()
    readdress(unit, waiting, left)
    unit.outbox.send(Type.FAREWELL, Farewell(parent=parent), left)
    unit.session.execute(update(DayCounterRow).values(told=False))
    unit.session.execute(delete(MoveRow).where(MoveRow.parent != parent))  # we may knock there again one day
    logger.warning("move.done", left=left, parent=parent, readdressed=len(waiting))


def _let_go(unit: Unit) -> None:
    """End links to centers that we took over, and that never came: a later decision kept them where they were."""
    for link in unit.session.scalars(_NEVER_CAME).all():
        if unit.tree.parent(link.peer) != unit.me:
            waiting = end_link(unit, link.peer)
            readdress(unit, waiting, link.peer)
            logger.info("move.never_came", child=link.peer, readdressed=len(waiting))


def _left(unit: Unit, before: Tree) -> list[str]:
    """Centers that stood below us and do not any more."""
    return [
        code
        for code in before.descendants(unit.me)
        if unit.tree.parent(code) != before.parent(code) and not unit.tree.is_ancestor(unit.me, code)
    ]


def _forget_headers(unit: Unit, holders: set[str]) -> None:
    """Headers are for those above the holder."""
    told = select(CaseRow.id).where(CaseRow.holder.in_(holders), CaseRow.header.is_not(None))
    for case_id in unit.session.scalars(told).all():
        sheet = unit.book.sheet(case_id)
        sheet.header, sheet.dirty = None, True


def _tell_headers(unit: Unit) -> None:
    """Tell those who newly stand above us what the others were told of our cases."""
    told = select(CaseRow.id).where(CaseRow.holder == unit.me, CaseRow.header_told.is_not(None))
    for case_id in unit.session.scalars(told).all():
        state = unit.book.state(case_id)
        assert state is not None
        tell_ancestors(unit, state)
