"""Measures how long requests take, by route and status; never by address, which may hold a case's id.

While one is being answered, up to its first byte, the links are told to wait (``node.turns``).
"""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from node.center import Center


class RequestTimes:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note its time."""
        center: Center | None = getattr(scope["app"].state, "center", None) if scope["type"] == "http" else None
        if center is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = "500"

        with ExitStack() as answering:
            answering.enter_context(center.courtesy.answering())

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                    answering.close()  # what comes may be a stream without end
                await send(message)

            try:
                await self._app(scope, receive, noting)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                center.metrics.requests.labels(scope["method"], route, status).observe(time.perf_counter() - started)
