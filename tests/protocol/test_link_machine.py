"""Two links over an adversarial wire: whatever happens, all messages arrive once and in order."""

import random
from collections.abc import Callable, Sized

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.messages import Lane
from tests.protocol.adversary import CODES, Side, World

SIZES = (1, 400, 30_000, 90_000, 140_000, 300_000)
"""From a note to a lone message that is larger than the window."""

sides = st.sampled_from(sorted(CODES))
places = st.integers(min_value=0, max_value=10**6)


def body(number: int, size: int) -> bytes:
    """A message that is like no other."""
    return f"{number} ".encode().ljust(size, b".")


class Faults(RuleBasedStateMachine):
    """The wire and the processes fail in every way; teardown checks that calm brings everything home."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.count = 0

    @initialize(linked=st.booleans())
    def begin(self, linked: bool) -> None:
        if linked:
            self.world.settle()

    @rule(name=sides, lane=st.sampled_from(Lane), sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=8))
    def queue(self, name: str, lane: Lane, sizes: list[int]) -> None:
        for size in sizes:
            self.count += 1
            self.world.queue(name, lane, body(self.count, size))

    @precondition(lambda self: any(side.wire for side in self.world.sides.values()))
    @rule(name=sides, place=places, times=st.integers(1, 8))
    def deliver(self, name: str, place: int, times: int) -> None:
        for _ in range(times):
            wire = self.world.sides[name].wire
            if wire:
                self.world.deliver(name, place % len(wire))

    @rule(name=sides, place=places)
    def drop(self, name: str, place: int) -> None:
        wire = self.world.sides[name].wire
        if wire:
            self.world.drop(name, place % len(wire))

    @rule(name=sides, place=places)
    def duplicate(self, name: str, place: int) -> None:
        wire = self.world.sides[name].wire
        if wire:
            self.world.duplicate(name, place % len(wire))

    @precondition(lambda self: any(side.jobs for side in self.world.sides.values()))
    @rule(name=sides, place=places, report=st.booleans(), times=st.integers(1, 4))
    def work(self, name: str, place: int, report: bool, times: int) -> None:
        for _ in range(times):
            jobs = self.world.sides[name].jobs
            if jobs:
                self.world.work(name, place % len(jobs))
            if report:
                self.report(name, place)

    @rule(name=sides, place=places)
    def fail(self, name: str, place: int) -> None:
        jobs = self.world.sides[name].jobs
        if jobs:
            self.world.fail(name, place % len(jobs))

    @rule(name=sides, place=places)
    def report(self, name: str, place: int) -> None:
        reports = self.world.sides[name].reports
        if reports:
            self.world.report(name, place % len(reports))

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 3.5, 11.0, 36.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(name=sides)
    def disconnect(self, name: str) -> None:
        self.world.disconnect(name)

    @rule(name=sides)
    def connect(self, name: str) -> None:
        self.world.connect(name)

    @rule(name=sides)
    def restart(self, name: str) -> None:
        self.world.restart(name)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @invariant()
    def holds(self) -> None:
        for side in self.world.sides.values():
            self.world.check(side)

    def teardown(self) -> None:
        self.world.calm()


Faults.TestCase.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_all_messages_arrive_once_and_in_order_whatever_the_wire_does = Faults.TestCase


Act = Callable[[World, str, int], None]

PLACED: list[tuple[Callable[[Side], Sized], Act]] = [
    (lambda side: side.wire, World.deliver),
    (lambda side: side.jobs, World.work),
    (lambda side: side.reports, World.report),
    (lambda side: side.wire, World.drop),
    (lambda side: side.wire, World.duplicate),
    (lambda side: side.jobs, World.fail),
]
"""Acts on one of several frames, jobs or reports."""
PLACED_WEIGHTS = (36, 25, 20, 2, 2, 2)
PLAIN: list[Callable[[World, str], None]] = [World.restart, World.disconnect, *[World.connect] * 3]


def walk(world: World, chance: random.Random, steps: int) -> None:
    """Faults and progress at random, mostly progress, mostly in order."""
    for step in range(steps):
        name = chance.choice(sorted(CODES))
        dice = chance.random()
        if dice < 0.88:
            (items, act) = chance.choices(PLACED, PLACED_WEIGHTS)[0]
            count = len(items(world.sides[name]))
            if count:
                act(world, name, 0 if chance.random() < 0.7 else chance.randrange(count))
        elif dice < 0.95:
            world.queue(name, chance.choice(list(Lane)), body(step, chance.choice(SIZES[:4])))
        elif dice < 0.99:
            world.advance(chance.choice([0.2, 1.0, 1.0, 4.0, 40.0]))
        else:
            chance.choice(PLAIN)(world, name)


@pytest.mark.parametrize("seed", range(100))
def test_a_long_bad_day_ends_well(seed: int) -> None:
    world = World()
    walk(world, random.Random(seed), 1000)
    world.calm()
    assert world.drained()
