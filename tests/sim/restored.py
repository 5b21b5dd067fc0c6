"""What the oracle demands of cases that a database has forgotten: a center went back in time, or lost everything.

A restored center may write where it had written already, before it learns what happened; others may believe it for a
while. So as long as a case is shaken, only signatures are watched. At rest everything must be whole again: one holder,
one log everywhere by the oracle's own rules, and whatever another database held when it happened stands in that log, or
is kept as what had to give way. Only what never left the restored database may be gone.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World


@dataclass(slots=True)
class Shaken:
    """A case whose log somebody has forgotten in part.

    Attributes:
        kept: signatures of the entries that another database held when it happened.
        viewed: those that somebody held who had broken the glass; they are purged when the view is over.
        left: whether the center itself still has the case.
    """

    kept: set[str] = field(default_factory=set)
    viewed: set[str] = field(default_factory=set)
    left: bool = True


class Restored:
    """Which centers went back in time, and what is shaken by it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.centers: set[str] = set()
        self.cases: dict[str, Shaken] = {}

    def happens_to(self, machine: "Machine", image: bytes | None, also: set[str]) -> None:
        """A machine's disk becomes what an older copy holds, or another one with its identity is gone.

        Args:
            machine: the machine.
            image: the copy; None where its own disk stays.
            also: cases that the other one had.
        """
        forgotten = cases_of(machine) | also
        if image is not None:
            machine.disk.restore(image)
        left = cases_of(machine)
        self.shake(machine, forgotten | left)
        for case_id in forgotten | left:
            self.cases[case_id].left = case_id in left

    def shake(self, machine: "Machine", case_ids: set[str]) -> None:
        """From now on nobody can be sure of what this center says of these cases."""
        self.centers.add(machine.code)
        for case_id in case_ids:
            shaken = self.cases.setdefault(case_id, Shaken())
            shaken.kept &= _signatures(machine, case_id)  # what two centers forgot, one after the other, may be gone
            shaken.viewed &= _signatures(machine, case_id)
            for other in self._world.machines.values():
                if other is not machine:
                    known = shaken.viewed if _views(other, case_id) else shaken.kept
                    known |= _signatures(other, case_id)

    def concerns(self, *codes: str) -> bool:
        """Whether one of these centers went back in time: positions of their links may do so, too."""
        return not self.centers.isdisjoint(code.partition("#")[0] for code in codes)

    def forgot_together(self, machine: "Machine") -> bool:
        """Whether a center and its parent both went back in time: then nobody shows it, and old days may stay told.

        A gap of the product, which docs/simulation.md names.
        """
        return {machine.code, machine.parent} <= self.centers

    def gone(self, case_id: str) -> bool:
        """Whether this case may be lost, and is: no database knows it."""
        shaken = self.cases.get(case_id)
        return shaken is not None and not (shaken.left or self._kept(shaken) or self.holders(case_id))

    def _kept(self, shaken: Shaken) -> set[str]:
        """What others kept; what they viewed also, where no view can be over by now."""
        days_passed = self._world.leapt or "clock" in self._world.faults.struck
        return shaken.kept if days_passed else shaken.kept | shaken.viewed

    def holders(self, case_id: str) -> list[str]:
        """Everybody who believes to hold a case."""
        query = "SELECT 1 FROM cases WHERE id = ? AND holder = ? AND state IS NOT NULL"
        machines = self._world.machines.values()
        return [each.code for each in machines if each.disk.raw.execute(query, (case_id, each.code)).fetchone()]

    def missing(self, case_id: str) -> str | None:
        """What others held of a case when it happened, and nobody has any more."""
        found: set[str] = set()
        for machine in self._world.machines.values():
            found |= _signatures(machine, case_id)
        lost = self._kept(self.cases[case_id]) - found
        return f"{len(lost)} entries of case {case_id[:8]} that others held are gone" if lost else None


def cases_of(machine: "Machine") -> set[str]:
    """Cases of which a database holds entries."""
    return {row[0] for row in machine.disk.raw.execute("SELECT DISTINCT case_id FROM entries")}


def _views(machine: "Machine", case_id: str) -> bool:
    """Whether a database has a case only since somebody broke the glass."""
    query = "SELECT 1 FROM cases WHERE id = ? AND access = 'viewed'"
    return machine.disk.raw.execute(query, (case_id,)).fetchone() is not None


def _signatures(machine: "Machine", case_id: str) -> set[str]:
    """Entries of a case that a database holds, also those that it keeps as what had to give way."""
    query = "SELECT signature FROM entries WHERE case_id = ? UNION SELECT signature FROM lost_entries WHERE case_id = ?"
    return {row[0] for row in machine.disk.raw.execute(query, (case_id, case_id))}
