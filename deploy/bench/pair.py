"""A village and its township, for measuring: enrolled as people would do it, run as ``liandong serve`` runs them.

Each center is a process of its own with its own SQLite file; the township has a nats-server. While no process runs,
``at_rest`` opens both centers here, to prepare what is to be measured.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from node import brokers
from node.center import Center
from node.enrolment import enroll
from node.founding import init_root, join
from node.opening import open_center
from node.settings import OwnBroker, Settings

TOWNSHIP, VILLAGE = "532923102000", "532923102201"
READY_WITHIN = 30.0
"""Seconds for a center to answer after its start; it takes two."""
STOP_WITHIN = 20.0


@dataclass(frozen=True)
class Pair:
    """Settings of the two centers."""

    township: Settings
    village: Settings


@contextmanager
def new_pair() -> Iterator[Pair]:
    """Two centers in a temporary directory, which goes with them."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        broker_port, *ports = free_ports(3)
        broker = OwnBroker(port=broker_port)
        root = Path(directory)
        township = init_root(root / "township", TOWNSHIP, port=ports[0], broker=broker, environment=False)
        with opened(township) as center:
            file = enroll(center, township, VILLAGE)
            brokers.install(center.database, township)
        yield Pair(township, join(file, root / "village", port=ports[1], environment=False))


@contextmanager
def opened(settings: Settings) -> Iterator[Center]:
    """A center at rest: its database, without wires."""
    center = open_center(settings)
    try:
        yield center
    finally:
        center.database.dispose()


@contextmanager
def at_rest(pair: Pair) -> Iterator[tuple[Center, Center]]:
    """Township and village at rest."""
    with ExitStack() as stack:
        yield stack.enter_context(opened(pair.township)), stack.enter_context(opened(pair.village))


@contextmanager
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A center as a process of its own, ready when this begins; stopped at the end."""
    log = settings.data_dir / "serve.log"
    with log.open("ab") as output:
        argv = [sys.executable, "-c", "from node.cli import app; app()", "serve", "--dir", str(settings.data_dir)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIANDONG_")}
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
        try:
            _await_ready(settings, process, log)
            yield process
        finally:
            _stop(process)


def _await_ready(settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            if httpx2.get(f"{url(settings)}/healthz").is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"{settings.code} did not start:\n{log.read_text(encoding='utf-8')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def url(settings: Settings) -> str:
    """Where a running center answers."""
    return f"http://{settings.host}:{settings.port}"


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM, in 10^6 bytes (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
