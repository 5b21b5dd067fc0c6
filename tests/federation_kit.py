"""A whole federation in one process, for tests: real divisions, real databases, real enrolment, real links.

    async with county(tmp_path, townships=2, villages=2) as fed:
        village = fed["532923102201"]
        with village.act() as unit:
            service.register(unit, registration, "杨秀英")
        await fed.settle()
        answer = fed.root.client(Role.monitor).get("/api/v1/status")

Centers come to be through ``node.founding`` and ``node.enrolment``, as they do in earnest. Wires are real
nats-servers, or memory where a test asks for speed; databases are SQLite files, or whatever ``database_url`` names
(``postgres_urls``). The clock is the system's, and can be moved on for all centers together.
"""

import asyncio
import json
import shutil
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from node import brokers
from node.accounts import service as accounts
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.app import assemble
from node.center import Center
from node.divisions import Division, children_of, divisions
from node.enrolment import enroll, revoke, set_aside
from node.federation.broker import SupervisedBroker
from node.federation.memory_transport import MemoryBroker, MemoryTransport
from node.federation.runner import Federation
from node.federation.tables import CertificateRow, LaneRow, LinkRow, OutboxRow, ParkedRow
from node.federation.transport import Transport
from node.founding import init_root, join
from node.opening import open_center
from node.rehoming.settling import settle
from node.settings import OwnBroker, Settings, load_settings
from node.status.reporting import own_row
from node.status.tables import CounterRow, DayCounterRow
from node.unit import Unit, unit_of
from tests.conftest import PostgresServer

COUNTY = "532923000000"
"""祥云县."""

PASSWORD = "correct horse battery"

SETTLED_WITHIN = 60.0
"""Seconds; a test that waits longer has found something."""

LOOK_AGAIN = 0.1

STATUS_S = 0.2
"""Counters go up more often than in earnest: tests that compare totals wait for them."""

DatabaseUrl = Callable[[str], str]
"""The URL of an empty database for a center's code."""


class Wire(StrEnum):
    """What carries the frames."""

    NATS = "nats"
    MEMORY = "memory"


class MovedClock:
    """The system's clock, moved on by as much as a test likes."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """The present instant, moved."""
        return datetime.now(UTC) + self.ahead

    def steady(self) -> float:
        """Seconds since some instant, moved as well: time that a test lets pass has passed."""
        return time.monotonic() + self.ahead.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Move it on."""
        self.ahead += by


@cache
def weak_hasher() -> PasswordHasher:
    """As weak as argon2 allows, and one for all."""
    return PasswordHasher(memory_kib=8, passes=1)


@dataclass
class Member:
    """One center of the federation under test.

    Attributes:
        center: the center.
        settings: its settings.
        broker: its own nats-server; None for a center without children, and with wires of memory.
        memory: its broker in memory, where wires are of memory.
        federation: its links, while it runs.
    """

    center: Center
    settings: Settings
    parent: "Member | None"
    broker: SupervisedBroker | None = None
    memory: MemoryBroker | None = None
    federation: Federation | None = None
    family: "dict[str, Member]" = field(default_factory=dict)
    _clients: dict[tuple[Role, ...], TestClient] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Its code."""
        return self.center.code

    @property
    def running(self) -> bool:
        """Whether its links run."""
        return self.federation is not None

    def act(self) -> AbstractContextManager[Unit]:
        """A unit of work at this center."""
        return unit_of(self.center)

    def read(self) -> AbstractContextManager[Session]:
        """A reading session of its database."""
        return self.center.database.read()

    def client(self, *roles: Role) -> TestClient:
        """Somebody with these roles, signed in over HTTP; reads English."""
        username = "-".join(role.value for role in roles)
        if roles not in self._clients:
            with self.center.database.write() as session:
                accounts.create_user(
                    session,
                    self.center.clock,
                    self.center.hasher,
                    username=username,
                    display_name=f"{username} 同志",
                    password=PASSWORD,
                    roles=roles,
                    must_change=False,
                )
            app = assemble(self.center.level)
            app.state.center = self.center
            self._clients[roles] = TestClient(app, headers={"Accept-Language": "en"})
        client = self._clients[roles]
        # Anew each time: tests move the clock on, and tokens end.
        answer = client.post("/api/v1/login", json={"username": username, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    async def start(self) -> None:
        """Start its broker, if it has one that does not run, and its links."""
        assert self.federation is None, f"{self.code} runs already"
        self._settle()
        if self.broker is not None and not self.broker.running:
            await self.broker.start()
        self.federation = Federation(self.center, self._hub(), self._up(), status_s=STATUS_S)
        self.federation.children_changed = self._reload
        self.federation.parent_changed = self._to_new_parent
        self.center.federation = self.federation
        await self.federation.start()

    async def stop(self) -> None:
        """Stop its links, as the end of its process does; its broker and its database stay. Harmless when repeated."""
        federation, self.federation = self.federation, None
        self.center.federation = None
        if federation is not None:
            await federation.stop()

    async def close(self) -> None:
        """Stop everything for good."""
        for client in self._clients.values():
            client.close()
        await self.stop()
        if self.broker is not None:
            await self.broker.stop()
        self.center.database.dispose()

    def _hub(self) -> Transport | None:
        if self.memory is not None:
            return MemoryTransport(self.memory, "hub", may_publish=["dn.*"], may_subscribe=["up.*", "st.*"])
        return brokers.hub_wire(self.center, self.settings) if self.broker is not None else None

    def _up(self) -> Transport | None:
        if self.parent is None:
            return None
        if self.parent.memory is not None:
            return MemoryTransport(
                self.parent.memory,
                self.code,
                may_publish=[f"up.{self.code}", f"st.{self.code}"],
                may_subscribe=[f"dn.{self.code}"],
            )
        return brokers.parent_wire(self.settings)

    def _settle(self) -> None:
        """Know the parent that our newest certificate names, and its broker."""
        self.parent = self.family[self.center.parent] if self.center.parent is not None else None
        self.settings = settle(self.center, self.settings)

    async def _to_new_parent(self) -> Transport | None:
        await asyncio.to_thread(self._settle)
        return self._up()

    async def _reload(self) -> None:
        if self.broker is not None:
            without = self.federation.door.out() if self.federation is not None else frozenset()
            config = brokers.broker_config(self.center.database, self.settings, without=without)
            assert config is not None
            await self.broker.reload(config)


class Fed:
    """The federation under test: its members by code, parents before their children."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self.members: dict[str, Member] = {}
        self.twins: list[Member] = []

    def __getitem__(self, code: str) -> Member:
        return self.members[code]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    def __len__(self) -> int:
        return len(self.members)

    @property
    def root(self) -> Member:
        """The member without a parent."""
        return next(iter(self))

    def of_level(self, level: str) -> list[Member]:
        """All members of a level, in order of code."""
        return [member for member in self if member.center.identity.level == level]

    async def start(self) -> None:
        """Start everybody who does not run."""
        await _all(member.start() for member in self if not member.running)

    async def stop(self) -> None:
        """Stop everybody; brokers go on."""
        await _all(member.stop() for member in self)

    async def close(self) -> None:
        """End everything."""
        await _all(member.close() for member in [*self.twins, *reversed(self.members.values())])

    async def revoke(self, code: str) -> None:
        """Cut a center off, as ``liandong revoke`` at its parent does; its process stays as it is."""
        parent = self[code].parent
        assert parent is not None
        await asyncio.to_thread(revoke, parent.center, code)
        if parent.memory is not None:
            parent.memory.revoke(code)
        else:
            await asyncio.to_thread(brokers.install, parent.center.database, parent.settings)

    async def enrol(self, under: str, code: str, directory: Path, *, name: str, level: str) -> Member:
        """A new center, as ``liandong enroll CODE`` at its parent and ``liandong join FILE`` make it; not running."""
        parent = self[under]
        join_file = await asyncio.to_thread(enroll, parent.center, parent.settings, code, name=name, level=level)
        if parent.memory is None:
            await asyncio.to_thread(brokers.install, parent.center.database, parent.settings)
        settings = await asyncio.to_thread(join, join_file, directory, environment=False)
        center = await asyncio.to_thread(open_center, settings, clock=self.clock, hasher=weak_hasher())
        self.members[code] = Member(center, settings, parent, family=self.members)
        return self.members[code]

    async def lose(
        self, code: str, directory: Path, database_url: str | None = None, *, recover: bool = True
    ) -> Member:
        """Lose a center with all that was on its machine, and let it join anew in another directory, not yet running.

        As ``liandong enroll CODE --again`` at its parent and ``liandong join FILE`` there do.
        """
        lost, parent = self[code], self[code].parent
        assert parent is not None
        await lost.stop()
        lost.center.database.dispose()
        await asyncio.to_thread(set_aside, parent.center, code)
        links = parent.federation.links if parent.federation is not None else {}
        await self.until(lambda: code not in links)
        if lost.broker is not None:
            await lost.broker.stop()
        join_file = await asyncio.to_thread(enroll, parent.center, parent.settings, code, again=True)
        if parent.memory is None:
            await asyncio.to_thread(brokers.install, parent.center.database, parent.settings)
        settings = await asyncio.to_thread(
            join,
            join_file,
            directory,
            database_url=database_url,
            broker=lost.settings.broker,
            recover=recover,
            environment=False,
        )
        return await self._open(lost, settings)

    async def reopen(self, code: str) -> Member:
        """Open a center that does not run from its directory again: a command has changed it."""
        member = self[code]
        member.center.database.dispose()
        settings = await asyncio.to_thread(load_settings, member.settings.data_dir, environment=False)
        return await self._open(member, settings)

    async def _open(self, former: Member, settings: Settings) -> Member:
        center = await asyncio.to_thread(open_center, settings, clock=self.clock, hasher=weak_hasher())
        again = Member(center, settings, former.parent, memory=former.memory, family=self.members)
        if former.broker is not None:
            again.broker = brokers.own_broker(center, settings)
        self._replace(again)
        return again

    def _replace(self, again: Member) -> None:
        """A member takes the place of the one that it was."""
        former, self.members[again.code] = self.members[again.code], again
        for child in self:
            if child.parent is former:
                child.parent = again

    def copy(self, code: str, file: Path) -> Path:
        """A copy of a center's SQLite database as it is now, as a backup is; the center may run."""
        url = self[code].center.database.engine.url
        with closing(sqlite3.connect(str(url.database))) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
        return file

    async def clone(self, code: str, copy: Path) -> Member:
        """A second process of one identity, on a copy of its database; it runs, and nobody knows of it."""
        original = self[code]
        settings = original.settings.model_copy(update={"database_url": f"sqlite:///{copy}"})
        center = await asyncio.to_thread(open_center, settings, clock=self.clock, hasher=weak_hasher())
        twin = Member(center, settings, original.parent, family=self.members)
        self.twins.append(twin)
        await twin.start()
        return twin

    async def roll_back(self, code: str, copy: Path) -> Member:
        """Put an earlier copy in the place of a center's SQLite database, as if nothing had happened; not running."""
        member = self[code]
        await member.stop()
        member.center.database.dispose()
        file = Path(str(member.center.database.engine.url.database))
        for leftover in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            leftover.unlink(missing_ok=True)
        shutil.copyfile(copy, file)
        center = await asyncio.to_thread(open_center, member.settings, clock=self.clock, hasher=weak_hasher())
        again = Member(center, member.settings, member.parent, member.broker, member.memory, family=self.members)
        self._replace(again)
        return again

    async def settle(self, within: float = SETTLED_WITHIN) -> None:
        """Wait until nothing moves between the members that run.

        Then all outboxes are acknowledged, all daily rows are told, and every ancestor knows everyone's counters.

        Raises:
            AssertionError: something still moves after ``within`` seconds, or a message was parked; says what.
        """
        restless = "nobody looked"
        before = None
        try:
            async with asyncio.timeout(within):
                while True:
                    found, stamp = await asyncio.to_thread(self._look)
                    if found is None and stamp == before:
                        return
                    # Seen one after the other: only two looks at the same positions show that nothing moved between.
                    before = stamp if found is None else None
                    restless = found or restless
                    await asyncio.sleep(LOOK_AGAIN if found is not None else 0)
        except TimeoutError:
            raise AssertionError(f"not settled within {within} s: {restless}") from None

    async def until(self, condition: Callable[[], bool], within: float = SETTLED_WITHIN) -> None:
        """Wait until something is the case, such as what time alone brings.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(within):
            while True:
                if await asyncio.to_thread(condition):
                    return
                await asyncio.sleep(LOOK_AGAIN)

    def _look(self) -> tuple[str | None, int]:
        """What still moves, and a number that rises with every message."""
        running = [member for member in self if member.running]
        messages = 0
        for member in running:
            found, sent = _outbox(member, {other.code for other in running})
            messages += sent
            if found is not None:
                return found, messages
        for member in running:
            if (found := self._unknown_above(member)) is not None:
                return found, messages
        return None, messages

    def _unknown_above(self, member: Member) -> str | None:
        """Which ancestor does not know this center's counters yet."""
        with member.read() as session:
            own = own_row(session, member.center, member.center.clock.now())
        above, upper = member, member.parent
        while upper is not None and upper.running and _linked(above, upper):
            with upper.read() as session:
                known = session.scalar(select(CounterRow.counters).where(CounterRow.code == member.code))
            if known is None or json.loads(known) != own.counters:
                return f"{upper.code} does not know the counters of {member.code}"
            above, upper = upper, upper.parent
        return None


def _linked(lower: Member, upper: Member) -> bool:
    """Whether the upper one takes anything of the lower one: it does not after a revocation."""
    with upper.read() as session:
        link = session.get(LinkRow, lower.code)
        return link is not None and link.revoked_at is None


def _outbox(member: Member, running: set[str]) -> tuple[str | None, int]:
    """What this center still has for a neighbour that runs, and how much it ever had."""
    with member.read() as session:
        parked = session.execute(select(ParkedRow.type, ParkedRow.reason).limit(1)).one_or_none()
        assert parked is None, f"{member.code} parked a {parked.type}: {parked.reason}"
        links = {
            peer: state
            for peer, state in session.execute(select(LinkRow.peer, LinkRow.state).where(LinkRow.revoked_at.is_(None)))
            if peer in running
        }
        assert "stopped" not in links.values(), f"a link of {member.code} stopped: {links}"
        lanes = session.execute(
            select(LaneRow.peer, LaneRow.lane, LaneRow.last_seq, LaneRow.acked_seq).where(LaneRow.peer.in_(links))
        ).all()
        untold = session.scalar(select(func.count()).select_from(DayCounterRow).where(DayCounterRow.told.is_(False)))
    sent = sum(lane.last_seq for lane in lanes)
    for lane in lanes:
        if lane.last_seq > lane.acked_seq:
            return f"{member.code} has {lane.last_seq - lane.acked_seq} on lane {lane.lane} for {lane.peer}", sent
    if untold and member.parent is not None and member.parent.code in links:
        return f"{member.code} has {untold} daily rows to tell", sent
    return None, sent


async def _all(works: "Iterator[Awaitable[None]]") -> None:
    """Do things side by side; all of them, even if one fails."""
    results = await asyncio.gather(*works, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]


def chosen(
    code: str, *, townships: int | None = None, villages: int | None = None, codes: Collection[str] | None = None
) -> list[Division]:
    """Divisions of a county, parents first: the first so many of each, or these and all above them."""
    below = children_of(code)[:townships]
    found = [divisions()[code], *below]
    for township in below:
        found += children_of(township.code)[:villages]
    if codes is None:
        return found
    wanted = {code, *codes, *(parent for each in codes if (parent := divisions()[each].parent) is not None)}
    return [each for each in found if each.code in wanted]


@asynccontextmanager
async def county(
    directory: Path,
    code: str = COUNTY,
    *,
    townships: int | None = None,
    villages: int | None = None,
    codes: Collection[str] | None = None,
    wire: Wire = Wire.NATS,
    database_url: DatabaseUrl | None = None,
    acquainted: bool = False,
    started: bool = True,
) -> AsyncIterator[Fed]:
    """A county of the shipped divisions, running.

    Args:
        directory: where each center gets a directory of its own.
        code: the county.
        townships: only the first so many townships.
        villages: only the first so many villages of each.
        codes: only these, and the county and townships above them.
        wire: real nats-servers, or memory.
        database_url: databases other than SQLite files.
        acquainted: whether all know each other's certificates from the start, as if enrolled long ago; else these are
            their first messages, the square of the number of centers.
        started: whether links run from the start; else ``await fed.start()``.
    """
    plan = chosen(code, townships=townships, villages=villages, codes=codes)
    fed = Fed(MovedClock())
    try:
        await asyncio.to_thread(_found, fed, plan, directory, wire, database_url)
        if acquainted:
            await asyncio.to_thread(_acquaint, fed)
        await _all(member.broker.start() for member in fed if member.broker is not None)
        if started:
            await fed.start()
        yield fed
    finally:
        await fed.close()


def _found(fed: Fed, plan: list[Division], directory: Path, wire: Wire, database_url: DatabaseUrl | None) -> None:
    """Make the centers, each enrolled at its parent."""
    parents = {each.parent for each in plan}
    ports = iter(free_ports(len(parents)))
    for each in plan:
        place = directory / each.code
        broker = OwnBroker(port=next(ports)) if each.code in parents else None
        url = database_url(each.code) if database_url is not None else None
        parent = fed.members.get(each.parent or "")
        if parent is None:
            settings = init_root(place, each.code, database_url=url, broker=broker, clock=fed.clock, environment=False)
        else:
            join_file = enroll(parent.center, parent.settings, each.code)
            settings = join(join_file, place, database_url=url, broker=broker, environment=False)
        center = open_center(settings, clock=fed.clock, hasher=weak_hasher())
        fed.members[each.code] = Member(center, settings, parent, family=fed.members)
    for member in fed:
        if member.code not in parents:
            continue
        if wire is Wire.MEMORY:
            member.memory = MemoryBroker()
        else:
            member.broker = brokers.own_broker(member.center, member.settings)


def _acquaint(fed: Fed) -> None:
    """Give everybody all certificates, and take back the messages, never offered, that would have brought them."""
    columns = (CertificateRow.code, CertificateRow.version, CertificateRow.claims, CertificateRow.signature)
    known: dict[tuple[str, int], dict[str, object]] = {}
    for member in fed:
        with member.read() as session:
            known |= {(row.code, row.version): row._asdict() for row in session.execute(select(*columns))}
    for member in fed:
        with member.center.database.write() as session:
            assert session.scalar(select(func.max(LaneRow.offered_seq))) in {0, None}
            session.execute(delete(OutboxRow))
            session.execute(update(LaneRow).values(last_seq=0))
            session.execute(delete(CertificateRow))
            session.execute(insert(CertificateRow), list(known.values()))
        with member.read() as session:
            member.center.directory.refresh(session)


def free_ports(count: int) -> list[int]:
    """TCP ports that nobody uses at this moment, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def postgres_urls(server: PostgresServer) -> Iterator[DatabaseUrl]:
    """An empty PostgreSQL database for each center, dropped at the end."""
    made: list[str] = []

    def url(code: str) -> str:
        del code
        made.append(server.create_database())
        return server.url(made[-1])

    try:
        yield url
    finally:
        for name in made:
            server.drop_database(name)
