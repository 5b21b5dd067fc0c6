"""The template of an import: an empty ledger with the columns that are taken, and lists to choose codes from."""

import tempfile
from typing import IO, Final

from node.i18n import N_, Language, translate
from node.ledger_file import IMPORTED, REQUIRED
from node.words import words

LISTED: Final = ("category", "source", "grade")
ROWS: Final = 10_000
"""Rows that offer the lists."""
WIDTH: Final = 22


def template(language: Language) -> IO[bytes]:
    """The template as a workbook, in a file that is read from its beginning and closed."""
    from xlsxwriter import Workbook  # noqa: PLC0415 - memory

    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    with Workbook(file) as book:
        page = book.add_worksheet(translate(language, N_("Ledger")))
        lists = book.add_worksheet(translate(language, N_("Lists")))
        must = book.add_format({"bold": True, "bg_color": "#F7E3C4", "border": 1})
        may = book.add_format({"bold": True, "bg_color": "#E8EEF7", "border": 1})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        page.freeze_panes(1, 0)
        for number, (name, title) in enumerate(IMPORTED.items()):
            page.write_string(0, number, translate(language, title), must if name in REQUIRED else may)
            page.set_column(number, number, WIDTH, day if name == "occurred_at" else None)
            if name not in LISTED:
                continue
            offered = [text for _, text in words(language, name)]
            column = LISTED.index(name)
            lists.write_column(0, column, offered)
            letter = "ABC"[column]
            source = f"='{lists.get_name()}'!${letter}$1:${letter}${len(offered)}"
            page.data_validation(1, number, ROWS, number, {"validate": "list", "source": source})
        told = N_("Several parties stand in one cell: Zhang San/applicant/13800000000; Li Si/respondent")
        page.write_comment(0, list(IMPORTED).index("parties"), translate(language, told))
    return file
