"""The world of one seed: a county of machines, their people, what fails, and who watches.

Two phases, as in TigerBeetle's VOPR: in the first everything fails and only safety is watched; then all is repaired,
and within a bounded time everybody must agree.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog

from tests.sim import actors, faults, forgery, narrow, rehoming, rest, sticks, twin, versions
from tests.sim.custody import Violation
from tests.sim.disk import Disk
from tests.sim.founding import draw_shape, founded, keys_of
from tests.sim.loop import SimLoop
from tests.sim.machine import Machine
from tests.sim.network import Network
from tests.sim.oracle import Oracle
from tests.sim.profiles import Profile
from tests.sim.trace import Trace

HEALED_WITHIN = 600.0
"""Virtual seconds after the repair within which everybody agrees: several times the longest patience of a link."""
HEALED_EVENTS = 20_000
"""What may happen until then; a county that agrees needs some hundred, its largest some thousand."""
LOOK_S = 2.0
"""Between two looks at whether everybody agrees."""


@dataclass(frozen=True)
class Result:
    """How a seed ended.

    Attributes:
        failure: what was wrong; None where all held.
        healed_after: virtual seconds from the repair until everybody agreed.
    """

    seed: int
    failure: str | None
    digest: str
    events: int
    virtual_seconds: float
    healed_after: float
    cases: int
    centers: int


class World:
    """One seed's world."""

    def __init__(self, seed: int, profile: Profile) -> None:
        self.seed = seed
        self.profile = profile
        self.failure: str | None = None
        self.healing = False
        self.leapt = 0.0
        self._nap = Random(f"{seed} nap")
        self.random = Random(f"{seed} world")
        self.loop = SimLoop(self._draw_nap, self._uncaught)
        shape = draw_shape(self.random, profile.draw_size(self.random))
        self.names = {each.code: each.name for each in shape.plan}
        self.trace = Trace(self.loop.time, self.names)
        self.forger = forgery.Forger(Random(f"{seed} forger"), self.trace, list(shape.codes))
        self.network = Network(self.loop, Random(f"{seed} network"), self.trace, self.forger.on_frame)
        self.machines: dict[str, Machine] = {}
        self.twins: list[twin.Twin] = []
        images = founded(shape)
        for slot, each in enumerate(shape.plan):
            self.network.add(each.code, each.parent)
            disk = Disk(slot, images[each.code])
            self.machines[each.code] = Machine(self, each.code, each.level, each.parent, disk)
        self.keys = {each.code: [keys_of(each.code).signing.public] for each in shape.plan}
        self.oracle = Oracle(self)
        self.slow = self.random.random() < profile.slow_disks
        self.actors = actors.Actors(self, Random(f"{seed} actors"))
        self.futures = versions.Futures(self, Random(f"{seed} futures"))
        self.decisions = rehoming.Decisions(self, Random(f"{seed} decisions"))
        self.limits = narrow.draw_limits(Random(f"{seed} limits"))
        self.sticks = sticks.Sticks(self, Random(f"{seed} sticks"))
        self.faults = faults.Faults(self, Random(f"{seed} faults"))

    # --- the run -----------------------------------------------------------------------------------

    def run(self) -> Result:
        """Both phases; never raises, says what was wrong."""
        structlog.configure(processors=[self._logged], cache_logger_on_first_use=False)
        narrow.set_limits(self.limits)
        for machine in self.machines.values():
            machine.start()
        length = self.random.uniform(*self.profile.seconds)
        self.actors.begin(length)
        self.faults.begin(length)
        self.loop.run_until(length, self._failed)
        healed_after = 0.0
        if self.failure is None:
            healed_after = self._heal()
        if self.failure is None:
            self._check_at_rest()
        result = Result(
            self.seed,
            self.failure,
            self.trace.digest(),
            self.trace.count,
            self.loop.time(),
            healed_after,
            len(self.oracle.logs),
            len(self.machines),
        )
        self._end()
        return result

    def _heal(self) -> float:
        """Repair everything and wait until everybody agrees."""
        begun, events = self.loop.time(), self.trace.count
        self.healing = True
        self.trace.note("", "heal")
        self.faults.repair()
        calm = 0

        def stopped() -> bool:
            return self.failure is not None or self.trace.count > events + HEALED_EVENTS

        while not stopped() and self.loop.time() < begun + HEALED_WITHIN:
            self.loop.run_until(self.loop.time() + LOOK_S, stopped)
            restless = rest.restless(self)
            calm = calm + 1 if restless is None else 0
            if calm == 2:
                return self.loop.time() - begun
        if self.failure is None:
            after = f"{self.loop.time() - begun:.0f} s and {self.trace.count - events} events after the repair"
            self.fail(f"not at rest {after}: {rest.restless(self)}")
        return self.loop.time() - begun

    def _check_at_rest(self) -> None:
        try:
            self.oracle.settle()
        except Violation as violation:
            self.fail(f"at rest: {violation}")
            return
        for check in rest.CHECKS:
            found = check(self)
            if found is not None:
                self.fail(f"at rest: {check.__name__}: {found}")
                return

    def _end(self) -> None:
        for machine in [*self.machines.values(), *self.twins]:
            machine.crash("end")
        self.loop.close()
        self.sticks.end()

    # --- what the parts tell the world ---------------------------------------------------------------

    def fail(self, reason: str) -> None:
        """Something that may never be; the first one counts."""
        if self.failure is None:
            self.failure = reason
            self.trace.note("", "FAILURE", reason)

    def _failed(self) -> bool:
        return self.failure is not None

    def _uncaught(self, where: str, error: BaseException | None) -> None:
        self.fail(f"{where}: {error!r}")

    def calendar(self) -> float:
        """Seconds since the beginning on everybody's calendar: virtual time, and the days that were left out."""
        return self.loop.time() + self.leapt

    @property
    def root(self) -> Machine:
        """The county."""
        return next(iter(self.machines.values()))

    def has_children(self, code: str) -> bool:
        """Whether a center has children."""
        return any(machine.parent == code for machine in self.machines.values())

    def committed(self, machine: Machine) -> None:
        """A database has committed."""
        self.trace.note(machine.name, "commit", str(machine.disk.changes()))
        if self.failure is None:
            try:
                self.oracle.committed(machine)
            except Violation as violation:
                self.fail(str(violation))

    def restart_later(self, machine: Machine) -> None:
        """Start a machine's process again in a while."""
        delay = self.random.uniform(0.2, 1.0 if self.healing else self.profile.down_seconds)

        def start() -> None:
            if not machine.running and not machine.absent:
                machine.start()

        self.loop.call_later(delay, start)

    def _draw_nap(self) -> float:
        """How long work waits for a thread: usually no time, on a bad disk now and then a second."""
        if self.slow and not self.healing and self._nap.random() < 0.02:
            return self._nap.uniform(0.1, 3.0)
        return self._nap.uniform(0.0, 0.004)

    def _logged(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Every line that the real code logs."""
        told = " ".join(f"{name}={value}" for name, value in event.items() if name not in {"event", "exc_info"})
        self.trace.note("", f"log {event['event']}", told)
        unexpected = rest.unexpected(event, self.profile, carried=self.sticks.carried)
        if unexpected is not None:
            self.fail(unexpected)
        raise structlog.DropEvent
