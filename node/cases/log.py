"""Writing into a case's log: sign, fold, and tell everyone who must know, in one unit of work."""

from node.cases.inviting import tell_invited
from node.cases.sheet import Sheet, header_of
from node.unit import Unit
from protocol.case import CaseState
from protocol.entries import Body, Entry, EntryHead, Joined, Kind, Replaced, write_entry
from protocol.errors import Refused
from protocol.keys import digest, to_text
from protocol.messages import Type
from protocol.payloads import ENTRIES_MAX_BYTES, CaseHeader, Entries
from protocol.records import Record
from protocol.rules import next_epoch

SYSTEM = "system"
"""The actor of what the node does by itself."""


def write(unit: Unit, case_id: str, kind: Kind, body: Body, actor: str) -> CaseState:
    """Append an entry as its author and tell everyone who must know.

    Raises:
        Refused: a rule forbids it.
        BodyTooLarge: the body exceeds 32 KB.
    """
    before = unit.book.state(case_id)
    entry, after = append(unit, case_id, kind, body, actor)
    tell(unit, before, after, entry)
    return after


def append(unit: Unit, case_id: str, kind: Kind, body: Body, actor: str) -> tuple[Entry, CaseState]:
    """Append an entry as its author, telling nobody yet.

    Raises:
        Refused: a rule forbids it, or somebody may hold more of this case than we do since our database was lost.
        BodyTooLarge: the body exceeds 32 KB.
    """
    state = unit.book.state(case_id)
    if state is not None and (awaited := unit.awaiting.of(state, unit.tree)):
        raise Refused("recovering", centers=list(awaited))
    head = EntryHead(
        case_id=case_id,
        epoch=next_epoch(state, kind) if state is not None else 1,
        seq=state.seq + 1 if state is not None else 1,
        kind=kind,
        at=unit.now,
        center=unit.me,
        actor=actor,
        body_digest="",
    )
    entry = write_entry(unit.center.identity.signing, head, body, unit.new_salt())
    return entry, unit.book.append(entry)


def tell(unit: Unit, before: CaseState | None, after: CaseState, entry: Entry, *, but: str | None = None) -> None:
    """Tell the followers of an entry, the invited and the ancestors of what it changed.

    Args:
        unit: the unit of work.
        before: the state before the entry.
        after: the state after it.
        entry: the entry.
        but: a follower that has been told already.
    """
    tell_followers(unit, after, entry, but=but)
    tell_invited(unit, before, after)
    tell_ancestors(unit, after)


def tell_followers(unit: Unit, state: CaseState, entry: Entry, *, but: str | None = None) -> None:
    """Send an entry to every full follower; one that has just joined gets the whole log."""
    joined = _who_joined(entry.body)
    for follower in state.followers:
        if follower in {unit.me, but}:
            continue
        records = unit.book.records(state.id) if follower == joined else [entry.record]
        send_records(unit, state.id, records, follower)


def _who_joined(body: Body) -> str | None:
    """Who follows the case from this entry on."""
    match body:
        case Joined(center=code) | Replaced(successor=code):
            return code
        case _:
            return None


def send_records(
    unit: Unit, case_id: str, records: list[Record], destination: str, *, transfer_epoch: int | None = None
) -> None:
    """Send log entries in messages of bounded size."""
    batch: list[Record] = []
    size = 0
    for record in records:
        weight = len(record.head) + len(record.body or "") * 2
        if batch and size + weight > ENTRIES_MAX_BYTES:
            _send_batch(unit, case_id, batch, destination, transfer_epoch)
            batch, size = [], 0
        batch.append(record)
        size += weight
    if batch:
        _send_batch(unit, case_id, batch, destination, transfer_epoch)


def _send_batch(unit: Unit, case_id: str, batch: list[Record], destination: str, transfer_epoch: int | None) -> None:
    payload = Entries(case_id=case_id, entries=tuple(batch))
    unit.outbox.send(Type.ENTRIES, payload, destination, case_id=case_id, transfer_epoch=transfer_epoch)


def tell_ancestors(unit: Unit, state: CaseState) -> None:
    """Tell our ancestors the header of a case that concerns them, and when it stops to."""
    sheet = unit.book.sheet(state.id)
    header = header_of(state)
    qualifies = _concerns_ancestors(unit, state, header)
    if not qualifies and sheet.header_told is None:
        return
    header = header_of(state, withdrawn=not qualifies)
    ancestors = unit.tree.ancestors(unit.me)
    told = (header.model_copy(update={"seq": 0}).model_dump_json(), *ancestors)
    stamp = to_text(digest("\n".join(told).encode()))
    if stamp == sheet.header_told:
        return
    _tell_header(unit, state, header)
    _remember_told(sheet, stamp if qualifies else None)


def withdraw_told(unit: Unit, state: CaseState) -> None:
    """Somebody else holds the case now: what we told our ancestors of it counts no longer; the holder tells them."""
    sheet = unit.book.sheet(state.id)
    if sheet.header_told is None or state.holder in {None, unit.me}:
        return
    _tell_header(unit, state, header_of(state, withdrawn=True))
    _remember_told(sheet, None)


def untell_ancestors(unit: Unit, state: CaseState, told: CaseHeader) -> None:
    """Take back what our ancestors know from us of an end of the log that is no more, and tell how the case stands.

    Its holder may have told them that before, and they took it for old.

    Args:
        unit: the unit of work.
        state: the case as it stands.
        told: the last that our ancestors have heard from us, or may have.
    """
    ahead = (told.epoch, told.seq) > (state.epoch, state.seq)
    last = told if ahead else header_of(state)
    _tell_header(unit, state, last.model_copy(update={"withdrawn": True, "void": True}))
    _remember_told(unit.book.sheet(state.id), None)
    flight = state.custody.flight
    if unit.me in {state.holder, flight.sender if flight is not None else None}:
        tell_ancestors(unit, state)
    elif _concerns_ancestors(unit, state, standing := header_of(state)):
        _tell_header(unit, state, standing)


def _tell_header(unit: Unit, state: CaseState, header: CaseHeader) -> None:
    """Send a header to our ancestors, but those who follow the case."""
    for ancestor in unit.tree.ancestors(unit.me):
        if ancestor not in state.followers:
            unit.outbox.send(Type.HEADER, header, ancestor, case_id=state.id)


def _concerns_ancestors(unit: Unit, state: CaseState, header: CaseHeader) -> bool:
    """Whether the case is a high-grade, joint, supervised, overdue or disputed one, or its subsidy was claimed."""
    if header.grade == "high" or header.joint or header.supervised or header.subsidy is not None:
        return True
    return state.overdue(unit.now) or disputed(unit, state)


def disputed(unit: Unit, state: CaseState) -> bool:
    """Whether the case was returned so often that a superior rules who deals with it."""
    return not state.ended and state.returns >= unit.center.policy.returns_before_ruling


def _remember_told(sheet: Sheet, stamp: str | None) -> None:
    sheet.header_told = stamp
    sheet.dirty = True
