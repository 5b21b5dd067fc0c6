"""What was measured, as a table on the screen and in ``docs/reliability.md``."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.work import Work

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured by `make faults` -->", "<!-- end of what was measured -->"
HEADINGS = ("fault", "times", "cases", "acts answered", "lost", "doubled", "heals, median", "heals, longest")


@dataclass(frozen=True)
class Figure:
    """One fault, struck so many times.

    Attributes:
        heals: seconds from the end of each fault until the county worked again.
    """

    fault: str
    times: int
    cases: int
    acts: int
    lost: int
    doubled: int
    heals: tuple[float, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        median = f"{statistics.median(self.heals):.1f} s" if self.heals else ""
        longest = f"{max(self.heals):.1f} s" if self.heals else ""
        counts = (self.times, self.cases, self.acts, self.lost, self.doubled)
        return (self.fault, *(str(count) for count in counts), median, longest)


def figure(fault: str, times: int, work: Work, heals: Sequence[float] | None = None) -> Figure:
    """The figure of a fault that people worked through."""
    found = work.found
    assert found is not None
    seconds = tuple(work.heals if heals is None else heals)
    return Figure(fault, times, found.cases, found.acts, len(found.lost), len(found.doubled), seconds)


def table(figures: Sequence[Figure]) -> str:
    """All figures as Markdown."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(one.cells for one in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Where and when this was measured."""
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def write(figures: Sequence[Figure], page: Path = PAGE) -> None:
    """Put the table into the page, in place of the last one."""
    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, closed, after = rest.partition(END)
    assert found, f"{page} has no place for the figures"
    assert closed, f"{page} has no place for the figures"
    told = f"{before}{BEGIN}\n\nMeasured {machine()}.\n\n{table(figures)}\n\n{END}{after}"
    page.write_text(told, encoding="utf-8")
