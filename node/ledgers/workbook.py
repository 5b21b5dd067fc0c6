"""Workbooks as offices keep them: a title, a frozen head with filters, dates as dates, rows one after the other.

Rows are written as they come and leave memory at once. A text is a text: whatever it begins with, no spreadsheet takes
it for a formula, now or when somebody edits the cell.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import IO, TYPE_CHECKING, Final

from node.ledgers.columns import Cell

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so becomes a formula where somebody edits its cell; marked as quoted it stays a text."""

TEXT_MAX: Final = 32_767
"""Characters that a cell holds."""

ROWS_MAX: Final = 1_000_000
"""Rows of a sheet, a little below what a spreadsheet opens."""


def write_workbook(
    file: IO[bytes],
    *,
    sheet: str,
    title: str,
    note: str,
    columns: Sequence[tuple[str, int]],
    rows: Iterable[Sequence[Cell]],
) -> int:
    """Write a ledger; returns how many rows it has.

    Args:
        file: a writable file, which can be read from its beginning afterwards.
        sheet: name of its sheet.
        title: the line at its head.
        note: a line below: which cases these are, who made it, when.
        columns: head and width of each column.
        rows: the cells.
    """
    from xlsxwriter import Workbook  # noqa: PLC0415 - memory

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(file, options) as book:
        page = book.add_worksheet(sheet)
        big = book.add_format({"bold": True, "font_size": 16, "align": "center", "valign": "vcenter"})
        small = book.add_format({"font_color": "#555555"})
        head = book.add_format({"bold": True, "bg_color": "#E8EEF7", "border": 1, "align": "center"})
        formats = {
            "text": book.add_format({"border": 1, "valign": "top", "text_wrap": True}),
            "quoted": book.add_format({"border": 1, "valign": "top", "text_wrap": True, "quote_prefix": True}),
            "day": book.add_format({"border": 1, "valign": "top", "num_format": "yyyy-mm-dd"}),
        }
        for number, (_, width) in enumerate(columns):
            page.set_column(number, number, width)
        page.set_landscape()
        page.set_paper(9)  # A4
        page.fit_to_pages(1, 0)
        page.repeat_rows(2)
        page.freeze_panes(3, 2)
        page.set_row(0, 30)
        page.merge_range(0, 0, 0, len(columns) - 1, title, big)
        page.write_string(1, 0, note, small)
        for number, (name, _) in enumerate(columns):
            page.write_string(2, number, name, head)
        count = 0
        for count, cells in enumerate(rows, start=1):
            for number, cell in enumerate(cells):
                _write(page, count + 2, number, cell, formats)
        page.autofilter(2, 0, count + 2, len(columns) - 1)
    return count


def _write(page: "Worksheet", row: int, column: int, cell: Cell, formats: dict[str, object]) -> None:
    match cell:
        case None | "":
            page.write_blank(row, column, None, formats["text"])
        case str():
            kind = "quoted" if cell.startswith(FORMULA_SIGNS) else "text"
            page.write_string(row, column, cell[:TEXT_MAX], formats[kind])
        case int():
            page.write_number(row, column, cell, formats["text"])
        case date():
            page.write_datetime(row, column, datetime.combine(cell, time()), formats["day"])
