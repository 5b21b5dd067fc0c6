"""Foreign ledgers are read: their sheet as rows of texts, where its head is, and which field each column holds."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from node.i18n import N_
from node.ledger_file import REQUIRED, column_names
from node.problems import Problem

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one file: 10,000 rows take about one."""

UNPACKED_BYTES_MAX: Final = 200 * 1024 * 1024
"""Of an Excel file's parts: it is a ZIP, and a small one may hold endless zeros."""

ROWS_MAX: Final = 20_000

HEAD_WITHIN: Final = 10
"""Rows within which a head stands: titles and notes stand above it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A ledger as texts.

    Attributes:
        heads: what its columns are called.
        first: number of the first row below the head, as a spreadsheet counts.
        rows: the rows below the head.
    """

    heads: tuple[str, ...]
    first: int
    rows: tuple[tuple[str, ...], ...]


def read_sheet(content: bytes) -> Sheet:
    """Read a ledger: .xlsx, .xls, .ods or CSV.

    Raises:
        Problem: 422 ``no-ledger``: it is none of them, too large, or has no head that tells anything.
    """
    if len(content) > FILE_BYTES_MAX:
        raise Problem(422, "no-ledger", N_("A ledger has at most {limit} bytes."), limit=FILE_BYTES_MAX)
    rows = _table(content)
    if len(rows) > ROWS_MAX:
        raise Problem(422, "no-ledger", N_("The file has {count} rows; at most {limit} at once."), count=len(rows),
                      limit=ROWS_MAX)  # fmt: skip
    known = column_names()
    scored = [sum(head.strip().casefold() in known for head in row) for row in rows[:HEAD_WITHIN]]
    best = max(range(len(scored)), key=lambda place: (scored[place], -place), default=0)
    if not scored or not any(rows[best]):
        raise Problem(422, "no-ledger", N_("The file has no rows."))
    heads = tuple(rows[best])
    return Sheet(heads, best + 2, tuple(tuple(row) for row in rows[best + 1 :]))


def guessed(sheet: Sheet) -> dict[int, str]:
    """Which field each column holds, by what it is called; each field once."""
    known = column_names()
    found: dict[int, str] = {}
    for place, head in enumerate(sheet.heads):
        name = known.get(head.strip().casefold())
        if name is not None and name not in found.values():
            found[place] = name
    return found


def lacking(mapping: Mapping[int, str]) -> list[str]:
    """Required fields that no column holds."""
    return [name for name in REQUIRED if name not in mapping.values()]


def _table(content: bytes) -> list[list[str]]:
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return _workbook(content)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return list(csv.reader(io.StringIO(content.decode(encoding), newline="")))
        except (UnicodeDecodeError, csv.Error):
            continue
    raise _none_of_them()


def _workbook(content: bytes) -> list[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - memory

    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                if sum(part.file_size for part in parts.infolist()) > UNPACKED_BYTES_MAX:
                    raise _none_of_them()
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        return [_texts(row) for row in sheet.to_python(skip_empty_area=False)]
    except (CalamineError, zipfile.BadZipFile, ValueError, IndexError) as error:
        raise _none_of_them() from error


def _none_of_them() -> Problem:
    return Problem(422, N_("no-ledger"), N_("This is no ledger that can be read: .xlsx, .xls or CSV."))


def _texts(row: Sequence[object]) -> list[str]:
    return [_text(cell) for cell in row]


def _text(cell: object) -> str:
    """A cell as people read it; a day without a time stays a day, a whole number has no point."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
