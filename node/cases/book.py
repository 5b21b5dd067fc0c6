"""The book: cases of one unit of work, loaded once, folded in memory, written once at the end.

A frame of five hundred entries touches each case row once. On PostgreSQL a case's row is locked when it is loaded,
so that two people (or a person and a frame) never fold onto the same state.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from node.access import Access
from node.attachments import rows as attachment_rows
from node.cases import call_rows
from node.cases.searched import Changes, findable
from node.cases.sheet import Sheet, columns_of, read_sheet
from node.cases.tables import CaseRow, EntryRow, HeldBackRow
from node.rows import insert_rows, table_of, update_rows
from node.status.ledger import Ledger
from protocol.case import CaseState
from protocol.entries import Entry, read_entry
from protocol.errors import OutOfOrder
from protocol.folding import fold
from protocol.records import Record

_CASE, _ENTRY, _HELD = table_of(CaseRow), table_of(EntryRow), table_of(HeldBackRow)
_LOAD = select(_CASE).where(_CASE.c.id.in_(bindparam("ids", expanding=True))).order_by(_CASE.c.id).with_for_update()
_HELD_BACK = select(_HELD.c.case_id).where(_HELD.c.case_id.in_(bindparam("ids", expanding=True)))
_CASE_COLUMNS = tuple(_CASE.c.keys())
_ENTRY_COLUMNS = ("case_id", "seq", "epoch", "kind", "at", "center", "head", "signature", "salt", "body")


class Book:
    """The cases that this unit touches."""

    def __init__(self, session: Session, ledger: Ledger, me: str) -> None:
        self._session = session
        self._ledger = ledger
        self._me = me
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
        connection = self._session.connection()
        found = {row.id: read_sheet(row._asdict()) for row in connection.execute(_LOAD, {"ids": missing})}
        held_back = set(connection.scalars(_HELD_BACK, {"ids": missing}))
        for case_id in missing:
            sheet = self._sheets[case_id] = found.get(case_id) or Sheet()
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
        self._forget(case_id, after_seq)
        return [entry for entry in entries if entry.head.seq > after_seq]

    def drop(self, case_id: str) -> None:
        """Forget the log of a case that is not ours to keep."""
        sheet = self.sheet(case_id)
        self._count(sheet)
        sheet.state, sheet.counted, sheet.held_back, sheet.dirty = None, None, False, True
        sheet.new_entries.clear()
        self._session.execute(delete(EntryRow).where(EntryRow.case_id == case_id))
        self._forget(case_id)
        self._session.execute(delete(HeldBackRow).where(HeldBackRow.case_id == case_id))

    def _forget(self, case_id: str, after_seq: int = 0) -> None:
        call_rows.forget(self._session, case_id, after_seq)
        attachment_rows.forget(self._session, case_id, after_seq)

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
        entries = [entry for sheet in dirty.values() for entry in sheet.new_entries]
        insert_rows(self._session.connection(), _ENTRY, _ENTRY_COLUMNS, map(_entry_values, entries))
        call_rows.project(self._session, self._me, entries)
        attachment_rows.project(self._session, entries)
        for sheet in dirty.values():
            sheet.new_entries.clear()
            sheet.dirty = False

    def _write_rows(self, sheets: dict[str, Sheet]) -> None:
        """Write what differs from the rows that the database has: every column named costs its indexes."""
        by_columns: dict[tuple[str, ...], list[tuple[object, ...]]] = defaultdict(list)
        new: list[tuple[object, ...]] = []
        searched = Changes()
        for case_id, sheet in sheets.items():
            access = self._access(sheet)
            if access is Access.NONE:
                self._session.execute(delete(CaseRow).where(CaseRow.id == case_id))
                searched.note(case_id, sheet.found_by, None)
                sheet.stored = sheet.found_by = None
                continue
            row = {"id": case_id, "access": access.value, **columns_of(sheet)}
            if sheet.stored is None:
                new.append(tuple(row[name] for name in _CASE_COLUMNS))
            else:
                changed = {name: value for name, value in row.items() if value != sheet.stored[name]}
                by_columns[tuple(changed)].append((*changed.values(), case_id))
            sheet.stored = row
            found_by = findable(row, sheet.state)
            searched.note(case_id, sheet.found_by, found_by)
            sheet.found_by = found_by
        connection = self._session.connection()
        insert_rows(connection, _CASE, _CASE_COLUMNS, new)
        for columns, rows in by_columns.items():
            if columns:
                update_rows(connection, _CASE, columns, "id", rows)
        searched.write(connection)
        self._forget_rows(sheets)

    def _forget_rows(self, case_ids: Collection[str]) -> None:
        """Whoever asks the session for one of these rows gets it as it is from now on."""
        for row in self._session.identity_map.values():
            if isinstance(row, CaseRow) and row.id in case_ids:
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


def _entry_values(entry: Entry) -> tuple[object, ...]:
    """An entry as a row, in the order of ``_ENTRY_COLUMNS``."""
    head, record = entry.head, entry.record
    written = record.head, record.signature, record.salt, record.body
    return (head.case_id, head.seq, head.epoch, head.kind, head.at, head.center, *written)
