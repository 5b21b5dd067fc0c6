"""Server time of every page of a center with many cases, against an empty FastAPI page in the same run.

Twenty people are signed in and take turns, each with a session of their own; a tenth of the cases is open. The time
is that of the whole application in this process, from request to the last byte, without a network.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import HTMLResponse

from deploy.bench.matters import Matters
from deploy.bench.progress import say
from node.accounts import service as accounts
from node.accounts.passwords import PasswordHasher
from node.accounts.roles import Role
from node.app import assemble
from node.cases import acts, inputs, service
from node.center import Center
from node.founding import init_root
from node.opening import open_center
from node.settings import OwnBroker
from node.unit import unit_of

CASES: Final = 10_000
USERS: Final = 20
ROUNDS: Final = 3
"""How often each person opens each page."""

OPEN_EVERY: Final = 10
"""One case of so many stays open."""

BATCH: Final = 250
TOWN: Final = "532923102000"
PASSWORD: Final = "for measuring only"  # noqa: S105 - nobody else ever sees this center
ACTOR: Final = "受理员"

PAGES: Final = {
    "today": "/today",
    "inbox": "/inbox?queue=held",
    "cases": "/cases",
    "search": "/cases?q=17",
    "register": "/cases/new",
    "case": "/cases/{case}",
    "assign": "/cases/{case}/assign",
    "board": "/board",
    "account": "/account",
}

BROKER_PORT: Final = 4222
"""Named in the settings, never opened: nothing is served here."""


def measure(cases: int = CASES) -> dict[str, float | int]:
    """Milliseconds at the 95th percentile of each page, and how many empty pages fit into it."""
    with TemporaryDirectory() as directory, _center(Path(directory)) as center:
        say(f"{cases} cases are registered, one of {OPEN_EVERY} stays open")
        case = _fill(center, cases)
        people = [_signed_in(center, number) for number in range(USERS)]
        empty = p95(_times([TestClient(_empty_app())] * USERS, "/"))
        figures: dict[str, float | int] = {"cases": cases, "users": USERS, "empty_p95_ms": round(empty, 2)}
        for name, path in PAGES.items():
            say(name)
            slowest = p95(_times(people, path.format(case=case)))
            figures[f"{name}_p95_ms"] = round(slowest, 1)
            figures[f"{name}_in_empty_pages"] = round(slowest / empty, 1)
        return figures


def p95(times: Sequence[float]) -> float:
    """The time that nineteen of twenty requests stay below, nearest rank."""
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def _times(clients: Sequence[TestClient], path: str) -> list[float]:
    """Milliseconds of each request; the first of each page is not counted, it fills caches."""
    clients[0].get(path)
    times = []
    for _ in range(ROUNDS):
        for client in clients:
            began = time.perf_counter()
            answer = client.get(path)
            times.append((time.perf_counter() - began) * 1000)
            assert answer.is_success, f"{path}: {answer.status_code}"
    return times


@contextmanager
def _center(directory: Path) -> Iterator[Center]:
    """A township without neighbours, on SQLite as it is delivered."""
    settings = init_root(directory / TOWN, TOWN, broker=OwnBroker(port=BROKER_PORT), environment=False)
    center = open_center(settings, hasher=PasswordHasher(memory_kib=8, passes=1))
    try:
        yield center
    finally:
        center.database.dispose()


def _fill(center: Center, cases: int) -> str:
    """Register matters and end most of them; returns one that is open."""
    matters = Matters(1)
    kept = ""
    for start in range(0, cases, BATCH):
        with unit_of(center) as unit:
            ids = [service.register(unit, matters.registration(), ACTOR).id for _ in range(min(BATCH, cases - start))]
        with unit_of(center) as unit:
            for number, case_id in enumerate(ids, start):
                if number % OPEN_EVERY:
                    acts.perform(unit, case_id, "withdraw", inputs.ReasonInput(reason="和好了"), ACTOR)
                else:
                    acts.perform(unit, case_id, "accept", inputs.NothingInput(), ACTOR)
                    kept = case_id
    return kept


def _signed_in(center: Center, number: int) -> TestClient:
    with center.database.write() as session:
        accounts.create_user(
            session,
            center.clock,
            center.hasher,
            username=f"user{number}",
            display_name=f"user{number}",
            password=PASSWORD,
            roles=[Role.director],
        )
    app = assemble(center.level)
    app.state.center = center
    client = TestClient(app, headers={"accept": "text/html"})
    client.post("/login", data={"username": f"user{number}", "password": PASSWORD}).raise_for_status()
    return client


def _empty_app() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def nothing() -> HTMLResponse:
        return HTMLResponse("")

    return app
