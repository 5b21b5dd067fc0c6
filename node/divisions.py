"""Names of centers by their division codes: the shipped extract of the National Bureau of Statistics' codes (2023).

Five real counties with their townships and villages. Whoever is not among them is enrolled with a name and a level.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "divisions.csv"


@dataclass(frozen=True, slots=True)
class Division:
    """One line of the extract.

    Attributes:
        code: 12-digit statistical division code.
        name: official name.
        level: county, township or village.
        parent: code of the division above; None for a county.
    """

    code: str
    name: str
    level: str
    parent: str | None


@cache
def divisions() -> dict[str, Division]:
    """All shipped divisions by code, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: Division(row["code"], row["name"], row["level"], row["parent"] or None)
            for row in csv.DictReader(file)
        }


def children_of(code: str) -> list[Division]:
    """The divisions directly below one, in order of code."""
    return sorted((each for each in divisions().values() if each.parent == code), key=lambda each: each.code)
