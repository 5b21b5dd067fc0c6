"""The counters of a center and all below it, in a few tiles with their age; a rate never without its parts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from node.center import Center
from node.i18n import N_
from node.status.board import read_board
from protocol.status import Counters

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
    own: tuple[Tile, ...]
    oldest: datetime | None
    missing: int
    alone: bool


def status_view(session: Session, center: Center, now: datetime) -> StatusView:
    """Read the figures."""
    board = read_board(session, center, now)
    return StatusView(
        tiles=_tiles(board.total(center.code)),
        own=_own(board.part(center.code).counters),
        oldest=board.oldest(center.code),
        missing=len(board.missing(center.code)),
        alone=not board.children(center.code),
    )


def _tiles(total: Counters) -> tuple[Tile, ...]:
    tiles = [Tile(words, total.get(name, 0)) for name, words in TILES]
    return (*tiles, _succeeded(total))


def _own(counters: Counters) -> tuple[Tile, ...]:
    visited = Tile(N_("visited of closed"), counters.get("visited", 0), counters.get("visits_due", 0))
    held, registered = counters.get("held", 0), counters.get("registered", 0)
    return (Tile(N_("registered"), registered), Tile(N_("held"), held), _succeeded(counters), visited)


def _succeeded(counters: Counters) -> Tile:
    return Tile(N_("succeeded of mediated"), counters.get("succeeded", 0), counters.get("mediated", 0))
