"""People at work while things fail: they register, escalate, assign, return, and send again whatever got no answer.

Each act carries an ``Idempotency-Key`` and, where it has words, a mark that is found nowhere else. What was answered is
kept, so that afterwards every answer can be held against the databases (``tests.faults.invariants``).
"""

import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.faults.processes import PASSWORD, USER, County, Served

PATIENCE = 5.0
"""Seconds for one answer; after that it is sent again."""

ANSWERED_WITHIN = 180.0
"""Seconds of sending one act again and again; who waits longer has found something."""

SEND_AGAIN = 0.1
LISTED = 40
OPEN_CASES = 60
"""With so many at one center nobody registers more: acts are to meet on the same cases."""

LEFT_ALONE = "测时"
"""Beginning of the titles of cases that clerks leave alone: how long they take is measured, and a recall or a return
would end that."""

Document = dict[str, Any]
"""What the API answers."""


@dataclass(frozen=True)
class Act:
    """An act that was answered for good.

    Attributes:
        center: where.
        path: of the API.
        mark: words found in this act only; None for one without words.
        status: of the answer.
        answer: the case, the request, or the problem.
        sent: how often it had to be sent.
    """

    center: str
    path: str
    mark: str | None
    status: int
    answer: Document
    sent: int

    @property
    def case_id(self) -> str | None:
        """The case that it is about."""
        return self.path.split("/")[1] if "/" in self.path else self.answer.get("id")

    @property
    def acknowledged(self) -> bool:
        """Whether it was done, or taken as a request."""
        return self.status < httpx2.codes.BAD_REQUEST


class _Abandoned(Exception):
    """Nobody waits for this act any more."""


class Desk:
    """Somebody signed in at one center."""

    def __init__(self, center: Served) -> None:
        self.center = center
        self.client = httpx2.Client(base_url=f"{center.url}/api/v1", timeout=PATIENCE, trust_env=False)
        self.signed_in = False

    def sign_in(self) -> None:
        """Get a token."""
        self.client.headers.pop("Authorization", None)
        answer = self.client.post("/login", json={"username": USER, "password": PASSWORD}).raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        self.signed_in = True

    def once(self, method: str, path: str, given: Document | None = None, key: str | None = None) -> httpx2.Response:
        """One attempt, signed in again if a stepped clock has ended the token."""
        if not self.signed_in:
            self.sign_in()
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = self.client.request(method, path, json=given, headers=headers)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self.sign_in()
            answer = self.client.request(method, path, json=given, headers=headers)
        return answer

    def close(self) -> None:
        """Leave."""
        self.client.close()


class Clerk(threading.Thread):
    """Somebody who works at all centers in turn until told to stop.

    Args:
        here: the county.
        seed: of what they do.
        at: only at these centers.
        pause: seconds between two acts.
    """

    def __init__(self, here: County, seed: int, *, at: Sequence[str] = (), pause: float = 0.02) -> None:
        super().__init__(name=f"clerk {seed}", daemon=True)
        self.acts: list[Act] = []
        self.failure: BaseException | None = None
        self._here = here
        self._chance = random.Random(seed)
        self._at = list(at) or here.codes
        self._pause = pause
        self._enough = threading.Event()
        self._abandoned = threading.Event()
        self._desks = {code: Desk(here[code]) for code in self._at}

    def run(self) -> None:
        """Work; what goes wrong is told by ``stop``."""
        try:
            while not self._enough.wait(self._pause):
                self.step()
        except BaseException as failure:  # noqa: BLE001 - told to whoever calls `stop`
            self.failure = failure
        self.leave()

    def leave(self) -> None:
        """Leave all desks."""
        for desk in self._desks.values():
            desk.close()

    def abandon(self) -> None:
        """Stop in the middle, when the fault itself went wrong."""
        self._enough.set()
        self._abandoned.set()

    def stop(self) -> list[Act]:
        """Finish the act under way; all acts that were answered.

        Raises:
            AssertionError: an act never got an answer, or one that no clerk should ever see.
        """
        self._enough.set()
        self.join(ANSWERED_WITHIN + 30)
        assert not self.is_alive(), f"{self.name} does not stop"
        if self.failure is not None:
            raise AssertionError(f"{self.name}: {self.failure!r}") from self.failure
        return self.acts

    def step(self) -> None:
        """One act at one center, chosen at random; nothing if the center can't say what it has."""
        code = self._chance.choice(self._at)
        try:
            answer = self._desks[code].once("GET", f"/cases?limit={LISTED}")
        except httpx2.HTTPError:
            return
        if answer.status_code != httpx2.codes.OK:
            return
        cases = [case for case in answer.json()["items"] if not (case["title"] or "").startswith(LEFT_ALONE)]
        if not cases or (len(cases) < OPEN_CASES and self._chance.random() < 0.3):
            self.register(code)
            return
        case = self._chance.choice(cases)
        act, given = self._choose(code, case)
        self.act(code, f"cases/{case['id']}/{act}", given)

    def register(self, code: str, title: str = "纠纷") -> Act:
        """Register a matter."""
        mark = _mark()
        given = {
            "title": f"{title} {mark}",
            "category": "neighbourhood",
            "place": "一组",
            "parties": [{"name": "张三"}],
        }
        return self._send(code, "cases", given, mark)

    def act(self, code: str, path: str, given: Document) -> Act:
        """Do something with a case."""
        words = {"text", "reason", "summary", "agreement", "instructions"} & given.keys()
        mark = _mark() if words else None
        marked = {name: f"{value} {mark}" if name in words else value for name, value in given.items()}
        return self._send(code, path, marked, mark)

    def _choose(self, code: str, case: Document) -> tuple[str, Document]:
        if case["holder"] != code:
            return self._chance.choice([("notes", {"text": "补充"}), ("recall", {"reason": "收回"})])
        children, parent = self._here.children(code), self._here[code].parent
        acts: list[tuple[str, Document]] = [("notes", {"text": "记录"}), ("accept", {})]
        if case["status"] in {"accepted", "mediating"}:
            mediation = {"held_at": "2026-03-01T09:00:00+08:00", "place": "调解室", "mediators": ["李四"]}
            acts += [("mediations", {**mediation, "summary": "调解"}), ("agree", {"agreement": "达成一致"})]
        if case["status"] in {"agreed", "failed"}:
            acts += [("close", {}), ("close", {})]
        if case["status"] == "closed":
            acts += [("reopen", {"reason": "反悔"})]
        if parent is not None:
            acts += [("escalate", {"reason": "跨村", "triggers": ["crosses_villages"]})] * 3
        if children:
            to = {"to": self._chance.choice(children), "working_days": 5}
            acts += [
                ("assign", {**to, "lead": "王五", "department": "司法所", "handler": "赵六", "instructions": "办"})
            ] * 3
        acts += [("return", {"reason": "不属于本辖区"})]
        return self._chance.choice(acts)

    def _send(self, code: str, path: str, given: Document, mark: str | None) -> Act:
        """Send until there is an answer for good; what was not saved is sent again under the same key."""
        key, began, sent = str(uuid.uuid4()), time.monotonic(), 0
        while True:
            sent += 1
            try:
                answer = self._desks[code].once("POST", f"/{path}", given, key)
            except httpx2.HTTPError as error:
                told = repr(error)
            else:
                if answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR:
                    return self._keep(Act(code, path, mark, answer.status_code, answer.json(), sent))
                assert answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE, f"{path}: {answer.text}"
                told = answer.text
            assert time.monotonic() - began < ANSWERED_WITHIN, f"no answer to {path} at {code}: {told}"
            if self._abandoned.wait(SEND_AGAIN):
                raise _Abandoned

    def _keep(self, act: Act) -> Act:
        assert act.status not in {400, 401, 403, 404, 422}, f"{act.path}: {act.answer}"
        self.acts.append(act)
        return act


def _mark() -> str:
    return f"m{uuid.uuid4().hex}"
