"""The counters of a center and all below it, in a few tiles with their age; a rate never without its parts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from node.center import Center
from node.i18n import N_
from node.status.board import read_board

TILES: Final = (
    ("registered", N_("registered")),
    ("held", N_("held")),
    ("in_transit", N_("in transit")),
    ("overdue", N_("overdue")),
    ("closed", N_("closed")),
)
"""Counter and catalog message."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure; ``whole`` is what it is a part of, where it is one."""

    words: str
    value: int
    whole: int | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """Figures of this center and all below it.

    Attributes:
        tiles: the figures.
        oldest: as of when the oldest part is; None where nobody has reported.
        missing: centers below that have never reported.
        alone: whether there is nobody below.
    """

    tiles: tuple[Tile, ...]
    oldest: datetime | None
    missing: int
    alone: bool


def status_view(session: Session, center: Center, now: datetime) -> StatusView:
    """Read the figures."""
    board = read_board(session, center, now)
    total = board.total(center.code)
    tiles = [Tile(words, total.get(name, 0)) for name, words in TILES]
    tiles.append(Tile(N_("succeeded of mediated"), total.get("succeeded", 0), total.get("mediated", 0)))
    return StatusView(
        tiles=tuple(tiles),
        oldest=board.oldest(center.code),
        missing=len(board.missing(center.code)),
        alone=not board.children(center.code),
    )
