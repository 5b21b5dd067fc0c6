"""Centers are parted from their parents, in several ways, and a bad line loses and delays."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.cable import Cable, Cables, Way, cables
from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.processes import TOWNSHIP, VILLAGE, county
from tests.faults.work import Work, working

LOSS, DELAY = 0.2, 0.5
"""Share of frames that get lost, and seconds that everything takes in each direction."""

Part = Callable[[Cable], None]

PARTINGS: dict[str, Part] = {
    "partition, nobody is told (cable pulled)": Cable.unplug,
    "partition, one way only (nothing goes up)": lambda cable: cable.unplug(Way.up),
    "partition, connections cut and refused": Cable.cut,
}


def parted(place: Path, nest: Nest, how: str, times: int, seconds: float) -> Figure:
    """Part a village from its township, and the township from the county, for so long."""
    with cables() as laid, county(place, nest, parent_url=laid.between) as here:
        here.start()
        with working(here) as work:
            for _ in range(times):
                part(work, laid, how, seconds)
        return figure(f"{how}, {seconds:.0f} s", times, work)


def part(work: Work, laid: Cables, how: str, seconds: float) -> None:
    """Part them once; what was escalated meanwhile arrives afterwards."""
    for code in (VILLAGE, TOWNSHIP):
        PARTINGS[how](laid[code])
    began = time.monotonic()
    waiting = {code: work.escalated(code) for code in (VILLAGE, TOWNSHIP)}
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    for cable in laid:
        cable.mend()
    since = time.monotonic()
    for code, case_id in waiting.items():
        work.arrives(case_id, code, since=since)


def bad_line(place: Path, nest: Nest, times: int) -> Figure:
    """All lines lose a fifth of all frames and are slow; escalate again and again."""
    with cables() as laid, county(place, nest, parent_url=laid.between) as here:
        here.start()
        with working(here) as work:
            lost, carried = strain(work, laid, times)
        fault = f"{LOSS:.0%} of frames lost, {DELAY * 1000:.0f} ms delay"
        return figure(fault, times, work, detail=f"{lost} of {carried} frames")


def strain(work: Work, laid: Cables, times: int) -> tuple[int, int]:
    """Escalate over bad lines; how many frames got lost, of how many."""
    for cable in laid:
        cable.disturb(loss=LOSS, delay=DELAY)
    for _ in range(times):
        work.arrives(work.escalated(), since=time.monotonic())
    lost, carried = sum(cable.lost for cable in laid), sum(cable.carried for cable in laid)
    for cable in laid:
        cable.mend()
    return lost, carried
