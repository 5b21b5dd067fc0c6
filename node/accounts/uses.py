"""When people last used their sessions: in memory, and in the database a minute later.

Every request would otherwise write. A crash forgets the last minute, so a session may end a minute early. What a page
asks by itself (its stream, its polls, its renewals) is no use.
"""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import update
from starlette.requests import Request

from node.accounts.tables import Token
from node.db import Database

WRITTEN_EVERY_S: Final = 60.0
"""Seconds between two writes."""

BY_ITSELF: Final = "x-live"
"""Header of what a page asks without a person (``static/js/live.js``)."""

WATCHING: Final = frozenset({"/events", "/events/beat"})
"""What a page asks all the time."""


class Uses:
    """The uses that are not written yet. Called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, datetime] = {}

    def note(self, token_hash: str, at: datetime) -> None:
        """A person did something."""
        with self._lock:
            self._last[token_hash] = at

    def last(self, token_hash: str, written: datetime) -> datetime:
        """The last use: what is known here, else what is written."""
        with self._lock:
            return max(written, self._last.get(token_hash, written))

    def write(self, database: Database) -> None:
        """Write what is known; it is forgotten here once it stands there.

        Raises:
            DatabaseUnavailable: it stays here.
        """
        with self._lock:
            known: Mapping[str, datetime] = dict(self._last)
        if not known:
            return
        with database.write(behind_people=True) as session:
            for token_hash, at in known.items():
                session.execute(update(Token).where(Token.hash == token_hash, Token.used_at < at).values(used_at=at))
        with self._lock:
            self._last = {key: at for key, at in self._last.items() if known.get(key) != at}


def is_use(request: Request) -> bool:
    """Whether a person is behind this request."""
    return BY_ITSELF not in request.headers and request.url.path not in WATCHING
