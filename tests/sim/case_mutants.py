"""Bugs planted in what centers make of messages: cases, custody, requests, parking, counters."""

from typing import Any

from node.cases import acts, arrivals, granting, log, transfers
from node.cases.book import Book
from node.federation import chores, inbox, outbox, parking, reading
from node.rehoming import moving
from node.status import descendants
from node.unit import Unit
from protocol import case, folding
from protocol.entries import Delivered, Entry, Kind
from protocol.messages import Lane, Message, Type, read_message
from protocol.payloads import TransferNotice
from tests.sim.mutant import mutant, replace


def _handle(type_: Type, wrong: object) -> None:
    """Give messages of a type to another handler; the table is the one of ``versions``."""
    vars(inbox)["HANDLERS"][type_] = wrong


@mutant("a request that names an older epoch is granted all the same", "crowded")
def no_epoch_check_of_requests() -> None:
    replace(granting, "_is_stale", lambda _request, _header, _me: False)


@mutant("what a person does in an older epoch than the one on the page is done all the same")
def no_epoch_check_of_people() -> None:
    replace(acts, "check_epoch", lambda _custody, _epoch: None)


@mutant("custody is taken whenever a notice says so, also of a transfer that has long arrived")
def custody_applied_twice() -> None:
    def on_transfer(unit: Unit, message: Message, payload: TransferNotice) -> None:
        right(unit, message, payload)
        state = unit.book.state(payload.case_id)
        if state is not None and state.holder == unit.me:
            log.write(unit, state.id, Kind.DELIVERED, Delivered(deadline=None), log.SYSTEM)

    def check(state: case.CaseState, kind: str, center: str, *, taken_back: bool = False) -> None:
        if kind != Kind.DELIVERED:
            right_check(state, kind, center, taken_back=taken_back)

    def delivered(state: case.CaseState, entry: Entry) -> folding.Changes:
        return right_effect(state, entry) if state.custody.flight is not None else {}

    right = arrivals.on_transfer
    _handle(Type.TRANSFER, on_transfer)
    right_check = replace(folding, "check", check)
    right_effect = folding._EFFECTS[Kind.DELIVERED]  # noqa: SLF001
    folding._EFFECTS[Kind.DELIVERED] = delivered  # noqa: SLF001


@mutant("an entry that came before the one that precedes it is thrown away")
def early_entry_thrown_away() -> None:
    replace(arrivals, "_hold_back", lambda _unit, _entry: None)


@mutant("an entry that came early is stored at once, out of order")
def follower_update_out_of_order() -> None:
    def hold_back(unit: Unit, entry: Entry) -> None:
        sheet = unit.book.sheet(entry.head.case_id)
        sheet.new_entries.append(entry)
        sheet.dirty = True

    replace(arrivals, "_hold_back", hold_back)


@mutant("the last of a case's followers is forgotten")
def follower_forgotten() -> None:
    def tell_followers(unit: Unit, state: case.CaseState, entry: Entry, *, but: str | None = None) -> None:
        right(unit, state, entry, but=state.followers[-1] if but is None else but)

    right = replace(log, "tell_followers", tell_followers)


@mutant("a transfer is taken back though the wire has seen it")
def recall_races_a_transfer() -> None:
    def lock_lanes(unit: Unit) -> dict[tuple[str, str], int]:
        return dict.fromkeys(right(unit), 0)

    right = replace(transfers, "lock_lanes", lock_lanes)


@mutant("entries are committed before the messages that tell of them")
def commit_in_the_middle() -> None:
    def finish(self: Unit) -> None:
        self.book.flush()
        self.ledger.flush()
        connection = self.session.connection()
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        self.outbox.flush()

    replace(Unit, "finish", finish)


@mutant("a message that is parked is only counted", "mixed")
def parked_message_dropped() -> None:
    def park(frame: Any, seq: int, line: bytes, error: Exception) -> None:  # noqa: ANN401
        del frame, line
        inbox.log.warning("message.parked", seq=seq, reason=str(error))

    replace(inbox, "park", park)


@mutant("later messages of a case do not wait behind a parked one", "mixed")
def parked_message_overtaken() -> None:
    replace(parking.ParkedCases, "of", lambda _self, _case_id: None)


@mutant("a parked message that was applied is kept, and applied again", "mixed")
def parked_message_kept() -> None:
    def retry(unit: Unit, row: Any, receipts: dict[str, list[str]]) -> bool:  # noqa: ANN401
        copy = {column.name: getattr(row, column.name) for column in row.__table__.columns}
        applied: bool = right(unit, row, receipts)
        if applied:
            unit.session.add(type(row)(**copy))
            unit.session.flush()
        return applied

    right = replace(inbox, "_retry", retry)


@mutant("a refused transfer leaves no tombstone, and custody comes back only in words", "mixed")
def refused_transfer_keeps_custody_away() -> None:
    replace(arrivals, "come_back", lambda _unit, _case_id, _epoch, _reason: False)


@mutant("what passes a relay is not sealed")
def relays_can_read() -> None:
    replace(outbox, "seal_message", lambda message, _key, _sealing_key, _seed: message)

    def read(center: Any, peer: str, line: bytes) -> reading.Arrival:  # noqa: ANN401
        outer = read_message(line)
        neighbour = outer.sender if outer.destination == center.code else peer
        return right(center, neighbour, line)  # type: ignore[no-any-return]

    right = replace(reading, "_read", read)


@mutant("the last snapshot of counters that comes in wins, however old it is")
def stale_status_snapshot_wins() -> None:
    replace(descendants, "_is_newer", lambda _row, _kept, _now: True)


@mutant("a daily row counts as told when it was looked at")
def daily_row_lost() -> None:
    def tell_days(unit: Unit, limit: int = 500) -> int:
        sent: int = right(unit, limit)
        drafts = unit.outbox.snapshot()
        unit.outbox.restore({key: each for key, each in drafts.items() if key[1] is not Lane.BULK or len(each) > 1})
        return sent

    right = replace(chores, "send_days", tell_days)


@mutant("what others wrote is counted at each follower")
def counted_twice() -> None:
    def count(self: Any, sheet: Any) -> None:  # noqa: ANN401
        before = sheet.counted
        right(self, sheet)
        if before is None and sheet.state is not None:
            self._ledger.count(None, sheet.state, sheet.new_entries[-1])

    right = replace(Book, "_count", count)


@mutant("an old header of a case replaces a newer one")
def stale_header_wins() -> None:
    def on_header(unit: Unit, message: Message, payload: Any) -> None:  # noqa: ANN401
        unit.book.sheet(payload.case_id).header = None
        right(unit, message, payload)

    right = arrivals.on_header
    _handle(Type.HEADER, on_header)


@mutant("what waited on a link is left behind when its center comes under another parent", "rehomed")
def waiting_left_behind() -> None:
    replace(moving, "readdress", lambda _unit, _rows, _neighbour: None)
