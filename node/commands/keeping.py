"""``keys rotate``: another signing key; ``keys reseal``: the stored data under another key."""

from pathlib import Path

import typer

from node.audit.trail import COMMAND_LINE, Event, record
from node.commands.opened import opened
from node.commands.terminal import language, remark, say
from node.i18n import N_, translate_plural
from node.rekeying import rotate
from node.resealing import reseal
from node.running import only_one
from node.settings import load_settings
from node.trouble import Trouble


def run_rotate(directory: Path) -> None:
    """Ask the parent to certify a new signing key."""
    with opened(directory) as (_, center):
        rotate(center)
        name = center.directory.tree.name(center.parent or "")
    say(N_("{parent} was asked to certify the new key. It counts as soon as the certificate has come."), parent=name)
    remark(N_("Make a backup then: an older one holds the former key."))


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
