"""Planted bugs: what a careless change could do to the product. The simulator must find every one.

Each mutant is planted in a process of its own, by replacing a function of the real code with a wrong one. If one is
never caught, the checks are too weak, and not the mutant to blame. The bugs themselves stand in ``link_mutants`` and
``case_mutants``; ``mutants`` hunts them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        name: what it is called.
        what: what is wrong.
        profile: where it would be found.
        plant: puts it into this process.
    """

    name: str
    what: str
    profile: str
    plant: Callable[[], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(what: str, profile: str = "default") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that plants a bug."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        name = plant.__name__
        MUTANTS[name] = Mutant(name, what, profile, plant)
        return plant

    return register


def replace(owner: object, name: str, wrong: object) -> Any:  # noqa: ANN401 - whatever stood there
    """Put something wrong in the place of something right; returns the right one."""
    right = getattr(owner, name)
    setattr(owner, name, wrong)
    return right
