"""Hunt the planted bugs: ``python -m tests.sim.mutants`` (``make sim-mutants``).

Each is planted in a process of its own, which runs seeds until one fails.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import tests.sim.case_mutants
import tests.sim.link_mutants  # noqa: F401 - both register their bugs
from tests.sim.mutant import MUTANTS, Mutant
from tests.sim.profiles import PROFILES
from tests.sim.running import run_seeds

SEEDS = 2000
"""A planted bug must be found within so many seeds."""


@dataclass(frozen=True)
class Catch:
    """How the hunt for one bug ended; ``seed`` is None where it was not found."""

    mutant: Mutant
    seed: int | None
    reason: str
    seconds: float


def plant_and_run(name: str, first: int, seeds: int) -> int:
    """Plant a bug into this process and run seeds until one fails; 1 where one did."""
    mutant = MUTANTS[name]
    jobs = ((seed, mutant.profile) for seed in range(first, first + seeds))
    for report in run_seeds(jobs, before=mutant.plant):
        if report.result.failure is not None:
            print(report.result.seed, report.result.failure)
            return 1
    return 0


def hunt(first: int, seeds: int, mutant: Mutant) -> Catch:
    """Hunt one bug in a process of its own."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.sim.mutants", "--plant", mutant.name]
    command += ["--first", str(first), "--seeds", str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode == 0:
        return Catch(mutant, None, "never caught", took)
    seed, _, reason = done.stdout.strip().partition(" ")
    if not seed.isdigit():
        return Catch(mutant, None, f"could not be planted: {done.stderr[-1000:]}", took)
    return Catch(mutant, int(seed), reason, took)


def main() -> int:
    """Hunt all, or those that are named; 1 where one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants", description=__doc__)
    parser.add_argument("--plant", choices=sorted(MUTANTS), help="plant this one here and run seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds at most for each")
    parser.add_argument("--processes", type=int, default=2, help="how many bugs at a time")
    parser.add_argument("names", nargs="*", help="only these; all without")
    given = parser.parse_args()
    if given.plant is not None:
        return plant_and_run(given.plant, given.first, given.seeds)
    assert all(mutant.profile in PROFILES for mutant in MUTANTS.values())
    wanted = [MUTANTS[name] for name in given.names or MUTANTS]
    caught = 0
    with ThreadPoolExecutor(given.processes) as pool:
        for catch in pool.map(partial(hunt, given.first, given.seeds), wanted):
            caught += catch.seed is not None
            found = f"seed {catch.seed:5}" if catch.seed is not None else "NOT CAUGHT"
            print(f"{catch.mutant.name:36} {found:10} {catch.seconds:6.1f} s  {catch.mutant.what}")
            print(f"{'':36} {catch.reason[:200]}", flush=True)
    print(f"{caught} of {len(wanted)} planted bugs caught")
    return 0 if caught == len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
