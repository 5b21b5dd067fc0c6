"""One center's machine: a disk that lasts, a clock, and processes that live and die on it.

A process is the real thing: ``Center`` and ``Federation`` over SQLAlchemy. A crash drops both, with whatever was not
committed; the next start finds what the disk holds.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from node.accounts.passwords import PasswordHasher
from node.center import Center
from node.db import Database, DatabaseUnavailable
from node.directory import Directory
from node.federation.runner import Federation
from node.identity import Identity
from node.level import load_level
from node.opening import read_incarnation
from tests.sim.clock import SimClock
from tests.sim.disk import Disk
from tests.sim.founding import COUNTY, keys_of
from tests.sim.loop import Crash, Life
from tests.sim.network import Hub, SimTransport
from tests.sim.rehoming import SimReach

if TYPE_CHECKING:
    from tests.sim.world import World


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(memory_kib=8, passes=1)


class SimDatabase(Database):
    """A center's database whose process may die just before a commit."""

    def __init__(self, machine: "Machine") -> None:
        super().__init__("sqlite://", machine.disk.engine)
        self._machine = machine

    @contextmanager
    def write(self, *, behind_people: bool = False) -> Iterator[Session]:
        """One unit of work."""
        with super().write(behind_people=behind_people) as session:
            yield session
            self._machine.pass_point("before commit")


class Machine:
    """The machine.

    Attributes:
        name: its center's code; a twin's is told apart.
        parent: whom it stands under, as far as its process knows.
        fuses: points of the process where it dies, and how many more times it passes there before.
        full: whether its disk has room for nothing more.
        newer: whether it runs the newer version.
        absent: whether the machine is lost, and not replaced yet.
    """

    def __init__(self, world: "World", code: str, level: str, parent: str | None, disk: Disk) -> None:
        self.world = world
        self.code = code
        self.name = code
        self.level = level
        self.parent = parent
        self.disk = disk
        self.clock = SimClock(world.calendar)
        self.life: Life | None = None
        self.center: Center | None = None
        self.federation: Federation | None = None
        self.fuses: dict[str, int] = {}
        self.full = False
        self.newer = False
        self.absent = False
        self.keys = keys_of(code)
        self._lives = 0
        self._starting: asyncio.Task[None] | None = None
        self._wires: list[SimTransport] = []

    @property
    def running(self) -> bool:
        """Whether a process runs here."""
        return self.life is not None and self.life.alive

    @property
    def has_broker(self) -> bool:
        """Whether others can come under it."""
        return self.level != "village"

    @property
    def hub(self) -> Hub:
        """Its own broker."""
        return self.world.network.hubs[self.code]

    def start(self) -> None:
        """Start the process, as ``liandong serve`` does."""
        assert not self.running
        self._lives += 1
        self.life = life = Life(self.name)
        life.newer = self.newer
        self.world.trace.note(self.name, "start", f"life {self._lives}")
        if not self.hub.running:
            self.hub.start()
        database = SimDatabase(self)
        database.on_commit(self._committed)
        directory = Directory()
        with database.read() as session:
            directory.refresh(session)
            incarnation, former = read_incarnation(session)
        self.parent = directory.tree.parent(self.code)
        identity = Identity(self.code, self.level, incarnation, self.keys.signing, self.keys.sealing, former)
        self.center = Center(
            identity=identity,
            level=load_level(self.level),
            database=database,
            directory=directory,
            clock=self.clock,
            hasher=_hasher(),
            root_key=keys_of(COUNTY).signing.public,
            random_bytes=Random(f"{self.world.seed} {self.name} {self._lives}").randbytes,
            reach=SimReach(self.code, self.level),
        )
        self.center.read_policy()
        hub = self._wire(life, self.hub, None) if self.has_broker else None
        context = life.context()
        self.federation = context.run(self._federation, hub, self._wire_up(life))
        self._starting = self.world.loop.create_task(self._begin(self.federation, life), context=context)

    async def _begin(self, federation: Federation, life: Life) -> None:
        """Begin as a process does: who can't write ends with a word, and is started again (systemd)."""
        try:
            await federation.start()
        except DatabaseUnavailable as error:
            if self.life is life:
                self.crash(f"ends: {error}")
                self.world.restart_later(self)

    def _federation(self, hub: SimTransport | None, up: SimTransport | None) -> Federation:
        assert self.center is not None
        federation = Federation(self.center, hub, up)
        self.center.federation = federation
        federation.parent_changed = self._go_over
        return federation

    async def _go_over(self) -> SimTransport | None:
        """The center came under another parent."""
        assert self.center is not None
        assert self.life is not None
        self.parent = self.center.parent
        return self._wire_up(self.life)

    def _wire_up(self, life: Life) -> SimTransport | None:
        return self._wire(life, self.world.network.hubs[self.parent], self.code) if self.parent is not None else None

    def _wire(self, life: Life, hub: Hub, way: str | None) -> SimTransport:
        wire = SimTransport(
            hub, life, way, lambda: self.pass_point("before publish"), lambda: self.pass_point("after publish")
        )
        self._wires.append(wire)
        return wire

    def crash(self, reason: str, *, with_broker: bool = False) -> None:
        """Kill the process; its memory is gone."""
        if self.life is None or not self.life.alive:
            return
        self.world.trace.note(self.name, "crash", reason)
        self.life.alive = False
        for wire in self._wires:
            wire.vanish()
        self._wires.clear()
        self.fuses.clear()
        self.center = self.federation = None
        if with_broker:
            self.hub.stop()

    def pass_point(self, point: str) -> None:
        """The process passes a point where it may die.

        Raises:
            Crash: it does.
        """
        left = self.fuses.get(point)
        if left is None:
            return
        if left > 0:
            self.fuses[point] = left - 1
            return
        self.crash(point)
        self.world.restart_later(self)
        raise Crash(point)

    def _committed(self) -> None:
        self.world.committed(self)
        self.pass_point("after commit")

    def act(self, work: Callable[[Center], object]) -> object:
        """Do something as a person at this center does, in the process that runs.

        Raises:
            Crash: the process died over it.
        """
        assert self.life is not None
        assert self.center is not None
        return self.life.context().run(work, self.center)
