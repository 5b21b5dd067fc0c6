"""The socket under a nats-py client, ours so that it can be ended in any state and watched for progress.

nats-py takes any `nats.aio.transport.Transport`. Its own TCP transport closes politely: it waits until
everything written has left, which on a half-open connection takes the operating system about 15 minutes, and
the client hangs with it (nats-io/nats.py issues 671 and 718). This one can be aborted, bounds the polite end,
tells at once when nothing more will come, and never lets a client that asked for TLS say its first word in
the clear.
"""

import asyncio
import contextlib
import ssl
import sys
from urllib.parse import ParseResult

import nats.aio.transport
from nats.errors import SecureConnRequiredError

CLOSE_GRACE = 1.0
"""Seconds given to the last written bytes to leave when a connection is closed politely."""


class Wire(nats.aio.transport.Transport):
    """One connection.

    Args:
        require_tls: refuse to send anything before the connection is encrypted.
    """

    def __init__(self, *, require_tls: bool) -> None:
        self.gone = asyncio.Event()
        """Set once nothing more will come or go."""
        self.received = 0
        """Bytes read so far."""
        self._written = 0
        self._require_tls = require_tls
        self._encrypted = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._plain: asyncio.StreamWriter | None = None

    @property
    def buffered(self) -> int:
        """Bytes that wait in this process because the operating system takes no more."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    @property
    def unacknowledged(self) -> int:
        """Bytes that the peer's machine has not acknowledged: buffered here, and on Linux in the socket."""
        return self.buffered + self._in_socket()

    @property
    def acknowledged(self) -> int:
        """About how many bytes the peer's machine has taken."""
        return self._written - self.unacknowledged

    def abort(self) -> None:
        """End the connection now, whatever is still unsent."""
        self.gone.set()
        if self._writer is not None:
            self._writer.transport.abort()

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Open the TCP connection."""
        async with asyncio.timeout(connect_timeout):
            self._reader, self._writer = await asyncio.open_connection(uri.hostname, uri.port, limit=buffer_size)
        if self.gone.is_set():
            self.abort()
            raise ConnectionAbortedError("given up while connecting")

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Encrypt the open connection. What came in the clear before is dropped with the old reader."""
        assert self._writer is not None, "connect comes first"
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=buffer_size, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        async with asyncio.timeout(connect_timeout):
            transport = await loop.start_tls(
                self._writer.transport,
                protocol,
                ssl_context,
                server_hostname=uri if isinstance(uri, str) else uri.hostname,
            )
        if transport is None:
            raise ConnectionResetError("closed during the TLS handshake")
        # start_tls does not tell the reader, which then could not hold back a sender (python/cpython 114921).
        reader.set_transport(transport)
        self._plain = self._writer
        self._reader, self._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
        self._encrypted = True

    def write(self, payload: bytes) -> None:
        """Send bytes; quietly nothing on a connection that is gone.

        Raises:
            SecureConnRequiredError: TLS was asked for and the server did not offer it.
        """
        if self._writer is None or self.gone.is_set():
            return
        if self._require_tls and not self._encrypted:
            raise SecureConnRequiredError
        self._writer.write(payload)
        self._written += len(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Send many pieces at once."""
        self.write(b"".join(payload))

    async def read(self, buffer_size: int) -> bytes:
        """Return what came; nothing at the end."""
        assert self._reader is not None, "connect comes first"
        try:
            data = await self._reader.read(buffer_size)
        except OSError:
            self.gone.set()
            raise
        self.received += len(data)
        if not data:
            self.gone.set()
        return data

    async def readline(self) -> bytes:
        """Return one line; used for the first words of a connection only."""
        assert self._reader is not None, "connect comes first"
        line = await self._reader.readline()
        self.received += len(line)
        return line

    async def drain(self) -> None:
        """Wait until the buffer is small again; never on a connection that is gone."""
        if self._writer is None or self.gone.is_set():
            return
        try:
            await self._writer.drain()
        except OSError:
            self.gone.set()
            raise

    def close(self) -> None:
        """Begin the polite end."""
        self.gone.set()
        if self._writer is not None:
            self._writer.close()

    async def wait_closed(self) -> None:
        """Wait for the polite end, but not for long."""
        if self._writer is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    def at_eof(self) -> bool:
        """Whether everything that came has been read."""
        return self._reader is None or self._reader.at_eof()

    def __bool__(self) -> bool:
        """Nats-py asks whether it still has to make a transport: no, even before the first connection."""
        return True

    def _in_socket(self) -> int:
        if sys.platform != "linux" or self._writer is None:
            return 0
        import fcntl  # noqa: PLC0415 - not on every system
        import termios  # noqa: PLC0415

        socket = self._writer.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return 0
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int.from_bytes(answer, sys.byteorder)
