"""Centers made on disk for tests, as ``init``, ``enroll`` and ``join`` make them, and ports to serve them on."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from node.accounts.passwords import PasswordHasher
from node.center import Center
from node.enrolment import enroll
from node.founding import init_root, join
from node.join_file import JoinFile
from node.opening import open_center
from node.settings import Broker, OwnBroker, Settings

COUNTY, TOWNSHIP, NEIGHBOUR, VILLAGE = "532923000000", "532923102000", "532923103000", "532923102205"
"""祥云县, 沙龙镇, 云南驿镇, 谢官营."""

QUICK = PasswordHasher(memory_kib=8, passes=1)
"""Fast and worthless."""


class Made:
    """A center on disk, opened."""

    def __init__(self, settings: Settings, center: Center) -> None:
        self.settings = settings
        self.center = center

    @property
    def directory(self) -> Path:
        """Its data directory."""
        return self.settings.data_dir

    def enroll(self, code: str, **given: str | bool) -> JoinFile:
        """Enrol a child."""
        name, level = given.get("name"), given.get("level")
        return enroll(
            self.center,
            self.settings,
            code,
            name=str(name) if name else None,
            level=str(level) if level else None,
            again=bool(given.get("again", False)),
        )


class Family:
    """Makes centers in one directory, and closes them all."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack

    def root(
        self, code: str = COUNTY, *, broker: Broker | None = None, port: int = 8100, database_url: str | None = None
    ) -> Made:
        """A root; its broker is only named, not started."""
        directory = self._directory / code
        settings = init_root(directory, code, broker=broker, port=port, database_url=database_url, environment=False)
        return self._opened(settings)

    def child(self, parent: Made, code: str, *, broker: Broker | None = None, port: int = 8100) -> Made:
        """A child of a center."""
        settings = join(
            parent.enroll(code),
            self._directory / code,
            broker=broker or OwnBroker(),
            port=port,
            environment=False,
        )
        return self._opened(settings)

    def _opened(self, settings: Settings) -> Made:
        center = open_center(settings, hasher=QUICK)
        self._stack.callback(center.database.dispose)
        return Made(settings, center)


@contextmanager
def family(directory: Path) -> Iterator[Family]:
    """Centers that are closed at the end."""
    with ExitStack() as stack:
        yield Family(directory, stack)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody uses at this moment, below those given out by the system."""
    for _ in range(200):
        first = random.randrange(20000, 31000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")
