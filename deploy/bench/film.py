"""Whether a film on its way delays an escalation: the same escalations on an idle pair, and while a film moves.

A village attaches a film of 20 MB to a case and gives the case to its township, which fetches the film piece by piece
over the same link. Meanwhile the village escalates other cases, each timed as in ``deploy.bench.latency``: from the
click to the township's database. Both figures come from one run, idle first. Films follow one another until enough
escalations were measured; an escalation counts only if a film was moving when it began and when it ended.
"""

import os
import statistics
import time
from collections.abc import Mapping

import httpx2
from sqlalchemy import select

from deploy.bench.latency import ESCALATIONS, REST_S, WARM_UP, add_user, escalate, register, signed_in
from deploy.bench.matters import Matters
from deploy.bench.pair import Pair, new_pair, opened, resident_mb, running
from deploy.bench.progress import say
from node.attachments.tables import FileRow
from node.center import Center

FILM_MB = 20
HEAD = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"
"""How films begin; the rest is random, as compressed pictures are to everyone who looks at bytes."""
WITHIN_S = 300.0


def measure(escalations: int = ESCALATIONS, megabytes: int = FILM_MB) -> Mapping[str, float | int]:
    """Run all; figures by name, times in milliseconds."""
    with new_pair() as pair:
        password = add_user(pair.village)
        with (
            running(pair.township) as upper,
            running(pair.village) as lower,
            opened(pair.township) as township,
            signed_in(pair.village, password) as client,
        ):
            matters = Matters(seed=1)
            say(f"{escalations} escalations, idle")
            for _ in range(WARM_UP):
                _escalation(client, township, matters)
            idle = [_escalation(client, township, matters) for _ in range(escalations)]
            say(f"{escalations} escalations beside films of {megabytes} MB")
            beside, films = _beside_films(pair, client, township, matters, escalations, megabytes)
            memory = resident_mb(upper.pid), resident_mb(lower.pid)
    return {
        **_figures("idle", idle),
        **_figures("beside_film", beside),
        "ratio_median": round(statistics.median(beside) / statistics.median(idle), 2),
        "escalations": escalations,
        "film_mb": megabytes,
        "film_mb_per_s": round(megabytes / statistics.median(films), 2),
        "township_rss_mb": round(memory[0], 1),
        "village_rss_mb": round(memory[1], 1),
    }


def _figures(name: str, took: list[float]) -> dict[str, float]:
    ranked = sorted(took)
    return {
        f"{name}_ms_median": round(statistics.median(ranked) * 1000, 1),
        f"{name}_ms_p95": round(ranked[max(0, round(len(ranked) * 0.95) - 1)] * 1000, 1),
        f"{name}_ms_max": round(ranked[-1] * 1000, 1),
    }


def _escalation(client: httpx2.Client, township: Center, matters: Matters) -> float:
    case_id = register(client, matters)
    time.sleep(REST_S)
    return escalate(client, township, case_id)


def _beside_films(
    pair: Pair, client: httpx2.Client, township: Center, matters: Matters, count: int, megabytes: int
) -> tuple[list[float], list[float]]:
    """Seconds of escalations while films move, and of the films."""
    beside: list[float] = []
    films: list[float] = []
    while len(beside) < count:
        case_id = register(client, matters)
        film = HEAD + os.urandom(megabytes * 1_000_000 - len(HEAD))
        attached = client.post(f"/cases/{case_id}/attachments", files={"file": ("现场.mp4", film)}, timeout=60.0)
        [entry] = [entry for entry in attached.raise_for_status().json()["log"] if entry["kind"] == "attached"]
        sha256 = entry["data"]["sha256"]
        escalate(client, township, case_id)
        began = time.monotonic()
        while not _is_here(township, sha256):
            took = _escalation(client, township, matters)
            if not _is_here(township, sha256):
                beside.append(took)
            if time.monotonic() - began > WITHIN_S:
                raise RuntimeError(f"a film does not arrive: {pair.township.data_dir}")
        films.append(time.monotonic() - began)
    return beside, films


def _is_here(township: Center, sha256: str) -> bool:
    with township.database.read() as session:
        return session.scalar(select(FileRow.here_at).where(FileRow.sha256 == sha256)) is not None
