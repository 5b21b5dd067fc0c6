"""Two links over an adversarial wire: whatever happens, all messages arrive once and in order."""

import random
from collections.abc import Callable, Sized

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.link import State
from protocol.messages import Lane
from tests.protocol.adversary import CODES, Side, World

SIZES = (1, 400, 30_000, 90_000, 140_000, 300_000)
"""From a note to a lone message that is larger than the window."""

sides = st.sampled_from(sorted(CODES))
places = st.integers(min_value=0, max_value=10**6)


def body(number: int, size: int) -> bytes:
    """A message that is like no other."""
    return f"{number} ".encode().ljust(size, b".")


Act = Callable[[World, str, int], None]
"""Something done to one of several frames, jobs or reports of a side."""


class Faults(RuleBasedStateMachine):
    """The wire and the processes fail in every way; teardown checks that calm brings everything home."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.count = 0

    @rule(name=sides, lane=st.sampled_from(Lane), sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=6))
    def queue(self, name: str, lane: Lane, sizes: list[int]) -> None:
        for size in sizes:
            self.count += 1
            self.world.queue(name, lane, body(self.count, size))

    @rule(name=sides, place=places, times=st.integers(1, 6))
    def deliver(self, name: str, place: int, times: int) -> None:
        for _ in range(times):
            self._act(World.deliver, name, self.world.sides[name].wire, place)

    @rule(name=sides, place=places, times=st.integers(1, 4), report=st.booleans())
    def work(self, name: str, place: int, times: int, report: bool) -> None:
        for _ in range(times):
            self._act(World.work, name, self.world.sides[name].jobs, place)
            if report:
                self._act(World.report, name, self.world.sides[name].reports, place)

    @rule(steps=st.integers(1, 30))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            for name, side in self.world.sides.items():
                self._act(World.work, name, side.jobs, 0)
                self._act(World.report, name, side.reports, 0)
                self._act(World.deliver, name, side.wire, 0)

    @rule(name=sides, place=places, lose=st.booleans())
    def lose_or_repeat(self, name: str, place: int, lose: bool) -> None:
        self._act(World.drop if lose else World.duplicate, name, self.world.sides[name].wire, place)

    @rule(name=sides, place=places)
    def fail(self, name: str, place: int) -> None:
        self._act(World.fail, name, self.world.sides[name].jobs, place)

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 3.5, 11.0, 36.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(name=sides, event=st.sampled_from([World.restart, World.disconnect, World.connect]))
    def upset(self, name: str, event: Callable[[World, str], None]) -> None:
        event(self.world, name)

    def _act(self, act: Act, name: str, items: Sized, place: int) -> None:
        if len(items):
            act(self.world, name, place % len(items))

    @invariant()
    def holds(self) -> None:
        for side in self.world.sides.values():
            self.world.check(side)

    def teardown(self) -> None:
        self.world.calm()


Faults.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_all_messages_arrive_once_and_in_order_whatever_the_wire_does = Faults.TestCase


PLACED: list[tuple[Callable[[Side], Sized], Act]] = [
    (lambda side: side.wire, World.deliver),
    (lambda side: side.jobs, World.work),
    (lambda side: side.reports, World.report),
    (lambda side: side.wire, World.drop),
    (lambda side: side.wire, World.duplicate),
    (lambda side: side.jobs, World.fail),
]
PLACED_WEIGHTS = (36, 25, 20, 2, 2, 2)
UPSETS: list[Callable[[World, str], None]] = [World.restart, World.disconnect, World.connect]


def walk(world: World, chance: random.Random, steps: int) -> None:
    """Faults and progress at random, mostly progress; every walk has its own weather."""
    weights = [weight * chance.choice([0.3, 1, 3]) for weight in PLACED_WEIGHTS]
    in_order = chance.choice([0.3, 0.7, 0.95])
    upset = chance.choice([0.001, 0.003, 0.01])
    for step in range(steps):
        name = chance.choice(sorted(CODES))
        dice = chance.random()
        if dice < upset:
            chance.choice(UPSETS)(world, name)
        elif dice < 0.05 and world.sides[name].link.state is State.OFFLINE:
            world.connect(name)
        elif dice < 0.07:
            world.advance(40.0 if chance.random() < 0.03 else chance.choice([0.1, 0.5, 1.0, 2.0, 4.0]))
        elif dice < 0.12:
            world.queue(name, chance.choice(list(Lane)), body(step, chance.choice(SIZES[:4])))
        else:
            (items, act) = chance.choices(PLACED, weights)[0]
            count = len(items(world.sides[name]))
            if count:
                act(world, name, 0 if chance.random() < in_order else chance.randrange(count))


@pytest.mark.parametrize("seed", range(150))
def test_a_long_bad_day_ends_well(seed: int) -> None:
    world = World()
    walk(world, random.Random(seed), 1500)
    world.calm()
    assert world.drained()
