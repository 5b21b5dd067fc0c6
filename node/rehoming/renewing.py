"""A parent that lost its machine comes back under new keys; its links to its children begin at zero, on both sides.

Theory of operation. Whoever stands above it enrols it again and thereby vouches for it: the certificate of the next
version names its new keys. From its parent it learns all certificates. Those of its children name the key by which
each logs in at its broker, so it opens their links (``take_children``), and the broker lets them in. A child meets a
neighbour whose HELLO it can't verify; the HELLO brings the new certificate, by which the child begins its link anew,
too (``renew_parent``). What the parent's database had not acknowledged goes out again; what it had, and lost, is told
by everybody when it asks (``node.cases.recovery``).

No child is enrolled again, and no secret travels. A child that was enrolled just before the loss, so that nobody above
had heard of it, is not known by anybody: it has to be enrolled again.
"""

import structlog
from sqlalchemy import update

from node import policies
from node.certifying import send_all
from node.federation.lanes import add_link
from node.rehoming.readdressing import end_link
from node.status.tables import DayCounterRow
from node.unit import Unit
from protocol.centers import Tree

logger = structlog.get_logger()


def take_children(unit: Unit) -> None:
    """Open the links to children of ours that certificates name, and that our database does not know."""
    for code in unit.tree.children(unit.me):
        claims = unit.tree.claims[code]
        if claims.link_key is None or unit.outbox.is_neighbour(code):
            continue
        add_link(unit.session, code, "down", claims.link_key, begun=claims.version)
        unit.outbox.neighbours_changed()
        send_all(unit, code)
        policies.tell(unit, code)
        logger.warning("child.taken_back", child=code)


def renew_parent(unit: Unit, before: Tree) -> None:
    """Begin the link to our parent anew where it was enrolled again: nothing that it had taken is there any more."""
    parent = unit.tree.parent(unit.me)
    if parent is None or parent not in before.claims:
        return
    claims, last = unit.tree.claims[parent], before.claims[parent]
    if claims.signing_key == last.signing_key or not unit.outbox.is_neighbour(parent):
        return
    if claims.link_key is not None and claims.link_key == last.link_key:  # it only signs with another key now
        return
    waiting = end_link(unit, parent)
    add_link(unit.session, parent, "up", None, begun=claims.version)
    unit.outbox.neighbours_changed()
    for row in waiting:
        unit.outbox.repeat(row)
    unit.session.execute(update(DayCounterRow).values(told=False))
    logger.warning("parent.renewed", parent=parent, sent_again=len(waiting))
