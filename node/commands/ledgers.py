"""``import`` and ``export``: the ledger as CSV, in the name of one of the center's users."""

from pathlib import Path

import typer
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from node.accounts.authorise import authorised
from node.accounts.roles import Action
from node.accounts.service import Caller, normal_username
from node.accounts.tables import User
from node.audit.trail import COMMAND_LINE, Actor, Event, record
from node.cases import service
from node.cases.documents import CaseItem
from node.cases.queries import LIMIT_MAX, Filter, list_cases
from node.center import Center
from node.commands.opened import opened
from node.commands.terminal import complain, language, progress, word
from node.i18n import N_, translate_plural
from node.ledger_file import read_matters, write_cases
from node.trouble import Trouble
from node.unit import unit_of
from protocol.entries import Party

BATCH = 50
"""Matters of one transaction; people at the pages never wait behind an import."""


def run_export(directory: Path, file: Path, *, username: str) -> None:
    """Write all cases that this user may see."""
    if file.exists():
        raise Trouble(N_("{file} exists; name another file."), file=str(file))
    with opened(directory) as (_, center):
        authorised(_caller(center, username), Action.read_cases)
        cases = _visible(center)
        with center.database.write() as session:
            actor = Actor(username, COMMAND_LINE.name)
            record(session, center.clock.now(), actor, Event.EXPORTED, subject=file.name, cases=str(len(cases)))
        write_cases(file, cases, center.directory, language())
    written = translate_plural(
        language(), "{n} case was written to {file}.", "{n} cases were written to {file}.", len(cases), file=str(file)
    )
    typer.echo(written)


def run_import(directory: Path, file: Path, *, username: str, dry_run: bool, from_row: int) -> None:
    """Register all matters of a file, or none if a row is wrong."""
    read = read_matters(file, language())
    if read.errors:
        for error in read.errors:
            complain(word(N_("Row {row}, {field}: {message}"), row=error.row, field=error.field, message=error.message))
        complain(word(N_("Nothing was registered.")))
        raise typer.Exit(1)
    rows = [row for row in read.matters if row >= from_row]
    with opened(directory) as (_, center):
        caller = authorised(_caller(center, username), Action.register)
        if dry_run:
            typer.echo(
                translate_plural(
                    language(), "{n} matter could be registered.", "{n} matters could be registered.", len(rows)
                )
            )
            return
        done = 0
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        try:
            for batch in progress(batches, N_("Registering")):
                with unit_of(center) as unit:
                    for row in batch:
                        given = read.matters[row]
                        parties = tuple(
                            Party.model_validate(one.model_dump(exclude_none=True)) for one in given.parties
                        )
                        registration = service.Registration(parties=parties, **given.model_dump(exclude={"parties"}))
                        service.register(unit, registration, caller.display_name)
                done += len(batch)
        except BaseException:
            if done:
                complain(
                    word(
                        N_("Rows up to {last} are registered; go on with --from-row {following}."),
                        last=rows[done - 1],
                        following=rows[done],
                    )
                )
            raise
    typer.echo(translate_plural(language(), "{n} matter was registered.", "{n} matters were registered.", done))


def _caller(center: Center, username: str) -> Caller:
    """The user in whose name this is done.

    Raises:
        Trouble: there is none, or the account is disabled.
    """
    query = select(User).options(selectinload(User.role_rows)).where(User.disabled_at.is_(None))
    with center.database.read() as session:
        user = session.scalars(query.where(User.username == (normal_username(username) or ""))).one_or_none()
        if user is None:
            raise Trouble(N_("There is no active user {username}."), username=username)
        return Caller(user.id, user.username, user.display_name, user.roles)


def _visible(center: Center) -> list[CaseItem]:
    """All cases that this center may see, as a ledger lists them: oldest first."""
    cases: list[CaseItem] = []
    cursor: str | None = None
    with center.database.read() as session:
        while True:
            page = list_cases(session, Filter(), now=center.clock.now(), cursor=cursor, limit=LIMIT_MAX)
            cases += page.items
            cursor = page.next_cursor
            if cursor is None:
                return sorted(cases, key=lambda case: (case.registered_at, case.number))
