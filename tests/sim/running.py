"""Running seeds: one after the other in this process, or in several processes side by side."""

import gc
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

from node.federation import runner
from tests.sim import versions
from tests.sim.profiles import PROFILES
from tests.sim.world import Result, World

POLL_S = 2.5
"""The links' tick in simulations; the real one, a second, would be most of the work and find nothing more."""

PRINTED = 250
"""Lines of a failing seed's trace that are printed."""


@dataclass(frozen=True)
class Report:
    """A seed that was run.

    Attributes:
        took: seconds of processor time.
        trace: the last lines of the trace, where it was asked for or the seed failed.
        struck: how often each fault struck.
    """

    profile: str
    result: Result
    took: float
    trace: tuple[str, ...]
    struck: dict[str, int]
    acts: tuple[int, int, int]


@cache
def _prepare() -> None:
    """Warm up: what is made once in a process is made before anything is measured, and left alone by the collector."""
    runner.POLL_S = POLL_S
    versions.install()
    warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # of who died in the first instant
    World(0, PROFILES["calm"]).run()
    gc.collect()
    gc.freeze()


def run_seed(seed: int, profile: str, *, trace: bool = False) -> Report:
    """Run one seed in this process."""
    _prepare()
    gc.disable()  # objects die at the same place in each run, and a seed's garbage is thrown away as a whole
    try:
        began = time.process_time()
        world = World(seed, PROFILES[profile])
        result = world.run()
        took = time.process_time() - began
        lines = tuple(world.trace.lines()) if trace or result.failure is not None else ()
        acts = (world.actors.done, world.actors.refused, world.actors.unsaved)
        return Report(profile, result, took, lines, world.faults.struck, acts)
    finally:
        gc.enable()
        gc.collect()


def run_seeds(
    seeds: Iterable[tuple[int, str]],
    *,
    processes: int = 1,
    trace: bool = False,
    before: Callable[[], None] = lambda: None,
) -> Iterator[Report]:
    """Run seeds of profiles, in this process or spread over several; ``before`` is called when this one is warm."""
    if processes == 1:
        _prepare()
        before()
    work: Callable[[tuple[int, str]], Report] = partial(_run, trace)
    if processes == 1:
        yield from map(work, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(work, seeds, chunksize=4)


def _run(trace: bool, job: tuple[int, str]) -> Report:
    return run_seed(job[0], job[1], trace=trace)


def replay_command(report: Report) -> str:
    """The one command that plays a seed again exactly."""
    return f'make sim SEEDS=1 FIRST={report.result.seed} ARGS="--profile {report.profile} --trace"'


def describe(report: Report) -> str:
    """A report in one line."""
    result = report.result
    acts = "{}+{}+{}".format(*report.acts)
    told = f"seed {result.seed:<8} {report.profile:9} {result.digest} {result.centers:2} centers {result.cases:3} cases"
    told += f" {acts:>9} acts {result.events:5} events {result.virtual_seconds:6.1f} s virtual"
    told += f" healed in {result.healed_after:4.1f} s; {report.took:.2f} s"
    return told if result.failure is None else f"{told}\n  FAILED: {result.failure}"


def told_failure(report: Report, printed: int | None) -> str:
    """What somebody needs who looks for the reason: the last lines of the trace, or all, and how to see it again."""
    lines = [*report.trace[-printed if printed else 0 :], "", describe(report), f"  again: {replay_command(report)}"]
    return os.linesep.join(lines)
