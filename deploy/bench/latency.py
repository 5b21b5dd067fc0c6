"""How long an escalation takes between idle centers on this machine, from the click to the township's database.

A village and its township, each a process of its own, over the township's nats-server. Each escalation is a POST over
HTTP; the clock runs from before the request until the township's database, looked into every millisecond, shows the
case in the township's hands. Beside it stand a raw round trip through a nats-server and one bare SQLite transaction
with ``synchronous=FULL`` on the same disk: no escalation that may not get lost can do with less than a commit here, the
way there, and a commit there. ``ratio`` says how many times that it takes.
"""

import asyncio
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import nats
from sqlalchemy import select

from deploy.bench.jetstream import plain_server
from deploy.bench.matters import Matters
from deploy.bench.pair import Pair, new_pair, opened, resident_mb, running, url
from deploy.bench.progress import say
from node.accounts.roles import Role
from node.accounts.service import create_user
from node.app import API
from node.cases.tables import CaseRow
from node.center import Center
from node.settings import Settings

ESCALATIONS = 50
WARM_UP = 5
"""Escalations before the measured ones: code that runs for the first time is no measure of a day's work."""
REST_S = 0.1
"""Pause before each, so that both centers are idle."""
IDLE_S = 5.0
"""Time at rest before memory is read."""
LOOK_S = 0.001
PATIENCE_S = 10.0
SAMPLES = 200
USER = "bench"


def measure(escalations: int = ESCALATIONS, idle_s: float = IDLE_S) -> Mapping[str, float | int]:
    """Run all; figures by name, times in milliseconds."""
    with new_pair() as pair:
        password = add_user(pair.village)
        with running(pair.township), running(pair.village) as village, opened(pair.township) as township:
            say(f"idle for {idle_s:.0f} s")
            until(lambda: linked(pair.village), "the link is not up")
            time.sleep(idle_s)
            fresh_mb = resident_mb(village.pid)
            say(f"{escalations} escalations")
            took = _escalations(pair, township, password, escalations)
            time.sleep(idle_s)
            worked_mb = resident_mb(village.pid)
    say("NATS and SQLite by themselves")
    round_trip, commit = statistics.median(_round_trips()), statistics.median(_commits())
    median = statistics.median(took)
    return {
        "escalation_ms_median": _ms(median),
        "escalation_ms_p95": _ms(sorted(took)[max(0, round(len(took) * 0.95) - 1)]),
        "escalation_ms_max": _ms(max(took)),
        "nats_rtt_ms_median": _ms(round_trip),
        "sqlite_commit_ms_median": _ms(commit),
        "ratio": round(median / (round_trip + 2 * commit), 2),
        "escalations": escalations,
        "village_idle_rss_mb": round(fresh_mb, 1),
        "village_idle_rss_mb_after_work": round(worked_mb, 1),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def add_user(settings: Settings) -> str:
    """Somebody who may escalate; their password."""
    password = secrets.token_urlsafe(16)
    with opened(settings) as center, center.database.write() as session:
        create_user(
            session,
            center.clock,
            center.hasher,
            username=USER,
            display_name="调解员",
            password=password,
            roles=[Role.dispatcher],
            must_change=False,
        )
    return password


@contextmanager
def signed_in(settings: Settings, password: str) -> Iterator[httpx2.Client]:
    """A client of a center's API, once its link is up."""
    until(lambda: linked(settings), "the link is not up")
    with httpx2.Client(base_url=url(settings) + API) as client:
        answer = client.post("/login", json={"username": USER, "password": password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        yield client


def register(client: httpx2.Client, matters: Matters) -> str:
    """Register a matter; its id."""
    matter = matters.registration().model_dump(mode="json", exclude_none=True)
    return str(client.post("/cases", json=matter).raise_for_status().json()["id"])


def _escalations(pair: Pair, township: Center, password: str, count: int) -> list[float]:
    matters = Matters(seed=1)
    took = []
    with signed_in(pair.village, password) as client:
        for _ in range(WARM_UP + count):
            case_id = register(client, matters)
            time.sleep(REST_S)
            took.append(escalate(client, township, case_id))
    return took[WARM_UP:]


def escalate(client: httpx2.Client, township: Center, case_id: str) -> float:
    """Give a case to the township; seconds until its database holds it."""
    given = {"reason": "涉及两个村，请镇里协调", "triggers": ["crosses_villages"]}
    began = time.perf_counter()
    client.post(f"/cases/{case_id}/escalate", json=given).raise_for_status()
    until(lambda: _has(township, case_id), "an escalation has not arrived")
    return time.perf_counter() - began


def _has(township: Center, case_id: str) -> bool:
    with township.database.read() as session:
        return session.scalar(select(CaseRow.holder).where(CaseRow.id == case_id)) == township.code


def linked(settings: Settings) -> bool:
    """Whether a running center is linked to its parent."""
    return bool(httpx2.get(f"{url(settings)}/readyz").json()["parent"] == "linked")


def until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait until something is so.

    Raises:
        RuntimeError: it is not so within ``PATIENCE_S``.
    """
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(LOOK_S)


def _round_trips() -> list[float]:
    """Seconds from a request through a nats-server to its answer."""
    with plain_server() as server:
        return asyncio.run(_requests(server))


async def _requests(server: str) -> list[float]:
    asker, answerer = await nats.connect(server), await nats.connect(server)
    try:
        subscription = await answerer.subscribe("bench")

        async def answer() -> None:
            async for message in subscription.messages:
                await message.respond(message.data)

        answering = asyncio.create_task(answer())
        await answerer.flush()
        took = []
        for _ in range(SAMPLES):
            began = time.perf_counter()
            await asker.request("bench", b"x" * 1000, timeout=5)
            took.append(time.perf_counter() - began)
        answering.cancel()
        return took
    finally:
        await asker.close()
        await answerer.close()


def _commits() -> list[float]:
    """Seconds of one small transaction."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory:
        connection = sqlite3.connect(Path(directory) / "bare.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
        took = []
        for _ in range(SAMPLES):
            body = os.urandom(1000)
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (body) VALUES (?)", (body,))
            connection.execute("COMMIT")
            took.append(time.perf_counter() - began)
        connection.close()
        return took
