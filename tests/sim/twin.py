"""Somebody starts a second process with a center's identity, on a copy of its database.

For as long as both live, either may be believed. Then one of the two is switched off for good, and what only it knew is
gone; the other goes on as a center whose neighbours know more of it than it does.
"""

from typing import TYPE_CHECKING

from tests.sim.disk import Disk
from tests.sim.machine import Machine
from tests.sim.network import Hub
from tests.sim.restored import cases_of

if TYPE_CHECKING:
    from tests.sim.world import World

SLOT = 100
"""The engine of the twin's disk."""


class Twin(Machine):
    """The second machine of a center. No child ever finds its broker."""

    def __init__(self, world: "World", first: Machine) -> None:
        super().__init__(world, first.code, first.level, first.parent, Disk(SLOT, first.disk.image()))
        self.name = f"{first.code}+"
        self.keys = first.keys
        self.newer = first.newer
        self._own_hub = Hub(world.network, first.code)

    @property
    def hub(self) -> Hub:
        """A broker that nobody knows."""
        return self._own_hub


def begin(world: "World", first: Machine) -> Twin:
    """Start a second one."""
    twin = Twin(world, first)
    world.trace.note(first.code, "fault", "a twin is started")
    world.twins.append(twin)
    world.oracle.shake(first)
    twin.start()
    return twin


def end(world: "World", twin: Twin) -> None:
    """Switch one of the two off for good, the twin or the first one."""
    if twin not in world.twins:
        return
    first = world.machines[twin.code]
    world.trace.note(twin.code, "fault", "one of the twins is switched off")
    world.twins.remove(twin)
    twin.crash("switched off")
    only_there = cases_of(twin)
    if world.random.random() < 0.5:
        first.crash("switched off, its twin goes on in its place")
        world.oracle.forget(first, twin.disk.image())
        world.restart_later(first)
    else:
        world.oracle.forget(first, None, also=only_there)
