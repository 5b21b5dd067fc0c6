"""The book: cases of one unit of work, loaded once, folded in memory, written once at the end.

A frame of five hundred entries touches each case row once. On PostgreSQL a case's row is locked when it is loaded,
so that two people (or a person and a frame) never fold onto the same state.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from node.access import Access
from node.cases.tables import CaseRow, EntryRow
from node.status.ledger import Ledger
from protocol.case import CaseState, PartnerStatus, fold
from protocol.entries import Entry, read_entry
from protocol.messages import CaseHeader, Invitation
from protocol.records import Record


@dataclass(slots=True)
class Sheet:
    """One case in the book."""

    row: CaseRow | None
    state: CaseState | None
    header: CaseHeader | None = None
    invitation: Invitation | None = None
    view_until: datetime | None = None
    header_told: str | None = None
    dirty: bool = False
    new_entries: list[Entry] = field(default_factory=list)


class Book:
    """The cases that this unit touches."""

    def __init__(self, session: Session, ledger: Ledger, me: str) -> None:
        self._session = session
        self._ledger = ledger
        self._me = me
        self._sheets: dict[str, Sheet] = {}

    def sheet(self, case_id: str) -> Sheet:
        """A case, locked until the unit ends; empty where we know nothing of it."""
        sheet = self._sheets.get(case_id)
        if sheet is None:
            row = self._session.scalar(select(CaseRow).where(CaseRow.id == case_id).with_for_update())
            sheet = Sheet(row=row, state=None)
            if row is not None:
                sheet.state = CaseState.model_validate_json(row.state) if row.state is not None else None
                sheet.header = CaseHeader.model_validate_json(row.header) if row.header is not None else None
                sheet.view_until, sheet.header_told = row.view_until, row.header_told
                if row.invitation is not None:
                    sheet.invitation = Invitation.model_validate_json(row.invitation)
            self._sheets[case_id] = sheet
        return sheet

    def state(self, case_id: str) -> CaseState | None:
        """The state as far as we hold its log."""
        return self.sheet(case_id).state

    def append(self, entry: Entry) -> CaseState:
        """Fold an entry onto its case; stored by ``flush``.

        Raises:
            OutOfOrder, Refused: as ``protocol.case.fold``.
        """
        sheet = self.sheet(entry.head.case_id)
        before = sheet.state
        after = fold(before, entry)
        sheet.state = after
        sheet.new_entries.append(entry)
        sheet.dirty = True
        self._ledger.count(before, after, entry)
        return after

    def records(self, case_id: str, after_seq: int = 0) -> list[Record]:
        """The log of a case from ``after_seq`` on, with what this unit added; entries without body are left out."""
        rows = self._session.scalars(
            select(EntryRow).where(EntryRow.case_id == case_id, EntryRow.seq > after_seq).order_by(EntryRow.seq)
        )
        records = [Record(head=r.head, signature=r.signature, salt=r.salt, body=r.body) for r in rows]
        added = [entry.record for entry in self.sheet(case_id).new_entries if entry.head.seq > after_seq]
        return records + added

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
        entries: list[dict[str, object]] = []
        for case_id, sheet in self._sheets.items():
            if not sheet.dirty:
                continue
            entries.extend(_entry_values(entry) for entry in sheet.new_entries)
            sheet.new_entries.clear()
            sheet.dirty = False
            self._write(case_id, sheet)
        if entries:
            self._session.flush()
            self._session.execute(insert(EntryRow), entries)

    def _write(self, case_id: str, sheet: Sheet) -> None:
        access = self._access(sheet)
        if access is Access.NONE:
            if sheet.row is not None:
                self._session.delete(sheet.row)
                sheet.row = None
            return
        if sheet.row is None:
            sheet.row = CaseRow(id=case_id)
            self._session.add(sheet.row)
        _fill(sheet.row, sheet)
        sheet.row.access = access

    def _access(self, sheet: Sheet) -> Access:
        state = sheet.state
        if state is not None and (self._me in {*state.followers, state.in_transit_to, state.holder}):
            return Access.FULL
        if sheet.invitation is not None:
            return Access.INVITED
        if state is not None and sheet.view_until is not None:
            return Access.VIEWED
        if sheet.header is not None:
            return Access.HEADER
        return Access.FULL if state is not None else Access.NONE


def _fill(row: CaseRow, sheet: Sheet) -> None:
    """Repeat in plain columns what lists show."""
    row.header = sheet.header.model_dump_json() if sheet.header is not None else None
    row.invitation = sheet.invitation.model_dump_json() if sheet.invitation is not None else None
    row.view_until, row.header_told = sheet.view_until, sheet.header_told
    state = sheet.state
    if state is not None:
        row.state = state.model_dump_json(exclude_none=True)
        row.title, row.place = _column(state.title), _column(state.place)
    header = newest_header(sheet)
    row.number, row.display_number = header.number, header.display_number
    row.category, row.grade, row.status = header.category, header.grade, header.status
    row.origin, row.holder, row.in_transit_to = header.origin, header.holder, header.in_transit_to
    row.epoch, row.seq, row.deadline = header.epoch, header.seq, header.deadline
    row.registered_at, row.joint, row.supervised = header.registered_at, header.joint, header.supervised
    row.ended = header.status in {"closed", "withdrawn", "referred", "merged"}
    if state is None and sheet.invitation is not None:
        row.title, row.place = _column(sheet.invitation.title), _column(sheet.invitation.place)
    elif state is None:
        row.title, row.place = None, None


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
