"""The processes of a demo: started together, watched, stopped together.

Each runs ``liandong serve`` in a session of its own, so that Ctrl-C in the terminal reaches the demo alone, which then
stops them in order. Should the demo be killed, the kernel tells them to stop (``PR_SET_PDEATHSIG``, where there is
Linux), so that the next start finds the ports free.
"""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.building import directory_of
from deploy.demo.plan import Plan, PlannedCenter

STOP_WITHIN = 10.0
"""Seconds that a center gets to stop its links and its broker."""

LOG = "center.log"

_STOP_WITH_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGTERM; survives the exec
if os.getppid() != int(sys.argv[1]):     # the parent died before the flag was set
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def command(directory: Path, code: str) -> list[str]:
    """What starts one center, absolute and free of secrets."""
    program = Path(sysconfig.get_path("scripts")) / "liandong"
    return [str(program), "serve", "--dir", str(directory_of(directory, code))]


@dataclass
class Running:
    """One center's process."""

    center: PlannedCenter
    process: subprocess.Popen[bytes]
    argv: list[str]
    log: Path
    reported: bool = False

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        return ""


class Processes:
    """All processes of a demo."""

    def __init__(self) -> None:
        self.running: list[Running] = []

    def start(self, directory: Path, plan: Plan) -> None:
        """Start all centers at once."""
        for one in plan.centers:
            self.running.append(_start(directory, one))

    def ended(self) -> list[Running]:
        """Those that have ended since the last call."""
        gone = [one for one in self.running if not one.reported and one.process.poll() is not None]
        for one in gone:
            one.reported = True
        return gone

    def stop(self) -> list[Running]:
        """Stop all, politely first; return those that had to be killed."""
        alive = [one for one in self.running if one.process.poll() is None]
        for one in alive:
            with contextlib.suppress(ProcessLookupError):
                one.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN
        killed = []
        for one in alive:
            try:
                one.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
                killed.append(one)
        return killed


def _start(directory: Path, one: PlannedCenter) -> Running:
    argv = command(directory, one.code)
    log = directory_of(directory, one.code) / LOG
    wrapped = argv
    if sys.platform == "linux":
        wrapped = [sys.executable, "-I", "-S", "-c", _STOP_WITH_PARENT, str(os.getpid()), *argv]
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("LIANDONG_")}
    with log.open("ab") as out:
        process = subprocess.Popen(
            wrapped,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Running(one, process, argv, log)
