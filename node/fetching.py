"""Getting our newest backup back from the parent, over the link, before the center serves anybody."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from node import brokers
from node.backup import unpack
from node.backup_sealing import open_pieces
from node.center import Center
from node.federation.kept_backups import pieces
from node.federation.runner import Federation
from node.federation.tables import KeptBackupRow
from node.i18n import DEFAULT, N_, Language
from node.opening import open_center
from node.reviving import revive, revive_broker
from node.running import only_one
from node.settings import Settings, load_settings, write_settings
from node.trouble import Trouble
from node.unit import unit_of
from protocol.keys import SealingKey
from protocol.messages import Type
from protocol.payloads import BackupWanted

PATIENCE_S = 120.0
"""Without news from the parent for so long, we give up; the command can be given again."""
LOOK_S = 0.5

Progress = Callable[[int, int], None]
"""Told how many pieces came, of how many."""


class NotFetched(Trouble):
    """The parent does not answer, or keeps no backup of us."""


def fetch_backup(settings: Settings, key: SealingKey, progress: Progress, language: Language = DEFAULT) -> int:
    """Fetch the newest backup from the parent and take it into our database; the center must not run.

    Args:
        settings: of the center that has just joined anew.
        key: the backup key.
        progress: called now and then.
        language: of the comments in the settings, where these are written anew.

    Returns:
        How many cases came back.

    Raises:
        NotFetched: the parent does not answer or keeps no backup of us; it can be tried again.
        CannotOpen: the key is another one, or the backup is damaged.
        AlreadyRunning: the center runs.
    """
    with only_one(settings.data_dir):
        center = open_center(settings)
        center.backup_to_parent = False
        try:
            row = asyncio.run(_fetched(center, settings, progress))
            with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".restore-") as folder:
                file, unpacked = Path(folder) / "backup.tar", Path(folder) / "unpacked"
                unpacked.mkdir()
                with file.open("wb") as out:
                    open_pieces(pieces(settings.data_dir, row), key, out)
                manifest = unpack(file, unpacked)
                if manifest.code != center.code:
                    raise NotFetched(N_("The backup is one of {other}."), other=manifest.code)
                cases = revive(center, unpacked, manifest)
                changed = revive_broker(load_settings(settings.data_dir, environment=False), unpacked)
                if changed is not None:
                    write_settings(changed, language)
        finally:
            center.database.dispose()
    return cases


async def _fetched(center: Center, settings: Settings, progress: Progress) -> KeptBackupRow:
    federation = Federation(center, None, brokers.parent_wire(settings))
    await federation.start()
    try:
        await asyncio.to_thread(_ask, center)
        heard, got = time.monotonic(), -1
        while True:
            await asyncio.sleep(LOOK_S)
            row = await asyncio.to_thread(_look, center)
            if row is not None and row.complete_at is not None:
                break
            if row is not None and row.got != got:
                heard, got = time.monotonic(), row.got
                progress(row.got, row.parts)
            if time.monotonic() - heard > PATIENCE_S:
                raise NotFetched(
                    N_("The parent does not answer. Try again: liandong restore --from-parent -d {directory}"),
                    directory=str(settings.data_dir),
                )
    finally:
        await federation.stop()
    if not row.parts:
        raise NotFetched(N_("The parent keeps no backup of this center."))
    return row


def _ask(center: Center) -> None:
    assert center.parent is not None
    with unit_of(center) as unit:
        unit.session.query(KeptBackupRow).filter(KeptBackupRow.center == center.code).delete()
        unit.outbox.send(Type.BACKUP_WANTED, BackupWanted(incarnation=center.identity.incarnation), center.parent)


def _look(center: Center) -> KeptBackupRow | None:
    with center.database.read() as session:
        ours = select(KeptBackupRow).where(KeptBackupRow.center == center.code)
        row = session.scalar(ours.order_by(KeptBackupRow.made_at.desc()).limit(1))
        session.expunge_all()
        return row
