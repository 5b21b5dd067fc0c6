"""A ledger as a file to keep: what a filter shows, masked or, for those who may, in full; each in the audit log."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Final
from urllib.parse import quote

from sqlalchemy import ColumnElement
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from node.accounts.authorise import authorised_here
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.audit.trail import Event, record
from node.center import Center
from node.clock import LOCAL_ZONE
from node.errors_http import language_of
from node.i18n import N_, translate
from node.ledgers.columns import COLUMNS, Writer, read_lines
from node.ledgers.workbook import write_workbook
from node.words import place_name

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CHUNK: Final = 256 * 1024


def ledger_answer(
    center: Center, request: Request, caller: Caller, conditions: Sequence[ColumnElement[bool]], *, full: bool
) -> Response:
    """The ledger of the cases that fit these conditions.

    Raises:
        Problem: 403 ``forbidden`` for a full one, where none of the caller's roles may have it.
    """
    if full:
        authorised_here(center, request, caller, Action.export_full)
    language, now = language_of(request), center.clock.now()
    made = now.astimezone(LOCAL_ZONE)
    title = translate(language, N_("Ledger of disputes, {place} center"), place=place_name(center.name))
    note = translate(language, N_("Made on {day} by {name}"), day=f"{made:%Y-%m-%d %H:%M}", name=caller.display_name)
    writer = Writer(center, language, full=full)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with center.database.read() as session:
            rows = (writer.cells(line) for line in read_lines(session, conditions, now))
            count = write_workbook(
                file,
                sheet=translate(language, N_("Ledger")),
                title=title,
                note=note,
                columns=[(translate(language, name), width) for name, width in COLUMNS],
                rows=rows,
            )
        with center.database.write() as session:
            detail = {"cases": str(count), "parties": "full" if full else "masked"}
            record(session, now, actor_of(request, caller), Event.EXPORTED, subject="ledger.xlsx", **detail)
    except BaseException:
        file.close()
        raise
    return workbook_answer(file, f"{title}_{made:%Y%m%d}.xlsx")


def workbook_answer(file: IO[bytes], name: str) -> Response:
    """A workbook that browsers keep; it is read from its beginning and closed."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "no-store"}
    return StreamingResponse(_chunks(file), media_type=MEDIA_TYPE, headers=headers)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk
