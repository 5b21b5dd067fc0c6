"""How fast a backlog drains over one real link, and how fast JetStream moves the same bodies.

A village and its township, each a process of its own with its own SQLite file (WAL, ``synchronous=FULL``), over the
township's nats-server. While the village's process does not run, entries of many cases pile up in its outbox. Then it
starts; the clock begins with the HELLO that it hears, and stops when the township's database has applied all entries
to its cases and the village's database knows that.
"""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from deploy.bench import jetstream
from deploy.bench.backlog import bodies, entry_bytes, pile_up, waiting
from deploy.bench.pair import TOWNSHIP, VILLAGE, Pair, at_rest, new_pair, opened, running, url
from deploy.bench.progress import say
from node.cases.tables import CaseRow, EntryRow
from node.center import Center
from node.clock import SystemClock
from node.federation.tables import LinkRow, ParkedRow
from node.identity import new_keys
from node.opening import INCARNATION_BYTES
from protocol.keys import to_text
from protocol.messages import Lane
from protocol.wire import ORIGIN, Data, write_frame

MESSAGES = 20_000
POLL_S = 0.02
"""Between two looks; each takes time from what is measured."""
PATIENCE_S = 30.0
"""Seconds without any progress after which the run is given up."""


def measure(messages: int = MESSAGES) -> Mapping[str, float | int]:
    """Run both; figures by name."""
    with new_pair() as pair:
        pile_up(pair, messages)
        with opened(pair.village) as village:
            piled = bodies(village)
        drained = _drain(pair, messages)
        with at_rest(pair) as (township, village):
            _check(township, village)
            cases = _count(village, CaseRow)
    other = jetstream.measure(piled)
    link_rate = messages / drained.seconds
    return {
        "link_messages_per_s": round(link_rate),
        "jetstream_messages_per_s": round(other.both),
        "ratio": round(link_rate / other.both, 3),
        "wire_bytes_per_message": round(drained.wire_bytes / messages, 1),
        "messages": messages,
        "frames": drained.frames,
        "cases": cases,
        "link_seconds": round(drained.seconds, 3),
        "link_seconds_from_process_start": round(drained.seconds_from_start, 3),
        "entry_bytes": round(entry_bytes(piled)),
        "message_bytes": round(sum(map(len, piled)) / len(piled)),
        "jetstream_publish_per_s": round(other.publish),
        "jetstream_fetch_and_ack_per_s": round(other.fetch_and_ack),
    }


class Drained(NamedTuple):
    """What it took until all was applied and acknowledged.

    Attributes:
        seconds: from HELLO.
        seconds_from_start: from the start of the village's process.
        frames: DATA frames that it sent.
        wire_bytes: their bytes.
    """

    seconds: float
    seconds_from_start: float
    frames: int
    wire_bytes: int


def _drain(pair: Pair, messages: int) -> Drained:
    """Let the village's process run until nothing waits any more."""
    with running(pair.township), opened(pair.village) as village:
        say("the link comes up")
        started = SystemClock().now()
        with running(pair.village):
            linked: datetime | None = None
            left, moved_at = messages, time.monotonic()
            while left:
                time.sleep(POLL_S)
                linked = linked or _hello_since(village, started)
                before, left = left, waiting(village)
                if left < before:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at > PATIENCE_S:
                    raise RuntimeError(f"nothing moved for {PATIENCE_S:.0f} s, {left} messages left")
            done = SystemClock().now()
            frames, wire_bytes = _sent(pair)
    assert linked is not None
    seconds = (done - linked).total_seconds()
    say(f"{messages} entries in {seconds:.2f} s")
    return Drained(seconds, (done - started).total_seconds(), frames, wire_bytes)


def _hello_since(village: Center, started: datetime) -> datetime | None:
    """When the village's present process heard the township's first HELLO."""
    with village.database.read() as session:
        heard = session.scalar(select(LinkRow.last_hello_at).where(LinkRow.peer == TOWNSHIP))
    return heard if heard is not None and heard >= started else None


def _check(township: Center, village: Center) -> None:
    """Both hold the same entries, and nothing was parked."""
    logs = []
    for center in (township, village):
        with center.database.read() as session:
            query = select(EntryRow.case_id, EntryRow.seq, EntryRow.head, EntryRow.body)
            logs.append(session.execute(query.order_by(EntryRow.case_id, EntryRow.seq)).all())
    assert logs[0] == logs[1], f"township holds {len(logs[0])} entries, village {len(logs[1])}"
    assert _count(township, ParkedRow) == 0, "messages were parked"


def _count(center: Center, table: type[CaseRow | ParkedRow]) -> int:
    with center.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def _sent(pair: Pair) -> tuple[int, int]:
    """DATA frames that the village's process has sent, and their bytes with header and signature."""
    text = httpx2.get(f"{url(pair.village)}/metrics").raise_for_status().text
    sums = Counter[str]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += int(sample.value)
    frames = sums["liandong_frames_sent_total"]
    return frames, sums["liandong_bytes_sent_total"] + frames * _frame_overhead()


def _frame_overhead() -> int:
    """Header and signature of one DATA frame of such a link."""
    digest = to_text(ORIGIN)
    header = Data(
        sender=VILLAGE,
        receiver=TOWNSHIP,
        session="0" * 24,
        lane=Lane.CASE,
        incarnation="0" * 2 * INCARNATION_BYTES,
        first=10_000,
        last=10_500,
        before=digest,
        digest=digest,
        payload_digest=digest,
    )
    return len(write_frame(header, new_keys().signing))
