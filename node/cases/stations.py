"""Departments and stations of this center (七站一中心): its own list, calls (吹哨报到), and who has how much to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from node.cases import log
from node.cases.tables import CallRow, CaseRow, StationRow
from node.clock import LOCAL_ZONE
from node.i18n import N_
from node.problems import Problem
from protocol import entries as e
from protocol.entries import Kind
from protocol.rules import check

if TYPE_CHECKING:
    from node.unit import Unit
    from protocol.case import CaseState

NAME_TAKEN = N_("There is a station of this name already.")


class StationKind(StrEnum):
    """What a center has in its house."""

    DEPARTMENT = "department"
    STATION = "station"
    ROOM = "room"
    MEDIATOR = "mediator"


CALLED: frozenset[str] = frozenset({StationKind.DEPARTMENT, StationKind.STATION, StationKind.MEDIATOR})
"""Kinds that can be called; a room can't."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls of a station: all, reported in time, reported late, waiting, and of those the ones past their time."""

    called: int = 0
    in_time: int = 0
    late: int = 0
    waiting: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """Open cases that somebody deals with here, and how many of them are past their deadline."""

    name: str
    open: int
    overdue: int


def callable_stations(session: Session) -> list[StationRow]:
    """Who of this center's list can be called."""
    called = select(StationRow).where(StationRow.active.is_(True), StationRow.kind.in_(CALLED))
    return list(session.scalars(called.order_by(StationRow.kind, StationRow.name)))


def on_duty(row: StationRow, now: datetime) -> bool:
    """Whether it is there today."""
    return row.active and str(now.astimezone(LOCAL_ZONE).isoweekday()) in row.weekdays


def call(
    unit: "Unit", state: "CaseState", stations: Sequence[str], task: str, report_by: datetime, actor: str
) -> "CaseState":
    """Call stations to a case (吹哨), one entry for each.

    Raises:
        Problem: 422 for an id that is no active station, or a room.
        Refused: ``wrong-status``, ``report-by-passed``.
    """
    check(state, Kind.CALLED, unit.me)
    for station_id in dict.fromkeys(stations):
        row = unit.session.get(StationRow, station_id)
        if row is None or not row.active or row.kind not in CALLED:
            raise Problem(422, "invalid", N_("{id} is no station that can be called."), field="stations", id=station_id)
        called = e.Called(station=row.name, station_id=row.id, task=task, report_by=report_by)
        state = log.write(unit, state.id, Kind.CALLED, called, actor)
    return state


def tallies(session: Session, now: datetime) -> dict[str, Tally]:
    """The calls of each station, by its id."""

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((and_(*conditions), 1), else_=0))

    waiting = CallRow.reported_at.is_(None)
    rows = session.execute(
        select(
            CallRow.station_id,
            func.count(),
            count(CallRow.reported_at <= CallRow.report_by),
            count(CallRow.reported_at > CallRow.report_by),
            count(waiting),
            count(waiting, CallRow.report_by < now),
        ).group_by(CallRow.station_id)
    )
    return {row[0]: Tally(*(int(number or 0) for number in row[1:])) for row in rows}


def workloads(session: Session, me: str, now: datetime) -> list[Workload]:
    """Who deals with how many open cases of this center, the one with most to do first; mediators with none, too."""
    late = func.sum(case((CaseRow.deadline < now, 1), else_=0))
    rows = session.execute(
        select(CaseRow.handler, func.count(), late)
        .where(CaseRow.holder == me, CaseRow.ended.is_(False), CaseRow.handler.is_not(None))
        .group_by(CaseRow.handler)
    )
    found = {str(name): Workload(str(name), int(number), int(overdue or 0)) for name, number, overdue in rows}
    mediators = select(StationRow.name).where(StationRow.kind == StationKind.MEDIATOR, StationRow.active.is_(True))
    for name in session.scalars(mediators):
        found.setdefault(name, Workload(name, 0, 0))
    return sorted(found.values(), key=lambda one: (-one.open, one.name))
