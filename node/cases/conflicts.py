"""Two entries at one place of a log: what happens after a database went back in time.

A center that was restored from an old copy may have written, before it knew, where it had written something else
already. Its own first words have been seen by others, so they stand:

* an author's words that nobody else has built upon, and whose custody nobody was offered, give way to others of the
  same author: it corrects itself, here or at those who took its later words for the right ones;
* else a higher epoch wins; whoever moved the case on knew more;
* at equal epoch what others already hold wins over what we wrote ourselves;
* what can't be decided yet is held back until its author speaks.

What gives way is not forgotten. It is kept (``LostEntryRow``), and the center that wrote it puts a note on the case,
so that a person sees what has to be done again.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import select

from node.cases import asking, log
from node.cases.sheet import header_of
from node.cases.tables import HeldBackRow, LostEntryRow
from node.cases.transfers import lock_lanes, void
from node.clock import LOCAL_ZONE
from node.federation.tables import OutboxRow
from node.i18n import DEFAULT, N_, translate
from node.unit import Unit
from node.words import KINDS
from protocol.case import CaseState
from protocol.entries import REQUEST_TEXT_MAX, Entry, EntryHead, Kind, Noted, read_entry, read_head
from protocol.errors import RemoteError
from protocol.messages import Message, Type, read_message, read_payload
from protocol.payloads import TransferNotice
from protocol.records import Record
from protocol.requests import Ask, AskNote
from protocol.sealing import open_own_message

logger = structlog.get_logger()

CARRIERS = frozenset({Type.ENTRIES, Type.TRANSFER, Type.INVITATION, Type.HEADER})
"""Messages that tell of a log; those of an end that gave way are void where nobody has seen them."""


def gives_way(unit: Unit, ours: EntryHead, theirs: EntryHead, sender: str) -> bool:
    """Whether our entry makes room for the other one at its place.

    Args:
        unit: the unit of work.
        ours: the head that our log has.
        theirs: the head that came.
        sender: who sent it; ourselves where it comes back to us.
    """
    same = ours.center == theirs.center and ours.center in {unit.me, sender}
    if theirs.epoch != ours.epoch:
        return theirs.epoch > ours.epoch or (same and _nobody_built_upon(unit, ours))
    return same


def _nobody_built_upon(unit: Unit, ours: EntryHead) -> bool:
    """Whether our log has only words of this one's author from here on, and we offered custody by none of them."""
    heads = [read_head(record.head) for record in unit.book.records(ours.case_id, ours.seq - 1)]
    if any(head.center != ours.center for head in heads):
        return False
    written = {(head.epoch, head.seq) for head in heads}
    return ours.center != unit.me or written.isdisjoint(_transfers_offered(unit, ours.case_id))


def _transfers_offered(unit: Unit, case_id: str) -> set[tuple[int, int]]:
    """Epoch and place in the log of each transfer of a case that a wire has seen."""
    offered = lock_lanes(unit)
    found = set()
    for row in unit.session.scalars(select(OutboxRow).where(OutboxRow.case_id == case_id)):
        if row.transfer_epoch is None or row.seq > offered.get((row.peer, row.lane), row.seq):
            continue
        message = _opened(unit, row)
        payload = read_payload(message) if message is not None and message.type == Type.TRANSFER else None
        if isinstance(payload, TransferNotice):
            found.add((payload.epoch, payload.seq))
    return found


def give_way(unit: Unit, entry: Entry) -> list[Entry]:
    """Put an entry in the place of ours; the end of our log from there on is lost. Returns it."""
    case_id, seq = entry.head.case_id, entry.head.seq
    lost = unit.book.cut(case_id, seq - 1)
    for gone in lost:
        logger.warning("entry.lost", case_id=case_id, seq=gone.head.seq, kind=gone.head.kind, center=gone.head.center)
        keep(unit, gone)
    return lost


def overrule(unit: Unit, end: Sequence[Entry], sender: str) -> None:
    """The end of a log that was told to us gives way to ours, which is of a later epoch.

    Who told it hears ours from there on, once: it may be none of the followers, to whom ours are told.

    Args:
        unit: the unit of work.
        end: the first entry that differs from ours, and those that were told with it.
        sender: who told them; ourselves where they come back to us.
    """
    case_id, first = end[0].head.case_id, end[0].head.seq
    known = select(LostEntryRow.seq).where(LostEntryRow.case_id == case_id, LostEntryRow.seq.in_([first - 1, first]))
    if sender != unit.me and unit.session.scalar(known.limit(1)) is None:
        log.send_records(unit, case_id, unit.book.records(case_id, first - 1), sender)
    for entry in end:
        keep(unit, entry)
    waiting = select(HeldBackRow).where(HeldBackRow.case_id == case_id, HeldBackRow.seq > first)
    for row in unit.session.scalars(waiting).all():
        entry = read_entry(Record.model_validate_json(row.record))
        if unit.book.heads(case_id, [row.seq]).get(row.seq, entry.record.head) != entry.record.head:
            keep(unit, entry)  # it waited for its author, who has spoken now
            unit.session.delete(row)
    unit.session.flush()


def keep(unit: Unit, gone: Entry) -> None:
    """Keep an entry that gave way."""
    head, signature = gone.head, gone.record.signature
    if unit.session.get(LostEntryRow, (head.case_id, head.seq, signature)) is not None:
        return
    unit.session.add(
        LostEntryRow(
            case_id=head.case_id,
            seq=head.seq,
            signature=signature,
            center=head.center,
            kind=head.kind,
            record=gone.record.model_dump_json(),
            lost_at=unit.now,
        )
    )
    unit.session.flush()


def tell(unit: Unit, before: CaseState, lost: Sequence[Entry]) -> None:
    """After our log gave way: take back what nobody has seen, correct who has, and put a note on the case."""
    case_id, first = before.id, lost[0].head.seq
    _void_untold(unit, case_id)
    after = unit.book.state(case_id)
    assert after is not None
    if unit.book.sheet(case_id).header_told is not None:
        log.untell_ancestors(unit, after, header_of(before))
    if any(entry.head.center == unit.me for entry in lost):
        records = unit.book.records(case_id, first - 1)
        flight = before.custody.flight
        for center in {*before.followers, *after.followers, *([flight.to] if flight is not None else [])} - {unit.me}:
            log.send_records(unit, case_id, records, center)
    _note(unit, after, lost)
    ours = unit.me in after.followers or unit.me == after.in_transit_to
    if not ours and unit.book.sheet(case_id).view_until is None:
        unit.book.drop(case_id)


def _void_untold(unit: Unit, case_id: str) -> None:
    offered = lock_lanes(unit)
    waiting = unit.session.scalars(select(OutboxRow).where(OutboxRow.case_id == case_id)).all()
    for row in waiting:
        if row.seq > offered[row.peer, row.lane] and _type_of(unit, row) in CARRIERS:
            void(unit, row)
    unit.session.flush()


def _type_of(unit: Unit, row: OutboxRow) -> str | None:
    """What kind of message of ours this is, sealed or not."""
    message = _opened(unit, row)
    return message.type if message is not None else None


def _opened(unit: Unit, row: OutboxRow) -> Message | None:
    """A message of ours, its seal opened; None where it can't be."""
    known = unit.center.directory.known
    try:
        message = read_message(row.body)
        if message.type == Type.SEALED:
            sealing = unit.center.identity.sealing
            return open_own_message(message, sealing, known.sealing_keys_of(row.destination), known.keys_of(unit.me))
    except RemoteError:
        return None
    return message


def _note(unit: Unit, after: CaseState, lost: Sequence[Entry]) -> None:
    """Tell the people what has to be done again: of ours, and where we led them astray, of who has no part any more."""
    if unit.me not in after.followers:
        return
    kept = {_request_of(read_entry(record)) for record in unit.book.records(after.id)} - {None}
    astray = lost[0].head.center == unit.me
    mine = [
        entry
        for entry in lost
        if entry.head.actor != log.SYSTEM
        and _request_of(entry) not in kept
        and (entry.head.center == unit.me or (astray and entry.head.center not in after.followers))
    ]
    if not mine:
        return
    text = _words(mine)
    if after.holder == unit.me:
        log.write(unit, after.id, Kind.NOTED, Noted(text=text, by=unit.me), log.SYSTEM)
    elif after.in_transit_to != unit.me:
        asking.ask(unit, after.id, Ask.NOTE, AskNote(text=text), log.SYSTEM)


def _request_of(entry: Entry) -> str | None:
    """The request that an entry was made from, by its signature."""
    request = getattr(entry.body, "request", None)
    return request.signature if request is not None else None


def _words(lost: Sequence[Entry]) -> str:
    """What was lost, one line each: when, who, what, and what they had written."""
    lines = [
        translate(
            DEFAULT,
            N_("After a restore these entries gave way to others; please see what to repeat:"),
        )
    ]
    for entry in lost:
        at = entry.head.at.astimezone(LOCAL_ZONE)
        kind = translate(DEFAULT, KINDS.get(entry.head.kind, entry.head.kind))
        said = getattr(entry.body, "text", None) or getattr(entry.body, "reason", None) or ""
        lines.append(f"{at:%Y-%m-%d %H:%M} {entry.head.center} {entry.head.actor} {kind} {said}".rstrip())
    return "\n".join(lines)[:REQUEST_TEXT_MAX]
