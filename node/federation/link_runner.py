"""Runs one link: carries out what the pure machine of ``protocol.link`` asks for.

The machine lives on the event loop and is never touched from elsewhere. Database work runs in threads; its answers
come back to the loop. Frames to apply wait in a queue, so that commits happen in order; everything else of the link
goes on meanwhile.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from node.clock import ClockWatch
from node.db import DatabaseUnavailable
from node.federation import healing, lanes
from node.federation.handlers import certificates_came
from node.federation.inbox import BadPosition, apply_frame
from node.federation.reading import Reader
from node.federation.transport import Transport, TransportDown
from node.federation.writing import Writer
from node.unit import unit_of
from protocol.errors import BadFrame
from protocol.link import (
    Action,
    Apply,
    Compare,
    Healed,
    LaneRecord,
    Link,
    Load,
    MarkAcked,
    Restored,
    Rewind,
    SendAck,
    SendData,
    SendHello,
    SendRecover,
    Serve,
    State,
    Stopped,
    StopReason,
    TakeBack,
)
from protocol.messages import Lane
from protocol.wire import (
    Ack,
    Data,
    Frame,
    Header,
    Hello,
    Recover,
    Return,
    read_frame,
    unpack,
    verify_frame,
)

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

Result = TypeVar("Result")

RETRY_S = 2.0
"""Pause after a database failure before the link tries again."""


class LinkRunner:
    """One neighbour.

    Args:
        center: our center.
        peer: the neighbour's code.
        direction: ``up`` where it is our parent, ``down`` where it is our child.
        transport: the wire to it.
        executor: threads for database work.
        process: random id of our process.
        carried: files carried over this link until now; when there are more, a new runner takes its place.

    Attributes:
        outdated: whether somebody else has moved our positions on (a file that was carried in, a commit that we took
            for failed, what came back of ours after a restore); then a new runner takes its place too.
    """

    def __init__(
        self,
        center: "Center",
        peer: str,
        direction: str,
        transport: Transport,
        executor: Executor,
        process: str,
        *,
        carried: int = 0,
    ) -> None:
        self.center = center
        self.peer = peer
        self.direction = direction
        self.transport = transport
        self.subject = f"up.{center.code}" if direction == "up" else f"dn.{peer}"
        self.machine = self._machine({})
        self.clock_offset: float | None = None
        self._clock_watch = ClockWatch(center.clock, asyncio.get_running_loop().time)
        self.last_hello_at: datetime | None = None
        self.linked_once = asyncio.Event()
        self.fresh_session = False
        self.outdated = False
        self.carried = carried
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(center, peer)
        self._writer = Writer(center, peer, process)
        self._applies: asyncio.Queue[Apply] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs: set[asyncio.Future[Any]] = set()
        self._state = ""
        self._spoke_with = ""
        self._standing: dict[str, str | float | datetime | None] = {}
        self._stands_otherwise = asyncio.Event()
        self._begun = self._closed = False

    async def start(self) -> None:
        """Read the records, begin to apply, and greet if the wire is there.

        Whatever happens on the wire before the records are read is let be: who greets without them says it lost all.
        """
        records = await self._in_thread(lambda: lanes.read_records(self.center.database, self.peer))
        self.machine = self._machine(records)
        self._begun = True
        self._spawn(self._apply_loop())
        self._spawn(self._record_loop())
        if self.transport.connected:
            await self.wire(up=True)

    @property
    def incarnation(self) -> str:
        """The incarnation of ours that this runner speaks for; after a restore there is another one."""
        return self.machine.incarnation

    def _machine(self, records: dict[Lane, LaneRecord]) -> Link:
        identity = self.center.identity
        return Link(identity.code, self.peer, identity.incarnation, records, identity.former)

    async def close(self) -> None:
        """Stop; what is under way in a thread is waited for, so that the records stand still afterwards."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._jobs, return_exceptions=True)

    # --- inputs ------------------------------------------------------------------------------------

    async def wire(self, *, up: bool) -> None:
        """The wire came or went."""
        if not self._begun:
            return
        if up:
            await self._do(self.machine.wire_up(self.center.random_bytes(12).hex(), self._now()))
        else:
            self.machine.wire_down()
        self._note_state()

    async def tick(self) -> None:
        """Time passed."""
        if self._begun and self.transport.connected:
            if self._clock_watch.was_set() and self.machine.state is State.LINKED:
                await self._do([SendHello(answering=None)])  # its answer brings the peer's clock
            await self._do(self.machine.tick(self._now()))
            self._note_state()

    async def queued(self, lane: Lane, last: int) -> None:
        """The outbox has messages up to ``last``."""
        if self._begun:
            await self._do(self.machine.queued(lane, last))

    async def frame(self, data: bytes) -> None:
        """Bytes came for this link.

        Raises:
            RemoteError: they are refused; nothing of them was applied.
        """
        if not self._begun:
            return
        try:
            frame = read_frame(data)
            if frame.header.sender != self.peer or frame.header.receiver != self.center.code:
                raise BadFrame(f"from {frame.header.sender} to {frame.header.receiver}")
            if await self._verified(frame):
                await self._handle(frame)
        finally:
            self._note_state()

    async def status(self, document: bytes) -> None:
        """Send a snapshot of counters to the parent."""
        await self._publish(self._writer.status(self.machine, document), f"st.{self.center.code}")

    # --- frames in ---------------------------------------------------------------------------------

    async def _verified(self, frame: Frame) -> bool:
        """Whether the frame is the peer's and of this link; its certificates may have shown that the link begins anew.

        Raises:
            BadFrame: it is not signed by the peer.
        """
        try:
            self._check_signature(frame)
        except BadFrame:
            if not isinstance(frame.header, Hello) or not frame.header.chain:
                raise
            await self._in_thread(lambda: self._learn(frame.header))
            self._check_signature(frame)
            self.outdated |= await self._carried_since()
        return not self.outdated

    def _check_signature(self, frame: Frame) -> None:
        """Whoever has spoken with a newer key does not go back to a former one, which may be in other hands.

        Raises:
            BadFrame: it is signed with none of the keys that count.
        """
        keys = self.center.directory.known.keys_of(self.peer)
        if self._spoke_with in keys:
            keys = keys[: keys.index(self._spoke_with) + 1]
        for key in keys[:-1]:
            try:
                verify_frame(frame, (key,))
            except BadFrame:
                continue
            self._spoke_with = key
            return
        verify_frame(frame, keys[-1:])
        self._spoke_with = keys[-1]

    def _learn(self, hello: Header) -> None:
        """Take the certificates that a HELLO brings: the peer's keys may be newer than what we know."""
        assert isinstance(hello, Hello)
        with unit_of(self.center) as unit:
            certificates_came(unit, hello.chain, self.peer)

    async def _handle(self, frame: Frame) -> None:
        if self._holds_unoffered(frame.header) and await self._carried_since():
            self.outdated = True
            return
        header, now = frame.header, self._now()
        if isinstance(header, Hello):
            moment = self.center.clock.now()
            self.last_hello_at = moment
            self.clock_offset = round((header.clock - moment).total_seconds(), 3)
            await self._do(self.machine.on_hello(header, now))
            self.fresh_session = True
        elif isinstance(header, Data):
            await self._data_came(header, unpack(header, frame.payload))
        elif isinstance(header, Ack):
            await self._do(self.machine.on_ack(header, now))
        elif isinstance(header, Recover):
            await self._do(self.machine.on_recover(header, now))
        elif isinstance(header, Return):
            await self._do(self.machine.on_return(header, unpack(header, frame.payload), now))

    async def _data_came(self, header: Data, messages: list[bytes]) -> None:
        before = self.machine.taken(header.lane)
        actions = self.machine.on_data(header, messages, self._now())
        fresh = self.machine.taken(header.lane) - before
        if fresh and not any(isinstance(action, Apply) for action in actions):  # they wait behind a commit
            batch = self._reader.expect(messages[-fresh:])
            self._spawn(self._in_thread(batch.read))
        await self._do(actions)

    def _holds_unoffered(self, header: Header) -> bool:
        """Whether the peer shows more of ours than this process has offered: a file may have brought it there."""
        if isinstance(header, Hello):
            return any(told.into.seq > self.machine.offered(lane).seq for lane, told in header.lanes.items())
        return isinstance(header, Ack) and header.seq > self.machine.offered(header.lane).seq

    async def _carried_since(self) -> bool:
        carried = await self._in_thread(partial(lanes.read_carried, self.center.database))
        return carried.get(self.peer) != self.carried

    # --- actions -----------------------------------------------------------------------------------

    async def _do(self, actions: Iterable[Action]) -> None:
        marks: list[MarkAcked] = []
        for action in actions:
            match action:
                case SendHello():
                    await self._publish(self._writer.hello(self.machine, action))
                case SendAck():
                    await self._publish(self._writer.ack(self.machine, action))
                case SendData():
                    await self._publish(self._writer.data(self.machine, action))
                case Apply():
                    self._applies.put_nowait(action)
                case Load():
                    # Of one lane only: locks on two would be taken in another order than by those who send.
                    self._spawn(self._load(action, [mark for mark in marks if mark.lane is action.lane]))
                    marks = [mark for mark in marks if mark.lane is not action.lane]
                case Compare():
                    self._spawn(self._compare(action))
                case MarkAcked():
                    marks.append(action)
                case Stopped():
                    log.error("link.stopped", peer=self.peer, reason=action.reason, detail=action.detail)
                    if action.reason is StopReason.PEER_RESTORED and self.direction == "up":
                        self._spawn(self._patiently(partial(healing.parent_restored, self.center)))
                case _:
                    await self._do_healing(action)
        if marks:
            self._spawn(self._mark(marks))

    async def _do_healing(self, action: Action) -> None:
        """What the machine asks for after somebody's database went back in time."""
        match action:
            case Restored():
                self._spawn(self._begin_healing(action))
            case SendRecover():
                await self._publish(self._writer.recover(self.machine, action))
            case TakeBack():
                self._spawn(self._take_back(action))
            case Healed():
                self._spawn(self._end_healing())
            case Serve():
                self._spawn(self._serve(action))
            case Rewind():
                self._spawn(self._rewind(action))
            case _:
                raise AssertionError(action)

    async def _publish(self, data: bytes, subject: str | None = None) -> None:
        """Hand a frame to the wire; what the wire loses, the machine sends again."""
        try:
            await self.transport.publish(subject or self.subject, data)
        except TransportDown as error:
            log.debug("frame.unsent", peer=self.peer, reason=str(error))

    async def _load(self, load: Load, marks: Sequence[MarkAcked]) -> None:
        """Load a frame; what was acknowledged is recorded in the same transaction, which saves one."""
        await self.center.courtesy.after_you()
        try:
            count, end, payload = await self._in_thread(
                partial(lanes.load_frame, self.center.database, self.peer, load, marks)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine must hear of it and asks again
            self._failed("frame.not_loaded", load.lane, error)
            self.machine.load_failed(load)
            await self._mark(marks)
            return
        await self._do(self.machine.loaded(load, count, end, payload, self._now()))

    async def _compare(self, compare: Compare) -> None:
        ours = await self._patiently(lambda: lanes.digest_at(self.center.database, self.peer, compare))
        if await self._patiently(partial(self._kept_no_longer, compare)):  # asked last: what was found counts only then
            self.outdated = True  # a new session says from where on we keep what we sent
            return
        await self._do(self.machine.compared(compare, ours, self._now()))
        self._note_state()

    def _kept_no_longer(self, compare: Compare) -> bool:
        """Whether messages were purged behind this place since the link began, or it has ended."""
        record = lanes.read_records(self.center.database, self.peer).get(compare.lane)
        return record is None or compare.position.seq < record.kept.seq

    async def _mark(self, marks: Sequence[MarkAcked]) -> None:
        for mark in marks:
            await self._patiently(partial(lanes.mark_acked, self.center.database, self.peer, mark))

    # --- after a restore ---------------------------------------------------------------------------

    async def _begin_healing(self, restored: Restored) -> None:
        renewed = await self._patiently(partial(healing.begin, self.center, self.peer, restored))
        if not renewed:  # else a new runner takes this one's place
            await self._do(self.machine.recover(self._now()))

    async def _take_back(self, action: TakeBack) -> None:
        try:
            await self._in_thread(partial(healing.take_back, self.center, self.peer, action))
        except (DatabaseUnavailable, SQLAlchemyError) as error:
            log.error("link.database", peer=self.peer, reason=str(error))
            self.machine.take_back_failed()
            return
        await self._do(self.machine.taken_back(action, self._now()))

    async def _end_healing(self) -> None:
        await self._patiently(partial(healing.end, self.center, self.peer))
        self.outdated = True

    async def _serve(self, serve: Serve) -> None:
        found = await self._patiently(partial(healing.read_returned, self.center, self.peer, serve))
        await self._publish(self._writer.returned(self.machine, serve, found))

    async def _rewind(self, back: Rewind) -> None:
        await self._patiently(partial(healing.rewind, self.center, self.peer, back))
        if back.lane is Lane.CASE and self.direction == "up":
            await self._patiently(partial(healing.parent_restored, self.center))

    async def _apply_loop(self) -> None:
        while True:
            action = await self._applies.get()
            await self.center.courtesy.after_you()
            try:
                parked = await self._in_thread(partial(apply_frame, self.center, self.peer, action, self._reader))
            except Exception as error:  # noqa: BLE001 - whatever it is, the machine must hear of it; the frame comes again
                self._failed("frame.not_applied", action.lane, error)
                self.outdated |= isinstance(error, BadPosition)
                self.machine.apply_failed(action.lane)
                self._reader.forget()
                await asyncio.sleep(RETRY_S)
                continue
            self.center.metrics.applied(self.peer, len(action.messages), parked)
            await self._do(self.machine.applied(action.lane, action.position, self._now()))

    def _failed(self, event: str, lane: Lane, error: Exception) -> None:
        """Log a failure of our own; only what we know to be free of content is quoted."""
        quotable = isinstance(error, DatabaseUnavailable | BadPosition)
        reason = str(error) if quotable else type(error).__name__
        log.error(event, peer=self.peer, lane=lane, reason=reason)

    # --- within ------------------------------------------------------------------------------------

    def _note_state(self) -> None:
        """Record a change of state for pages, the command line and the monitor."""
        state = self.machine.state
        reason = self.machine.stop.reason if self.machine.stop is not None else ""
        told = f"{state}:{reason}:{self.last_hello_at}"
        if told == self._state or self._closed:
            return
        if state is State.LINKED:
            self.linked_once.set()
            self._spawn(self._linked())
        if not self._state.startswith(f"{state}:"):
            log.info("link.state", peer=self.peer, state=state)
        self._state = told
        values: dict[str, str | float | datetime | None] = {
            "state": state.value,
            "last_hello_at": self.last_hello_at,
            "clock_offset": self.clock_offset,
        }
        if self.machine.stop is not None:
            values["stop_reason"] = self.machine.stop.reason
        elif state is State.LINKED:
            values["stop_reason"] = None  # only a peer that agrees lifts a stop, never a restart
        self._standing = values
        self._stands_otherwise.set()

    async def _linked(self) -> None:
        """Where we went back in time: this neighbour has nothing of ours that we don't have."""
        await self._patiently(partial(healing.end, self.center, self.peer))

    async def _record_loop(self) -> None:
        """Write the newest state; one after the other, so that an older one never comes last."""
        while True:
            await self._stands_otherwise.wait()
            self._stands_otherwise.clear()
            await self._patiently(partial(lanes.record_state, self.center.database, self.peer, self._standing))

    async def _patiently(self, work: Callable[[], Result]) -> Result:
        """Do database work in a thread, again and again while the database is unavailable."""
        while True:
            try:
                return await self._in_thread(work)
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                log.error("link.database", peer=self.peer, reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        job = self._loop.run_in_executor(self._executor, work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.shield(job)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("link.task_failed", peer=self.peer, exc_info=task.exception())

    def _now(self) -> float:
        return self._loop.time()
