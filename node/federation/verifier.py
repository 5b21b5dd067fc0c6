"""Verifying many signatures at once, in a process beside ours.

One Ed25519 signature takes 50 µs, as long as all the rest that an entry costs its receiver. Another thread would not
help: libsodium lets go of Python's lock for each signature, and gets it back only after the other threads had their
5 ms. So a process does it that runs nothing else: ``python -m node.federation.verifier_process``, which speaks over
its standard input and output, costs 20 MB, and lives while a backlog comes in. Without it, or if it fails, signatures
are verified where they are needed; the answer is the same.
"""

import marshal
import os
import queue
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import structlog

from protocol.keys import Signed

log = structlog.get_logger()

MANY = 64
"""Fewer signatures than these (3 ms) are verified where they are needed."""
IDLE_S = 30.0
"""The process ends when there was nothing to do for so long."""
RETRY_S = 60.0
"""Pause before a process that failed is started again."""
LENGTH = struct.Struct(">I")


class Verdicts(Protocol):
    """What a verifier will have found, one by one: does the signature verify?"""

    def result(self) -> Sequence[bool]:
        """Wait for it."""


class Verifier(Protocol):
    """Verifies signatures."""

    def begin(self, signed: Sequence[Signed]) -> Verdicts:
        """Begin to verify these; callable from any thread."""

    def close(self) -> None:
        """Let go of whatever runs."""


class Found:
    """Verdicts that stand already."""

    def __init__(self, verdicts: Sequence[bool]) -> None:
        self._verdicts = verdicts

    def result(self) -> Sequence[bool]:
        """The verdicts."""
        return self._verdicts


class VerifierHere:
    """Verifies at once, in the thread that asks."""

    def begin(self, signed: Sequence[Signed]) -> Verdicts:
        """Verify these."""
        return Found(verify_all(signed))

    def close(self) -> None:
        """Nothing runs."""


class VerifierBeside:
    """Verifies in a process of its own, started when there is much to verify."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Sequence[Signed], Future[Sequence[bool]]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.thread: threading.Thread | None = None
        """Speaks with the process, while that lives."""
        self._failed_at = -RETRY_S
        self._closed = False

    def begin(self, signed: Sequence[Signed]) -> Verdicts:
        """Verify these, beside us if they are many; the first ones here, while the process starts."""
        if len(signed) < MANY or time.monotonic() - self._failed_at < RETRY_S:
            return Found(verify_all(signed))
        with self._lock:
            if self.thread is not None and not self._closed:
                verdicts: Future[Sequence[bool]] = Future()
                self._jobs.put((signed, verdicts))
                return verdicts
            if not self._closed:
                self.thread = threading.Thread(target=self._serve, name="verifier", daemon=True)
                self.thread.start()
        return Found(verify_all(signed))

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            thread = self.thread
        if thread is not None:
            self._jobs.put(None)
            thread.join()

    def _serve(self) -> None:
        """One job after the other, until there are none for a while."""
        process: subprocess.Popen[bytes] | None = None
        try:
            process = self._begun()
            while (job := self._next()) is not None:
                signed, verdicts = job
                try:
                    process = process or _start()
                    verdicts.set_result(_ask(process, signed))
                except Exception as error:  # noqa: BLE001 - whatever it was, somebody waits for the answer
                    self._fail(error)
                    _end(process)
                    process = None
                    _answer(verdicts, signed)
        finally:
            _end(process)

    def _begun(self) -> subprocess.Popen[bytes] | None:
        """The process, at its start; None where it can't be started."""
        try:
            return _start()
        except Exception as error:  # noqa: BLE001 - the jobs that wait are done here
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        log.warning("verifier.failed", reason=str(error), error=type(error).__name__)
        self._failed_at = time.monotonic()

    def _next(self) -> tuple[Sequence[Signed], Future[Sequence[bool]]] | None:
        try:
            return self._jobs.get(timeout=IDLE_S)
        except queue.Empty:
            with self._lock:
                if self._jobs.empty():
                    self.thread = None
                    return None
            return self._jobs.get()


def new_verifier() -> Verifier:
    """The one that suits this machine: a process beside ours needs a processor to run on."""
    return VerifierBeside() if len(os.sched_getaffinity(0)) > 1 else VerifierHere()


def verify_all(signed: Sequence[Signed]) -> list[bool]:
    """Whether each of them verifies."""
    return [one.verifies() for one in signed]


def _answer(verdicts: "Future[Sequence[bool]]", signed: Sequence[Signed]) -> None:
    """Verify these here for whoever waits; what goes wrong is told to them."""
    try:
        verdicts.set_result(verify_all(signed))
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is needed
        verdicts.set_exception(error)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "node.federation.verifier_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,  # Ctrl-C is for us; it ends with its input
    )


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """End the process if there is one."""
    if process is None:
        return
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.kill()
    process.wait()


def _ask(process: subprocess.Popen[bytes], signed: Sequence[Signed]) -> list[bool]:
    """Have these verified.

    Raises:
        OSError: the process is gone.
        EOFError: it ended in the middle.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    job = marshal.dumps([tuple(one) for one in signed])
    _write(process.stdin.fileno(), LENGTH.pack(len(job)) + job)
    answer = b""
    while len(answer) < len(signed):
        part = os.read(process.stdout.fileno(), len(signed) - len(answer))
        if not part:
            raise EOFError("the verifier's process ended")
        answer += part
    return [one == 1 for one in answer]


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
