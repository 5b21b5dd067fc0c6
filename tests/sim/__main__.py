"""Run the simulator: ``python -m tests.sim --seeds 100 --first 1`` (``make sim SEEDS=100 FIRST=1``)."""

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.sim.profiles import PROFILES, drawn
from tests.sim.running import PRINTED, describe, run_seeds, told_failure


def main() -> int:
    """Run what the command line names; 1 where a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first one; 0 draws one, as `make soak` does")
    parser.add_argument("--profile", default="drawn", choices=["drawn", *PROFILES], help="what may fail")
    parser.add_argument("--these", help="these instead: PROFILE:SEED,PROFILE:SEED")
    parser.add_argument("--processes", type=int, default=1, help="how many at a time")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    parser.add_argument("--quiet", action="store_true", help="print failures and the sum only")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first failure")
    given = parser.parse_args()
    first = given.first or secrets.randbelow(10**9)
    began = time.perf_counter()
    done = failed = 0
    struck: Counter[str] = Counter()
    numbers = range(first, first + given.seeds)
    seeds: Iterable[tuple[int, str]] = (
        (seed, drawn(seed) if given.profile == "drawn" else given.profile) for seed in numbers
    )
    if given.these:
        seeds = [(int(seed), profile) for profile, _, seed in (one.partition(":") for one in given.these.split(","))]
    for report in run_seeds(seeds, processes=given.processes, trace=given.trace):
        done += 1
        struck.update(report.struck)
        if report.result.failure is not None:
            failed += 1
            printed = None if given.trace else PRINTED
            print(describe(report) if given.go_on else told_failure(report, printed), flush=True)
            if not given.go_on:
                break
        elif given.trace:
            print("\n".join(report.trace))
        if report.result.failure is None and not given.quiet:
            print(describe(report), flush=True)
    took = time.perf_counter() - began
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(struck.items())))
    each = f"{took:.1f} s, {took / max(done, 1):.2f} s each"
    print(f"{done} seeds from {first}, profile {given.profile}: {failed} failed; {each}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
