"""All rows of a database as text, the same from SQLite and from PostgreSQL, and the way back into either.

A dump is JSON Lines, compressed with zstd. Each table begins with a line that names it and its columns with their
kinds; a line for each row follows, and one that ends the table with its sum. It needs nothing to be read but itself: no
schema of today's code, no tools of a database. What lies sealed in the database (``node.vault``) stands open in a dump,
where it can be compressed, and is sealed with the key of the database that it is loaded into.

It is written in one read transaction, so it shows the database as it was at one instant, and whoever works goes on.
Rows pass one by one: a large database takes time, not memory. It is loaded in one transaction.

The sum of a table is the number of its rows and the sum of their digests, whatever their order. Two databases with the
same sums hold the same.
"""

import base64
import binascii
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, BinaryIO

import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from node.db import UtcDateTime
from node.vault import SealedBytes, SealedText

LEVEL = 6
"""Of zstd: a backup is written once, and may travel a bad line."""
ROWS_AT_ONCE = 500
"""Rows that are fetched or stored together."""
LINE_MAX = 64 * 1024 * 1024
"""Bytes of a row. The largest are received frames, 256 KB, and the states of cases."""

Value = str | int | float | bool | None
Row = tuple[object, ...]


class BadDump(Exception):
    """This is no dump, or it is damaged; the text says where."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    FLAG = "flag"
    INSTANT = "instant"
    DAY = "day"
    BYTES = "bytes"
    SEALED_TEXT = "sealed text"
    SEALED_BYTES = "sealed bytes"


class Sum(BaseModel):
    """What a table held: rows, and the sum of their digests, hexadecimal."""

    model_config = ConfigDict(frozen=True)

    rows: Annotated[int, Field(ge=0)]
    digest: str


class _Head(BaseModel):
    """The line that begins a table."""

    table: str
    columns: Annotated[list[tuple[str, Kind]], Field(min_length=1)]


class _End(BaseModel):
    """The line that ends a table."""

    end: Sum


@dataclass
class Summing:
    """The sum of a table in the making."""

    rows: int = 0
    _total: int = 0

    def add(self, line: bytes) -> None:
        """Count one row."""
        self.rows += 1
        self._total += int.from_bytes(hashlib.blake2b(line, digest_size=32).digest())

    def done(self) -> Sum:
        """The sum."""
        return Sum(rows=self.rows, digest=f"{self._total % 2**256:064x}")


Only = Mapping[str, ColumnElement[bool]]

Sums = dict[str, Sum]
"""The sums of all tables by name."""


def write_dump(session: Session, metadata: MetaData, out: BinaryIO, only: Only | None = None) -> Sums:
    """Write all rows of these tables, each in the order of its key.

    Args:
        session: a transaction that sees one instant (``snapshot``).
        metadata: the tables.
        out: a binary file.
        only: conditions on the rows of some tables, by name.
    """
    sums: Sums = {}
    with zstandard.ZstdCompressor(level=LEVEL).stream_writer(out, closefd=False) as packed:
        for table in metadata.sorted_tables:
            columns = [(column.name, kind_of(column)) for column in table.columns]
            packed.write(_Head(table=table.name, columns=columns).model_dump_json().encode() + b"\n")
            summing = Summing()
            for line in lines_of(session, table, (only or {}).get(table.name)):
                summing.add(line)
                packed.write(line)
                packed.write(b"\n")
            sums[table.name] = summing.done()
            packed.write(_End(end=sums[table.name]).model_dump_json().encode() + b"\n")
    return sums


def table_sum(session: Session, table: Table) -> Sum:
    """The sum of a table as the database holds it."""
    summing = Summing()
    for line in lines_of(session, table):
        summing.add(line)
    return summing.done()


def snapshot(session: Session) -> None:
    """Let this session see one instant, whatever is committed meanwhile; nobody waits for it. Call it first."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    # A transaction of SQLite sees one instant anyway.


def lines_of(session: Session, table: Table, only: ColumnElement[bool] | None = None) -> Iterator[bytes]:
    """The rows of a table, one a line."""
    rows_wanted = select(table).order_by(*table.primary_key.columns)
    if only is not None:
        rows_wanted = rows_wanted.where(only)
    writers = [_WRITERS.get(kind_of(column)) for column in table.columns]
    rows = session.connection().execute(rows_wanted, execution_options={"yield_per": ROWS_AT_ONCE})
    for row in rows:
        values = [
            value if writer is None or value is None else writer(value)
            for value, writer in zip(row, writers, strict=True)
        ]
        yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Reader:
    """Reads a dump, checking it on the way.

    Args:
        source: a binary file.

    Attributes:
        sums: of the tables read so far.
    """

    source: BinaryIO
    sums: Sums = field(default_factory=dict)

    def tables(self) -> Iterator[tuple[Table, Iterator[Row]]]:
        """Each table with its rows, which have to be read before the next table.

        Raises:
            BadDump: it is none, or it is damaged.
        """
        unpacked = zstandard.ZstdDecompressor().stream_reader(self.source, closefd=False)
        lines = _lines(io.BufferedReader(unpacked))
        for line in lines:
            try:
                head = _Head.model_validate_json(line)
            except ValidationError as error:
                raise BadDump(f"table {len(self.sums) + 1} does not begin") from error
            if head.table in self.sums:
                raise BadDump(f"{head.table} comes twice")
            yield _table(head), self._rows(head, lines)
            if head.table not in self.sums:
                raise BadDump(f"{head.table} does not end")

    def _rows(self, head: _Head, lines: Iterator[bytes]) -> Iterator[Row]:
        readers = [_READERS[kind] for _, kind in head.columns]
        summing = Summing()
        for line in lines:
            if line.startswith(b"{"):
                end = _read_end(line)
                if end.end != summing.done():
                    raise BadDump(f"{head.table} is not what was written")
                self.sums[head.table] = end.end
                return
            summing.add(line)
            yield _read_row(head, line, readers)


def load_dump(session: Session, source: BinaryIO) -> Iterator[Table]:
    """Store all rows of a dump in empty tables that are there already, in the transaction of the caller.

    Returns:
        Each table when it is filled.

    Raises:
        BadDump: it is none, or it is damaged.
    """
    reader = Reader(source)
    for table, rows in reader.tables():
        names = [column.name for column in table.columns]
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            session.connection().execute(insert(table), [dict(zip(names, row, strict=True)) for row in batch])
        yield table


def kind_of(column: Column[object]) -> Kind:
    """What a column holds."""
    type_ = column.type
    for known, kind in _KINDS:
        if isinstance(type_, known):
            return kind
    raise AssertionError(f"a dump knows no {type_!r}")


_KINDS = (
    (SealedText, Kind.SEALED_TEXT),
    (SealedBytes, Kind.SEALED_BYTES),
    (UtcDateTime, Kind.INSTANT),
    (DateTime, Kind.INSTANT),
    (Date, Kind.DAY),
    (Boolean, Kind.FLAG),
    (Integer, Kind.INTEGER),
    (Float, Kind.REAL),
    (LargeBinary, Kind.BYTES),
    (String, Kind.TEXT),
)


def _table(head: _Head) -> Table:
    columns = [Column(name, _type(f"{head.table}.{name}", kind)) for name, kind in head.columns]
    return Table(head.table, MetaData(), *columns)


def _type(place: str, kind: Kind) -> TypeEngine[Any]:
    match kind:
        case Kind.SEALED_TEXT:
            return SealedText(place)
        case Kind.SEALED_BYTES:
            return SealedBytes(place)
        case _:
            return _TYPES[kind]


_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.INTEGER: Integer(),
    Kind.REAL: Double(),
    Kind.FLAG: Boolean(),
    Kind.INSTANT: UtcDateTime(),
    Kind.DAY: Date(),
    Kind.BYTES: LargeBinary(),
}


def _lines(source: io.BufferedReader) -> Iterator[bytes]:
    try:
        while line := source.readline(LINE_MAX):
            if not line.endswith(b"\n"):
                raise BadDump("a line does not end")
            yield line[:-1]
    except zstandard.ZstdError as error:
        raise BadDump(str(error)) from error


def _read_end(line: bytes) -> _End:
    try:
        return _End.model_validate_json(line)
    except ValidationError as error:
        raise BadDump("a table does not end") from error


def _read_row(head: _Head, line: bytes, readers: Sequence[Callable[[Value], object]]) -> Row:
    try:
        values: list[Value] = json.loads(line)
        return tuple(None if value is None else read(value) for value, read in zip(values, readers, strict=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadDump(f"a row of {head.table} does not parse") from error


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _read_bytes(value: Value) -> bytes:
    return base64.b64decode(str(value), validate=True)


_WRITERS: dict[Kind, Callable[..., Value]] = {
    Kind.BYTES: _write_bytes,
    Kind.SEALED_BYTES: _write_bytes,
    Kind.INSTANT: datetime.isoformat,
    Kind.DAY: date.isoformat,
}

_READERS: dict[Kind, Callable[[Value], object]] = {
    Kind.TEXT: str,
    Kind.INTEGER: lambda value: int(value or 0),
    Kind.REAL: lambda value: float(value or 0),
    Kind.FLAG: bool,
    Kind.INSTANT: lambda value: datetime.fromisoformat(str(value)),
    Kind.DAY: lambda value: date.fromisoformat(str(value)),
    Kind.BYTES: _read_bytes,
    Kind.SEALED_TEXT: str,
    Kind.SEALED_BYTES: _read_bytes,
}
