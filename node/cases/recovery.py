"""Getting back what others hold of our cases, after our database was lost.

Theory of operation. ``join`` with a second certificate of the same code makes an empty database with a fresh
incarnation, and begins a recovery. As soon as there is a link, every center that we know is asked once (``Lost``) and
tells what it holds of our cases (``node.cases.reseed``), closed by ``Told``. Entries come as they always do: in order,
signed, dropped where we have them.

Nobody knows who had heard our last word. So nothing is appended to a case that we share until everybody who may have it
has told (``node.cases.awaiting``): people are refused with ``recovering``, requests wait, a transfer to us waits. Then

- a case that we hold goes on here, with the requests that waited for it;
- a transfer to us that its sender still has in flight is delivered;
- a transfer of ours under way is sent again; its destination takes it once, or refuses it as before.

Custody is never given twice: whoever held the case after us is among those who are waited for, and its log is longer. A
center that will never answer has to be revoked; then nobody waits for it.

When all have told, everybody is told the cases in which we wrote (``node.cases.reseed``): what we had said last may
have reached who told it to us, and not the other followers. What never left us is named, at our place and at our
parent's: numbers have no gaps within a year, so a number below the last one that came back with no case was lost. What
is lost counts nowhere any more.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.cases import granting, reseed, transfers
from node.cases.numbers import NUMBER
from node.cases.tables import CaseRow, NumberRow, RequestRow
from node.federation.tables import LossRow, RecoveryRow
from node.status.descendants import forget_days
from node.unit import Unit, unit_of
from protocol.case import CaseState
from protocol.errors import BadRecord
from protocol.messages import Message, Type
from protocol.payloads import YEARS_MAX, Lost, Recovered, RequestState, Told

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

ASK_AGAIN = timedelta(hours=6)
"""A question that has no answer yet is asked again: whoever was to pass it on may have lost its database, too."""


def begin(session: Session, me: str, now: datetime, numbers: Mapping[int, int]) -> None:
    """Begin a recovery in a database that knows nothing of what we did.

    Args:
        session: a unit of work.
        me: our code.
        now: the present instant.
        numbers: the last running number of each year that our parent knows of; new ones go on behind them.
    """
    session.add(RecoveryRow(center=me, asked_at=now))
    keep_numbers(session, numbers)


def keep_numbers(session: Session, numbers: Mapping[int, int]) -> None:
    """Go on behind these numbers."""
    for year, last in numbers.items():
        row = session.get(NumberRow, year)
        if row is None:
            session.add(NumberRow(year=year, last=last))
        else:
            row.last = max(row.last, last)


def go_on(center: "Center") -> bool:
    """Ask whoever was not asked yet, and end when all have told; says whether a recovery goes on."""
    with center.database.read() as session:
        own = session.get(RecoveryRow, center.code)
        if own is None or own.told_at is not None:
            return False
        center.directory.refresh(session)  # another process may have heard of centers that have to be asked
    with unit_of(center) as unit:
        ask(unit)
    return True


def ask(unit: Unit) -> None:
    """Ask every center that takes part and was not asked yet."""
    if unit.awaiting.told() is None:
        return
    rows = {row.center: row for row in unit.session.scalars(select(RecoveryRow))}
    question = Lost(incarnation=unit.center.identity.incarnation)
    for code in sorted(unit.tree.claims):
        row = rows.get(code)
        if not unit.tree.known(code):
            if row is not None and row.told_at is None:
                _heard(unit, row)
            continue
        if row is None:
            row = rows[code] = RecoveryRow(center=code)
            unit.session.add(row)
        due = row.asked_at is None or unit.now - row.asked_at > ASK_AGAIN
        if code != unit.me and row.told_at is None and due and unit.outbox.reachable(code):
            unit.outbox.send(Type.LOST, question, code)
            row.asked_at = unit.now
    unit.session.flush()
    _end(unit)


def on_told(unit: Unit, message: Message, payload: Told) -> None:
    """A center has told all that it holds of our cases; it may have been asked before our database went back."""
    identity = unit.center.identity
    row = unit.session.get(RecoveryRow, message.sender)
    if row is None or row.told_at is not None or payload.incarnation not in {identity.incarnation, *identity.former}:
        return
    if unit.awaiting.told() is None:
        return
    _heard(unit, row)
    _end(unit)


def is_superseded(unit: Unit, sender: str) -> bool:
    """Whether what this center said before it learned of our loss comes again: it has not told yet."""
    told = unit.awaiting.told()
    return told is not None and sender not in told


def _heard(unit: Unit, row: RecoveryRow) -> None:
    """Nobody waits for this center any more: what waited for it alone goes on."""
    waiting = [state for state in _unsettled(unit) if row.center in unit.awaiting.of(state, unit.tree)]
    row.told_at = unit.now
    unit.session.flush()
    unit.awaiting.forget()
    for state in waiting:
        if not unit.awaiting.of(state, unit.tree):
            _resume(unit, state)


def _unsettled(unit: Unit) -> list[CaseState]:
    """Cases under way from or to us, and those of which requests wait here."""
    unit.book.flush()
    asked = select(RequestRow.case_id).where(
        RequestRow.mine.is_(False), RequestRow.state.in_([RequestState.PENDING, granting.PASSED_ON])
    )
    found = select(CaseRow.id).where(CaseRow.state.is_not(None), or_(CaseRow.holder.is_(None), CaseRow.id.in_(asked)))
    case_ids = unit.session.scalars(found.order_by(CaseRow.id)).all()
    unit.book.load(case_ids)
    return [state for case_id in case_ids if (state := unit.book.state(case_id)) is not None]


def _resume(unit: Unit, state: CaseState) -> None:
    flight = state.custody.flight
    if flight is not None and flight.sender == unit.me:
        transfers.repeat(unit, state)
    if flight is not None and flight.to == unit.me:
        transfers.deliver(unit, state)
    granting.receive_waiting(unit, state.id)


def _end(unit: Unit) -> None:
    """When all have told: name what is lost."""
    rows = {row.center: row for row in unit.session.scalars(select(RecoveryRow))}
    own = rows[unit.me]
    if any(unit.tree.known(code) and code not in rows for code in unit.tree.claims):
        return
    if any(row.told_at is None for row in rows.values() if row is not own):
        return
    unit.book.flush()
    assert own.asked_at is not None
    numbers = _numbers(unit)
    back = select(CaseRow.id).where(CaseRow.state.is_not(None), CaseRow.registered_at < own.asked_at)
    cases = len(unit.session.scalars(back).all())
    lost = {year: ranges(missing) for year, missing in numbers.items() if missing}
    report = Recovered(
        incarnation=unit.center.identity.incarnation,
        cases=cases,
        lost={year: lost[year] for year in sorted(lost)[-YEARS_MAX:]},
    )
    own.told_at = unit.now
    unit.awaiting.forget()
    _keep(unit, unit.me, report)
    reseed.tell_everybody(unit)
    parent = unit.center.parent
    if parent is not None:
        unit.outbox.send(Type.RECOVERED, report, parent)
    log.warning("recovery.ended", cases=cases, lost=sum(map(len, numbers.values())))


def _numbers(unit: Unit) -> dict[int, list[int]]:
    """Running numbers of each year that were given and belong to no case."""
    present: dict[int, set[int]] = defaultdict(set)
    for number in unit.session.scalars(select(CaseRow.number).where(CaseRow.origin == unit.me)):
        if match := NUMBER.fullmatch(number):
            present[int(match["year"])].add(int(match["running"]))
    missing: dict[int, list[int]] = {}
    for row in unit.session.scalars(select(NumberRow)):
        row.last = max(row.last, *present[row.year], 0)
        missing[row.year] = [number for number in range(1, row.last + 1) if number not in present[row.year]]
    for year in present.keys() - missing.keys():
        last = max(present[year])
        unit.session.add(NumberRow(year=year, last=last))
        missing[year] = [number for number in range(1, last + 1) if number not in present[year]]
    return missing


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers as people write them: ``1-3,7``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def on_recovered(unit: Unit, message: Message, payload: Recovered) -> None:
    """A child that lost its database says what it has back; what it lost counts no longer.

    Raises:
        BadRecord: it is no child of ours.
    """
    if message.sender not in unit.tree.children(unit.me):
        raise BadRecord(f"{message.sender} is no child of ours")
    _keep(unit, message.sender, payload)
    forget_days(unit, message.sender, payload.incarnation)


def lost_numbers(session: Session) -> dict[str, dict[str, str]]:
    """Running numbers of matters that centers lost with their databases, by year; we know of us and our children."""
    return {row.center: dict(json.loads(row.lost)) for row in session.scalars(select(LossRow))}


def _keep(unit: Unit, center: str, report: Recovered) -> None:
    row = unit.session.get(LossRow, center)
    if row is None:
        row = LossRow(center=center)
        unit.session.add(row)
    row.incarnation, row.at, row.cases = report.incarnation, unit.now, report.cases
    row.lost = json.dumps(report.lost)
    unit.session.flush()
