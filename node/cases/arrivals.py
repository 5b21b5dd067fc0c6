"""What arrives for cases: entries, custody, refusals, headers, invitations, requests and their answers.

Each handler works in the unit of work of the frame that brought the message. What it can't accept raises
RemoteError; the inbox parks the message with that reason.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, select

from node.access import Access
from node.attachments import rows as attachment_rows
from node.cases import conflicts, frozen, granting, transfers
from node.cases import log as case_log
from node.cases.sheet import header_of
from node.cases.tables import CaseRow, EntryRow, HeldBackRow, PastHeaderRow, RequestRow
from node.cases.undelivered import come_back
from node.unit import Unit
from protocol.entries import REASON_MAX, Entry, read_entry, read_head, signed_entry
from protocol.errors import BadRecord, OutOfOrder, Refused
from protocol.keys import Signed
from protocol.messages import Message, Type
from protocol.payloads import (
    Answer,
    CaseHeader,
    Entries,
    Invitation,
    Refusal,
    RequestMessage,
    RequestState,
    TransferNotice,
    View,
)
from protocol.records import Record
from protocol.requests import Ask, read_request

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VerifiedEntries:
    """Entries of one case; nobody applies them before their authors' signatures are verified."""

    case_id: str
    entries: tuple[Entry, ...]


def read_entries(
    payload: Entries, keys_of: Callable[[str], tuple[str, ...]]
) -> tuple[VerifiedEntries, tuple[Signed, ...]]:
    """Read entries and check the digest of each; needs no database.

    Args:
        payload: what came.
        keys_of: signing keys of a center.

    Returns:
        The entries, and what their authors should have signed: the caller verifies it.

    Raises:
        BadRecord: one does not parse, or is of another case.
    """
    entries = tuple(read_entry(record) for record in payload.entries)
    if any(entry.head.case_id != payload.case_id for entry in entries):
        raise BadRecord("entry of another case")
    signed = tuple(signed_entry(entry, keys_of(entry.head.center)) for entry in entries)
    return VerifiedEntries(payload.case_id, entries), signed


def on_entries(unit: Unit, message: Message, payload: VerifiedEntries) -> None:
    """Take log entries in order; hold back what came too early, drop what we hold already.

    Where another entry stands in the place of one, somebody's database went back in time (``node.cases.conflicts``).
    """
    held = unit.book.heads(payload.case_id, [entry.head.seq for entry in payload.entries])
    before = unit.book.state(payload.case_id)
    lost: list[Entry] = []
    for place, entry in enumerate(payload.entries):
        ours = held.get(entry.head.seq)
        if ours is None or lost:
            _take(unit, entry)
        elif ours != entry.record.head:
            lost = _settle(unit, entry, ours, message.sender)
            if not lost and entry.head.epoch < read_head(ours).epoch:
                conflicts.overrule(unit, payload.entries[place:], message.sender)
                break
    if unit.book.sheet(payload.case_id).held_back:
        _take_held_back(unit, payload.case_id)
    if lost:
        assert before is not None
        conflicts.tell(unit, before, lost)
    state = unit.book.state(payload.case_id)
    if state is not None:
        transfers.repeat_forgotten(unit, state)
    if state is not None and state.holder != unit.me:
        case_log.withdraw_told(unit, state)
    elif state is not None and not frozen.is_frozen(unit, state.id):  # our own words came back, and the case with them
        case_log.tell_ancestors(unit, state)


def _settle(unit: Unit, entry: Entry, ours: str, sender: str) -> list[Entry]:
    """Another entry stands in the place of this one. Returns what of our log had to give way to it."""
    standing = read_head(ours)
    if conflicts.gives_way(unit, standing, entry.head, sender):
        lost = conflicts.give_way(unit, entry)
        _fold(unit, entry)
        return lost
    if entry.head.epoch == standing.epoch:
        _hold_back(unit, entry)
    log.info("entry.contradicts", case_id=entry.head.case_id, seq=entry.head.seq, center=entry.head.center)
    return []


def _take(unit: Unit, entry: Entry) -> None:
    state = unit.book.state(entry.head.case_id)
    last = state.seq if state is not None else 0
    if entry.head.seq > last + 1:
        _hold_back(unit, entry)
    elif entry.head.seq == last + 1:
        _fold(unit, entry)


def _fold(unit: Unit, entry: Entry) -> None:
    try:
        unit.book.append(entry)
    except Refused as refused:
        raise OutOfOrder(f"{entry.head.kind}: {refused.reason}") from refused


def _hold_back(unit: Unit, entry: Entry) -> None:
    if unit.session.get(HeldBackRow, (entry.head.case_id, entry.head.seq)) is None:
        row = HeldBackRow(
            case_id=entry.head.case_id,
            seq=entry.head.seq,
            record=entry.record.model_dump_json(),
            held_at=unit.now,
        )
        unit.session.add(row)
        unit.session.flush()
        unit.book.sheet(entry.head.case_id).held_back = True
        log.info("entry.held_back", case_id=entry.head.case_id, seq=entry.head.seq)


def _take_held_back(unit: Unit, case_id: str) -> None:
    rows = unit.session.scalars(select(HeldBackRow).where(HeldBackRow.case_id == case_id).order_by(HeldBackRow.seq))
    for row in rows.all():
        state = unit.book.state(case_id)
        last = state.seq if state is not None else 0
        if row.seq > last + 1:
            return
        entry = read_entry(Record.model_validate_json(row.record))
        if row.seq == last + 1 and state is not None and entry.head.epoch < state.epoch:
            conflicts.keep(unit, entry)  # of an end that gave way
        elif row.seq == last + 1:
            _fold(unit, entry)
            if entry.head.center == unit.me:  # our own words, which our database forgot; not all may have heard them
                folded = unit.book.state(case_id)
                assert folded is not None
                case_log.tell_followers(unit, folded, entry)
        elif unit.book.heads(case_id, [row.seq])[row.seq] != entry.record.head:
            continue  # it contradicts the log; who wrote it has not spoken yet
        unit.session.delete(row)


def on_transfer(unit: Unit, message: Message, payload: TransferNotice) -> None:
    """Custody comes to us: take it, or refuse it for ever."""
    state = unit.book.state(payload.case_id)
    if transfers.is_buried(unit, payload.case_id, payload.epoch):
        refuse(unit, payload, message.sender, "was refused before")
        return
    if state is not None and state.epoch > payload.epoch:
        log.info("transfer.stale", case_id=payload.case_id, epoch=payload.epoch, our_epoch=state.epoch)
        return
    if state is None or state.seq < payload.seq:
        raise OutOfOrder(f"transfer of case {payload.case_id} came before its log")
    flight = state.custody.flight
    if flight is None:
        return
    if (flight.sender, flight.to, state.epoch) != (message.sender, unit.me, payload.epoch):
        raise BadRecord(f"transfer of case {payload.case_id} is not from {message.sender} to us")
    if unit.tree.retired(unit.me):
        heir = unit.tree.heir(unit.me)
        refuse(unit, payload, message.sender, f"已并入{unit.tree.name(heir)} {heir} / merged into {heir}")
        return
    if unit.awaiting.of(state, unit.tree):
        log.info("transfer.awaiting", case_id=payload.case_id, epoch=payload.epoch)
        return
    transfers.deliver(unit, state)
    granting.receive_waiting(unit, payload.case_id)


def refuse(unit: Unit, notice: TransferNotice, sender: str, reason: str) -> None:
    """Refuse a transfer: leave a tombstone and send custody back, in the same transaction."""
    reason = reason.replace("\0", "")[:REASON_MAX]
    transfers.bury(unit, notice.case_id, notice.epoch, reason)
    refusal = Refusal(case_id=notice.case_id, epoch=notice.epoch, reason=reason)
    unit.outbox.send(Type.REFUSAL, refusal, sender, case_id=notice.case_id)
    granting.send_back_waiting(unit, notice.case_id, sender, notice.epoch)
    _drop_copy(unit, notice.case_id, notice.epoch)


def _drop_copy(unit: Unit, case_id: str, epoch: int) -> None:
    """What came along with a transfer that we refused is not ours to keep."""
    sheet = unit.book.sheet(case_id)
    state = sheet.state
    if state is not None and (unit.me in state.followers or state.epoch > epoch or sheet.view_until is not None):
        return
    unit.book.drop(case_id)


def on_refusal(unit: Unit, message: Message, payload: Refusal) -> None:
    """Our transfer was refused by its destination: custody comes back."""
    state = unit.book.state(payload.case_id)
    if state is None or state.in_transit_to != message.sender:
        log.info("refusal.stale", case_id=payload.case_id, epoch=payload.epoch)
        return
    come_back(unit, payload.case_id, payload.epoch, payload.reason)


def on_header(unit: Unit, message: Message, payload: CaseHeader) -> None:
    """A header of a case that somebody below us holds; the newest wins, it goes when the case leaves our subtree.

    Who held the case before withdraws what it told; that takes nothing away from what the holder says at that place.
    From above comes what is known there of a case of ours, after we asked everybody.
    """
    if message.sender in unit.tree.ancestors(unit.me):
        _told_back(unit, payload)
        return
    if message.sender not in unit.tree.descendants(unit.me):
        if unit.center.directory.known.was_below(message.sender, unit.me):
            return  # it was on its way when its center moved
        raise BadRecord(f"header from {message.sender}, who is not below us")
    sheet = unit.book.sheet(payload.case_id)
    known = sheet.header
    place = (payload.epoch, payload.seq)
    if known is not None and (known.epoch, known.seq) > place:
        return
    past = unit.session.get(PastHeaderRow, payload.case_id)
    if past is not None and (past.epoch, past.seq) > place:
        return  # it comes again, after a center on its way has lost its database or went back in time
    theirs = known is not None and known.holder not in {None, message.sender}
    if known is not None and payload.withdrawn and known.seq == payload.seq and theirs:
        return
    below = unit.tree.descendants(unit.me)
    ours = (payload.holder or payload.in_transit_to) in {*below, unit.me}
    sheet.header = payload if ours and not payload.withdrawn else None
    sheet.dirty = True
    if past is not None:
        unit.session.delete(past)
        unit.session.flush()
    if sheet.header is None and not payload.void:
        unit.session.add(PastHeaderRow(case_id=payload.case_id, epoch=payload.epoch, seq=payload.seq, at=unit.now))
    if payload.holder not in {None, unit.me}:  # what waited here for the case waits in vain
        granting.receive_waiting(unit, payload.case_id)


def _told_back(unit: Unit, told: CaseHeader) -> None:
    """What an ancestor knows of a case that it takes for ours; where our log says otherwise, it hears that."""
    state = unit.book.state(told.case_id)
    if state is None:
        return  # lost with its log: that header is the last that anybody knows of it
    ahead = (told.epoch, told.seq) > (state.epoch, state.seq)
    if ahead or (told.seq == state.seq and told != header_of(state)):
        case_log.untell_ancestors(unit, state, told)


def on_invitation(unit: Unit, message: Message, payload: Invitation) -> None:
    """We are invited to mediate jointly or to take a case over, or not any more; who invited us also withdraws."""
    sheet = unit.book.sheet(payload.header.case_id)
    known = sheet.invitation
    if payload.withdrawn:
        if known is not None and known.header.holder == message.sender:
            sheet.invitation, sheet.dirty = None, True
        return
    if payload.header.holder != message.sender:
        raise BadRecord("invitation by somebody who does not hold the case")
    follows = sheet.state is not None and unit.me in sheet.state.followers
    newer = known is None or (known.header.epoch, known.header.seq) <= (payload.header.epoch, payload.header.seq)
    if newer and not follows:
        sheet.invitation, sheet.dirty = payload, True


def on_request(unit: Unit, message: Message, payload: RequestMessage) -> None:
    """Somebody asks something of a case that we hold, or held."""
    request = read_request(payload.request, unit.center.directory.known.keys_of)
    granting.receive(unit, request, came_from=message.sender)


def on_answer(unit: Unit, message: Message, payload: Answer) -> None:
    """The holder answers our request. Of one that we know nothing of, nothing is left to do.

    Our database may have gone back in time or been lost, perhaps without our learning of it: where our neighbour's did
    so, too, nobody shows us.
    """
    row = unit.session.get(RequestRow, payload.request_id)
    if row is None:
        log.warning("answer.unasked", request_id=payload.request_id, sender=message.sender)
        return
    if not row.mine or row.case_id != payload.case_id:
        raise BadRecord(f"answer to a request that we did not make: {payload.request_id}")
    if row.state == RequestState.PENDING:  # the first answer counts
        row.state, row.reason = payload.state, payload.reason


def on_view(unit: Unit, message: Message, payload: View) -> None:
    """The holder opened a case to us for a while, at our request and with our reason on its log."""
    asked = select(RequestRow.id).where(
        RequestRow.case_id == payload.case_id, RequestRow.kind == Ask.VIEW, RequestRow.mine.is_(True)
    )
    if unit.session.scalar(asked.limit(1)) is None:  # forgotten, as an answer may be
        log.warning("view.unasked", case_id=payload.case_id, sender=message.sender)
        return
    sheet = unit.book.sheet(payload.case_id)
    if sheet.state is None or sheet.state.holder != message.sender:  # or its log, or the transfer since
        log.warning("view.stale", case_id=payload.case_id, sender=message.sender)
        return
    sheet.view_until = payload.until
    sheet.dirty = True


def purge_views(unit: Unit, limit: int = 100) -> int:
    """Purge what broken glasses showed and may show no longer; headers stay. Returns how many cases were purged."""
    over = select(CaseRow.id).where(CaseRow.access == Access.VIEWED, CaseRow.view_until <= unit.now).limit(limit)
    case_ids = unit.session.scalars(over).all()
    for case_id in case_ids:
        sheet = unit.book.sheet(case_id)
        sheet.state, sheet.view_until, sheet.dirty = None, None, True
        unit.session.execute(delete(EntryRow).where(EntryRow.case_id == case_id))
        attachment_rows.forget(unit.session, case_id)
    return len(case_ids)
