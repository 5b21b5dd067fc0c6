"""Clocks jump, by a day or by ten years, forwards and backwards, while a center runs."""

import time
from datetime import timedelta
from pathlib import Path

import httpx2

from tests.faults.clerks import Desk
from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.processes import SMALL, TOWNSHIP, VILLAGE, Served, county, until
from tests.faults.work import Work, working

DAY, TEN_YEARS = timedelta(days=1), timedelta(days=3653)
STEPS = {
    "clock 1 day ahead": DAY,
    "clock 1 day behind": -DAY,
    "clock 10 years ahead": TEN_YEARS,
    "clock 10 years behind": -TEN_YEARS,
}
SHOWN_WITHIN = 60.0
NEARLY = 30.0
"""Seconds by which the offset that is shown may differ from the step; a HELLO travels, and this machine is busy."""


def stepped(place: Path, nest: Nest, name: str, times: int) -> Figure:
    """Step a village's clock, let it work, and set it right again."""
    with county(place, nest, parents=SMALL) as here:
        here.start()
        with working(here) as work:
            for _ in range(times):
                step(work, STEPS[name])
        return figure(name, times, work)


def step(work: Work, by: timedelta) -> None:
    """Step the village's clock while it runs; its cases move as before, and both sides see the offset."""
    village, township = work.here[VILLAGE], work.here[TOWNSHIP]
    began = time.monotonic()
    village.set_clock(by.total_seconds())
    first, second = work.escalated(), work.escalated()
    work.arrives(first, since=began)
    work.arrives(second, since=time.monotonic())
    for center, peer, offset in ((township, VILLAGE, by), (village, TOWNSHIP, -by)):
        shows(center, peer, offset)
    village.set_clock(0)
    for center, peer in ((township, VILLAGE), (village, TOWNSHIP)):
        shows(center, peer, timedelta(0))


def shows(center: Served, peer: str, offset: timedelta) -> float:
    """Wait until a center shows this offset of a neighbour's clock; the seconds that it took."""
    return until(lambda: _differs(center, peer, offset), SHOWN_WITHIN)


def _differs(center: Served, peer: str, offset: timedelta) -> str | None:
    desk = Desk(center)
    try:
        links = desk.once("GET", "/links").raise_for_status().json()
    except httpx2.HTTPError as error:
        return repr(error)
    finally:
        desk.close()
    shown = next(link["clock_offset"] for link in links if link["peer"] == peer)
    if shown is not None and abs(shown - offset.total_seconds()) < NEARLY:
        return None
    return f"{center.code} shows {shown} s for {peer}, and it is {offset.total_seconds()} s"
