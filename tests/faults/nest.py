"""Starts centers' processes quickly: one process has imported everything and forks them off.

A center that is killed two hundred times would spend most of its lives importing. What runs in the fork is
``tests.faults.runner``, the same as in a process of its own; it ends with the nest, however that ends.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from tests.served import environment

ROOT = Path(__file__).resolve().parents[2]
HATCHED_WITHIN = 60.0
"""Seconds for the first process; the nest imports before."""


class Process:
    """A process from the nest."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = threading.Event()
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the number of the signal that ended it, negative; None while it lives."""
        return self._status

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return not self._ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, within: float) -> int:
        """Wait for its end; its exit code.

        Raises:
            TimeoutError: it lives on.
        """
        if not self._ended.wait(within):
            raise TimeoutError
        assert self._status is not None
        return self._status

    def ended(self, status: int) -> None:
        """The nest has seen its end."""
        self._status = status
        self._ended.set()


class Nest:
    """The process that forks others."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nest"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
            text=True,
        )
        self._living: dict[int, Process] = {}
        self._newest: Process | None = None
        self._hatched = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read, name="nest", daemon=True)
        self._reader.start()

    def hatch(self, arguments: Sequence[str], output: Path) -> Process:
        """Start a process with arguments for ``tests.faults.runner``, which says what it says to a file."""
        assert self._process.stdin is not None
        self._process.stdin.write("\t".join([str(output), *arguments]) + "\n")
        self._process.stdin.flush()
        assert self._hatched.acquire(timeout=HATCHED_WITHIN), "the nest does not answer"
        assert self._newest is not None
        return self._newest

    def close(self) -> None:
        """End it, and all that came from it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, pid, *status = line.split()
            if word == "hatched":
                self._newest = self._living[int(pid)] = Process(int(pid))
                self._hatched.release()
            else:
                self._living.pop(int(pid)).ended(int(status[0]))


@contextmanager
def nest() -> Iterator[Nest]:
    """A nest, closed at the end."""
    made = Nest()
    try:
        yield made
    finally:
        made.close()


# --- inside of the nest -----------------------------------------------------------------------------------


def _sit() -> None:
    """Fork for every line on standard input; tell of every beginning and every end on standard output."""
    from tests.faults import runner  # noqa: PLC0415 - whoever holds the nest needs none of it

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake)
    waiting = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended()
        if 0 in ready:
            came = os.read(0, 65536)
            if not came:
                return
            *lines, waiting = (waiting + came).split(b"\n")
            for line in lines:
                output, *arguments = line.decode().split("\t")
                pid = os.fork()
                if pid == 0:
                    _live(runner.main, output, arguments)
                _tell(f"hatched {pid}")


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _tell_ended() -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _tell(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def _live(main: Callable[[Sequence[str]], None], output: str, arguments: list[str]) -> NoReturn:
    """Be the process that was asked for."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for have, wanted in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(have, wanted)
    code = 1
    try:
        main(arguments)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last that this process does
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _sit()
