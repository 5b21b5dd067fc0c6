"""The board: what this center knows of its subtree now, center by center and summed up.

It reads one row of each center and nothing of any case (but the headers of open high-grade ones, at most
``HIGH_MAX``), so that it costs the same with ten thousand and a million cases.

A center that was revoked, or stands below one that was, is *cut off*: its last row counts (why, says
``node.status.reporting``) and can be looked at, but it is neither missing nor does it make a total old.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.access import visible
from node.cases.tables import CaseRow
from node.center import Center
from node.federation.tables import LinkRow
from node.status.counters import read_counters
from node.status.reporting import own_row
from node.status.tables import CounterRow
from protocol.centers import Tree
from protocol.codes import Grade
from protocol.link import State
from protocol.status import Counters, merge

STALE_AFTER = timedelta(minutes=3)
"""A row older than this is stale: its center reports every minute, so two reports are missing, and one may still
be on its way through the levels between."""

HIGH_MAX = 200
"""Headers of open high-grade cases that one board shows."""


@dataclass(frozen=True)
class Part:
    """One center as last heard of.

    Attributes:
        as_of: when it told this; None where it has never reported.
        counters: its own counters.
        backlog: messages that its parent's database did not hold then.
    """

    as_of: datetime | None = None
    counters: Counters = field(default_factory=dict)
    backlog: int = 0


@dataclass(frozen=True)
class High:
    """The header of an open high-grade case: no party, no free text, no title."""

    id: str
    number: str
    display_number: str
    category: str
    grade: str
    status: str
    origin: str
    holder: str | None
    in_transit_to: str | None
    deadline: datetime | None
    overdue: bool
    joint: bool
    supervised: bool
    registered_at: datetime


class Board:
    """The parts of a center's subtree, as of one instant.

    Args:
        me: our code.
        tree: the federation.
        parts: what we know, by code.
        linked: our children whose links are up.
        now: the instant.
    """

    def __init__(self, me: str, tree: Tree, parts: Mapping[str, Part], linked: frozenset[str], now: datetime) -> None:
        self.me = me
        self.now = now
        self._tree = tree
        self._parts = parts
        self._linked = linked
        self._children: dict[str, list[str]] = defaultdict(list)
        for code, claims in sorted(tree.claims.items()):
            if claims.parent is not None:
                self._children[claims.parent].append(code)

    def has(self, code: str) -> bool:
        """Whether this center is ours or below us, cut off or not."""
        return code == self.me or (code in self._tree.claims and self._tree.is_ancestor(self.me, code))

    def children(self, code: str) -> list[str]:
        """The children, revoked ones as long as something of theirs counts."""
        return [
            child
            for child in self._children.get(code, [])
            if self._tree.known(child) or any(one in self._parts for one in self.subtree(child))
        ]

    def subtree(self, code: str) -> list[str]:
        """A center and all below it, also those cut off, parents before their children."""
        found = [code]
        for child in self._children.get(code, []):
            found += self.subtree(child)
        return found

    def part(self, code: str) -> Part:
        """One center's own part; an empty one where it has never reported."""
        return self._parts.get(code, Part())

    def total(self, code: str) -> dict[str, int]:
        """Counters of a center and all below it."""
        return merge(self.part(one).counters for one in self.subtree(code))

    def oldest(self, code: str) -> datetime | None:
        """As of when the oldest part of a total is; None where nobody has reported."""
        known = [self.part(one).as_of for one in self._taking_part(code)]
        return min((as_of for as_of in known if as_of is not None), default=None)

    def missing(self, code: str) -> list[str]:
        """Who takes part in a total and has never reported."""
        return [one for one in self._taking_part(code) if one not in self._parts]

    def stale(self, code: str) -> bool:
        """Whether a center's part is too old to be relied on."""
        as_of = self.part(code).as_of
        return as_of is None or self.now - as_of > STALE_AFTER

    def online(self, code: str) -> bool | None:
        """Whether a center is there now: our children by their links, those below by the age of their rows.

        None: a grandchild has fallen silent, and whether it, or a link between, is down, we can't know.
        """
        if code == self.me:
            return True
        if self._tree.parent(code) == self.me:
            return code in self._linked
        return None if self.stale(code) else True

    def revoked(self, code: str) -> bool:
        """Whether a center takes part no more."""
        return not self._tree.known(code)

    def _taking_part(self, code: str) -> list[str]:
        line = [code, *self._tree.ancestors(code)]
        if any(self.revoked(one) for one in line[: line.index(self.me)]):
            return []
        return [code, *self._tree.descendants(code)]


def read_board(session: Session, center: Center, now: datetime) -> Board:
    """The board of this center."""
    tree = center.directory.tree
    rows = select(CounterRow.code, CounterRow.as_of, CounterRow.counters, CounterRow.backlog)
    parts = {
        code: Part(as_of, read_counters(text), backlog)
        for code, as_of, text, backlog in session.execute(rows.where(CounterRow.code != center.code))
        if tree.is_ancestor(center.code, code)
    }
    own = own_row(session, center, now)
    parts[center.code] = Part(own.as_of, own.counters, own.backlog)
    up = select(LinkRow.peer).where(LinkRow.direction == "down", LinkRow.state == State.LINKED)
    linked = frozenset(session.scalars(up.where(LinkRow.revoked_at.is_(None))))
    return Board(center.code, tree, parts, linked, now)


def read_high(session: Session, holders: list[str], now: datetime) -> list[High]:
    """Headers of the open high-grade cases that these centers hold or are about to get, newest first."""
    rows = session.execute(
        select(
            CaseRow.id,
            CaseRow.number,
            CaseRow.display_number,
            CaseRow.category,
            CaseRow.grade,
            CaseRow.status,
            CaseRow.origin,
            CaseRow.holder,
            CaseRow.in_transit_to,
            CaseRow.deadline,
            CaseRow.joint,
            CaseRow.supervised,
            CaseRow.registered_at,
        )
        .where(
            visible(now),
            CaseRow.grade == Grade.HIGH,
            CaseRow.ended.is_(False),
            or_(CaseRow.holder.in_(holders), CaseRow.in_transit_to.in_(holders)),
        )
        .order_by(CaseRow.registered_at.desc(), CaseRow.id.desc())
        .limit(HIGH_MAX)
    )
    return [High(**row._asdict(), overdue=row.deadline is not None and row.deadline < now) for row in rows]
