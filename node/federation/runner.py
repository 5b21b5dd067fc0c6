"""The federation side of a center: all its links, woken by commits, ticked once a second, supervised.

A center with children listens on its own broker (the hub) for all of them; a center with a parent listens on the
parent's. Whatever another process changes in the database (the command line enrols a child, imports cases) is
noticed within POLL_S.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from node.attachments.gatherer import Gatherer
from node.db import DatabaseUnavailable
from node.directory import CERTIFICATES
from node.federation import chores, doorkeeper, lanes, nightly
from node.federation.doorkeeper import Doorkeeper, FairQueue
from node.federation.link_runner import LinkRunner
from node.federation.patience import at_most
from node.federation.tables import OutboxRow
from node.federation.transport import Transport, TransportDown
from node.rehoming import work
from node.status.reporting import Reporter
from protocol.errors import BadFrame, RemoteError
from protocol.link import State
from protocol.wire import StatusFrame, read_frame, unpack_status, verify_frame

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

Result = TypeVar("Result")

POLL_S = 1.0
"""How often links are ticked and changes by other processes looked for."""
STATUS_S = 1.0
"""How often changed counters go up."""
CHORES_S = 30.0
"""How often overdue cases are told upward and expired views purged."""
STATUS_ALL_S = 60.0
"""How often all rows go up, whether changed or not: a lost snapshot heals within this time."""
PROBE_S = 30.0
"""How often the wire is asked for a round trip; one that does not answer is rebuilt."""
PROBE_PATIENCE_S = 10.0
PROCESS_BYTES = 8
SNAPSHOTS_MAX = 50
"""Snapshots of children that are kept in one transaction: 170 villages send one a second each."""
THREADS = 3
"""Database threads of the links: one applies, one loads, one records."""


class Federation:
    """All links of one center.

    Args:
        center: the center.
        hub: wire to our own broker, where we have children.
        parent: wire to the parent's broker, where we have a parent.
        status_s: seconds between two looks for counters that changed.
    """

    def __init__(
        self, center: "Center", hub: Transport | None, parent: Transport | None, *, status_s: float = STATUS_S
    ) -> None:
        self.center = center
        self._status_s = status_s
        self.hub = hub
        self.parent = parent
        self.links: dict[str, LinkRunner] = {}
        self.children_changed: Callable[[], Awaitable[None]] | None = None
        """Called when a child was enrolled or revoked."""
        self.parent_changed: Callable[[], Awaitable[Transport | None]] | None = None
        """Called when we came under another parent; the wire to its broker, not started yet."""
        self.reporter = Reporter(center)
        self._process = center.random_bytes(PROCESS_BYTES).hex()
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix=f"link-{center.code}")
        self._broker_knows: frozenset[str] | None = None
        self._parent = center.parent
        self._awake = asyncio.Event()
        self._seen: object = None
        self._days_seen: object = None
        self._centers_changed = (asyncio.Event(), asyncio.Event())
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._snapshots: FairQueue[bytes] = FairQueue()
        self._inputs: FairQueue[tuple[str, bytes]] = FairQueue()
        self.door = Doorkeeper(lambda: asyncio.get_running_loop().time())

    async def start(self) -> None:
        """Connect and begin; returns at once, links come up as the wires do.

        Raises:
            DatabaseUnavailable: the process ends, and says so (docs/reliability.md).
        """
        self._loop = asyncio.get_running_loop()
        await self._in_thread(lambda: lanes.all_offline(self.center.database))
        await self._in_thread(lambda: chores.retry_parked(self.center))
        await self._follow_links()
        self.center.database.on_change(self._on_change)
        if self.hub is not None:
            await self.hub.start(["up.*", "st.*"], self._on_hub_frame, lambda up: self._on_wire("down", up=up))
        await self._start_parent()
        for loop in (
            self._frames,
            self._snapshot_loop,
            self._outbox_loop,
            self._tick_loop,
            self._status_loop,
            self._chores_loop,
            Gatherer(self.center).run,
            self._changes_loop,
            self._probe_loop,
        ):
            self._tasks.append(self._loop.create_task(self._for_ever(loop)))

    async def _start_parent(self) -> None:
        if self.parent is not None:
            subjects = [f"dn.{self.center.code}"]
            await self.parent.start(subjects, self._on_parent_frame, lambda up: self._on_wire("up", up=up))

    async def stop(self) -> None:
        """Stop all links and close the wires."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self.links.values():
            await runner.close()
        for wire in (self.hub, self.parent):
            if wire is not None:
                await wire.close()
        self._loop = None
        self._executor.shutdown(wait=True)

    def wake(self) -> None:
        """There may be something to send; callable from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._awake.set)

    def _on_change(self, tables: frozenset[str]) -> None:
        """A commit wrote to these tables; called from any thread."""
        if OutboxRow.__tablename__ in tables:
            self.wake()
        loop = self._loop
        if CERTIFICATES in tables and loop is not None and not loop.is_closed():
            for changed in self._centers_changed:  # links may begin or end, and we may have a part to do
                loop.call_soon_threadsafe(changed.set)

    @property
    def linked_to_parent(self) -> bool:
        """Whether the parent answers; true at the root, which has none."""
        parent = self.center.parent
        return parent is None or (parent in self.links and self.links[parent].machine.state is State.LINKED)

    # --- what the wires bring ----------------------------------------------------------------------

    def _on_hub_frame(self, subject: str, data: bytes) -> None:
        kind, _, code = subject.partition(".")
        self._came(kind, code, data)

    def _on_parent_frame(self, _subject: str, data: bytes) -> None:
        assert self._parent is not None
        self._came("dn", self._parent, data)

    def _came(self, kind: str, peer: str, data: bytes) -> None:
        """A frame waits to be read, unless its sender is not listened to for a while."""
        if not self.door.lets_in(peer):
            self.center.metrics.ignored(peer)
            return
        if kind == "st":
            room = self._snapshots.put(peer, data, len(data))
        else:
            room = self._inputs.put(peer, (kind, data), len(data))
        if not room:
            self._refuse(peer, "too much at once")

    def _on_wire(self, direction: str, *, up: bool) -> None:
        self._inputs.put_first(direction, ("wire", b"1" if up else b""))

    def _refuse(self, peer: str, reason: str) -> None:
        """A frame is refused: counted, and told to people with the next tick."""
        log.warning("frame.refused", peer=peer, reason=reason)
        self.center.metrics.refused(peer)
        self.door.refused(peer, reason)

    async def _frames(self) -> None:
        while True:
            who, (kind, data) = await self._inputs.get()
            if not self.door.lets_in(who):  # it waited already
                self.center.metrics.ignored(who)
                continue
            try:
                await self._input(kind, who, data)
            except RemoteError as error:
                self._refuse(who, str(error))
            except DatabaseUnavailable as error:
                log.warning("frame.not_taken", peer=who, reason=str(error))

    async def _input(self, kind: str, who: str, data: bytes) -> None:
        if kind == "wire":
            for runner in list(self.links.values()):
                if runner.direction == who:
                    await runner.wire(up=bool(data))
            return
        addressed = self.links.get(who)
        if addressed is None:
            log.warning("frame.unknown_peer", peer=who)
        else:
            await addressed.frame(data)

    async def _snapshot_loop(self) -> None:
        """Store children's counters; apart from the frames, which never wait for them."""
        while True:
            came = [await self._snapshots.get()]
            while not self._snapshots.empty() and len(came) < SNAPSHOTS_MAX:
                came.append(self._snapshots.take())
            documents = [(peer, document) for peer, data in came if (document := self._status_frame(peer, data))]
            try:
                await self._in_thread(partial(self.reporter.receive_all, documents))
            except DatabaseUnavailable as error:
                log.warning("snapshots.not_kept", reason=str(error))

    def _status_frame(self, peer: str, data: bytes) -> bytes | None:
        """The document of a status frame; None for a frame that is refused."""
        try:
            frame = read_frame(data)
            if not isinstance(frame.header, StatusFrame) or frame.header.sender != peer:
                raise BadFrame(f"no status frame of {peer}")
            verify_frame(frame, self.center.directory.known.keys_of(peer))
            return unpack_status(frame.payload)
        except RemoteError as error:
            self._refuse(peer, str(error))
            return None

    # --- loops -------------------------------------------------------------------------------------

    async def _for_ever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop; what nobody foresaw is logged, and it begins again: one bad frame must not end all links."""
        while True:
            try:
                await loop()
                return
            except Exception:
                log.exception("federation.loop_failed", loop=loop.__name__)
                await asyncio.sleep(POLL_S)

    async def _outbox_loop(self) -> None:
        """When messages were committed: tell the links what their outbox holds now."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                await self._tell_queued()
            except DatabaseUnavailable as error:
                log.error("outbox.unreadable", reason=str(error))

    async def _tell_queued(self) -> None:
        waiting = await self._in_thread(lambda: lanes.read_last(self.center.database))
        for peer, lane, last in waiting:
            if peer in self.links:
                await self.links[peer].queued(lane, last)

    async def _tick_loop(self) -> None:
        while True:
            await at_most(POLL_S, self._centers_changed[0])
            try:
                await self._look_around()
                if news := self.door.news():
                    await self._in_thread(partial(doorkeeper.tell, self.center, news))
            except DatabaseUnavailable as error:
                log.error("federation.database", reason=str(error))
            for runner in list(self.links.values()):
                await runner.tick()

    async def _look_around(self) -> None:
        """Follow what was committed, here or by another process; an idle center asks its database one small question.

        Raises:
            DatabaseUnavailable: some of it was not done; it is with the next look.
        """
        version = await self._in_thread(self.center.database.version)
        if version == self._seen and not self._restless:
            return
        await self._in_thread(self._refresh)
        await self._follow_parent()
        await self._follow_links()
        await self._tell_queued()
        self._seen = version

    @property
    def _restless(self) -> bool:
        """Whether something is to be done that no commit tells of."""
        incarnation = self.center.identity.incarnation
        moved = self.center.parent != self._parent
        return (
            moved
            or self._broker_knows != self._let_in()
            or any(runner.outdated or runner.incarnation != incarnation for runner in self.links.values())
        )

    def _refresh(self) -> None:
        with self.center.database.read() as session:
            self.center.directory.refresh(session)
        self.reporter.meet_strangers()

    async def _follow_links(self) -> None:
        """Begin links that were enrolled, end links that were revoked, begin those anew whose records have changed."""
        wanted, carried = await self._in_thread(lambda: lanes.read_links(self.center.database))
        for peer in [peer for peer in self.links if peer not in wanted]:
            await self.links.pop(peer).close()
            log.info("link.ended", peer=peer)
        for peer, runner in list(self.links.items()):
            carried_since = runner.carried != carried.get(peer, runner.carried)
            if carried_since or runner.outdated or runner.incarnation != self.center.identity.incarnation:
                await self.links.pop(peer).close()
                log.info("link.begun_anew", peer=peer)
        for peer, direction in wanted.items():
            wire = self._wire_to(peer, direction)
            if peer in self.links or wire is None:
                continue
            runner = LinkRunner(
                self.center, peer, direction, wire, self._executor, self._process, carried=carried.get(peer, 0)
            )
            self.links[peer] = runner
            try:
                await runner.start()
            except BaseException:
                del self.links[peer]  # it is begun again with the next tick
                raise
        await self._tell_broker()

    def _wire_to(self, peer: str, direction: str) -> Transport | None:
        """The wire to a neighbour; None where there is none, or only the one to the parent that we have left."""
        if direction == "down":
            return self.hub
        return self.parent if peer == self._parent else None

    def _let_in(self) -> frozenset[str]:
        """Whom the broker is to let in now."""
        return frozenset(self.links) - self.door.out()

    async def _tell_broker(self) -> None:
        """Tell the broker of new and revoked children, and of those who stay out for a while; again if that fails."""
        peers = self._let_in()
        if self._broker_knows is not None and self._broker_knows != peers and self.children_changed is not None:
            await self.children_changed()
        self._broker_knows = peers

    async def _follow_parent(self) -> None:
        """Where we came under another parent, go over to its broker."""
        if self.center.parent == self._parent or self.parent_changed is None:
            return
        left = self.links.pop(self._parent or "", None)
        if left is not None:
            await left.close()
        wire, self.parent = self.parent, None
        if wire is not None:
            await wire.close()
        self.parent = await self.parent_changed()
        log.info("parent.changed", left=self._parent, parent=self.center.parent)
        self._parent = self.center.parent
        await self._start_parent()

    async def _status_loop(self) -> None:
        """Send counters up, at most once a second; all of them after a new session and once a minute."""
        if self.center.parent is None:
            return
        all_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._status_s)
            runner = self.links.get(self._parent or "")
            if runner is None or runner.machine.state is not State.LINKED:
                continue
            everything = runner.fresh_session or loop.time() >= all_at
            if everything:
                runner.fresh_session = False
                all_at = loop.time() + STATUS_ALL_S
            try:
                snapshot = partial(self.reporter.snapshot, everything, self.center.clock.now())
                documents = await self._in_thread(snapshot)
                seen = self._seen
                if self._days_seen is None or self._days_seen != seen:
                    await self._in_thread(lambda: chores.tell_days(self.center))
                    self._days_seen = seen
            except DatabaseUnavailable as error:
                log.error("status.database", reason=str(error))
                continue
            for document in documents or []:
                await runner.status(document)

    async def _chores_loop(self) -> None:
        while True:
            try:
                await self._in_thread(lambda: chores.run(self.center))
                # A large database takes a while: not in the threads of the links.
                await asyncio.to_thread(nightly.back_up_when_due, self.center)
            except DatabaseUnavailable as error:
                log.error("chores.database", reason=str(error))
            await asyncio.sleep(CHORES_S)

    async def _changes_loop(self) -> None:
        """When centers change, do our part, and go on until nothing is left to do."""
        while True:
            await at_most(POLL_S, self._centers_changed[1])
            if not work.is_due(self.center):
                continue
            try:
                await self._in_thread(lambda: work.go_on(self.center))
            except DatabaseUnavailable as error:
                log.error("changes.database", reason=str(error))

    async def _probe_loop(self) -> None:
        """A wire that says it is up but does not answer (half-open socket) is thrown away."""
        while True:
            await asyncio.sleep(PROBE_S)
            for wire in (self.hub, self.parent):
                if wire is None or not wire.connected:
                    continue
                try:
                    async with asyncio.timeout(PROBE_PATIENCE_S):
                        await wire.round_trip()
                except (TimeoutError, TransportDown):
                    log.warning("wire.rebuilt")
                    await wire.rebuild()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        assert self._loop is not None
        return await self._loop.run_in_executor(self._executor, work)
