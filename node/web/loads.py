"""What each child has to do already, for whoever assigns a case; and who was named in assignments before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.cases.tables import EntryRow
from node.center import Center
from node.status.board import read_board
from protocol.entries import Kind

NAMED: Final = ("lead", "department", "handler")

REMEMBERED: Final = 200
"""Our latest assignments that are looked at for names."""

OFFERED: Final = 12
"""Names that are offered for one field."""


@dataclass(frozen=True, slots=True)
class Load:
    """A child and what it holds, by its last report."""

    code: str
    held: int
    overdue: int
    linked: bool


def read_loads(session: Session, center: Center) -> list[Load]:
    """The children that take part, the least burdened first."""
    board = read_board(session, center, center.clock.now())
    loads = []
    for code in center.directory.tree.children(center.code):
        counters = board.part(code).counters
        load = Load(code, counters.get("held", 0), counters.get("overdue", 0), board.online(code) is True)
        loads.append(load)
    return sorted(loads, key=lambda load: (not load.linked, load.held, load.code))


def named_before(session: Session, center: Center) -> Mapping[str, list[str]]:
    """Officials, departments and handlers of our latest assignments, so that nobody types them again."""
    rows = session.scalars(
        select(EntryRow.body)
        .where(EntryRow.kind == Kind.ASSIGNED, EntryRow.center == center.code, EntryRow.body.is_not(None))
        .order_by(EntryRow.at.desc())
        .limit(REMEMBERED)
    )
    found: dict[str, dict[str, None]] = {name: {} for name in NAMED}
    for body in rows:
        document = json.loads(body or "{}")
        for name in NAMED:
            if len(found[name]) < OFFERED and document.get(name):
                found[name].setdefault(str(document[name]))
    return {name: list(names) for name, names in found.items()}
