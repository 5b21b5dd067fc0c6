"""Server time of every page of a county with many cases, against an empty FastAPI page in the same run.

Twenty people are signed in and take turns, each with a session of their own; a tenth of the cases is open. The time
is that of the whole application in this process, from request to the last byte, compression included, without a
network; beside it stands the processor's time, which other work on the machine disturbs less. The board is read once
more just after somebody changed a case, when nothing is remembered; and again beside a county with a hundred times as
many cases, turn by turn, so that both have the same weather.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import HTMLResponse

from deploy.bench.county import ACTOR, county, open_case
from deploy.bench.progress import say
from node.accounts import service as accounts
from node.accounts.roles import Role
from node.app import assemble
from node.cases import acts, inputs
from node.center import Center
from node.unit import unit_of

CASES: Final = 10_000
MANY: Final = 1_000_000
USERS: Final = 20
ROUNDS: Final = 3
"""How often each person opens each page."""

PASSWORD: Final = "for measuring only"  # noqa: S105 - nobody else ever sees this center

PAGES: Final = {
    "today": "/today",
    "inbox": "/inbox?queue=held",
    "cases": "/cases",
    "cases_late": "/cases?queue=late",
    "search": "/cases?q=17",
    "register": "/cases/new",
    "case": "/cases/{case}",
    "assign": "/cases/{case}/assign",
    "board": "/board",
    "board_below": "/board?center=532923102000&period=month",
    "rules": "/policy",
    "links": "/links",
    "users": "/users",
    "account": "/account",
    "about": "/about",
}


class Took(NamedTuple):
    """Milliseconds of one request: on the clock, and of the processor."""

    wall: float
    cpu: float


def measure(cases: int = CASES, many: int = MANY, users: int = USERS) -> dict[str, float | int]:
    """Milliseconds at the 95th percentile of each page, and how many empty pages fit into it.

    Args:
        cases: of the county.
        many: of the larger county, whose board is read beside; 0 for none.
        users: people who take turns.
    """
    with TemporaryDirectory() as directory, county(Path(directory), cases) as center:
        case = open_case(center)
        people = [_signed_in(center, number) for number in range(users)]
        nobody = [TestClient(_empty_app())] * users
        empty = _times(nobody, "/")
        found: dict[str, list[Took]] = {}
        for name, path in PAGES.items():
            say(name)
            found[name] = _times(people, path.format(case=case))
            empty += _times(nobody, "/")
        found["board_after_a_change"] = _times(people, "/board", before=lambda: _change(center, case))
        figures = {"cases": cases, "users": users} | _figures(empty, found)
        return figures | (_beside(people, many) if many else {})


def _figures(empty: Sequence[Took], found: Mapping[str, Sequence[Took]]) -> dict[str, float | int]:
    plain, plain_cpu = p95([one.wall for one in empty]), p95([one.cpu for one in empty])
    figures: dict[str, float | int] = {"empty_p95_ms": round(plain, 2), "empty_cpu_p95_ms": round(plain_cpu, 2)}
    for name, times in found.items():
        wall, cpu = p95([one.wall for one in times]), p95([one.cpu for one in times])
        figures |= {f"{name}_p95_ms": round(wall, 1), f"{name}_cpu_p95_ms": round(cpu, 1)}
        figures[f"{name}_in_empty_pages"] = round(wall / plain, 1)
    figures["slowest_p95_ms"] = max(figures[f"{name}_p95_ms"] for name in found)
    figures["slowest_cpu_p95_ms"] = max(figures[f"{name}_cpu_p95_ms"] for name in found)
    return figures


def _beside(people: Sequence[TestClient], many: int) -> dict[str, float | int]:
    """The board here and in a larger county, in turns."""
    say(f"the board beside one of {many} cases")
    with TemporaryDirectory() as directory, county(Path(directory), many) as larger:
        others = [_signed_in(larger, number) for number in range(len(people))]
        pairs = [
            (client, other, path)
            for path in ("/board", "/board?period=all")
            for client, other in zip(people, others, strict=True)
        ]
        for client, other, path in (pairs[0], pairs[-1]):
            client.get(path)
            other.get(path)
        times = [(_time(client, path), _time(other, path)) for _ in range(ROUNDS) for client, other, path in pairs]
    here, there = (statistics.median(pair[side].cpu for pair in times) for side in (0, 1))
    return {
        "many_cases": many,
        "board_cpu_ms_median": round(here, 1),
        "board_with_many_cpu_ms_median": round(there, 1),
        "board_with_many_ratio": round(there / here, 2),
    }


def p95(times: Sequence[float]) -> float:
    """The time that nineteen of twenty requests stay below, nearest rank."""
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def _times(clients: Sequence[TestClient], path: str, before: Callable[[], None] = lambda: None) -> list[Took]:
    """What each request took; the first of each page is not counted, it compiles its template."""
    clients[0].get(path)
    times = []
    for _ in range(ROUNDS):
        for client in clients:
            before()
            times.append(_time(client, path))
    return times


def _time(client: TestClient, path: str) -> Took:
    began, began_cpu = time.perf_counter(), time.process_time()
    answer = client.get(path)
    took = Took((time.perf_counter() - began) * 1000, (time.process_time() - began_cpu) * 1000)
    assert answer.is_success, f"{path}: {answer.status_code}"
    return took


def _change(center: Center, case: str) -> None:
    """Somebody writes a note, so that whatever is remembered must be read anew."""
    with unit_of(center) as unit:
        acts.perform(unit, case, "notes", inputs.NoteInput(text="电话回访，双方情绪平稳。"), ACTOR)


def _signed_in(center: Center, number: int) -> TestClient:
    with center.database.write() as session:
        accounts.create_user(
            session,
            center.clock,
            center.hasher,
            username=f"user{number}",
            display_name=f"user{number}",
            password=PASSWORD,
            roles=[Role.director, Role.admin],
            must_change=False,
        )
    app = assemble(center.level)
    app.state.center = center
    client = TestClient(app, headers={"accept": "text/html", "origin": "http://testserver"})
    client.post("/login", data={"username": f"user{number}", "password": PASSWORD}).raise_for_status()
    return client


def _empty_app() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def nothing() -> HTMLResponse:
        return HTMLResponse("")

    return app
