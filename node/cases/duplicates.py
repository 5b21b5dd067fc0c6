"""Duplicates: the same matter under two numbers. One of them ends as merged, counted once; both histories stay.

People decide; nothing is merged by itself. What looks alike is found among our own open cases, by type, place, time and
title; persons are never compared.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from node.access import Access, access_of, visible
from node.cases import asking, log
from node.cases.tables import CaseRow
from node.unit import Unit
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Status
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.requests import Ask, AskAbsorb

SINCE: Final = timedelta(days=180)
"""Older matters of the same kind at the same place are other ones."""

CANDIDATES_MAX: Final = 500
"""Open cases of one type that are looked at."""

SHOWN_MAX: Final = 5

ALIKE: Final = 0.4
"""Share of letter pairs that two titles have in common, from which they say the same."""


def similar(session: Session, me: str, *, category: str, place: str, title: str, now: datetime) -> list[str]:
    """Ids of our own open cases that may be the same matter, the likeliest first.

    Args:
        session: a read session.
        me: this center.
        category: type of the dispute.
        place: where, as somebody wrote it.
        title: in one sentence; may be empty.
        now: the instant.
    """
    ours = select(CaseRow.id, CaseRow.place, CaseRow.title).where(
        visible(now),
        CaseRow.holder == me,
        CaseRow.ended.is_(False),
        CaseRow.category == category,
        CaseRow.registered_at > now - SINCE,
    )
    rows = session.execute(ours.order_by(CaseRow.registered_at.desc()).limit(CANDIDATES_MAX))
    scored = [(_places_alike(place, there or "") + titles_alike(title, named or ""), id_) for id_, there, named in rows]
    likely = sorted((pair for pair in scored if pair[0] >= ALIKE), key=lambda pair: -pair[0])
    return [id_ for _, id_ in likely[:SHOWN_MAX]]


def _places_alike(one: str, other: str) -> bool:
    """Whether two places are the same: somebody may write it longer the second time."""
    here, there = one.strip(), other.strip()
    return len(here) > 1 and len(there) > 1 and (here in there or there in here)


def titles_alike(one: str, other: str) -> float:
    """Share of letter pairs that two titles have in common, from 0 to 1."""
    pairs, others = _pairs(one), _pairs(other)
    return len(pairs & others) / len(pairs | others) if pairs and others else 0.0


def _pairs(text: str) -> set[str]:
    letters = "".join(letter for letter in text.lower() if letter.isalnum())
    return {letters[at : at + 2] for at in range(len(letters) - 1)}


def find(session: Session, named: str, now: datetime) -> CaseRow | None:
    """A case that this center may read, by its id or one of its numbers."""
    by_name = or_(CaseRow.id == named, CaseRow.number == named, CaseRow.display_number == named)
    row = session.scalars(select(CaseRow).where(visible(now), by_name).limit(1)).first()
    return row if row is not None and access_of(row, now) is Access.FULL else None


def merge(unit: Unit, state: CaseState, into: CaseRow, actor: str) -> CaseState:
    """End our case as a duplicate of another; the other one's log tells of it, at its holder if that is not us.

    The one that was registered first stays. Both holders decide the same in the same moment, so no two cases can end in
    each other, with nobody left who deals with the matter.

    Raises:
        Refused: ``same-case``; ``already-merged`` where the other one ended as a duplicate itself; ``first-stays``
            where the other one was registered later.
    """
    if into.status == Status.MERGED:
        raise Refused("already-merged", number=into.display_number)
    if (into.registered_at, into.number) > (state.registered_at, state.number):
        raise Refused("first-stays", number=into.display_number)
    merged = e.Merged(into=into.id, number=into.display_number)
    after = log.write(unit, state.id, Kind.MERGED, merged, actor)
    if into.holder == unit.me:
        absorbed = e.Absorbed(case_id=state.id, number=state.display_number)
        log.write(unit, into.id, Kind.ABSORBED, absorbed, actor)
    else:
        asking.ask(unit, into.id, Ask.ABSORB, AskAbsorb(case_id=state.id, number=state.display_number), actor)
    return after
