"""A center that lost its machine takes its own backup into the database with which it has joined anew.

Identity, keys and the link to the parent are those of the new beginning; what the backup holds is added. Cases come
back by their logs, verified and folded as if somebody had told us (``node.cases.arrivals``), so it does no harm that
others may have told some of it already, or that it is done twice. Messages that our parent's database did not hold yet
go out again. Then the recovery begins (``node.cases.recovery``): everybody is asked for what happened since.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, insert, select
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import IntegrityError

from node import migrations
from node.backup import DUMP, Manifest, templates_in
from node.cases import arrivals
from node.cases.arrivals import VerifiedEntries
from node.cases.recovery import begin
from node.center import Center
from node.certifying import store
from node.dump import Reader
from node.federation.private_file import write_private
from node.federation.tables import OutboxRow, RecoveryRow
from node.rehoming import renewing
from node.reports import inspections
from node.settings import NoBroker, Settings, load_settings
from node.unit import Unit, unit_of
from protocol.centers import Certificate
from protocol.entries import Entry, read_entry, verify_entry
from protocol.errors import RemoteError
from protocol.messages import Lane, Message, Type, source_of
from protocol.payloads import CaseHeader, Invitation
from protocol.records import Record

log = structlog.get_logger()

Values = dict[str, Any]

CASES_AT_ONCE = 20
BESIDE = ("header", "invitation", "view_until", "header_told")
"""What a case's row holds beside its log."""
BROKER_FILES = ("broker/hub.seed", "broker/ca.pem", "broker/ca.key")

TAKEN_OTHERWISE = frozenset(
    {"identity", "certificates", "cases", "searched", "entries", "numbers", "links", "lanes", "inbox", "outbox"}
)
LEFT_OUT = frozenset(
    {
        "received_frames",
        "parked",
        "frozen_cases",
        "recoveries",
        "reseeds",
        "sent_backups",
        "kept_backups",
        "counters",
        "day_counters",
        "tokens",
        "idempotency",
    }
)
"""Tables that belong to the former database and link; counters are made again by the logs."""


def revive(center: Center, unpacked: Path, manifest: Manifest) -> int:
    """Take a verified, unpacked backup into our database; returns how many cases came back."""
    dump = unpacked / DUMP
    _certificates(center, dump)
    for table in migrations.all_tables().metadata.sorted_tables:
        if table.name in manifest.tables.keys() - TAKEN_OTHERWISE - LEFT_OUT:
            _add_missing(center, dump, table)
    cases = _cases(center, dump)
    with unit_of(center) as unit:
        inspections.count_again(unit)
    if center.data_dir is not None:
        for name in templates_in(unpacked):
            if not (center.data_dir / name).exists():
                write_private(center.data_dir / name, (unpacked / name).read_bytes())
    _unsent(center, dump)
    numbers = {row["year"]: row["last"] for row in _rows(dump, "numbers")}
    with center.database.write() as session:
        if session.get(RecoveryRow, center.code) is None:
            begin(session, center.code, center.clock.now(), numbers)
    return cases


def revive_broker(settings: Settings, unpacked: Path) -> Settings | None:
    """Put back the keys by which our children know our broker; returns new settings where they have to name it."""
    former = load_settings(unpacked, environment=False)
    for name in BROKER_FILES:
        if (unpacked / name).exists():
            write_private(settings.data_dir / name, (unpacked / name).read_bytes())
    if isinstance(settings.broker, NoBroker) and not isinstance(former.broker, NoBroker):
        return settings.model_copy(update={"broker": former.broker})
    return None


def _rows(dump: Path, name: str) -> Iterator[Values]:
    """The rows of one table."""
    with dump.open("rb") as source:
        for table, rows in Reader(source).tables():
            names = [column.name for column in table.columns]
            for row in rows:
                if table.name == name:
                    yield dict(zip(names, row, strict=True))


def _certificates(center: Center, dump: Path) -> None:
    """Whom we knew; the links to our children begin at zero, as the one to our parent has."""
    rows = [Certificate(claims=row["claims"], signature=row["signature"]) for row in _rows(dump, "certificates")]
    with unit_of(center) as unit:
        store(unit, *rows)
        renewing.take_children(unit)


def _table(name: str) -> SqlTable:
    return migrations.all_tables().metadata.tables[name]


def _add_missing(center: Center, dump: Path, table: SqlTable) -> None:
    """Add the rows of a table that are not there yet. A user name may have been given anew meanwhile: that stays."""
    with center.database.write() as session:
        for values in _rows(dump, table.name):
            if session.execute(select(*table.primary_key.columns).where(_key(table, values))).first() is not None:
                continue
            try:
                with session.begin_nested():
                    session.execute(insert(table).values(**values))
            except IntegrityError:
                log.warning("backup.row_left_out", table=table.name)


def _key(table: SqlTable, values: Values) -> ColumnElement[bool]:
    return and_(*[column == values[column.name] for column in table.primary_key.columns])


def _cases(center: Center, dump: Path) -> int:
    """Every case by its log, and what was told of it beside that."""
    beside = {row["id"]: {name: row[name] for name in BESIDE} for row in _rows(dump, "cases")}
    logs = groupby(_rows(dump, "entries"), key=lambda row: row["case_id"])
    for batch in _batches((case_id, [_record(row) for row in rows]) for case_id, rows in logs):
        with unit_of(center) as unit:
            for case_id, records in batch:
                _fold(unit, case_id, records)
    with unit_of(center) as unit:
        for case_id, row in beside.items():
            if any(value is not None for value in row.values()):
                _tell_beside(unit, case_id, row)
    return len(beside)


def _batches(logs: Iterable[tuple[str, list[Record]]]) -> Iterator[list[tuple[str, list[Record]]]]:
    batch: list[tuple[str, list[Record]]] = []
    for one in logs:
        batch.append(one)
        if len(batch) == CASES_AT_ONCE:
            yield batch
            batch = []
    yield batch


def _record(row: Values) -> Record:
    return Record(head=row["head"], signature=row["signature"], salt=row["salt"], body=row["body"])


def _fold(unit: Unit, case_id: str, records: list[Record]) -> None:
    """Take a log; where another entry stands already, what others hold counts."""
    try:
        with unit.attempt():
            entries = tuple(_verified(unit, record) for record in records)
            message = Message(
                id=case_id, source=source_of(unit.me), type=Type.ENTRIES, time=unit.now, destination=unit.me
            )
            arrivals.on_entries(unit, message, VerifiedEntries(case_id, entries))
    except RemoteError as error:
        log.warning("backup.log_refused", case_id=case_id, reason=str(error))


def _verified(unit: Unit, record: Record) -> Entry:
    entry = read_entry(record)
    verify_entry(entry, unit.center.directory.known.keys_of(entry.head.center))
    return entry


def _tell_beside(unit: Unit, case_id: str, row: Values) -> None:
    """Header, invitation and open glass, where nobody told anything newer."""
    sheet = unit.book.sheet(case_id)
    if sheet.header is None and row["header"] is not None:
        sheet.header, sheet.dirty = CaseHeader.model_validate_json(row["header"]), True
    if sheet.invitation is None and row["invitation"] is not None and sheet.state is None:
        sheet.invitation, sheet.dirty = Invitation.model_validate_json(row["invitation"]), True
    if sheet.view_until is None and row["view_until"] is not None:
        sheet.view_until, sheet.dirty = row["view_until"], True
    if sheet.header_told is None and row["header_told"] is not None:
        sheet.header_told, sheet.dirty = row["header_told"], True


def _unsent(center: Center, dump: Path) -> None:
    """What neighbours had not acknowledged goes out again on the new links, by the way that leads to it now."""
    acked = {(row["peer"], row["lane"]): row["acked_seq"] for row in _rows(dump, "lanes")}
    with unit_of(center) as unit:
        for values in _rows(dump, "outbox"):
            place = (values["peer"], values["lane"])
            if values["lane"] == Lane.CASE.value and values["seq"] > acked.get(place, values["seq"]):
                unit.outbox.repeat(OutboxRow(**values))
