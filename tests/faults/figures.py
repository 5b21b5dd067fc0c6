"""What was measured, as a table on the screen and in ``docs/reliability.md``."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.work import Work

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured by `make faults` -->", "<!-- end of what was measured -->"
HEADINGS = ("fault", "times", "cases", "acts answered", "lost", "doubled", "heals, median", "heals, longest", "load")


@dataclass(frozen=True)
class Figure:
    """One fault, struck so many times.

    Attributes:
        heals: seconds from the end of each fault until the county worked again.
        load: of the machine meanwhile, the mean of the last five minutes.
        detail: what else is worth telling of the fault.
    """

    fault: str
    times: int
    cases: int
    acts: int
    lost: int
    doubled: int
    heals: tuple[float, ...]
    load: float
    detail: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        median = f"{statistics.median(self.heals):.1f} s" if self.heals else ""
        longest = f"{max(self.heals):.1f} s" if self.heals else ""
        counts = (self.times, self.cases, self.acts, self.lost, self.doubled)
        fault = f"{self.fault} ({self.detail})" if self.detail else self.fault
        return (fault, *(str(count) for count in counts), median, longest, f"{self.load:.1f}")


def figure(fault: str, times: int, work: Work, heals: Sequence[float] | None = None, detail: str = "") -> Figure:
    """The figure of a fault that people worked through."""
    found = work.found
    assert found is not None
    seconds = tuple(work.heals if heals is None else heals)
    load = os.getloadavg()[1]
    return Figure(fault, times, found.cases, found.acts, len(found.lost), len(found.doubled), seconds, load, detail)


def table(rows: Iterable[str]) -> str:
    """Rows of figures under their headings, as Markdown."""
    return "\n".join([_row(HEADINGS), _row("---" for _ in HEADINGS), *rows])


def row(one: Figure) -> str:
    """A figure as a row of the table."""
    return _row(one.cells)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """Where and when this was measured."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def write(figures: Sequence[Figure], page: Path = PAGE) -> None:
    """Put rows into the page's table, each in the place of the last one of its fault; new ones stand at the end."""
    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    told, closed, after = rest.partition(END)
    assert found, f"{page} has no place for the figures"
    assert closed, f"{page} has no place for the figures"
    rows = [line for line in told.splitlines() if line.startswith("| ")][2:]
    for one in figures:
        names = (f"| {one.fault} |", f"| {one.fault} (")
        place = next((number for number, line in enumerate(rows) if line.startswith(names)), len(rows))
        rows[place : place + 1] = [row(one)]
    page.write_text(f"{before}{BEGIN}\n\nMeasured {machine()}.\n\n{table(rows)}\n\n{END}{after}", encoding="utf-8")
