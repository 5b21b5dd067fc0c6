"""Centers change while things fly: one is merged into another, or comes under another parent.

Somebody above decides, as ``liandong rehome`` does; all the rest centers do by themselves. People and faults know
nothing of it. When all is repaired, whoever was to move has moved, and whoever was merged holds nothing any more.
"""

from random import Random
from typing import TYPE_CHECKING

from node.reach import Address, Reach
from node.rehoming import deciding, moving
from node.settings import settings_of
from node.trouble import EnrolmentRefused
from tests.sim.founding import COUNTY, NOWHERE, keys_of, link_key_of

if TYPE_CHECKING:
    from node.center import Center
    from tests.sim.machine import Machine
    from tests.sim.world import World

MOST = 3
"""Decisions in a run."""


class SimReach(Reach):
    """How a simulated center is reached: brokers are known by the codes of their centers."""

    def __init__(self, code: str, level: str) -> None:
        given = {"code": code, "level": level, "root_key": keys_of(COUNTY).signing.public}
        super().__init__(settings_of(NOWHERE, given, place="simulation"))

    def for_children(self) -> Address:
        """Where our children find us."""
        return Address("nats://127.0.0.1:4222", None)

    def link_key(self) -> str:
        """The public key with which we log in."""
        return link_key_of(self.settings.code)


class Decisions:
    """Decisions that somebody above takes: always the county, or always the parent of the one that it is about."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._by_the_root = random.random() < 0.6
        self.taken = 0

    def decide(self) -> None:
        """Merge two centers of one level, or give a center another parent."""
        if self.taken >= MOST:
            return
        everybody = self._world.machines.values()
        old = self._random.choice([machine for machine in everybody if machine.parent is not None])
        merge = self._random.random() < 0.5
        others = [each for each in everybody if each is not old and self._fits(each, old, merge=merge)]
        if not others:
            return
        new = self._random.choice(others)
        assert old.parent is not None
        decider = self._world.root if self._by_the_root else self._world.machines[old.parent]
        if self._merged_away(decider):
            return
        decision = deciding.merge if merge else deciding.move
        told = f"{old.code} {'into' if merge else 'under'} {new.code}"

        def work(center: "Center") -> None:
            try:
                decided = decision(center, old.code, new.code)
            except EnrolmentRefused as refused:
                self._world.trace.note(center.code, "rehoming refused", f"{told}: {refused}")
                return
            self.taken += decided
            self._world.trace.note(center.code, "fault", f"rehome {told}")

        self._world.actors.attempt(decider, f"rehome {told}", lambda: decider.act(work))

    def _merged_away(self, decider: "Machine") -> bool:
        """Whether it was itself merged and may not know: what it decides then is refused (docs/reliability.md)."""
        root = self._world.root.center
        return root is None or root.directory.tree.retired(decider.code)

    @staticmethod
    def _fits(new: "Machine", old: "Machine", *, merge: bool) -> bool:
        return new.level == old.level if merge else new.has_broker and new.code != old.parent


def unsettled(world: "World") -> str | None:
    """Who has not moved yet, or not given everything to its successor."""
    for machine in world.machines.values():
        assert machine.center is not None
        tree = machine.center.directory.tree
        wanted = moving.wanted_parent(tree, machine.code)
        if wanted is not None:
            return f"{machine.code} is to come under {wanted}"
        if machine.parent != tree.parent(machine.code):
            return f"{machine.code} goes over to {tree.parent(machine.code)}"
        held = machine.disk.raw.execute(_HELD, (machine.code,)).fetchone() if tree.retired(machine.code) else None
        if held:
            return f"{machine.code} was merged and holds {held}"
    return None


_HELD = """
SELECT id FROM cases WHERE holder = ? AND NOT EXISTS
(SELECT 1 FROM entries WHERE case_id = cases.id AND entries.seq = cases.seq AND kind = 'bounced')
"""
"""Cases of a center, but for those that came back from where it sent them: it waits an hour before it tries again."""


def everybody_knows(world: "World") -> str | None:
    """All have the same certificates."""
    query = "SELECT code, version, claims FROM certificates ORDER BY code, version"
    known = {machine.code: machine.disk.raw.execute(query).fetchall() for machine in world.machines.values()}
    for code, certificates in known.items():
        if certificates != known[world.root.code]:
            return f"{code} knows {len(certificates)} certificates, the county {len(known[world.root.code])}"
    return None
