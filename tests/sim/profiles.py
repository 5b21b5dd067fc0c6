"""Profiles: how large the counties are, how long they run, and what may fail there."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Profile:
    """What kind of world.

    Attributes:
        most: centers at most; most seeds have few.
        seconds: virtual seconds of the first phase.
        acts: acts of people per virtual second in the whole county.
        faults: kinds of faults that may strike; each seed takes some of them.
        always: those that every seed takes.
        down_seconds: how long a crashed center stays down at most.
        slow_disks: how many of the seeds have slow disks.
        moving: how eagerly people move cases.
        sizes: how many centers most seeds have.
        registering: how many of all acts are registrations; each seed takes one.
        joint: how eagerly people mediate jointly.
    """

    name: str
    most: int = 20
    seconds: tuple[float, float] = (5.0, 20.0)
    acts: tuple[float, float] = (0.8, 4.0)
    faults: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    down_seconds: float = 20.0
    slow_disks: float = 0.3
    moving: float = 1.0
    sizes: tuple[int, ...] = (2, 3, 3, 4, 4, 5)
    registering: tuple[float, ...] = (0.04, 0.1, 0.25)
    joint: float = 1.0

    def draw_size(self, random: Random) -> int:
        """How many centers: a few, now and then many."""
        return random.randint(6, self.most) if random.random() < 0.04 else random.choice(self.sizes)


WEATHER = frozenset({"drop", "duplicate", "reorder", "slow", "corrupt", "forge"})
WIRES = frozenset({"cut", "silence", "one_way", "all_cut", "broker", "stick"})
MACHINES = frozenset({"crash", "crash_at_point", "disk_full", "clock", "away"})
RESTORED = frozenset({"rollback"})
LOST = frozenset({"lost"})
TWINS = frozenset({"clone"})
VERSIONS = frozenset({"versions"})
CHANGES = frozenset({"rehome"})

PROFILES = {
    "calm": Profile("calm"),
    "default": Profile("default", faults=WEATHER | WIRES | MACHINES),
    "restored": Profile("restored", faults=WEATHER | WIRES | MACHINES | RESTORED, always=RESTORED),
    "lost": Profile("lost", faults=WEATHER | WIRES | MACHINES | LOST, always=LOST),
    "twins": Profile("twins", faults=WEATHER | WIRES | MACHINES | TWINS, always=TWINS),
    "mixed": Profile("mixed", faults=WEATHER | WIRES | MACHINES | VERSIONS, always=VERSIONS),
    "crowded": Profile(
        "crowded",
        acts=(4.0, 8.0),
        faults=WEATHER | WIRES,
        always=frozenset({"slow"}),
        moving=2.0,
        sizes=(3, 3, 4),
        registering=(0.02,),
        joint=4.0,
    ),
    "rehomed": Profile("rehomed", faults=WEATHER | WIRES | MACHINES | CHANGES, always=CHANGES, sizes=(3, 4, 5, 6, 7)),
}

SHARES = {
    "default": 48,
    "mixed": 12,
    "restored": 4,
    "lost": 4,
    "rehomed": 4,
    "calm": 4,
    "twins": 3,
    "crowded": 1,
}
"""How often each profile is drawn where a seed draws it."""


def drawn(seed: int) -> str:
    """The profile that a seed draws."""
    return Random(f"{seed} profile").choices(list(SHARES), list(SHARES.values()))[0]
