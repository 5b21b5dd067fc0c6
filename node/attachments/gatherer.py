"""The loop that gathers files: woken when a case names a new one, or when pieces have come."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from node.attachments import gathering
from node.attachments.tables import FileRow
from node.db import DatabaseUnavailable
from node.federation.patience import at_most

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

LOOK_S = 15.0
"""How often is looked for files that are missing, though nothing has changed."""


class Gatherer:
    """Gathers the files of one center, in a thread that no link waits for."""

    def __init__(self, center: "Center") -> None:
        self._center = center
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        center.database.on_change(self._on_change)

    def _on_change(self, tables: frozenset[str]) -> None:
        """A commit wrote to these tables; called from any thread."""
        if FileRow.__tablename__ in tables and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Ask for what is missing and take over what is complete, for ever."""
        while True:
            try:
                while await asyncio.to_thread(gathering.go_on, self._center):
                    pass
            except DatabaseUnavailable as error:
                log.error("attachments.database", reason=str(error))
            await at_most(LOOK_S, self._changed)
