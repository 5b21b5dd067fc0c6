"""A POST that is sent again has its effect once and gets the answer that it got before."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Annotated, Protocol

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import Response
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import select

from node import errors_http, idempotency
from node.accounts.roles import Role
from node.accounts.service import Caller
from node.clock import Clock
from node.db import Database
from node.i18n import N_
from node.idempotency import KEPT, Attempt, StoredAnswer, attempt
from node.problems import Problem

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


class MovableClock(Clock, Protocol):
    """The clock of ``conftest``."""

    def advance(self, by: timedelta) -> None: ...


class Note(BaseModel):
    """What the route below takes."""

    text: str


class Desk:
    """One route that writes down notes, and the person at the desk."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.caller = Caller("u-1", "ali", "阿力", frozenset({Role.clerk}))
        self.notes: list[str] = []
        self.while_acting: Callable[[], None] = lambda: None

    def write_down(self, note: Note, attempt: Attempt) -> Response:
        with self.database.write() as session:
            if replay := attempt.begin(session, self.clock, self.caller):
                return replay
            self.while_acting()
            if note.text == "refused":
                raise Problem(409, "wrong-status", N_("Not now."))
            self.notes.append(note.text)
            return attempt.answer(session, Note(text=f"{len(self.notes)}: {note.text}"), 201)


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(database, clock)


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    app = FastAPI()
    errors_http.install(app)

    @app.post("/notes", response_model=Note)
    @app.post("/other-notes", response_model=Note)
    def write_down(note: Note, attempt: Annotated[Attempt, Depends(attempt)]) -> Response:
        return desk.write_down(note, attempt)

    with TestClient(app) as client:
        yield client


def test_the_same_request_again_gets_the_stored_answer_and_has_no_effect(client: TestClient, desk: Desk) -> None:
    first = client.post("/notes", json={"text": "水渠"}, headers=KEY)
    again = client.post("/notes", json={"text": "水渠"}, headers=KEY)
    assert (first.status_code, first.json()) == (201, {"text": "1: 水渠"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert desk.notes == ["水渠"]


def test_without_a_key_every_request_has_its_effect(client: TestClient, desk: Desk) -> None:
    for _ in range(2):
        assert client.post("/notes", json={"text": "水渠"}).status_code == 201
    assert desk.notes == ["水渠", "水渠"]
    with desk.database.read() as session:
        assert session.scalars(select(StoredAnswer)).all() == []


def test_other_keys_are_other_requests(client: TestClient, desk: Desk) -> None:
    for key in ("a", "b"):
        client.post("/notes", json={"text": "水渠"}, headers={"Idempotency-Key": key})
    assert len(desk.notes) == 2


@pytest.mark.parametrize(("path", "text"), [("/notes", "地界"), ("/other-notes", "水渠"), ("/notes?draft=1", "水渠")])
def test_a_key_cannot_be_used_for_another_request(client: TestClient, desk: Desk, path: str, text: str) -> None:
    client.post("/notes", json={"text": "水渠"}, headers=KEY)
    answer = client.post(path, json={"text": text}, headers=KEY)
    assert (answer.status_code, answer.json()["type"]) == (422, "idempotency-key-reused")
    assert desk.notes == ["水渠"]


def test_keys_of_different_users_do_not_meet(client: TestClient, desk: Desk) -> None:
    client.post("/notes", json={"text": "水渠"}, headers=KEY)
    desk.caller = Caller("u-2", "beth", "阿芝", frozenset({Role.clerk}))
    answer = client.post("/notes", json={"text": "地界"}, headers=KEY)
    assert (answer.status_code, answer.json()) == (201, {"text": "2: 地界"})


def test_a_refused_request_is_judged_anew(client: TestClient, desk: Desk) -> None:
    assert client.post("/notes", json={"text": "refused"}, headers=KEY).status_code == 409
    assert client.post("/notes", json={"text": "refused"}, headers=KEY).status_code == 409
    assert client.post("/notes", json={"text": "水渠"}, headers=KEY).status_code == 201


def test_a_crash_before_the_commit_leaves_neither_act_nor_answer(client: TestClient, desk: Desk) -> None:
    def crash() -> None:
        raise ZeroDivisionError

    desk.while_acting = crash
    assert client.post("/notes", json={"text": "水渠"}, headers=KEY).status_code == 500
    desk.while_acting = lambda: None
    assert client.post("/notes", json={"text": "水渠"}, headers=KEY).status_code == 201
    assert desk.notes == ["水渠"]


def test_a_route_that_claims_a_key_and_does_not_answer_is_caught(database: Database, clock: Clock) -> None:
    caller = Caller("u-1", "ali", "阿力", frozenset({Role.clerk}))
    with pytest.raises(AssertionError), database.write() as session:
        Attempt("k", "POST /notes", b"").begin(session, clock, caller)
    with database.read() as session:
        assert session.scalars(select(StoredAnswer)).all() == []


def test_of_two_requests_at_once_one_acts_and_both_get_its_answer(client: TestClient, desk: Desk) -> None:
    acting, finish = threading.Event(), threading.Event()

    def act_slowly() -> None:
        acting.set()
        assert finish.wait(10)

    desk.while_acting = act_slowly
    with ThreadPoolExecutor() as threads:
        first = threads.submit(client.post, "/notes", json={"text": "水渠"}, headers=KEY)
        assert acting.wait(10)
        second = threads.submit(client.post, "/notes", json={"text": "水渠"}, headers=KEY)
        with pytest.raises(TimeoutError):
            second.result(0.3)  # it waits for the first
        finish.set()
        assert second.result(10).content == first.result(10).content
        assert second.result().headers["Idempotency-Replayed"] == "true"
    assert desk.notes == ["水渠"]


def test_when_the_first_of_two_fails_the_second_acts(client: TestClient, desk: Desk) -> None:
    acting, finish = threading.Event(), threading.Event()

    def fail_once() -> None:
        if not acting.is_set():
            acting.set()
            assert finish.wait(10)
            raise ZeroDivisionError

    desk.while_acting = fail_once
    with ThreadPoolExecutor() as threads:
        first = threads.submit(client.post, "/notes", json={"text": "水渠"}, headers=KEY)
        assert acting.wait(10)
        second = threads.submit(client.post, "/notes", json={"text": "水渠"}, headers=KEY)
        with pytest.raises(TimeoutError):
            second.result(0.3)
        finish.set()
        assert (first.result(10).status_code, second.result(10).status_code) == (500, 201)
    assert desk.notes == ["水渠"]


def test_many_at_once_have_one_effect(client: TestClient, desk: Desk) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.post("/notes", json={"text": "水渠"}, headers=KEY), range(16)))
    assert {answer.content for answer in answers} == {b'{"text":"1: \xe6\xb0\xb4\xe6\xb8\xa0"}'}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert desk.notes == ["水渠"]


def test_after_a_day_the_key_is_free_again(client: TestClient, desk: Desk, clock: MovableClock) -> None:
    client.post("/notes", json={"text": "水渠"}, headers=KEY)
    clock.advance(KEPT)
    assert "Idempotency-Replayed" in client.post("/notes", json={"text": "水渠"}, headers=KEY).headers
    clock.advance(timedelta(seconds=1))
    assert client.post("/notes", json={"text": "地界"}, headers=KEY).status_code == 201
    assert desk.notes == ["水渠", "地界"]


def test_old_answers_are_purged_and_young_ones_kept(client: TestClient, desk: Desk, clock: MovableClock) -> None:
    client.post("/notes", json={"text": "old"}, headers={"Idempotency-Key": "old"})
    clock.advance(KEPT + timedelta(seconds=1))
    client.post("/notes", json={"text": "young"}, headers={"Idempotency-Key": "young"})
    with desk.database.write() as session:
        assert idempotency.purge(session, clock) == 1
    with desk.database.read() as session:
        assert session.scalars(select(StoredAnswer.key)).all() == ["young"]


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_one_to_255_characters(client: TestClient, desk: Desk, key: str) -> None:
    answer = client.post("/notes", json={"text": "水渠"}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "idempotency-key"
    assert desk.notes == []
