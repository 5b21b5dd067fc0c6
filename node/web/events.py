"""Live pages: one stream of server-sent events that says what has changed; the page then asks for itself again.

The stream carries no data of any case, only topics. A page that hears of its topic fetches its own address and takes
the parts marked ``data-live`` from the answer (``static/js/live.js``), so nothing is rendered twice in two ways, and
what a person may see is decided at one place. Where the stream does not come through, the page asks every second
whether anything has changed, a number that costs a thousandth of a page.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import PlainTextResponse, StreamingResponse

from node.accounts.roles import Action
from node.accounts.service import Caller
from node.pulse import Topic
from node.web.center import center_of
from node.web.session import reader

router = APIRouter()

REST_S: Final = 20.0
"""Silence after which a comment is sent, so that proxies and sleeping laptops notice a dead connection."""

ROUNDS: Final = 90
"""Comments after which the stream ends; the browser connects again and the session is checked anew: half an hour."""

RETRY_MS: Final = 2000


Reading = Annotated[Caller, Depends(reader(Action.read_center))]
"""Whoever is signed in. A dependency, so that the database is read in a thread, not on the event loop."""


@router.get("/events")
async def events(
    request: Request, _caller: Reading, topics: Annotated[str, Query(max_length=100)] = ""
) -> StreamingResponse:
    """What changes from now on, of these topics (divided by spaces)."""
    wanted = _wanted(topics)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_stream(request, wanted), media_type="text/event-stream", headers=headers)


@router.get("/events/beat")
def beat(request: Request, _caller: Reading, topics: Annotated[str, Query(max_length=100)] = "") -> PlainTextResponse:
    """A number that is another one when something of these topics has changed: what a page without a stream asks."""
    center = center_of(request)
    told = f"{center.identity.incarnation}-{center.pulse.beats(_wanted(topics))}"
    return PlainTextResponse(told, headers={"cache-control": "no-store"})


def _wanted(topics: str) -> list[Topic]:
    return [Topic(name) for name in topics.split() if name in set(Topic)]


async def _stream(request: Request, topics: list[Topic]) -> AsyncIterator[str]:
    with center_of(request).pulse.listening(topics) as listener:
        yield f"retry: {RETRY_MS}\n\n"
        rounds = 0
        async for changed in listener.changes(REST_S):
            if changed:
                yield f"data: {' '.join(sorted(changed))}\n\n"
                continue
            rounds += 1
            if rounds > ROUNDS:
                return
            yield ": still here\n\n"
