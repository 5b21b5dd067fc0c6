"""The edge where errors become answers: RFC 9457 problems in the reader's language.

Theory of operation. Every error is turned into a ``Problem`` by one function (``_as_problem``) and rendered
by another (``_Edge.answer``): JSON for the API, a page for people if the caller of ``install`` gave one. What
no one foresaw is answered with 500 and logged by type and place only: messages of exceptions may quote what
a party said. For the same reason it goes no further, since the HTTP server would log the message; with
``app.debug`` it does go on, for developers.

A refused value is never repeated in the answer, nor logged.
"""

import re
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.db import DatabaseUnavailable, MaybeCommitted
from node.i18n import N_, Language, negotiate, translate
from node.invalid import Invalid
from node.problems import MEDIA_TYPE, Member, Problem

MAX_BODY_BYTES = 1024 * 1024
"""One request body. The longest form (a register of acceptance with all parties) is a tenth of it."""

LONGER_BODIES = {"/cases/import": 9 * 1024 * 1024, "/api/v1/ledger/imports": 9 * 1024 * 1024}
"""Ledgers that are brought in: a file of 8 MB, and the form around it."""

UPLOAD_MAX_BYTES = 1024 * 1024 * 1024
"""A form with files that is read at all; what of it is kept, ``node.attachments.receiving`` says."""

UPLOADS = re.compile(r"(?:/api/v1)?/cases/[^/]+/attachments")
"""Where files come, which go to the disk as they arrive."""


def body_limit(path: str) -> int:
    """Bytes that the body of a request to this path may have."""
    if UPLOADS.fullmatch(path):
        return UPLOAD_MAX_BYTES
    return LONGER_BODIES.get(path, MAX_BODY_BYTES)


MAX_FRAMES = 12
"""Innermost places in our own code that are logged of an unexpected error, beside the very innermost."""

RETRY_AFTER_SECONDS = 5
"""When to try again after 503; a restarting database or a long backup step takes about that."""

LANGUAGE_COOKIE = "language"
"""The cookie that holds the language a person chose."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("node.http")

Page = Callable[[Request, Problem, Language], Response | None]
"""Renders a problem as a page for people; None if this request wants none."""


def install(app: FastAPI, page: Page | None = None) -> None:
    """Make ``app`` answer every error with a problem, and refuse bodies over ``MAX_BODY_BYTES``.

    Args:
        app: the application.
        page: renders problems for requests outside of ``/api/``; without it they are JSON too.
    """
    edge = _Edge(page)
    for kind in (Problem, RequestValidationError, HTTPException, DatabaseUnavailable):
        app.add_exception_handler(kind, edge.handle)
    app.add_middleware(_BodyLimit, edge=edge)
    app.add_middleware(_LastResort, edge=edge)


def language_of(request: Request) -> Language:
    """The language to answer this request in."""
    return negotiate(request.headers.get("accept-language"), request.cookies.get(LANGUAGE_COOKIE))


# ---------------------------------------------------------------- errors to problems

_STATUSES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: (N_("bad-request"), N_("The request cannot be understood.")),
        403: (N_("forbidden"), N_("This is not allowed.")),
        404: (N_("not-found"), N_("There is nothing at this address.")),
        405: (N_("method-not-allowed"), N_("This address can't be used with this method.")),
        413: (N_("too-large"), N_("A request has at most {limit} bytes.")),
        415: (N_("unsupported-media-type"), N_("Content of this type can't be read.")),
    }
)
"""Problem type and message for what the framework itself refuses."""

_OTHER_STATUS = (N_("refused"), N_("The request was refused."))

DATABASE_REASONS = (
    N_("database is locked"),
    N_("database is read-only"),
    N_("disk is full"),
    N_("disk error"),
    N_("database file cannot be opened"),
    N_("database server does not answer"),
    N_("database server went away"),
    N_("database server reports an error"),
    N_("database is busy"),
    N_("too many requests wait for the database"),
)
"""What ``DatabaseUnavailable`` says (``node.db``), for the catalog."""


_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _Unavailable(Problem):
    """503: the database can't be used now. Who wanted to write is told first what became of it."""

    def __init__(self, reason: str, method: str, *, maybe: bool = False) -> None:
        if method in _READING:
            detail = N_("The database can't be used now: {reason}.")
        elif maybe:
            detail = N_("Perhaps saved, perhaps not: {reason}. Look first, and send it again if it is missing.")
        else:
            detail = N_("Not saved: {reason}. Nothing was changed; try again later.")
        super().__init__(503, N_("database-unavailable"), detail, reason=reason)
        self.reason = reason

    def document(self, language: Language) -> dict[str, Member]:
        """The problem document; the reason is a code for programs and a phrase for people."""
        detail = translate(language, self.detail, reason=translate(language, self.reason))
        return {**super().document(language), "detail": detail}


def _as_problem(error: Exception, method: str) -> Problem | None:
    """What to tell about this error to a request of this method; None if no one foresaw it."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return Invalid(error.errors())
        case DatabaseUnavailable():
            return _Unavailable(str(error), method, maybe=isinstance(error, MaybeCommitted))
        case HTTPException(status_code=400) if isinstance(error.__cause__, ValueError | RecursionError):
            return Problem(422, "invalid", N_("The request body cannot be read."))  # not UTF-8, or nested too deep
        case HTTPException(status_code=413):
            return _too_large()
        case HTTPException():
            type_, detail = _STATUSES.get(error.status_code, _OTHER_STATUS)
            return Problem(error.status_code, type_, detail)
        case _:
            return None


def _too_large(limit: int = MAX_BODY_BYTES) -> Problem:
    type_, detail = _STATUSES[413]
    return Problem(413, type_, detail, limit=limit)


# ---------------------------------------------------------------- problems to answers


class _Edge:
    """Renders problems; shared by the exception handlers and the middlewares."""

    def __init__(self, page: Page | None) -> None:
        self._page = page

    async def handle(self, request: Request, error: Exception) -> Response:
        """Starlette's exception handler for the errors that ``_as_problem`` knows."""
        problem = _as_problem(error, request.method)
        assert problem is not None
        if self._page is not None and problem.status == 401:  # noqa: PLR2004 - who is not signed in
            await _read_sent(request)
        if problem.status >= 500:  # noqa: PLR2004 - server errors
            _log.error("unavailable", path=request.url.path, method=request.method, problem=problem.type)
        return self.answer(request, problem, getattr(error, "headers", None))

    def answer(self, request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
        """The problem as JSON, or as a page."""
        language = language_of(request)
        response = None
        if self._page is not None and not request.url.path.startswith("/api/"):
            response = self._page(request, problem, language)
        if response is None:
            response = JSONResponse(problem.document(language), problem.status, media_type=MEDIA_TYPE)
            response.headers["Content-Language"] = language
        response.headers["Cache-Control"] = "no-store"
        response.headers.update(_headers(problem))
        response.headers.update(headers or {})
        return response


async def _read_sent(request: Request) -> None:
    """Read the form that a page's request brought, for whoever answers it; forms with files stay unread."""
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if request.method != "POST" or not form or request.url.path.startswith("/api/"):
        return
    try:
        typed = await request.form()
    except (HTTPException, ClientDisconnect):  # no form after all, or nobody waits for an answer
        return
    request.state.sent = [(name, value) for name, value in typed.multi_items() if isinstance(value, str)]


def sent_of(request: Request) -> list[tuple[str, str]]:
    """The fields of the form that a request brought which was refused since nobody was signed in."""
    return getattr(request.state, "sent", [])


def _headers(problem: Problem) -> dict[str, str]:
    """Headers that HTTP asks for with this status (RFC 9110)."""
    match problem.status:
        case 401:
            return {"WWW-Authenticate": "Bearer"}
        case 503:
            return {"Retry-After": str(RETRY_AFTER_SECONDS)}
        case 429 if "retry_after" in problem.members:
            return {"Retry-After": str(problem.members["retry_after"])}
        case _:
            return {}


class _BodyLimit:
    """Refuses long bodies: at once where the length is announced, else as soon as too much has come."""

    def __init__(self, app: ASGIApp, edge: _Edge) -> None:
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = body_limit(scope["path"])
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            await self._edge.answer(Request(scope), _too_large(limit))(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class _LastResort:
    """Answers what nothing inside answered, and logs it without the words of the error."""

    def __init__(self, app: ASGIApp, edge: _Edge) -> None:
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            request = Request(scope)
            problem = _as_problem(error, request.method)
            if problem is None:
                _log.error("unexpected", path=request.url.path, method=request.method, **_place(error))
                problem = Problem(500, N_("internal"), N_("Something went wrong here; it has been logged."))
                if request.app.debug:
                    raise
            if started:
                raise RuntimeError("an answer broke off; the error is logged above") from None
            await self._edge.answer(request, problem)(scope, receive, send)


def _place(error: BaseException) -> dict[str, object]:
    """Type of the error and where it came from, cause by cause; never its message."""
    frames = traceback.extract_tb(error.__traceback__)
    told = [frame for frame in frames if "site-packages" not in frame.filename or frame is frames[-1]]
    place: dict[str, object] = {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in told[-MAX_FRAMES:]],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        place["cause"] = _place(cause)
    return place
