"""The broker is killed, and killed with everything that it keeps."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.processes import TOWNSHIP, Served, county, until
from tests.faults.work import working

STARTED_WITHIN = 30.0


def broker_killed(place: Path, nest: Nest, times: int) -> Figure:
    """Kill a township's nats-server again and again."""
    return _struck(place, nest, "kill -9 of a broker", times, _kill)


def broker_wiped(place: Path, nest: Nest, times: int) -> Figure:
    """Kill a township's nats-server, and delete its whole directory, keys and all."""
    return _struck(place, nest, "broker killed and its directory wiped", times, _wipe)


def _struck(place: Path, nest: Nest, fault: str, times: int, strike: Callable[[Served], None]) -> Figure:
    with county(place, nest) as here:
        here.start()
        with working(here) as work:
            for _ in range(times):
                until(lambda: None if here[TOWNSHIP].broker_pid else "no broker", STARTED_WITHIN)
                since = time.monotonic()
                strike(here[TOWNSHIP])
                work.arrives(work.escalated(), since=since)
        return figure(fault, times, work)


def _kill(center: Served) -> None:
    pid = center.broker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def _wipe(center: Served) -> None:
    pid = center.broker_pid
    assert pid is not None
    shutil.rmtree(center.settings.broker_dir)
    os.kill(pid, signal.SIGKILL)
