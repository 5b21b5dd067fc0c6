"""Supervision (督办): deadlines that the policy sets, the ladder, and orders with their numbers.

An order has a number of whoever ordered it, ``督办〔2026〕4号``, from one upward in each year. Where the policy says
so, the holder's node writes an order by itself when a deadline reaches a step of the ladder, once for each step and
term: the policy was set from above, so it stands for the superior's own order, and needs no network to come in time.
"""

import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from node.cases import log
from node.cases.queues import Here
from node.cases.tables import CaseRow, OrderNumberRow
from node.cases.working_days import add_working_days
from node.clock import LOCAL_ZONE
from node.i18n import DEFAULT, N_, translate
from node.unit import Unit, unit_of
from protocol.codes import Grade, Rung
from protocol.deadlines import last_rung, rung_of
from protocol.entries import Kind, Urged
from protocol.requests import AskUrge

if TYPE_CHECKING:
    from node.center import Center

NUMBER = re.compile(r"督办〔(?P<year>[0-9]{4})〕(?P<running>[0-9]{1,9})号")

BATCH = 100
"""Orders written in one transaction: people never wait behind it."""

TEXTS: Final = {
    Rung.BLUE: N_("By rule: the deadline is near. Settle the case in time, or say why not."),
    Rung.YELLOW: N_("By rule: the deadline is today. Settle the case today, or say why not."),
    Rung.RED: N_("By rule: the deadline has passed. Say why, and until when the case will be settled."),
}
"""What an order that is written by itself says."""


def term_deadline(unit: Unit, grade: Grade) -> datetime | None:
    """The deadline of a term that begins now and has no other, by the policy; None where it sets none."""
    days = unit.center.policy.term_days(grade)
    return add_working_days(unit.now, days) if days else None


def numbered(unit: Unit, order: AskUrge) -> AskUrge:
    """The order under the next number of this center."""
    return order.model_copy(update={"number": next_number(unit)})


def next_number(unit: Unit) -> str:
    """The next number of this center's orders of this year."""
    year = unit.now.astimezone(LOCAL_ZONE).year
    taken = select(OrderNumberRow.last).where(OrderNumberRow.year == year).with_for_update()
    last = unit.session.scalar(taken)
    if last is None:
        # Two people may give the year's first order at the same instant.
        with suppress(IntegrityError), unit.session.begin_nested():
            unit.session.execute(insert(OrderNumberRow).values(year=year, last=0))
        last = unit.session.scalars(taken).one()
    unit.session.execute(update(OrderNumberRow).where(OrderNumberRow.year == year).values(last=last + 1))
    return f"督办〔{year}〕{last + 1}号"


def keep_number(unit: Unit, number: str) -> None:
    """Give this number of ours to no other order: it was given before our database went back in time."""
    found = NUMBER.fullmatch(number)
    if found is None:
        return
    year, running = int(found["year"]), int(found["running"])
    row = unit.session.get(OrderNumberRow, year)
    if row is None:
        unit.session.add(OrderNumberRow(year=year, last=running))
    else:
        row.last = max(row.last, running)
    unit.session.flush()


def order_by_rule(center: "Center") -> int:
    """Write the orders that the policy wants by now; returns how many."""
    policy = center.policy
    if center.parent is None or not policy.orders_at:
        return 0
    here = Here(center.code, center.clock.now(), policy.near_days)
    with center.database.read() as session:
        case_ids = _waiting(session, here, policy.orders_at)
    if not case_ids:
        return 0
    with unit_of(center) as unit:
        return sum(_order(unit, here, case_id) for case_id in case_ids)


def _waiting(session: Session, here: Here, rungs: frozenset[Rung]) -> list[str]:
    """Open cases that we hold, on a step of the ladder that wants an order which was not written in this term."""
    spans: dict[Rung, ColumnElement[bool]] = {
        Rung.RED: CaseRow.deadline < here.now,
        Rung.YELLOW: and_(CaseRow.deadline >= here.now, CaseRow.deadline < here.tomorrow),
        Rung.BLUE: and_(CaseRow.deadline >= here.tomorrow, CaseRow.deadline < here.near),
    }
    new = [and_(spans[rung], CaseRow.last_rung.is_distinct_from(rung.value)) for rung in sorted(rungs)]
    query = select(CaseRow.id).where(CaseRow.holder == here.me, CaseRow.ended.is_(False), or_(*new))
    return list(session.scalars(query.order_by(CaseRow.deadline).limit(BATCH)))


def _order(unit: Unit, here: Here, case_id: str) -> int:
    state = unit.book.state(case_id)
    if state is None or state.holder != unit.me or state.ended or unit.awaiting.of(state, unit.tree):
        return 0
    rung = rung_of(state.deadline, here.now, here.tomorrow, here.near)
    if rung is None or rung not in unit.center.policy.orders_at or last_rung(state) is rung:
        return 0
    parent = unit.center.parent
    assert parent is not None
    order = Urged(
        text=translate(DEFAULT, TEXTS[rung]),
        reply_by=add_working_days(unit.now, unit.center.policy.reply_days),
        by=unit.tree.heir(parent),
        number=next_number(unit),
        rung=rung,
    )
    log.write(unit, case_id, Kind.URGED, order, log.SYSTEM)
    return 1
