"""The broker of a center: a nats-server of its own, kept running and kept up to date.

Theory of operation

A center with children runs one nats-server. It holds nothing worth keeping (no JetStream), so every trouble
has the same cure: start it again. What it is told stands in ``nats.conf``, made from the center's database;
how that file is changed under a running server is told in `node.federation.broker_files`, how the process is
started, recognised and made to die with its center in `node.federation.broker_process`, who may do what in
`node.federation.broker_config`.

Starting. The server is ready when it answers on its port *and* the id that it answers with stands in our log;
another program on that port, even another nats-server, is never taken for ours. If an earlier run left its
server behind, the new run takes it over, children and all, and replaces it only if it does not take the new
configuration, as after a change of port.

Failing. The end of the process is waited for, not polled. The first restart follows after 0.1 s, later ones
in a row after up to 5 s. It is made from ``nats.conf`` as it stands, for the command line may have put a
newer one in place; if somebody deleted it, it is written again. A full disk is one more reason to wait. If
the port is taken or the program is missing, `start` says so, and the center works on without children.
"""

import asyncio
import json
from pathlib import Path

import structlog

from node.federation.broker_config import BrokerConfig, render_config, users_snippet
from node.federation.broker_errors import (
    BrokerError,
    BrokerFailed,
    BrokerMissing,
    BrokerPortTaken,
    BrokerRefusedConfig,
)
from node.federation.broker_files import BrokerFiles, reload_broker
from node.federation.broker_process import ServerProcess, find_running, find_server, launch

__all__ = [
    "BrokerConfig",
    "BrokerError",
    "BrokerFailed",
    "BrokerMissing",
    "BrokerPortTaken",
    "BrokerRefusedConfig",
    "SupervisedBroker",
    "reload_broker",
    "render_config",
    "users_snippet",
]

READY_WITHIN = 10.0
"""Seconds for a server to answer after its start; it takes a tenth of one."""

STOP_WITHIN = 3.0
"""Seconds between the polite and the final signal."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between the end of the server and its restart; doubled each time in a row."""

STABLE_AFTER = 10.0
"""A server that lived so many seconds sets the pause back."""

_INTRODUCTION_WITHIN = 0.3
"""Seconds for a NATS server to say its first line; another program may say none."""

_LOOK_AGAIN = 0.02
"""Seconds between two attempts to reach a server that is starting; nothing tells when it listens."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("node.federation.broker")


class SupervisedBroker:
    """Keeps a nats-server running.

    Args:
        directory: where its files are kept.
        config: what it is told at the start.
        program: the nats-server; the installed one without it.
    """

    def __init__(self, directory: Path, config: BrokerConfig, *, program: Path | None = None) -> None:
        self._files = BrokerFiles(directory)
        self._config = config
        self._program = program
        self._process: ServerProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._restarts = 0
        self._last_error: str | None = None

    @property
    def running(self) -> bool:
        """Whether the server runs and has answered."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process is not None and self._process.alive else None

    @property
    def adopted(self) -> bool:
        """Whether the server was started by an earlier run of this center."""
        return self._process is not None and self._process.adopted

    @property
    def restarts(self) -> int:
        """How often it had to be started again."""
        return self._restarts

    @property
    def last_error(self) -> str | None:
        """Why it does not run, in words for people; ``None`` while it does."""
        return self._last_error

    @property
    def config(self) -> BrokerConfig:
        """What this process last told the server."""
        return self._config

    @property
    def config_file(self) -> Path:
        """Where ``nats.conf`` is."""
        return self._files.config

    @property
    def client_url(self) -> str:
        """URL for the center itself; children use the address of this machine."""
        return self._config.client_url

    async def start(self) -> None:
        """Start the server, or take over the one that an earlier run left; return when it answers.

        May be called again after it raised. Call it on a thread that lives as long as the center: the
        server dies with that thread.

        Raises:
            BrokerPortTaken: another program has the port.
            BrokerRefusedConfig: the server does not take the configuration.
            BrokerMissing: there is no server program.
            BrokerFailed: it ended at once, or does not answer.
        """
        assert self._supervisor is None, "a broker is started once"
        try:
            self._process = await self._adopt()
            if self._process is None:
                await asyncio.to_thread(self._files.install_anew, self._config, self._program)
                self._process = await self._spawn()
        except BrokerError as error:
            self._last_error = str(error)
            raise
        self._last_error = None
        self._supervisor = asyncio.create_task(self._supervise(), name=f"broker {self._config.code}")

    async def reload(self, config: BrokerConfig) -> None:
        """Put a configuration in place without a restart; return when the server works by it.

        Raises:
            BrokerRefusedConfig: the server does not take it, or not without a restart.
            BrokerFailed: the server did not answer.
        """
        await asyncio.to_thread(reload_broker, self._files.directory, config, program=self._program)
        self._config = config

    async def stop(self) -> None:
        """End the server, and stay ended. Harmless when repeated."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
        process, self._process = self._process, None
        if process is not None:
            await process.stop(STOP_WITHIN)
            self._files.pid.unlink(missing_ok=True)

    async def _adopt(self) -> ServerProcess | None:
        pid = find_running(self._files.pid, self._files.config)
        if pid is None:
            return None
        process = ServerProcess(pid)
        try:
            await self.reload(self._config)
        except BrokerMissing:
            raise
        except (BrokerRefusedConfig, BrokerFailed) as error:
            _log.info("broker-replaced", code=self._config.code, pid=pid, reason=str(error))
            await process.stop(STOP_WITHIN)
        return process if process.alive else None

    async def _spawn(self) -> ServerProcess:
        position = self._files.log_size()
        try:
            process = launch(self._program or find_server(), self._files.arguments, self._files.log)
        except OSError as error:
            raise BrokerFailed(f"the broker can't be started: {error}") from error
        try:
            await self._ready(process, position)
        except BaseException:
            await process.stop(STOP_WITHIN)
            raise
        return process

    async def _ready(self, process: ServerProcess, position: int) -> None:
        """Return when a server answers whose id stands in our log after this position."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while process.alive:
                    server_id = await _server_id(self._config.local_host, self._config.port)
                    if server_id is not None and server_id in self._files.log_since(position):
                        return
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            log = self._files.log
            raise BrokerFailed(f"the broker does not answer at {self.client_url}, see {log}") from None
        said = self._files.log_since(position).strip()
        if "address already in use" in said:
            where = f"port {self._config.port} on {self._config.host}"
            raise BrokerPortTaken(f"{where} is taken by another program")
        raise BrokerFailed(f"the broker ended at once: {said.splitlines()[-1] if said else 'it said nothing'}")

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            began = loop.time()
            if self._process is not None:
                await self._process.wait()
                self._process = None
                self._last_error = "the broker ended unexpectedly"
                _log.warning("broker-ended", code=self._config.code, restarts=self._restarts)
                if loop.time() - began >= STABLE_AFTER:
                    pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
            try:
                if not self._files.config.exists():
                    await asyncio.to_thread(self._files.install_anew, self._config, self._program)
                self._process = await self._spawn()
            except BrokerError as error:
                self._last_error = str(error)
                _log.warning("broker-not-restarted", code=self._config.code, error=str(error))
            else:
                self._restarts += 1
                self._last_error = None


async def _server_id(host: str, port: int) -> str | None:
    """Return the id by which a NATS server introduces itself, if one listens there."""
    try:
        async with asyncio.timeout(_INTRODUCTION_WITHIN):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                line = await reader.readline()
            finally:
                writer.close()
        introduction = json.loads(line.removeprefix(b"INFO "))
    except (OSError, TimeoutError, ValueError):
        return None
    server_id = introduction.get("server_id") if isinstance(introduction, dict) else None
    return server_id if isinstance(server_id, str) else None
