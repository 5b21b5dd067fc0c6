"""The pulse of a center: tells whoever listens what a commit has changed, so that pages follow without a reload.

A commit is told by the tables that it wrote to (``Database.on_change``), from whichever thread committed. Listeners
live on the event loop and are told there. Nothing is kept: who was not listening reads the database, which is the
truth anyway.

``remember`` keeps what is dear to read until one of its topics changes, for at most a minute, since some of it also
changes as time passes.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from node.db import Database

Value = TypeVar("Value")


class Topic(StrEnum):
    """What pages follow."""

    CASES = "cases"
    STATUS = "status"
    LINKS = "links"
    POLICY = "policy"
    FILES = "files"


TABLES: Final[dict[str, Topic]] = {
    "cases": Topic.CASES,
    "entries": Topic.CASES,
    "requests": Topic.CASES,
    "counters": Topic.STATUS,
    "day_counters": Topic.STATUS,
    "links": Topic.LINKS,
    "parked": Topic.LINKS,
    "outbox": Topic.LINKS,
    "lanes": Topic.LINKS,
    "certificates": Topic.LINKS,
    "losses": Topic.LINKS,
    "policies": Topic.POLICY,
    "attachment_files": Topic.FILES,
}
"""Which table belongs to which topic; others change nothing that a page shows."""

KEPT_S: Final = 60.0
"""Longest time that a remembered value is used."""


@dataclass(eq=False)
class Listener:
    """Somebody who follows topics.

    Attributes:
        topics: which ones.
        changed: those that changed since the last look.
    """

    topics: frozenset[Topic]
    loop: asyncio.AbstractEventLoop
    changed: set[Topic] = field(default_factory=set)
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def tell(self, topics: Iterable[Topic]) -> None:
        """Wake up for those that concern this listener; on the event loop."""
        self.changed |= self.topics.intersection(topics)
        if self.changed or self.closed:
            self.awake.set()

    def close(self) -> None:
        """End; on the event loop."""
        self.closed = True
        self.awake.set()

    async def changes(self, rest_s: float) -> AsyncIterator[frozenset[Topic]]:
        """Topics that changed, again and again; an empty set after ``rest_s`` seconds of silence."""
        while not self.closed:
            try:
                await asyncio.wait_for(self.awake.wait(), rest_s)
            except TimeoutError:
                yield frozenset()
                continue
            self.awake.clear()
            changed, self.changed = frozenset(self.changed), set()
            if changed:
                yield changed


class Pulse:
    """Tells listeners what changed.

    Args:
        database: whose commits are followed.
    """

    def __init__(self, database: Database) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._beats: dict[Topic, int] = dict.fromkeys(Topic, 0)
        self._kept: dict[str, tuple[tuple[int, ...], float, Any]] = {}
        database.on_change(self._changed)

    def _changed(self, tables: frozenset[str]) -> None:
        topics = frozenset(TABLES[table] for table in tables if table in TABLES)
        if not topics:
            return
        with self._lock:
            for topic in topics:
                self._beats[topic] += 1
            listeners = tuple(self._listeners)
        for listener in listeners:
            if not listener.loop.is_closed():
                listener.loop.call_soon_threadsafe(listener.tell, topics)

    def beats(self, topics: Iterable[Topic]) -> int:
        """How often these topics have changed since this process began; for whoever can only ask now and then."""
        with self._lock:
            return sum(self._beats[topic] for topic in topics)

    @contextmanager
    def listening(self, topics: Iterable[Topic]) -> Iterator[Listener]:
        """Listen to topics, on the running event loop, until the block ends."""
        listener = Listener(frozenset(topics), asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def close(self) -> None:
        """End all listening, so that a center that stops waits for nobody."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.loop.call_soon_threadsafe(listener.close)

    def remember(self, key: str, topics: Iterable[Topic], read: Callable[[], Value]) -> Value:
        """What ``read`` says, read again only after one of these topics has changed, or a minute has passed."""
        with self._lock:
            beats = tuple(self._beats[topic] for topic in topics)
            kept = self._kept.get(key)
        now = time.monotonic()
        if kept is not None and kept[0] == beats and now - kept[1] < KEPT_S:
            value: Value = kept[2]
            return value
        value = read()
        with self._lock:
            self._kept[key] = beats, now, value
        return value
