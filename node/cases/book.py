"""The book: cases of one unit of work, loaded once, folded in memory, written once at the end.

A frame of five hundred entries touches each case row once. On PostgreSQL a case's row is locked when it is loaded,
so that two people (or a person and a frame) never fold onto the same state.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from node.access import Access
from node.cases.tables import CaseRow, EntryRow, HeldBackRow
from node.clock import LOCAL_ZONE
from node.status.ledger import Ledger
from protocol.case import CaseState, PartnerStatus
from protocol.deadlines import last_rung
from protocol.entries import Entry, read_entry
from protocol.errors import OutOfOrder
from protocol.folding import fold
from protocol.payloads import CaseHeader, Invitation
from protocol.records import Record
from protocol.visits import next_visit


@dataclass(slots=True)
class Sheet:
    """One case in the book.

    Attributes:
        stored: whether the database has a row of it.
        held_back: whether entries wait for one that precedes them.
        counted: the state that our counters know.
    """

    stored: bool
    state: CaseState | None = None
    header: CaseHeader | None = None
    invitation: Invitation | None = None
    view_until: datetime | None = None
    header_told: str | None = None
    held_back: bool = False
    counted: CaseState | None = None
    dirty: bool = False
    new_entries: list[Entry] = field(default_factory=list)

    @property
    def known(self) -> bool:
        """Whether we know anything of the case."""
        return self.state is not None or self.header is not None or self.invitation is not None


class Book:
    """The cases that this unit touches."""

    def __init__(self, session: Session, ledger: Ledger, me: str, visit_days: Sequence[int]) -> None:
        self._session = session
        self._ledger = ledger
        self._me = me
        self._visit_days = visit_days
        self._sheets: dict[str, Sheet] = {}

    def sheet(self, case_id: str) -> Sheet:
        """A case, locked until the unit ends; empty where we know nothing of it."""
        if case_id not in self._sheets:
            self.load([case_id])
        return self._sheets[case_id]

    def load(self, case_ids: Collection[str]) -> None:
        """Open the sheets of many cases at once, locked in an order that all units keep.

        Columns are read, not mapped rows: such a row may have been read before it was locked.
        """
        missing = sorted(set(case_ids) - self._sheets.keys())
        kept = select(
            CaseRow.id, CaseRow.state, CaseRow.header, CaseRow.invitation, CaseRow.view_until, CaseRow.header_told
        )
        rows = self._session.execute(kept.where(CaseRow.id.in_(missing)).order_by(CaseRow.id).with_for_update())
        found = {row.id: _read_sheet(row) for row in rows}
        held_back = set(self._session.scalars(select(HeldBackRow.case_id).where(HeldBackRow.case_id.in_(missing))))
        for case_id in missing:
            sheet = self._sheets[case_id] = found.get(case_id) or Sheet(stored=False)
            sheet.held_back = case_id in held_back

    def state(self, case_id: str) -> CaseState | None:
        """The state as far as we hold its log."""
        return self.sheet(case_id).state

    def append(self, entry: Entry) -> CaseState:
        """Fold an entry onto its case; stored by ``flush``.

        Raises:
            OutOfOrder, Refused: as ``protocol.folding.fold``.
        """
        sheet = self.sheet(entry.head.case_id)
        after = fold(sheet.state, entry)
        sheet.state = after
        sheet.new_entries.append(entry)
        sheet.dirty = True
        if sheet.invitation is not None and self._me in after.followers:
            sheet.invitation = None
        if entry.head.center == self._me:
            self._count(sheet)
        return after

    def cut(self, case_id: str, after_seq: int) -> list[Entry]:
        """Take the end of a log away, from behind ``after_seq``; the caller appends what belongs there.

        Returns:
            The entries taken away.

        Raises:
            OutOfOrder: bodies are missing that the fold of the rest needs.
        """
        sheet = self.sheet(case_id)
        records = self.records(case_id)
        if any(record.body is None for record in records):
            raise OutOfOrder(f"case {case_id} can't be folded again: bodies were purged")
        entries = [read_entry(record) for record in records]
        kept = state = None
        for entry in entries:
            state = fold(state, entry)
            if entry.head.seq <= after_seq:
                kept = state
            else:
                self._ledger.take_back(entry, state)
        sheet.state, sheet.dirty = kept, True
        sheet.new_entries = [entry for entry in sheet.new_entries if entry.head.seq <= after_seq]
        self._session.execute(delete(EntryRow).where(EntryRow.case_id == case_id, EntryRow.seq > after_seq))
        return [entry for entry in entries if entry.head.seq > after_seq]

    def drop(self, case_id: str) -> None:
        """Forget the log of a case that is not ours to keep."""
        sheet = self.sheet(case_id)
        self._count(sheet)
        sheet.state, sheet.counted, sheet.held_back, sheet.dirty = None, None, False, True
        sheet.new_entries.clear()
        self._session.execute(delete(EntryRow).where(EntryRow.case_id == case_id))
        self._session.execute(delete(HeldBackRow).where(HeldBackRow.case_id == case_id))

    def _count(self, sheet: Sheet) -> None:
        """Count what changed. What others wrote counts by the state that it led to, hence all of it at once."""
        if sheet.state is not None and sheet.state is not sheet.counted:
            self._ledger.count(sheet.counted, sheet.state, sheet.new_entries[-1])
            sheet.counted = sheet.state

    def records(self, case_id: str, after_seq: int = 0) -> list[Record]:
        """The log of a case from ``after_seq`` on, with what this unit added; entries without body are left out."""
        rows = self._session.scalars(
            select(EntryRow).where(EntryRow.case_id == case_id, EntryRow.seq > after_seq).order_by(EntryRow.seq)
        )
        records = [Record(head=r.head, signature=r.signature, salt=r.salt, body=r.body) for r in rows]
        added = [entry.record for entry in self.sheet(case_id).new_entries if entry.head.seq > after_seq]
        return records + added

    def heads(self, case_id: str, seqs: Collection[int]) -> dict[int, str]:
        """The signed heads of those of these entries that the log has."""
        state = self.state(case_id)
        wanted = [seq for seq in seqs if state is not None and seq <= state.seq]
        if not wanted:
            return {}
        stored = select(EntryRow.seq, EntryRow.head).where(EntryRow.case_id == case_id, EntryRow.seq.in_(wanted))
        found = dict(self._session.execute(stored).all())
        added = {entry.head.seq: entry.record.head for entry in self.sheet(case_id).new_entries}
        return found | {seq: head for seq, head in added.items() if seq in wanted}

    def entry(self, case_id: str, seq: int) -> Entry | None:
        """One entry of a case's log."""
        for entry in self.sheet(case_id).new_entries:
            if entry.head.seq == seq:
                return entry
        row = self._session.get(EntryRow, (case_id, seq))
        if row is None or row.body is None:
            return None
        return read_entry(Record(head=row.head, signature=row.signature, salt=row.salt, body=row.body))

    def snapshot(self) -> dict[str, Sheet]:
        """What this unit holds in memory, to go back to."""
        return {case_id: replace(sheet, new_entries=list(sheet.new_entries)) for case_id, sheet in self._sheets.items()}

    def restore(self, snapshot: dict[str, Sheet]) -> None:
        """Go back to a snapshot."""
        self._sheets = snapshot

    def flush(self) -> None:
        """Write all sheets that changed."""
        dirty = {case_id: sheet for case_id, sheet in self._sheets.items() if sheet.dirty}
        if not dirty:
            return
        for sheet in dirty.values():
            self._count(sheet)
        self._session.flush()
        self._write_rows(dirty)
        entries = [_entry_values(entry) for sheet in dirty.values() for entry in sheet.new_entries]
        if entries:
            self._session.connection().execute(insert(EntryRow), entries)
        for sheet in dirty.values():
            sheet.new_entries.clear()
            sheet.dirty = False

    def _write_rows(self, sheets: dict[str, Sheet]) -> None:
        new: list[dict[str, object]] = []
        changed: list[dict[str, object]] = []
        for case_id, sheet in sheets.items():
            access = self._access(sheet)
            if access is Access.NONE:
                self._session.execute(delete(CaseRow).where(CaseRow.id == case_id))
            elif sheet.stored:
                changed.append({"this_id": case_id, "access": access.value, **self._columns(sheet)})
            else:
                new.append({"id": case_id, "access": access.value, **self._columns(sheet)})
            sheet.stored = access is not Access.NONE
            self._forget_row(case_id)
        connection = self._session.connection()
        if new:
            connection.execute(insert(CaseRow), new)
        if changed:
            connection.execute(update(CaseRow).where(CaseRow.id == bindparam("this_id")), changed)

    def _columns(self, sheet: Sheet) -> dict[str, object]:
        return {**_columns(sheet), **_agenda(sheet, self._visit_days)}

    def _forget_row(self, case_id: str) -> None:
        """Whoever asks the session for this row gets it as it is from now on."""
        row = self._session.identity_map.get(identity_key(CaseRow, case_id))
        if row is not None:
            self._session.expire(row)

    def _access(self, sheet: Sheet) -> Access:
        """What this center may see: what it was told before a transfer has arrived gives it no sight of the case."""
        state = sheet.state
        if state is not None and self._me in state.followers:
            return Access.FULL
        if state is not None and (sheet.view_until is not None or sheet.invitation is None):
            return Access.VIEWED
        if sheet.invitation is not None:
            return Access.INVITED
        return Access.HEADER if sheet.header is not None else Access.NONE


def _read_sheet(row: Row[str, str | None, str | None, str | None, datetime | None, str | None]) -> Sheet:
    _id, state_text, header, invitation, view_until, header_told = row
    state = CaseState.model_validate_json(state_text) if state_text is not None else None
    return Sheet(
        stored=True,
        state=state,
        counted=state,
        header=CaseHeader.model_validate_json(header) if header is not None else None,
        invitation=Invitation.model_validate_json(invitation) if invitation is not None else None,
        view_until=view_until,
        header_told=header_told,
    )


def _columns(sheet: Sheet) -> dict[str, object]:
    """A sheet as a row; what lists show is repeated in plain columns."""
    state, invitation, header = sheet.state, sheet.invitation, newest_header(sheet)
    named = state if state is not None else invitation
    return {
        "state": state.model_dump_json(exclude_none=True) if state is not None else None,
        "header": sheet.header.model_dump_json() if sheet.header is not None else None,
        "invitation": invitation.model_dump_json() if invitation is not None else None,
        "view_until": sheet.view_until,
        "header_told": sheet.header_told,
        "title": _column(named.title) if named is not None else None,
        "place": _column(named.place) if named is not None else None,
        "number": header.number,
        "display_number": header.display_number,
        "category": header.category.value,
        "grade": header.grade.value,
        "status": header.status.value,
        "origin": header.origin,
        "holder": header.holder,
        "in_transit_to": header.in_transit_to,
        "epoch": header.epoch,
        "seq": header.seq,
        "deadline": header.deadline,
        "registered_at": header.registered_at,
        "joint": header.joint,
        "supervised": header.supervised,
        "ended": header.status in {"closed", "withdrawn", "referred", "merged"},
    }


def _agenda(sheet: Sheet, visit_days: Sequence[int]) -> dict[str, object]:
    """What the case asks of its holder, as plain columns; where only a header is known, since when."""
    state = sheet.state
    if state is None:
        nothing = dict.fromkeys(("came_by", "came_from", "answer_by", "last_rung", "visit_on"))
        return {**nothing, "accepted": False, "open_orders": 0, "since": newest_header(sheet).registered_at}
    custody = state.custody
    waiting = [urge for urge in state.urges.values() if not urge.answered]
    reached = state.agreement.at.astimezone(LOCAL_ZONE).date() if state.agreement is not None else None
    return {
        "accepted": custody.accepted_by is not None,
        "came_by": custody.came_by.value if custody.came_by is not None else None,
        "came_from": custody.last_sender,
        "since": custody.since or state.registered_at,
        "open_orders": len(waiting),
        "answer_by": min((urge.reply_by for urge in waiting if urge.reply_by is not None), default=None),
        "last_rung": last_rung(state),
        "visit_on": next_visit(state, reached, visit_days),
    }


def _column(text: str) -> str:
    """A text as PostgreSQL's plain columns take it; the log keeps it as typed."""
    return text.replace("\0", "")


def newest_header(sheet: Sheet) -> CaseHeader:
    """The newest header that we know of this case: from its log, an invitation, or a header told to us."""
    known = [header for header in (sheet.header, sheet.invitation.header if sheet.invitation else None) if header]
    if sheet.state is not None:
        known.append(header_of(sheet.state))
    assert known
    return max(known, key=lambda header: (header.epoch, header.seq))


def header_of(state: CaseState, *, withdrawn: bool = False) -> CaseHeader:
    """The header of a case: no party, no free text."""
    return CaseHeader(
        case_id=state.id,
        number=state.number,
        display_number=state.display_number,
        category=state.category,
        grade=state.grade,
        status=state.status,
        origin=state.origin,
        holder=state.holder,
        in_transit_to=state.in_transit_to,
        epoch=state.epoch,
        seq=state.seq,
        deadline=state.deadline,
        joint=any(partner.status is not PartnerStatus.DECLINED for partner in state.partners.values()),
        supervised=bool(state.urges),
        registered_at=state.registered_at,
        withdrawn=withdrawn,
    )


def _entry_values(entry: Entry) -> dict[str, object]:
    head, record = entry.head, entry.record
    return {
        "case_id": head.case_id,
        "seq": head.seq,
        "epoch": head.epoch,
        "kind": head.kind,
        "at": head.at,
        "center": head.center,
        "head": record.head,
        "signature": record.signature,
        "salt": record.salt,
        "body": record.body,
    }
