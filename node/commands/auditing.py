"""``audit verify`` and ``audit export``: check the audit log, of this center or of a file; write it to a file."""

import json
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

import typer

from node.audit import heads, trail
from node.audit.tables import AuditRow
from node.audit.trail import COMMAND_LINE, Event
from node.clock import LOCAL_ZONE
from node.commands.opened import opened
from node.commands.terminal import complain, language, say
from node.federation.private_file import write_private
from node.i18n import N_, translate_plural
from node.trouble import Trouble

FORMAT: Final = "liandong-audit-1"


def run_verify(directory: Path, file: Path | None) -> None:
    """Check the chain; exit code 1 where a row does not fit."""
    by_number: dict[int, str] = {}
    with opened(directory) as (_, center), center.database.read() as session:
        if file is None:
            found, code = trail.verify(session), center.code
            kept: dict[int, str] = {}
        else:
            code, before, rows = read_file(file)
            found = trail.check_chain(rows, *before)
            kept = heads.kept_digests(session, code)
            by_number = {row.number: row.digest for row in rows}
            rewritten = sorted(one for one, digest in kept.items() if by_number.get(one, digest) != digest)
            if found.bad is None and rewritten:
                complain_at(rewritten[0])
                say(N_("{center} told another digest of this row before: its log was written anew."), center=code)
                raise typer.Exit(1)
    if found.bad is not None:
        complain_at(found.bad)
        raise typer.Exit(1)
    typer.echo(translate_plural(language(), "{n} row fits.", "{n} rows fit.", found.rows))
    say(N_("Row {number} ends the chain: {digest}"), number=found.number, digest=found.digest)
    if file is not None:
        compared = sum(number in by_number for number in kept)
        typer.echo(
            translate_plural(
                language(),
                "{n} head that {center} told us fits, too.",
                "{n} heads that {center} told us fit, too.",
                compared,
                center=code,
            )
        )


def complain_at(number: int) -> None:
    """Name the first row that does not fit."""
    from node.commands.terminal import word  # noqa: PLC0415 - one word

    complain(
        word(N_("Row {number} does not fit: it, or one before it, was changed, taken out or added."), number=number)
    )


def run_export(directory: Path, file: Path, since: str | None) -> None:
    """Write the log as JSON lines: what is before the first row, then a row a line with its digest."""
    if file.exists():
        raise Trouble(N_("{file} exists; name another file."), file=str(file))
    start = _day(since) if since is not None else None
    with opened(directory) as (_, center), center.database.write() as session:
        now = center.clock.now()
        trail.record(session, now, COMMAND_LINE, Event.AUDIT_EXPORTED, subject=file.name)
        head = trail.head_of(session)
        assert head is not None
        lines: list[str] = []
        before = (head.base_number, head.base_digest)
        for row in trail.read_rows(session):
            if start is not None and not lines and row.at < start:
                before = (row.number, row.digest)
                continue
            lines.append(json.dumps({**trail.document_of(row), "digest": row.digest}, ensure_ascii=False))
        first = {"format": FORMAT, "center": center.code, "number": before[0], "digest": before[1]}
        write_private(file, ("\n".join([json.dumps(first), *lines]) + "\n").encode())
    typer.echo(
        translate_plural(language(), "{n} row is in {file}.", "{n} rows are in {file}.", len(lines), file=str(file))
    )


def read_file(file: Path) -> tuple[str, tuple[int, str], list[AuditRow]]:
    """An exported log: whose it is, what stood before it, its rows.

    Raises:
        Trouble: it can't be read, or is no exported log.
    """
    try:
        documents = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        first = documents[0]
        if first["format"] != FORMAT:
            raise Trouble(N_("{file} is no exported audit log."), file=str(file))
        rows = [_row(document) for document in documents[1:]]
        return str(first["center"]), (int(first["number"]), str(first["digest"])), rows
    except OSError as error:
        raise Trouble(N_("{file} can't be read: {reason}"), file=str(file), reason=error.strerror or "") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Trouble(N_("{file} is no exported audit log."), file=str(file)) from error


def _row(document: dict[str, object]) -> AuditRow:
    values = {**document, "at": datetime.fromisoformat(str(document["at"])), "detail": json.dumps(document["detail"])}
    return AuditRow(**values)


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), LOCAL_ZONE)
    except ValueError as error:
        raise Trouble(N_("Give a date such as 2026-03-01.")) from error
