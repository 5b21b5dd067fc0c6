"""What nats-py and JetStream need for the same bodies on the same machine.

Measured is what a program does that hands messages from one place to another through JetStream: each body is
published to a stream and its storage acknowledged by the server (``publish_async``, which keeps up to 4,000 under way);
then a durable pull consumer fetches them in batches of 500 and acknowledges each. The server is the same binary that
our centers run, with file storage in a temporary directory and its defaults otherwise; nats-py is the client that our
centers use, with its defaults.

Three figures: publishing alone, fetching with acknowledging alone, and all messages through both, one phase after the
other, which is the rate that the link is compared with. Two things in it favour JetStream: by default its server syncs
its files every two minutes, not before it acknowledges, and nothing is done with a message that was fetched.
"""

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import nats
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig

from deploy.bench.pair import free_ports
from deploy.bench.progress import say
from node.federation.broker_process import find_server

STREAM, SUBJECT, CONSUMER = "BENCH", "bench.entries", "bench"
BATCH = 500
READY_WITHIN = 10.0


class JetStreamFigures(NamedTuple):
    """Messages a second."""

    publish: float
    fetch_and_ack: float
    both: float


def measure(bodies: Sequence[bytes]) -> JetStreamFigures:
    """Publish these bodies to a stream, fetch and acknowledge them all."""
    say(f"JetStream: {len(bodies)} messages through nats-py")
    with plain_server(jetstream=True) as url:
        published, fetched = asyncio.run(_run(url, bodies))
    count = len(bodies)
    return JetStreamFigures(count / published, count / fetched, count / (published + fetched))


@contextmanager
def plain_server(*, jetstream: bool = False) -> Iterator[str]:
    """A nats-server without accounts, on loopback; gives its URL."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="liandong-bench-nats-") as directory:
        argv = [str(find_server()), "-a", "127.0.0.1", "-p", str(port), "-l", str(Path(directory) / "log")]
        if jetstream:
            argv += ["-js", "-sd", directory]
        process = subprocess.Popen(argv)
        try:
            _await_listening(port)
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _await_listening(port: int) -> None:
    until = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


async def _run(url: str, bodies: Sequence[bytes]) -> tuple[float, float]:
    client = await nats.connect(url)
    try:
        stream = client.jetstream()
        await stream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT], storage=StorageType.FILE))
        began = time.perf_counter()
        await _publish(stream, bodies)
        between = time.perf_counter()
        await _fetch(stream, bodies)
        while (await stream.consumer_info(STREAM, CONSUMER)).num_ack_pending:
            pass
        ended = time.perf_counter()
        return between - began, ended - between
    finally:
        await client.close()


async def _publish(stream: JetStreamContext, bodies: Sequence[bytes]) -> None:
    pending = [await stream.publish_async(SUBJECT, body) for body in bodies]
    for acknowledged in await asyncio.gather(*pending):
        assert acknowledged.stream == STREAM


async def _fetch(stream: JetStreamContext, bodies: Sequence[bytes]) -> None:
    subscription = await stream.pull_subscribe(SUBJECT, durable=CONSUMER, stream=STREAM)
    fetched = 0
    while fetched < len(bodies):
        for message in await subscription.fetch(min(BATCH, len(bodies) - fetched), timeout=10):
            assert message.data == bodies[fetched]
            await message.ack()
            fetched += 1
