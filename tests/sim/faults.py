"""What fails. Each seed draws some kinds of faults and how often they strike; each fault ends by itself or is repaired.

Weather stays on a way for a while; wires are cut and come back; processes die anywhere; disks fill; clocks jump.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from tests.sim import twin
from tests.sim.losing import Loss
from tests.sim.network import Weather
from tests.sim.profiles import WEATHER
from tests.sim.versions import Said

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

DAY = 86_400.0
LEFT_OUT_MAX = 60
"""Days that calendars leave out at most: what is purged after 90 days is all there."""
POINTS = ("before commit", "after commit", "before publish", "after publish")


class Faults:
    """The faults of one world."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._until = 0.0
        self._kinds: list[str] = []
        self._rate = 0.0
        self.struck: dict[str, int] = {}
        self._faults: dict[str, Callable[[], None]] = {
            "cut": self._cut,
            "all_cut": self._all_cut,
            "silence": self._silence,
            "one_way": self._one_way,
            "broker": self._broker,
            "crash": self._crash,
            "crash_at_point": self._crash_at_point,
            "away": self._away,
            "stick": world.sticks.carry,
            "disk_full": self._disk_full,
            "clock": self._clock,
            "versions": self._new_type,
            "rollback": self._rollback,
            "lost": self._lose,
            "clone": self._clone,
            "rehome": world.decisions.decide,
        }

    def begin(self, length: float) -> None:
        """Strike for so many virtual seconds."""
        always = self._world.profile.always
        possible = sorted(self._world.profile.faults)
        self._kinds = [kind for kind in possible if self._random.random() < 0.5 or kind in always]
        self._until = length
        self._rate = self._random.uniform(0.1, 1.0)
        self._world.trace.note("", "faults", " ".join(self._kinds))
        if "versions" in self._kinds:
            self._mixed_versions()
        for kind in sorted(always):
            self._later((0.1 * length, 0.6 * length), lambda kind=kind: self._strike_with(kind))  # type: ignore[misc]
        if self._kinds:
            self._next()

    def _next(self) -> None:
        delay = self._random.expovariate(self._rate)
        if self._world.loop.time() + delay < self._until:
            self._world.loop.call_later(delay, self._strike)

    def _strike(self) -> None:
        self._next()
        self._strike_with(self._random.choice(self._kinds))

    def _strike_with(self, kind: str) -> None:
        self.struck[kind] = self.struck.get(kind, 0) + 1
        if kind in WEATHER:
            self._weather(kind)
        else:
            self._faults[kind]()

    def repair(self) -> None:
        """Make everything whole, wires one by one in a random order."""
        world = self._world
        for second in list(world.twins):
            twin.end(world, second)
        ways = list(world.network.ways.values())
        self._random.shuffle(ways)
        for way in ways:
            world.loop.call_later(self._random.uniform(0.0, 5.0), way.weather.clear)
        for machine in world.machines.values():
            machine.fuses.clear()
            machine.clock.wrong_by = timedelta(0)
            machine.full = False
            machine.disk.free()
            if "versions" in self._kinds and not machine.newer:
                self._upgrade(machine)
            if not machine.running:
                world.restart_later(machine)
            elif not machine.hub.running:
                machine.hub.start()

    def _mixed_versions(self) -> None:
        """Some centers run the newer version from the start."""
        for machine in self._world.machines.values():
            if self._random.random() < 0.4:
                self._upgrade(machine)

    def _upgrade(self, machine: "Machine") -> None:
        machine.newer = True
        self.note(machine.code, "upgraded")
        if machine.running:
            machine.crash("upgrade")
            self._world.restart_later(machine)

    # --- helpers -----------------------------------------------------------------------------------

    def _machine(self) -> "Machine":
        return self._random.choice(list(self._world.machines.values()))

    def _weathers(self) -> list[Weather]:
        """Of one way, or of all."""
        ways = [way.weather for way in self._world.network.ways.values()]
        return ways if self._random.random() < 0.2 else [self._random.choice(ways)]

    def _later(self, seconds: tuple[float, float], action: Callable[[], None]) -> None:
        """Do something later, unless the repair came first."""

        def act() -> None:
            if not self._world.healing:
                action()

        self._world.loop.call_later(self._random.uniform(*seconds), act)

    def note(self, who: str, what: str) -> None:
        """Write into the trace."""
        self._world.trace.note(who, "fault", what)

    # --- faults ------------------------------------------------------------------------------------

    def _weather(self, kind: str) -> None:
        chance = self._random.choice([0.02, 0.1, 0.3, 0.6])
        self.note("", f"weather: {kind} {chance}")
        for weather in self._weathers():
            setattr(weather, kind, chance)
            self._later((2.0, 20.0), lambda weather=weather: setattr(weather, kind, 0.0))  # type: ignore[misc]

    def _cut(self) -> None:
        """A wire breaks; both ends know."""
        way = self._random.choice(list(self._world.network.ways.values()))
        self._break(way.code)
        self._later((1.0, 25.0), lambda: setattr(way.weather, "open", True))

    def _break(self, code: str) -> None:
        self.note(code, "cut off")
        network = self._world.network
        network.ways[code].weather.open = False
        for hub in network.hubs.values():
            for client in list(hub.clients):
                if client.way == code:
                    client.lose("cut")

    def _all_cut(self) -> None:
        """All wires break one by one, and come back one by one in another order."""
        for way in self._world.network.ways.values():
            self._later((0.0, 3.0), lambda way=way: self._break(way.code))  # type: ignore[misc]
            self._later((3.1, 20.0), lambda way=way: setattr(way.weather, "open", True))  # type: ignore[misc]

    def _silence(self) -> None:
        """Nothing gets through, and nobody is told."""
        for weather in self._weathers():
            weather.inward = weather.outward = False
            self._later((1.0, 50.0), lambda weather=weather: _open(weather))  # type: ignore[misc]
        self.note("", "silence")

    def _one_way(self) -> None:
        """Frames get through in one direction only."""
        direction = self._random.choice(["inward", "outward"])
        for weather in self._weathers():
            setattr(weather, direction, False)
            self._later((1.0, 50.0), lambda weather=weather: _open(weather))  # type: ignore[misc]
        self.note("", f"nothing {direction}")

    def _broker(self) -> None:
        """A broker dies and comes back empty."""
        hub = self._machine().hub
        if hub.running:
            self.note(hub.code, "broker dies")
            hub.stop()
            self._later((0.1, 10.0), lambda: None if hub.running else hub.start())

    def _new_type(self) -> None:
        """A newer center uses what only it has; or one more center is upgraded."""
        newer = [machine for machine in self._world.machines.values() if machine.newer and machine.running]
        if not newer or self._random.random() < 0.15:
            self._upgrade(self._machine())
        else:
            machine = self._random.choice(newer)
            said: list[Said] = []
            self._world.actors.attempt(machine, "new type", lambda: said.append(self._world.futures.send(machine)))
            if said and said[0].after is not None and self._random.random() < 0.8:
                assert said[0].subject is not None
                self._world.actors.give(machine, said[0].subject, said[0].destination)

    def _crash(self) -> None:
        machine = self._machine()
        if machine.running:
            machine.crash("killed", with_broker=self._random.random() < 0.5)
            self._world.restart_later(machine)

    def _away(self) -> None:
        """A center is switched off for days or weeks; of its absence we play some seconds, calendars go on by all."""
        machine = self._machine()
        if not machine.running:
            return
        machine.crash("switched off for long", with_broker=True)
        self._later((2.0, 15.0), lambda: self._come_back(machine))

    def _come_back(self, machine: "Machine") -> None:
        days = min(self._random.choice([1, 3, 30]), LEFT_OUT_MAX - self._world.leapt / DAY)
        self._world.leapt += max(days, 0.0) * DAY
        self.note(machine.code, f"back after {days} days")
        self._world.restart_later(machine)

    def _rollback(self) -> None:
        """Somebody copies a database, and some time later puts the copy in its place."""
        machine = self._machine()
        if machine.absent:
            return
        image = machine.disk.image()
        self.note(machine.code, "copied")
        self._later((2.0, 12.0), lambda: self.roll_back(machine, image))

    def _lose(self) -> None:
        """A center loses everything; once in a run, so that not all are lost who know of a case."""
        machine = self._machine()
        if self.struck["lost"] == 1 and machine.parent is not None:
            Loss(self._world, machine).begin()

    def _clone(self) -> None:
        """A second process with the same identity, on a copy of the database; once in a run."""
        machine = self._machine()
        if self.struck["clone"] == 1 and machine.running:
            second = twin.begin(self._world, machine)
            self._later((3.0, 15.0), lambda: twin.end(self._world, second))

    def roll_back(self, machine: "Machine", image: bytes) -> None:
        """Put an older copy of its database in the place of a center's."""
        if machine.absent or "lost" in self.struck:  # a copy from before it joined anew has other keys
            return
        machine.crash("its database goes back in time")
        self.note(machine.code, "rolled back")
        self._world.oracle.forget(machine, image)
        self._world.restart_later(machine)

    def _crash_at_point(self) -> None:
        """The next time, or soon, that it commits or publishes, it dies just before or after."""
        machine = self._machine()
        machine.fuses[self._random.choice(POINTS)] = self._random.choice([0, 0, 1, 2, 5, 10])

    def _disk_full(self) -> None:
        machine = self._machine()
        self.note(machine.code, "disk full")
        machine.full = True
        machine.disk.fill()
        self._later((1.0, 15.0), machine.disk.free)

    def _clock(self) -> None:
        """A clock jumps, by seconds or days, forward or back."""
        machine = self._machine()
        span = self._random.choice([1.0, 120.0, 86_400.0, 86_400.0 * 20])
        machine.clock.wrong_by = timedelta(seconds=self._random.uniform(-span, span))
        self.note(machine.code, f"clock wrong by {machine.clock.wrong_by}")
        self._later((1.0, 30.0), lambda: setattr(machine.clock, "wrong_by", timedelta(0)))


def _open(weather: Weather) -> None:
    weather.inward = weather.outward = True
