"""Centers die at named points, again and again, several at a time, while people work on."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.points import Death, Point, Side
from tests.faults.processes import COUNTY, PARENTS, County, DatabaseUrl, Served, county
from tests.faults.work import working

PASSAGES = 6
"""A center dies at one of the first so many passages of its point."""

DIES_WITHIN = 30.0
"""Seconds after which a center whose point nobody passes is killed wherever it is; that does not count."""

LOOK_AGAIN = 0.03

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}

Tell = Callable[[str], None]


@dataclass
class Kills:
    """What a storm did.

    Attributes:
        at: deaths by point.
        elsewhere: deaths at no named point.
        outages: seconds from a death until the center answered and all its links were up, whatever died meanwhile.
    """

    at: Counter[Point] = field(default_factory=Counter)
    elsewhere: int = 0
    outages: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Deaths at named points."""
        return self.at.total()


SECONDS_PER_KILL = 20.0
"""Patience with a busy machine; two are enough on an idle one."""


def centers_killed(
    place: Path,
    nest: Nest,
    count: int,
    seed: int,
    *,
    tell: Tell = lambda _line: None,
    parents: Mapping[str, str | None] = PARENTS,
    database_url: DatabaseUrl = lambda _code: None,
) -> tuple[Figure, Kills]:
    """Kill centers at random named points while people work."""
    with county(place, nest, parents=parents, database_url=database_url) as here:
        here.start()
        with working(here, clerks=3, seed=seed) as work:
            kills = Storm(here, seed, tell).rage(count, within=60 + SECONDS_PER_KILL * count)
            here.healed()
        kind = make_url(here[COUNTY].settings.database_url).get_backend_name()
        named = f"kill -9 of centers at six named points ({DATABASES[kind]})"
        return figure(named, kills.total, work, kills.outages), kills


@dataclass
class _Victim:
    center: Served
    death: Death
    armed_at: float
    died_at: float | None = None
    """Of an outage that lasts."""


class Storm:
    """Kills centers at random points.

    Args:
        here: the county, running.
        seed: of who dies where.
        tell: hears of the progress.
    """

    def __init__(self, here: County, seed: int, tell: Tell = lambda _line: None) -> None:
        self.kills = Kills()
        self._here = here
        self._chance = random.Random(seed)
        self._tell = tell
        self._deaths = self._deck()

    def rage(self, count: int, within: float) -> Kills:
        """Kill so many times; at the end everybody runs, and nobody is told to die.

        Raises:
            AssertionError: it took too long, or a center ended otherwise.
        """
        began = time.monotonic()
        for one in self._here:
            one.kill()
        victims = [self._begin(one, None) for one in self._here]
        while self.kills.total < count:
            assert time.monotonic() - began < within, f"{self.kills} within {within:.0f} s"
            victims = [self._look(victim) for victim in victims]
            time.sleep(LOOK_AGAIN)
        for victim in victims:
            victim.center.kill()
            victim.center.start()
        return self.kills

    def _deck(self) -> Iterator[Death]:
        """All points in turn, shuffled anew each time, so that each has its share."""
        while True:
            for point in self._chance.sample(list(Point), len(Point)):
                yield Death(point, self._chance.choice(list(Side)), self._chance.randint(1, PASSAGES))

    def _begin(self, center: Served, died_at: float | None) -> _Victim:
        death = next(self._deaths)
        center.start(death)
        return _Victim(center, death, time.monotonic(), died_at)

    def _look(self, victim: _Victim) -> _Victim:
        center, now = victim.center, time.monotonic()
        if center.running:
            if victim.died_at is not None and center.healed():
                self.kills.outages.append(time.monotonic() - victim.died_at)
                victim.died_at, victim.armed_at = None, now
            if now - victim.armed_at < DIES_WITHIN:
                return victim
            self.kills.elsewhere += 1
            center.kill()
        else:
            assert center.process is not None
            assert center.process.returncode == -signal.SIGKILL, f"{center.code} ended:\n{center.last_words()}"
            self.kills.at[victim.death.point] += 1
            self._tell(f"{self.kills.total:4} {center.code} died at {victim.death}")
        return self._begin(center, victim.died_at or now)
