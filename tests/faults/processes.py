"""A county of real processes: each center a ``liandong serve`` of its own, each parent its own nats-server."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import select

from node.accounts.roles import Role
from node.accounts.service import create_user
from node.db import Database, DatabaseUnavailable
from node.enrolment import enroll
from node.federation.broker_files import BrokerFiles
from node.federation.broker_process import find_running
from node.federation.tables import LinkRow
from node.founding import init_root, join
from node.opening import open_center
from node.settings import Broker, NoBroker, OwnBroker, Settings, settings_of, write_settings
from tests.centers import QUICK, free_ports
from tests.faults.nest import Nest, Process
from tests.faults.points import Death

COUNTY, TOWNSHIP, OTHER_TOWNSHIP = "532923000000", "532923102000", "532923103000"
VILLAGE, OTHER_VILLAGE = "532923102205", "532923103201"
"""祥云县, 沙龙镇, 云南驿镇, 谢官营, and a village of the other township."""

PARENTS: Mapping[str, str | None] = {
    COUNTY: None,
    TOWNSHIP: COUNTY,
    OTHER_TOWNSHIP: COUNTY,
    VILLAGE: TOWNSHIP,
    OTHER_VILLAGE: OTHER_TOWNSHIP,
}

SMALL: Mapping[str, str | None] = {COUNTY: None, TOWNSHIP: COUNTY, VILLAGE: TOWNSHIP}
"""As much of it as one fault at one place needs."""

USER, PASSWORD = "dispatcher", "correct horse battery"
READY_WITHIN = 180.0
"""Seconds; a center starts within two on a machine that does nothing else, within sixty where twenty others run."""

LOG = "center.log"
LOOK_AGAIN = 0.02
LOOK_PATIENCE = 2.0


@dataclass
class Served:
    """One center and its process.

    Attributes:
        settings: what it was made with.
        parent: its parent's code.
        clock: file with the seconds by which its clock is off.
        nest: starts its process.
        started: how often it was.
    """

    settings: Settings
    parent: str | None
    clock: Path
    nest: Nest
    started: int = 0
    process: Process | None = None

    @property
    def code(self) -> str:
        """Its code."""
        return self.settings.code

    @property
    def url(self) -> str:
        """Where its pages and its API are."""
        return f"http://{self.settings.host}:{self.settings.port}"

    @property
    def output(self) -> Path:
        """What its process says."""
        return self.settings.data_dir.with_suffix(".log")

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.running

    def log_into_its_directory(self) -> Path:
        """Let it write its log beside its database, from the next start on; the log file."""
        given = self.settings.model_dump(include=self.settings.model_fields_set - {"data_dir"}) | {"log_file": LOG}
        self.settings = settings_of(self.settings.data_dir, given, place=str(self.settings.file))
        write_settings(self.settings)
        return self.settings.data_dir / LOG

    def set_clock(self, seconds: float) -> None:
        """Set its clock so far from this machine's, as a whole: it may look at any time."""
        new = self.clock.with_suffix(".new")
        new.write_text(str(seconds), encoding="ascii")
        new.replace(self.clock)

    @property
    def broker_pid(self) -> int | None:
        """Its nats-server, if that runs."""
        files = BrokerFiles(self.settings.broker_dir)
        return find_running(files.pid, files.config)

    def start(self, death: Death | None = None) -> None:
        """Start its process; it may be told where to die."""
        assert not self.running, f"{self.code} runs already"
        command = [str(self.settings.data_dir), "--clock", str(self.clock)]
        command += [] if death is None else ["--die", str(death)]
        self.process = self.nest.hatch(command, self.output)
        self.started += 1

    def kill(self) -> None:
        """End its process as a power failure does. Harmless when repeated."""
        if self.process is not None:
            self.process.signal(signal.SIGKILL)
            self.process.wait(READY_WITHIN)

    def stop(self) -> None:
        """End its process in order."""
        if self.process is None:
            return
        self.process.signal(signal.SIGTERM)
        try:
            assert self.process.wait(READY_WITHIN) == 0, self.last_words()
        except TimeoutError:
            self.kill()
            raise AssertionError(f"{self.code} does not stop:\n{self.last_words()}") from None

    def readiness(self) -> dict[str, str] | None:
        """What it says of itself; None while it does not answer."""
        with suppress(httpx2.TransportError, ValueError):
            found: dict[str, str] = httpx2.get(f"{self.url}/readyz", timeout=LOOK_PATIENCE, trust_env=False).json()
            return found
        return None

    def healed(self) -> bool:
        """Whether it answers and all its links are up."""
        told = self.readiness()
        return told is not None and told["status"] == "ready" and self.linked()

    def linked(self) -> bool:
        """Whether all its links are up, by its database."""
        database = Database(self.settings.database_url)
        try:
            with database.read() as session:
                states = set(session.scalars(select(LinkRow.state).where(LinkRow.revoked_at.is_(None))))
        except DatabaseUnavailable:
            return False
        finally:
            database.dispose()
        return states == {"linked"}

    def last_words(self, lines: int = 20) -> str:
        """The end of what its process said."""
        with suppress(FileNotFoundError):
            return "\n".join(self.output.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


class County:
    """All centers of the county, parents first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members: dict[str, Served] = {}

    def __getitem__(self, code: str) -> Served:
        return self.members[code]

    def __iter__(self) -> Iterator[Served]:
        return iter(self.members.values())

    @property
    def codes(self) -> list[str]:
        """The centers' codes."""
        return list(self.members)

    def children(self, code: str) -> list[str]:
        """Who stands below a center."""
        return [one.code for one in self if one.parent == code]

    def start(self) -> None:
        """Start who does not run, and wait until all are linked."""
        for one in self:
            if not one.running:
                one.start()
        self.healed()

    def stop(self) -> None:
        """Stop who runs, in order, children first."""
        for one in reversed(self.members.values()):
            if one.running:
                one.stop()

    def healed(self, within: float = READY_WITHIN) -> float:
        """Wait until everybody answers and all links are up; the seconds that it took."""
        return until(
            lambda: next((f"{one.code}\n{one.last_words()}" for one in self if not one.healed()), None), within
        )


def until(restless: Callable[[], str | None], within: float) -> float:
    """Wait until nothing is restless any more; the seconds that it took.

    Raises:
        AssertionError: something still is; says what.
    """
    began = time.monotonic()
    while (found := restless()) is not None:
        assert time.monotonic() - began < within, f"not within {within:.0f} s: {found}"
        time.sleep(LOOK_AGAIN)
    return time.monotonic() - began


DatabaseUrl = Callable[[str], str | None]
"""The URL of an empty database for a center; None for a file in its directory."""

ParentUrl = Callable[[str, str], str]
"""Where a center finds its parent's broker, given its code and the broker's URL."""


@contextmanager
def county(
    directory: Path,
    nest: Nest,
    *,
    parents: Mapping[str, str | None] = PARENTS,
    database_url: DatabaseUrl = lambda _code: None,
    parent_url: ParentUrl = lambda _code, url: url,
) -> Iterator[County]:
    """A county, made and not started; all its processes are gone at the end.

    Args:
        directory: where each center gets a directory of its own.
        nest: starts their processes.
        parents: the centers, parents before their children.
        database_url: databases other than SQLite files.
        parent_url: what stands between a center and its parent's broker.
    """
    here = County(directory)
    directory.mkdir(parents=True, exist_ok=True)
    ports = iter(range(first := free_ports(2 * len(parents)), first + 2 * len(parents)))
    try:
        for code, parent in parents.items():
            broker: Broker = OwnBroker(port=next(ports)) if code in parents.values() else NoBroker()
            place, port, url = directory / code, next(ports), database_url(code)
            if parent is None:
                settings = init_root(place, code, port=port, broker=broker, database_url=url, environment=False)
            else:
                settings = _join(here[parent].settings, place, code, port, broker, url, parent_url)
            _add_user(settings)
            here.members[code] = Served(settings, parent, directory / f"{code}.clock", nest)
            here[code].set_clock(0)
        yield here
    finally:
        for one in here:
            one.kill()


def _join(
    above: Settings, place: Path, code: str, port: int, broker: Broker, url: str | None, parent_url: ParentUrl
) -> Settings:
    center = open_center(above, hasher=QUICK)
    try:
        file = enroll(center, above, code)
    finally:
        center.database.dispose()
    through = parent_url(code, file.parent_url)
    return join(file, place, port=port, broker=broker, database_url=url, parent_url=through, environment=False)


def _add_user(settings: Settings) -> None:
    center = open_center(settings, hasher=QUICK)
    try:
        with center.database.write() as session:
            create_user(
                session,
                center.clock,
                center.hasher,
                username=USER,
                display_name="值班员",
                password=PASSWORD,
                roles=[Role.dispatcher, Role.director],
                must_change=False,
            )
    finally:
        center.database.dispose()
