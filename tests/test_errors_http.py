"""Every error is answered with a problem."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import text
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from node import errors_http
from node.db import REASONS, Database, DatabaseUnavailable, MaybeCommitted
from node.errors_http import MAX_BODY_BYTES
from node.i18n import N_, Language, translate
from node.problems import Problem

CANARY = "阿芝和阿果家的地界"


class Form(BaseModel):
    """What the routes below take."""

    title: str
    grade: Literal["low", "high"] = "low"


def refuse() -> None:
    raise Problem(409, "not-holder", N_("The case is held by {holder}."), holder="532923102000")


def crash() -> None:
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        raise ValueError(f"cannot store {CANARY}") from error


def new_app() -> FastAPI:
    """An application in which much goes wrong."""
    app = FastAPI()

    @app.post("/api/v1/cases")
    def register(form: Form) -> str:
        return form.title

    @app.get("/api/v1/refuse")
    def api_refusal() -> None:
        refuse()

    @app.get("/refuse")
    def page_refusal() -> None:
        refuse()

    @app.get("/api/v1/crash")
    def unforeseen() -> None:
        crash()

    @app.get("/api/v1/late-crash")
    def unforeseen_later() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"it begins well"
            crash()

        return StreamingResponse(pieces())

    @app.api_route("/api/v1/database/{how}/{reason}", methods=["GET", "POST"])
    def down(how: str, reason: str) -> None:
        raise {"down": DatabaseUnavailable, "torn": MaybeCommitted}[how](reason)

    @app.get("/api/v1/http/{status}")
    def framework(status: int) -> None:
        raise HTTPException(status, CANARY, {"X-Hint": "yes"})

    @app.get("/api/v1/slower")
    def slower() -> None:
        raise Problem(429, "slow-down", N_("Too many attempts."), retry_after=30)

    @app.post("/api/v1/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Reads English."""
    app = new_app()
    errors_http.install(app)
    with TestClient(app, headers={"Accept-Language": "en"}) as client:
        yield client


# ---------------------------------------------------------------- language and form


def test_a_refusal_is_a_problem_document(client: TestClient) -> None:
    answer = client.get("/api/v1/refuse")
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Content-Language"] == "en"
    assert answer.json() == {
        "type": "not-holder",
        "title": translate("en", "not-holder"),
        "status": 409,
        "detail": "The case is held by 532923102000.",
        "holder": "532923102000",
    }


def test_the_reader_is_addressed_in_chinese_unless_they_ask_otherwise() -> None:
    app = new_app()
    errors_http.install(app)
    with TestClient(app) as client:
        chinese = client.get("/api/v1/refuse")
        assert chinese.headers["Content-Language"] == "zh-CN"
        assert chinese.json()["title"] == translate("zh-CN", "not-holder")
        chosen = client.get("/api/v1/refuse", headers={"Cookie": "language=en"})
        assert chosen.headers["Content-Language"] == "en"


def test_people_get_a_page_where_there_is_one() -> None:
    def page(request: Request, problem: Problem, language: Language) -> Response | None:
        if "html" not in request.headers["Accept"]:
            return None
        return PlainTextResponse(f"{language}: {problem.type}", problem.status)

    app = new_app()
    errors_http.install(app, page)
    with TestClient(app, headers={"Accept": "text/html"}) as client:
        answer = client.get("/refuse")
        assert (answer.status_code, answer.text) == (409, "zh-CN: not-holder")
        assert client.get("/nowhere").text == "zh-CN: not-found"
        assert client.get("/api/v1/refuse").headers["Content-Type"] == "application/problem+json"
        other = client.get("/refuse", headers={"Accept": "application/json"})
        assert other.headers["Content-Type"] == "application/problem+json"


def test_errors_are_not_kept_by_caches(client: TestClient) -> None:
    assert client.get("/api/v1/refuse").headers["Cache-Control"] == "no-store"


# ---------------------------------------------------------------- bad requests


def test_a_missing_address_is_404(client: TestClient) -> None:
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


def test_a_wrong_method_is_405_and_says_which_are_right(client: TestClient) -> None:
    answer = client.delete("/api/v1/cases")
    assert (answer.status_code, answer.json()["type"]) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(("body", "position"), [(b"{", 1), (b'{"title": }', 10), (b"not json", 0), (b'{"a": 1} x', 9)])
def test_malformed_json_is_422_with_the_position(client: TestClient, body: bytes, position: int) -> None:
    answer = client.post("/api/v1/cases", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "invalid"
    assert problem["detail"] == f"Malformed JSON at position {position}."
    assert problem["errors"] == [{"field": "", "message": problem["detail"], "position": position}]


@pytest.mark.parametrize("body", [b"\xff\xfe\xfd", b"[" * 100_000, b"1" * 10_000], ids=["bytes", "deep", "digits"])
def test_a_body_that_cannot_be_read_is_422(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/cases", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid")


def test_no_body_is_422(client: TestClient) -> None:
    answer = client.post("/api/v1/cases")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "A JSON body is required."


def test_a_body_of_another_type_is_422_and_says_what_is_wanted(client: TestClient) -> None:
    answer = client.post("/api/v1/cases", data={"title": "x"})
    assert answer.status_code == 422
    assert "application/json" in answer.json()["detail"]


def test_wrong_fields_are_422_by_field_in_the_readers_language(client: TestClient) -> None:
    answer = client.post("/api/v1/cases", json={"grade": CANARY})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["detail"] == "Not valid: title, grade."
    assert problem["errors"] == [
        {"field": "title", "message": "This field is required."},
        {"field": "grade", "message": "Unknown value. Allowed: low, high.", "allowed": ["low", "high"]},
    ]
    assert CANARY not in answer.text


def test_what_the_framework_refuses_is_a_problem_without_its_words(client: TestClient) -> None:
    for status in (400, 403, 404, 405, 413, 415, 418):
        answer = client.get(f"/api/v1/http/{status}")
        assert answer.status_code == answer.json()["status"] == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Hint"] == "yes"
        assert CANARY not in answer.text


def test_429_says_when_to_try_again(client: TestClient) -> None:
    assert client.get("/api/v1/slower").headers["Retry-After"] == "30"


# ---------------------------------------------------------------- size


def test_a_body_of_the_largest_size_is_taken(client: TestClient) -> None:
    assert client.post("/api/v1/raw", content=b"x" * MAX_BODY_BYTES).json() == MAX_BODY_BYTES


@pytest.mark.parametrize("path", ["/api/v1/raw", "/api/v1/cases", "/api/v1/nothing"])
def test_a_longer_body_is_413(client: TestClient, path: str) -> None:
    answer = client.post(path, content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["limit"]) == ("too-large", MAX_BODY_BYTES)


@pytest.mark.parametrize("path", ["/api/v1/raw", "/api/v1/cases"])
def test_a_longer_body_of_unknown_length_is_413_too(client: TestClient, path: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            yield b"x" * 65536

    answer = client.post(path, content=pieces(), headers={"Content-Type": "application/json"})
    assert "Content-Length" not in answer.request.headers
    assert (answer.status_code, answer.json()["type"]) == (413, "too-large")


# ---------------------------------------------------------------- our own faults


def test_a_database_that_is_away_is_503_with_reason_and_time(client: TestClient) -> None:
    answer = client.get("/api/v1/database/down/database is locked")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    problem = answer.json()
    assert (problem["type"], problem["reason"]) == ("database-unavailable", "database is locked")
    assert problem["detail"] == "The database can't be used now: database is locked."


@pytest.mark.parametrize(
    ("language", "path", "told"),
    [
        ("en", "down", "Not saved: disk is full. Nothing was changed; try again later."),
        ("zh-CN", "down", "未保存：磁盘已满。没有任何改动，请稍后再试。"),
        ("en", "torn", "Perhaps saved, perhaps not: disk is full. Look first, and send it again if it is missing."),
    ],
)
def test_who_wanted_to_write_is_told_whether_it_was_saved(
    client: TestClient, language: str, path: str, told: str
) -> None:
    answer = client.post(f"/api/v1/database/{path}/disk is full", headers={"Accept-Language": language})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["detail"] == told


def test_every_reason_of_the_database_has_words() -> None:
    assert set(errors_http.DATABASE_REASONS) >= REASONS


def test_a_database_that_really_is_read_only_is_503(database: Database) -> None:
    app = FastAPI()
    errors_http.install(app)

    @app.post("/api/v1/write")
    def write() -> None:
        with database.write() as session:
            session.execute(text("CREATE TABLE written (n INTEGER)"))

    read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
    setting = "PRAGMA query_only = ON" if database.is_sqlite else read_only
    with database.engine.connect() as connection:
        connection.exec_driver_sql(setting)
        connection.commit()
    with TestClient(app) as client:
        answer = client.post("/api/v1/write")
    assert (answer.status_code, answer.json()["reason"]) == (503, "database is read-only")


def test_an_unforeseen_error_is_500_without_details(client: TestClient) -> None:
    with capture_logs() as logs:
        answer = client.get("/api/v1/crash?q=" + CANARY)
    assert answer.status_code == 500
    assert answer.json()["type"] == "internal"
    assert set(answer.json()) == {"type", "title", "status", "detail"}
    assert CANARY not in answer.text
    (entry,) = logs
    assert (entry["log_level"], entry["error"], entry["path"]) == (
        "error",
        "builtins.ValueError",
        "/api/v1/crash",
    )
    assert entry["cause"]["error"] == "builtins.KeyError"
    assert any(frame.endswith(" crash") for frame in entry["frames"])
    assert CANARY not in str(logs)


def test_an_answer_that_breaks_off_says_nothing_either(client: TestClient) -> None:
    with capture_logs() as logs, pytest.raises(RuntimeError) as broken:
        client.get("/api/v1/late-crash")
    assert CANARY not in f"{broken.value} {broken.value.__cause__}"
    assert broken.value.__suppress_context__
    assert logs[0]["error"] == "builtins.ValueError"


def test_developers_can_see_the_error_itself() -> None:
    app = new_app()
    app.debug = True
    errors_http.install(app)
    with TestClient(app) as client, capture_logs(), pytest.raises(ValueError, match=CANARY):
        client.get("/api/v1/crash")


def test_a_middleware_may_refuse_as_well(middleware_refusing_with: Callable[[Exception], TestClient]) -> None:
    refusing = middleware_refusing_with(Problem(403, "cross-site", N_("This is not allowed.")))
    assert refusing.get("/refuse").json()["type"] == "cross-site"
    broken = middleware_refusing_with(DatabaseUnavailable("disk is full"))
    assert broken.get("/refuse").status_code == 503


@pytest.fixture
def middleware_refusing_with() -> Iterator[Callable[[Exception], TestClient]]:
    """An application whose middleware raises this for every request."""
    clients: list[TestClient] = []

    class Refusing:
        def __init__(self, app: ASGIApp, error: Exception) -> None:
            self._error = error

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise self._error

    def build(error: Exception) -> TestClient:
        app = new_app()
        app.add_middleware(Refusing, error=error)
        errors_http.install(app)
        clients.append(TestClient(app))
        return clients[-1]

    yield build
    for client in clients:
        client.close()
