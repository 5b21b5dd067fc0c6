"""Centers in processes of their own, run by the real command."""

import contextlib
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

LIANDONG = str(Path(sysconfig.get_path("scripts")) / "liandong")

READY_WITHIN = 30.0
STOPPED_WITHIN = 15.0
LOOK_AGAIN = 0.02


def environment(**added: str) -> dict[str, str]:
    """This process's environment without settings of a center, in English."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("LIANDONG_")}
    return {**kept, "LIANDONG_LANG": "en", **added}


def liandong(*arguments: str, cwd: Path | None = None, within: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [LIANDONG, *arguments], capture_output=True, text=True, env=environment(), cwd=cwd, timeout=within, check=False
    )


class Served:
    """A running process and where it answers."""

    def __init__(self, arguments: Sequence[str], port: int, log: Path, added: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [LIANDONG, *arguments], stdout=out, stderr=subprocess.STDOUT, env=environment(**added)
            )

    def get(self, path: str) -> dict[str, Any] | None:
        """What it answers; None while it does not."""
        with contextlib.suppress(httpx2.TransportError):
            answer = httpx2.get(f"{self.url}{path}", timeout=5, trust_env=False)
            found: dict[str, Any] = answer.json()
            return found
        return None

    def until(self, condition: Callable[[dict[str, Any]], bool], within: float = READY_WITHIN) -> float:
        """Wait until ``/readyz`` says so; return the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            told = self.get("/readyz")
            if told is not None and condition(told):
                return time.monotonic() - began
            assert self.process.poll() is None, self.words()
            time.sleep(LOOK_AGAIN)
        raise AssertionError(f"not within {within} s:\n{self.words()}")

    def ready(self) -> None:
        """Wait until it answers."""
        self.until(lambda _: True)

    def linked(self) -> None:
        """Wait until it is linked to its parent."""
        self.until(lambda told: told["parent"] == "linked")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop:\n{self.words()}") from None

    def words(self) -> str:
        """All that it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def serving(directory: Path, port: int, **added: str) -> Iterator[Served]:
    """Serve a center until the end of the block."""
    served = Served(["serve", "--dir", str(directory)], port, directory.with_suffix(".log"), added)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()
