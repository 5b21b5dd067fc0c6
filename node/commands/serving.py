"""``liandong serve``: one center, one process, one port.

The lock on the data directory is taken first, then the port, then the database is opened: whatever fails is said in one
line and by an exit code, before anything was started.
"""

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn

from node.app import create_app
from node.i18n import N_
from node.logs import setup_logs
from node.memory import collect_seldom, stay_small
from node.running import only_one
from node.settings import Settings, load_settings
from node.trouble import PortTaken

BACKLOG = 128

SWITCH_S = 0.0005
"""How long a thread computes before Python lets another one on. A request needs its turn a dozen times, after each
look into the database; with Python's own 5 ms it would wait 60 ms and more while a frame is applied."""

STOP_WITHIN = 5
"""Seconds that open requests get when the center is stopped."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("node.serve")


def serve(directory: Path) -> None:
    """Run the center of a directory until it is told to stop.

    Raises:
        Trouble: it can't; settings, port, database or lock.
        DatabaseUnavailable: the database can't be read or written.
    """
    settings = load_settings(directory)
    setup_logs(settings.log_level, settings.log_file)
    stay_small()
    sys.setswitchinterval(SWITCH_S)
    with only_one(settings.data_dir), _socket(settings) as listening:
        asyncio.run(_serve(settings, listening))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    """Start the center, answer requests until a signal comes, stop the center."""
    app = create_app(settings.level, settings)
    collect_seldom()
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=STOP_WITHIN,
            # Who asks, and by which scheme, is believed of named proxies only: throttling and audit go by the address.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_certfile=settings.tls_cert_file,
            ssl_keyfile=settings.tls_key_file,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    _log.info("center.starting", code=settings.code, host=settings.host, port=settings.port)
    async with app.router.lifespan_context(app):
        _log.info("center.started", code=settings.code)
        await server.serve(sockets=[listening])
    _log.info("center.stopped", code=settings.code)


class _Server(uvicorn.Server):
    """Uvicorn without its own ideas about start and end.

    It would log whatever goes wrong at the start, where a person wants one line, and raise the signal again before the
    center has stopped its broker and its links.
    """

    def stop(self) -> None:
        """End; at the second call without waiting for open requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


def _socket(settings: Settings) -> socket.socket:
    """Take the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        place = {"host": settings.host, "port": settings.port, "file": str(settings.file)}
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                N_("Port {port} on {host} is taken by another program. Stop it, or set another port in {file}."),
                **place,
            ) from error
        raise PortTaken(
            N_("The center can't listen on {host}, port {port}: {reason}. Correct host and port in {file}."),
            **place,
            reason=error.strerror or str(error),
        ) from error
    return listening
