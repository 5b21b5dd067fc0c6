"""What the holder's people do with a case. Every function is one act in the caller's unit of work; none commits."""

from contextlib import suppress
from datetime import datetime
from typing import NoReturn

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from node.cases import log, supervision, transfers
from node.cases.asking import check_named_epoch
from node.cases.refusals import problem_of, too_large
from node.cases.sheet import newest_header
from node.cases.tables import NumberRow
from node.clock import LOCAL_ZONE
from node.unit import Unit
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, Grade, Source, Trigger, short_name
from protocol.custody import destination_of_return
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.policy import escalation_gate
from protocol.records import BodyTooLarge, Frozen
from protocol.rules import check


class Registration(Frozen):
    """What is known when a matter is registered."""

    title: e.Title
    category: Category
    place: e.Place
    parties: tuple[e.Party, ...]
    description: str | None = None
    source: Source = Source.VISIT
    grade: Grade = Grade.LOW
    occurred_at: datetime | None = None


def register(unit: Unit, registration: Registration, actor: str) -> CaseState:
    """Enter a matter (登记): it gets an identity, a number, and its first entry.

    Raises:
        Problem: 409 where this center was merged, 422 where all its texts together are too large.
    """
    if unit.tree.retired(unit.me):
        raise problem_of(Refused("retired", center=unit.me, successor=unit.tree.heir(unit.me)))
    year = unit.now.astimezone(LOCAL_ZONE).year
    running = _next_number(unit, year)
    body = e.Registered(
        number=f"{unit.me}-{year}-{running:04d}",
        display_number=f"{short_name(unit.center.name)}〔{year}〕{running}号",
        deadline=supervision.term_deadline(unit, registration.grade),
        **{name: getattr(registration, name) for name in Registration.model_fields},
    )
    try:
        return log.write(unit, unit.new_id(), Kind.REGISTERED, body, actor)
    except BodyTooLarge as error:
        raise too_large() from error


def _next_number(unit: Unit, year: int) -> int:
    taken = select(NumberRow.last).where(NumberRow.year == year).with_for_update()
    last = unit.session.scalar(taken)
    if last is None:
        # Two people may register the year's first matter at the same instant.
        with suppress(IntegrityError), unit.session.begin_nested():
            unit.session.execute(insert(NumberRow).values(year=year, last=0))
        last = unit.session.scalars(taken).one()
    unit.session.execute(update(NumberRow).where(NumberRow.year == year).values(last=last + 1))
    return last + 1


def refuse_non_holder(unit: Unit, case_id: str, epoch: int | None) -> NoReturn:
    """Tell somebody who wants to act as the holder who the holder is.

    Raises:
        Refused: ``stale-epoch`` where the caller names another epoch, else ``not-holder``.
    """
    header = newest_header(unit.book.sheet(case_id))
    check_named_epoch(header, epoch)
    raise Refused("not-holder", holder=header.holder, in_transit_to=header.in_transit_to)


def escalate(unit: Unit, state: CaseState, reason: str, triggers: frozenset[Trigger], actor: str) -> CaseState:
    """Give the case to the parent (上报), if the policy's gate is open.

    Raises:
        Refused: ``no-parent``, ``escalation-gated`` with what is missing.
    """
    if unit.center.parent is None:
        raise Refused("no-parent")
    parent = unit.tree.heir(unit.center.parent)
    check(state, Kind.ESCALATED, unit.me)
    gate = escalation_gate(unit.center.policy, state, triggers, unit.now)
    if not gate.open:
        raise Refused("escalation-gated", missing=list(gate.missing))
    body = e.Escalated(to=parent, reason=reason, triggers=gate.holding)
    return transfers.transfer(unit, state.id, Kind.ESCALATED, body, actor)


def give_back(unit: Unit, state: CaseState, reason: str, actor: str) -> CaseState:
    """Return the case to whoever gave it (退回).

    Raises:
        Refused: ``nothing-to-return-to``; ``ruling-needed`` where it was returned so often that a superior rules.
    """
    check(state, Kind.RETURNED, unit.me)
    body = e.Transfer(to=destination_of_return(state.custody), reason=reason)
    if state.returns >= unit.center.policy.returns_before_ruling:
        raise Refused("ruling-needed", returns=state.returns)
    return transfers.transfer(unit, state.id, Kind.RETURNED, body, actor)


def offer_handoff(unit: Unit, state: CaseState, to: str, reason: str, actor: str) -> CaseState:
    """Ask a peer to take the case over (移交); custody moves when it accepts.

    Raises:
        Refused: ``unreachable``.
    """
    if not unit.outbox.reachable(to):
        raise Refused("unreachable", center=to)
    return log.write(unit, state.id, Kind.OFFERED, e.Offered(to=to, reason=reason), actor)
