"""People at a running center, each asking one thing after the other; how long they wait for each answer."""

import secrets
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

import httpx2

from deploy.bench.matters import Matters
from deploy.bench.pair import opened, url
from node.accounts.roles import Role
from node.accounts.service import create_user
from node.app import API
from node.settings import Settings

PEOPLE = 2
ROUND = 5
"""Things that a person does in turn; each does all of them once at least, however soon it ends."""
THINK_S = 0.02
"""Pause between an answer and the next request of the same person."""
PATIENCE_S = 30.0
USER = "bench"


class Waits(NamedTuple):
    """Seconds that people waited, page by page and call by call."""

    reads: Sequence[float]
    writes: Sequence[float]

    def p95(self) -> float:
        """Of all answers, in milliseconds."""
        return p95([*self.reads, *self.writes])


def p95(seconds: Sequence[float]) -> float:
    """The wait that one in twenty exceeds, in milliseconds."""
    return round(statistics.quantiles(seconds, n=20, method="inclusive")[-1] * 1000, 1)


def hire(settings: Settings) -> str:
    """Give a center at rest an account for its people; its password."""
    password = secrets.token_urlsafe(16)
    with opened(settings) as center, center.database.write() as session:
        create_user(
            session,
            center.clock,
            center.hasher,
            username=USER,
            display_name="调解员",
            password=password,
            roles=[Role.director],
            must_change=False,
        )
    return password


class People:
    """Some people at one center, working side by side until ``stop``."""

    def __init__(self, settings: Settings, password: str, number: int = PEOPLE) -> None:
        self._ended = threading.Event()
        self._failures: list[BaseException] = []
        self._persons = [_Person(settings, password, seed) for seed in range(number)]
        self._threads = [threading.Thread(target=self._work, args=(person,)) for person in self._persons]

    def start(self) -> None:
        """Let them begin; they have signed in already."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Waits:
        """Let them finish what they ask for now, and say how long they waited.

        Raises:
            RuntimeError: somebody was answered with an error.
        """
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise RuntimeError("a request failed") from self._failures[0]
        reads = [wait for person in self._persons for wait in person.reads]
        return Waits(reads, [wait for person in self._persons for wait in person.writes])

    def _work(self, person: "_Person") -> None:
        try:
            for asked in count():
                if self._ended.is_set() and asked >= ROUND:
                    return
                person.ask()
                self._ended.wait(THINK_S)
        except (httpx2.HTTPError, AssertionError) as failure:
            self._failures.append(failure)
        finally:
            person.leave()


class _Person:
    """Somebody with a browser and a program: looks at pages and lists, and writes a note now and then."""

    def __init__(self, settings: Settings, password: str, seed: int) -> None:
        self.reads: list[float] = []
        self.writes: list[float] = []
        self._client = httpx2.Client(base_url=url(settings), timeout=PATIENCE_S, headers={"Origin": url(settings)})
        matters = Matters(seed)
        answer = self._client.post(f"{API}/login", json={"username": USER, "password": password}).raise_for_status()
        self._token = {"Authorization": f"Bearer {answer.json()['token']}"}
        signed_in = self._client.post("/login", data={"username": USER, "password": password})
        assert signed_in.status_code == httpx2.codes.SEE_OTHER
        matter = matters.registration().model_dump(mode="json", exclude_none=True)
        registered = self._client.post(f"{API}/cases", json=matter, headers=self._token).raise_for_status()
        self._turns = self._what_to_do(registered.json()["id"])

    def ask(self) -> None:
        """The next thing."""
        method, path, given = next(self._turns)
        began = time.perf_counter()
        if path.startswith(API):
            answer = self._client.request(method, path, json=given, headers=self._token)
        else:
            answer = self._client.request(method, path)
        took = time.perf_counter() - began
        assert answer.status_code == httpx2.codes.OK, f"{method} {path}: {answer.status_code}"
        (self.writes if method == "POST" else self.reads).append(took)

    def leave(self) -> None:
        """Close the browser."""
        self._client.close()

    @staticmethod
    def _what_to_do(case: str) -> Iterator[tuple[str, str, object]]:
        while True:
            yield "GET", "/cases", None
            yield "GET", f"{API}/cases?limit=50", None
            yield "GET", f"/cases/{case}", None
            yield "GET", f"{API}/cases/{case}", None
            yield "POST", f"{API}/cases/{case}/notes", {"text": "电话回访，双方情绪平稳。"}
