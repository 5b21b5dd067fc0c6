"""Deciding that a center is merged into another one or moves under another parent, and telling how far that has come.

Whoever stands above both decides, by signing a certificate of the center that names its successor, or the parent that
it is released to. Certificates reach everybody; what each center then does by itself is told in ``node.rehoming.work``
and ``node.rehoming.moving``. Deciding twice is harmless.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from node.center import Center
from node.certifying import certify_anew, spread, unit_on_newest
from node.federation.lanes import backlog, oldest_unacked
from node.federation.tables import LinkRow
from node.i18n import N_
from node.status.tables import CounterRow
from node.trouble import EnrolmentRefused
from protocol.centers import CHAIN_MAX, DECISION_STEP, Tree


@dataclass(frozen=True)
class MergeProgress:
    """How far a merger has come, as far as the center that asks can know.

    Attributes:
        successor: the center that everything goes to.
        as_of: when the old center last told; None where it never did.
        held: cases that it held then, ended ones too.
        in_transit: cases that were on their way from it then.
        children: centers that are still its children.
        revoked: whether it was cut off.
        neighbour: whether it is our own child and not cut off.
        linked: whether its link is up.
        backlog: messages of ours that its database does not hold.
        oldest: since when the oldest of them waits.
    """

    successor: str
    as_of: datetime | None
    held: int
    in_transit: int
    children: tuple[str, ...]
    revoked: bool
    neighbour: bool
    linked: bool
    backlog: int
    oldest: datetime | None

    @property
    def finished(self) -> bool:
        """Whether everything has gone over; the old center may be revoked."""
        return self.as_of is not None and not (self.held or self.in_transit or self.children or self.backlog)


def merge(center: Center, old: str, new: str) -> bool:
    """Decide that ``old`` is merged into ``new``.

    Args:
        center: we, who stand above both.
        old: code of the center that ends.
        new: code of the center that takes its place.

    Returns:
        Whether this was decided now; else it was before.

    Raises:
        EnrolmentRefused: one is unknown, we don't stand above both, the levels differ, or one was merged otherwise.
        DatabaseUnavailable: nothing was done.
    """
    with unit_on_newest(center) as unit:
        tree = unit.tree
        check_known(tree, old, old=True)
        check_known(tree, new)
        if old == new:
            raise EnrolmentRefused(N_("{code} can't be merged into itself."), code=old)
        check_above_both(tree, unit.me, old, new)
        if tree.level(old) != tree.level(new):
            raise EnrolmentRefused(
                N_(
                    "{old} and {new} are of different levels. A center is merged into one of its own level; "
                    "to move it under another parent: liandong rehome {old} --under {new}"
                ),
                old=old,
                new=new,
            )
        if tree.retired(old) and tree.heir(old) == tree.heir(new):
            return False
        if tree.retired(old):
            raise EnrolmentRefused(N_("{old} was merged into {successor} before."), old=old, successor=tree.heir(old))
        if tree.heir(new) == old:
            raise EnrolmentRefused(N_("{new} was merged into {old}; that would be a circle."), old=old, new=new)
        if tree.retired(new):
            raise EnrolmentRefused(
                N_("{new} was itself merged into {successor}; name that one."), new=new, successor=tree.heir(new)
            )
        spread(unit, [certify_anew(unit, old, step=DECISION_STEP, successor=new, moving_to=None)])
        return True


def check_known(tree: Tree, code: str, *, old: bool = False) -> None:
    """Refuse a code that no center has; ``old`` may have been revoked.

    Raises:
        EnrolmentRefused: says so.
    """
    if code not in tree.claims or not (old or tree.known(code)):
        raise EnrolmentRefused(N_("There is no center {code} in this federation."), code=code)


def check_above_both(tree: Tree, me: str, old: str, other: str) -> None:
    """Refuse to decide about a center that is not ours, or over one that is not.

    Raises:
        EnrolmentRefused: names who may.
    """
    above = tree.ancestors(old)
    line = [other, *tree.ancestors(other)]
    if not above:
        raise EnrolmentRefused(N_("{code} is the root; nobody stands above it who could decide this."), code=old)
    if me not in above or me not in line:
        common = next(code for code in above if code in line)
        raise EnrolmentRefused(
            N_("This is decided by a center that stands above both: run it at {code} {name}."),
            code=common,
            name=tree.name(common),
        )


def merge_progress(center: Center, session: Session, old: str) -> MergeProgress:
    """How far the merger of ``old`` has come."""
    tree = center.directory.tree
    row = session.get(CounterRow, old)
    counters = json.loads(row.counters) if row is not None else {}
    link = session.get(LinkRow, old)
    neighbour = link is not None and link.direction == "down" and link.revoked_at is None
    return MergeProgress(
        successor=tree.heir(old),
        as_of=row.as_of if row is not None else None,
        held=sum(count for name, count in counters.items() if name.startswith("by_status.")),
        in_transit=int(counters.get("in_transit", 0)),
        children=tuple(tree.children(old)),
        revoked=not tree.known(old),
        neighbour=neighbour,
        linked=link is not None and link.state == "linked",
        backlog=backlog(session, old) if neighbour else 0,
        oldest=oldest_unacked(session).get(old) if neighbour else None,
    )


@dataclass(frozen=True)
class MoveProgress:
    """How far a move under another parent has come.

    Attributes:
        parent: where it stands today.
        wanted: where it shall stand.
        backlog: messages of ours that its database does not hold, where it is our child.
        oldest: since when the oldest of them waits.
    """

    parent: str | None
    wanted: str
    backlog: int
    oldest: datetime | None

    @property
    def finished(self) -> bool:
        """Whether it has moved."""
        return self.parent == self.wanted


def move(center: Center, child: str, parent: str) -> bool:
    """Decide that ``child`` moves under ``parent``, with its code, its cases and all below it.

    Args:
        center: we, who stand above both, or are the new parent.
        child: code of the center that moves.
        parent: code of its new parent.

    Returns:
        Whether this was decided now; else it was before.

    Raises:
        EnrolmentRefused: one is unknown or merged, we don't stand above both, or the new parent stands below the child.
        DatabaseUnavailable: nothing was done.
    """
    with unit_on_newest(center) as unit:
        tree = unit.tree
        check_known(tree, child)
        check_known(tree, parent)
        if tree.is_ancestor(child, parent) or child in _line_to_come(tree, parent):
            raise EnrolmentRefused(N_("{code} can't move below itself."), code=child)
        check_above_both(tree, unit.me, child, parent)
        if tree.retired(child) or tree.retired(parent):
            gone = child if tree.retired(child) else parent
            raise EnrolmentRefused(N_("{old} was merged into {successor} before."), old=gone, successor=tree.heir(gone))
        if len(tree.ancestors(parent)) + 1 + _depth(tree, child) > CHAIN_MAX:
            raise EnrolmentRefused(N_("The federation is at most {limit} levels deep."), limit=CHAIN_MAX)
        claims = tree.claims[child]
        if parent == (claims.moving_to or claims.parent):
            return False
        moving_to = parent if parent != claims.parent else None
        spread(unit, [certify_anew(unit, child, step=DECISION_STEP, moving_to=moving_to)])
        return True


def _line_to_come(tree: Tree, code: str) -> list[str]:
    """A center and all who will stand above it when everybody who was released has moved."""
    found: list[str] = []
    here: str | None = code
    while here is not None and here not in found:
        found.append(here)
        claims = tree.claims[here]
        here = claims.moving_to or claims.parent
    return found


def _depth(tree: Tree, code: str) -> int:
    """Levels from a center down to the lowest below it."""
    return 1 + max((_depth(tree, child) for child in tree.children(code)), default=0)


def move_progress(center: Center, session: Session, child: str, parent: str) -> MoveProgress:
    """How far the move of ``child`` has come."""
    link = session.get(LinkRow, child)
    ours = link is not None and link.revoked_at is None
    return MoveProgress(
        parent=center.directory.tree.parent(child),
        wanted=parent,
        backlog=backlog(session, child) if ours else 0,
        oldest=oldest_unacked(session).get(child) if ours else None,
    )
