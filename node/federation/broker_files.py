"""The files of one broker, and how a configuration gets from here into a running server.

- A new configuration is written beside the old one, tested with ``nats-server -t``, and put in its place as a
  whole. One that the server refuses never replaces a good one.
- ``SIGHUP`` makes the server read it. A user who is no longer in it is disconnected within milliseconds, a
  new one can log in, and all others notice nothing. The server logs the digest of what it has loaded; a
  reload is done when that digest is the one that the test printed.
- The command line (``enroll``, ``revoke``) is another process than the center. It calls `reload_broker`,
  which finds the server by its pid file. A lock file keeps two of them from passing each other.
"""

import contextlib
import fcntl
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.federation.broker_config import BrokerConfig, render_config
from node.federation.broker_errors import BrokerFailed, BrokerMissing, BrokerRefusedConfig
from node.federation.broker_process import find_running, find_server, signal_running
from node.federation.private_file import write_private

RELOAD_WITHIN = 5.0
"""Seconds for a server to load a configuration; it takes milliseconds."""

TEST_WITHIN = 30.0
"""Seconds for a server program to test a configuration; it takes milliseconds."""

_LOOK_AGAIN = 0.01
"""Seconds between two looks at the log; nothing tells when a line was written."""


class BrokerFiles:
    """Where a broker keeps what.

    Args: directory: made if it is not there. Resolved, for a server is recognised by the path on its command
        line.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory.resolve()
        self.config = self.directory / "nats.conf"
        self.pid = self.directory / "nats.pid"
        self.log = self.directory / "nats.log"

    @property
    def arguments(self) -> list[str]:
        """What the server is started with."""
        return ["-c", str(self.config), "-P", str(self.pid), "-l", str(self.log)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the configuration.

        Raises:
            BrokerFailed: files can't be written here, as on a full disk; also what the block says of that.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / "nats.lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise BrokerFailed(f"the broker's files can't be written: {error}") from error

    def install_anew(self, config: BrokerConfig, program: Path | None) -> None:
        """Put a configuration in place of whatever is there or is missing.

        Raises:
            BrokerRefusedConfig: the server does not take it.
            BrokerMissing: there is no server program.
            BrokerFailed: files can't be written here.
        """
        with self.locked():
            self.install(config, program or find_server())

    def install(self, config: BrokerConfig, program: Path) -> str:
        """Test a configuration and put it in place, while it is locked; return the digest by which the server names it.

        Raises:
            BrokerRefusedConfig: the server does not take it.
            BrokerMissing: there is no server program there.
            OSError: files can't be written here.
        """
        text = render_config(config).encode()
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix=".nats.conf.") as candidate:
            candidate.write(text)
            candidate.flush()
            try:
                tested = subprocess.run(
                    [str(program), "-t", "-c", candidate.name],
                    capture_output=True,
                    text=True,
                    timeout=TEST_WITHIN,
                    check=False,
                )
            except OSError as error:
                raise BrokerMissing(f"{program}: {error.strerror}") from error
            except subprocess.TimeoutExpired as error:
                raise BrokerFailed(f"{program} has not tested its configuration for {TEST_WITHIN:.0f} s") from error
        said = tested.stderr + tested.stdout
        valid = re.search(r"is valid \(sha256:([0-9a-f]+)\)", said)
        if tested.returncode != 0 or valid is None:
            raise BrokerRefusedConfig(said.strip().removeprefix("nats-server: "))
        write_private(self.config, text)
        return valid[1]

    def log_size(self) -> int:
        """Return where the next line of the log will begin."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, position: int) -> str:
        """Return what the server has said since; all of a new log if it was rotated meanwhile."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(position if position <= self.log_size() else 0)
            return log.read().decode(errors="replace")
        return ""


def reload_broker(directory: Path, config: BrokerConfig, *, program: Path | None = None) -> bool:
    """Put a configuration in place and make a running broker load it; for any process of this machine.

    Returns when the broker works by the new configuration: who is no longer in it is being disconnected.

    Args:
        directory: where the broker's files are.
        config: the new configuration.
        program: the nats-server to test it with; the installed one without it.

    Returns:
        Whether a broker was running; if not, the next start uses the configuration.

    Raises:
        BrokerRefusedConfig: the server does not take it, or not without a restart (another host or port).
        BrokerMissing: there is no server program.
        BrokerFailed: the broker did not answer the signal, or files can't be written here.
    """
    files = BrokerFiles(directory)
    with files.locked():
        digest = files.install(config, program or find_server())
        position = files.log_size()
        if not signal_running(files.pid, files.config, signal.SIGHUP):
            return False
        deadline = time.monotonic() + RELOAD_WITHIN
        while time.monotonic() < deadline:
            said = files.log_since(position)
            if f"Reloaded server configuration (sha256:{digest})" in said:
                return True
            if failure := re.search(r"Failed to reload server configuration: (.*)", said):
                raise BrokerRefusedConfig(failure[1])
            if find_running(files.pid, files.config) is None:
                return False
            time.sleep(_LOOK_AGAIN)
    raise BrokerFailed(f"the broker has not loaded its configuration for {RELOAD_WITHIN:.0f} s, see {files.log}")
