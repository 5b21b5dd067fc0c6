"""``backup`` and ``restore``."""

from pathlib import Path

from node.backup import restore, write_backup
from node.clock import LOCAL_ZONE
from node.commands.opened import opened
from node.commands.terminal import remark, say
from node.i18n import N_


def run_backup(directory: Path, file: Path) -> None:
    """Write a backup and say how large it is."""
    with opened(directory) as (settings, center):
        write_backup(center, settings, file)
    say(N_("{file}: {megabytes} MB, verified."), file=str(file), megabytes=f"{file.stat().st_size / 2**20:.1f}")
    remark(N_("It holds this center's secret keys; keep it as safely as the database."))


def run_restore(file: Path, directory: Path, *, in_place: bool) -> None:
    """Put a center back, and say what that means for its neighbours."""
    manifest, aside = restore(file, directory, in_place=in_place)
    made_at = manifest.made_at.astimezone(LOCAL_ZONE)
    say(
        N_("{name} {code} is as it was at {made_at}."),
        name=manifest.name,
        code=manifest.code,
        made_at=f"{made_at:%Y-%m-%d %H:%M:%S}",
    )
    if aside is not None:
        say(N_("What was there before is in {directory}."), directory=str(aside))
    remark(
        N_(
            "What the center did since is missing. If that was anything that its neighbours know, its links stop and "
            "say so."
        )
    )
