"""``parked list`` and ``parked retry``: messages that could not be applied, here and at their destinations."""

from pathlib import Path

import typer

from node.commands.opened import opened
from node.commands.terminal import language, say, show_json, show_table
from node.federation.inbox import retry_parked
from node.i18n import N_, translate_plural
from node.links_api import read_parked, read_parked_elsewhere
from node.trouble import Trouble


def show_parked(directory: Path, *, as_json: bool) -> None:
    """Show what is parked here, and what of ours is parked elsewhere."""
    with opened(directory) as (_, center):
        with center.database.read() as session:
            here, elsewhere = read_parked(session), read_parked_elsewhere(session)
        if as_json:
            document = {
                "here": [one.model_dump(mode="json") for one in here],
                "elsewhere": [one.model_dump(mode="json") for one in elsewhere],
            }
            show_json(document)
            return
        name = center.directory.tree.name
    if not here:
        say(N_("Nothing is parked here."))
    else:
        headers = [N_("Id"), N_("From"), N_("Case"), N_("Since"), N_("Reason")]
        show_table(headers, [[one.id, name(one.peer), one.case_id, one.parked_at, one.reason] for one in here])
        say(N_("They are tried again at every start, after an upgrade too, or by: liandong parked retry"))
    if elsewhere:
        say(N_("Parked at their destinations; somebody there must look at them:"))
        headers = [N_("Id"), N_("To"), N_("Case"), N_("Since"), N_("Reason")]
        rows = [[one.message_id, name(one.destination), one.case_id, one.queued_at, one.reason] for one in elsewhere]
        show_table(headers, rows)


def run_retry(directory: Path, parked_id: str | None) -> None:
    """Try parked messages again; exit code 1 where something stays parked."""
    with opened(directory) as (_, center):
        applied, stay = retry_parked(center, parked_id)
    if parked_id is not None and not applied + stay:
        raise Trouble(N_("No such message is parked here."))
    typer.echo(translate_plural(language(), "{n} message was applied.", "{n} messages were applied.", applied))
    if stay:
        typer.echo(translate_plural(language(), "{n} message stays parked.", "{n} messages stay parked.", stay))
        raise typer.Exit(1)
