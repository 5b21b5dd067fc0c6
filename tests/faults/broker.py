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
from tests.faults.work import Work, working

STARTED_WITHIN = 30.0


Strike = Callable[[Served], None]


def broker_killed(place: Path, nest: Nest, times: int) -> Figure:
    """Kill a township's nats-server again and again."""
    return _struck(place, nest, "kill -9 of a broker", times, kill)


def broker_wiped(place: Path, nest: Nest, times: int) -> Figure:
    """Kill a township's nats-server, and delete its whole directory, keys and all."""
    return _struck(place, nest, "broker killed and its directory wiped", times, wipe)


def _struck(place: Path, nest: Nest, fault: str, times: int, how: Strike) -> Figure:
    with county(place, nest) as here:
        here.start()
        with working(here) as work:
            for _ in range(times):
                strike(work, how)
        return figure(fault, times, work)


def strike(work: Work, how: Strike) -> None:
    """Strike the township's broker once; what is escalated then arrives."""
    township = work.here[TOWNSHIP]
    until(lambda: None if township.broker_pid else "no broker", STARTED_WITHIN)
    since = time.monotonic()
    how(township)
    work.arrives(work.escalated(), since=since)


def kill(center: Served) -> None:
    """Kill a broker."""
    pid = center.broker_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def wipe(center: Served) -> None:
    """Kill a broker, and delete its directory."""
    pid = center.broker_pid
    assert pid is not None
    shutil.rmtree(center.settings.broker_dir)
    os.kill(pid, signal.SIGKILL)
