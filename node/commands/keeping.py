"""``keys reseal``: the stored data under another key."""

from pathlib import Path

import typer

from node.audit.trail import COMMAND_LINE, Event, record
from node.commands.opened import opened
from node.commands.terminal import language
from node.i18n import N_, translate_plural
from node.resealing import reseal
from node.running import only_one
from node.settings import load_settings
from node.trouble import Trouble


def run_reseal(directory: Path) -> None:
    """Draw a new storage key and seal everything with it."""
    with only_one(load_settings(directory).data_dir), opened(directory) as (settings, center):
        with center.database.write() as session:
            record(session, center.clock.now(), COMMAND_LINE, Event.DATA_RESEALED)
        try:
            count = reseal(center, settings)
        except OSError as error:
            raise Trouble(
                N_("{file} can't be written: {reason}"), file=str(settings.storage_key), reason=error.strerror
            ) from error
    typer.echo(translate_plural(language(), "{n} value sealed anew.", "{n} values sealed anew.", count))
