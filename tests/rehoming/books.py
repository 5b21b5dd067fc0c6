"""Counting every case of a federation: no case is lost, none is twice."""

import json
from collections import Counter
from collections.abc import Callable

from sqlalchemy import select

from node.cases.tables import CaseRow
from node.status.tables import CounterRow
from protocol.case import CaseState
from tests.cases.scene import Scene

PATIENCE = 90.0
"""Seconds; what takes several steps of several centers takes its time on a busy machine."""


def until(scene: Scene, condition: Callable[[], bool]) -> None:
    """Wait until something is the case."""
    scene.run(scene.fed.until(condition, PATIENCE), PATIENCE)


def counters(scene: Scene, code: str) -> Counter[str]:
    """A center's own counters, as its own database has them."""
    with scene[code].member.read() as session:
        row = session.get(CounterRow, code)
        return Counter(json.loads(row.counters) if row is not None else {})


def total(scene: Scene) -> Counter[str]:
    """The sum of all centers' own counters."""
    found: Counter[str] = Counter()
    for desk in scene:
        found.update(counters(scene, desk.code))
    return found


def balanced(scene: Scene) -> bool:
    """Whether what was registered is held, in transit, closed or merged; and the county's board says the same."""
    scene.run(scene.fed.settle(PATIENCE), PATIENCE)
    row = total(scene)
    board = scene.county.get("/status")["subtree"]
    assert board["registered"] == row["registered"]
    assert board["held"] == row["held"]
    assert board["closed"] == row["closed"]
    return row["registered"] == row["held"] + row["in_transit"] + row["closed"] + row["merged"]


def holders(scene: Scene) -> dict[str, str]:
    """Who holds each case, by the one database that says of itself that it does; a second one is an error."""
    found: dict[str, str] = {}
    for desk in scene:
        with desk.member.read() as session:
            held = select(CaseRow.id).where(CaseRow.holder == desk.code, CaseRow.access == "full")
            for case in session.scalars(held):
                assert case not in found, f"{case} is held by {found[case]} and by {desk.code}"
                found[case] = desk.code
    return found


def in_flight(scene: Scene) -> dict[str, tuple[str, str]]:
    """Sender and destination of every case that its sender knows to be in flight."""
    found: dict[str, tuple[str, str]] = {}
    for desk in scene:
        with desk.member.read() as session:
            states = session.scalars(select(CaseRow.state).where(CaseRow.holder.is_(None), CaseRow.state.is_not(None)))
            for text in states:
                state = CaseState.model_validate_json(str(text))
                flight = state.custody.flight
                assert flight is not None
                if flight.sender == desk.code:
                    found[state.id] = (flight.sender, flight.to)
    return found
