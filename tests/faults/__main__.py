"""``make faults``: strike every fault in earnest, print what was measured, and write it down if asked to.

``python -m tests.faults --only NAME`` strikes one of them.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.logs import setup_command_logs
from tests.faults import figures
from tests.faults.broker import broker_killed, broker_wiped
from tests.faults.clocks import STEPS, stepped
from tests.faults.disk import can_mount, disk_full, files_limited
from tests.faults.figures import Figure
from tests.faults.kills import centers_killed
from tests.faults.nest import Nest, nest
from tests.faults.network import PARTINGS, bad_line, parted
from tests.faults.postgres import postgres_killed, server

KILLS, POSTGRES_SHARE = 200, 5
"""So many on SQLite, and a fifth of them on PostgreSQL."""
TIMES = 10
PARTINGS_TIMES, PARTED = 2, 45.0
"""Long enough for a silent connection to be given up (30 s), and for the link to greet anew (35 s)."""
CLOCK_TIMES = 3


@dataclass(frozen=True)
class Campaign:
    """What was asked for."""

    kills: int
    seed: int
    times: int = TIMES
    """How often each other fault is struck."""


Fault = Callable[[Path, Nest, Campaign], Sequence[Figure]]


def _kills(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    figure, kills = centers_killed(place / "sqlite", nest, asked.kills, asked.seed, tell=_say)
    _say(", ".join(f"{count} at {point}" for point, count in sorted(kills.at.items())))
    with server() as postgres:
        other, _ = centers_killed(
            place / "postgresql",
            nest,
            asked.kills // POSTGRES_SHARE,
            asked.seed + 1,
            tell=_say,
            database_url=postgres.new_database,
        )
    return [figure, other]


def _broker(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    return [
        broker_killed(place / "killed", nest, asked.times),
        broker_wiped(place / "wiped", nest, asked.times),
    ]


def _disk(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    limited = [files_limited(place / "limited", nest, asked.times)]
    return [disk_full(place / "full", nest, asked.times), *limited] if can_mount() else limited


def _postgres(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    return [postgres_killed(place, nest, asked.times)]


def _network(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    partings = [parted(place / str(number), nest, how, PARTINGS_TIMES, PARTED) for number, how in enumerate(PARTINGS)]
    return [*partings, bad_line(place / "bad", nest, asked.times)]


def _clocks(place: Path, nest: Nest, asked: Campaign) -> Sequence[Figure]:
    return [stepped(place / str(number), nest, name, CLOCK_TIMES) for number, name in enumerate(STEPS)]


FAULTS: dict[str, Fault] = {
    "kills": _kills,
    "broker": _broker,
    "disk": _disk,
    "postgres": _postgres,
    "network": _network,
    "clocks": _clocks,
}


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def main() -> None:
    """Strike the faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument(
        "--write", action="store_true", help="write each row into docs/reliability.md once it is measured"
    )
    parser.add_argument("--kills", type=int, default=KILLS, help="how often centers are killed")
    parser.add_argument("--times", type=int, default=TIMES, help="how often other faults are struck")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of who is killed where")
    parser.add_argument("--only", choices=FAULTS, help="only this fault")
    given = parser.parse_args()
    setup_command_logs()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # what was mounted and started goes with us
    _say(f"seed {given.seed}")
    measured: list[Figure] = []
    with nest() as made:
        for name, fault in FAULTS.items():
            if given.only not in {None, name}:
                continue
            _say(f"--- {name}")
            with tempfile.TemporaryDirectory(prefix="liandong-faults-") as place:
                struck = fault(Path(place), made, Campaign(given.kills, given.seed, given.times))
            for one in struck:
                _say(" | ".join(one.cells))
            measured += struck
            if given.write:
                figures.write(struck)
    print(f"\nMeasured {figures.machine()}.\n\n{figures.table(map(figures.row, measured))}")


if __name__ == "__main__":
    main()
