"""The service: the only place where the parts of a center are wired.

``create_app`` gives the application that ``liandong serve`` runs: it opens the center, starts its broker and its
links with the application and stops them with it. ``assemble`` gives the routes alone, for a center that somebody
else opened (tests) or for none (the OpenAPI document).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache, partial

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from node import brokers, errors_http, links_api
from node.accounts import api as accounts_api
from node.accounts import me_api
from node.accounts.uses import WRITTEN_EVERY_S
from node.attachments import api as attachments_api
from node.cases import api as cases_api
from node.cases import stations_api, study_api, subject_api, subsidies_api
from node.center import Center
from node.db import DatabaseUnavailable, check_readable
from node.federation.broker import BrokerError, SupervisedBroker
from node.federation.runner import Federation
from node.federation.transport import Transport
from node.federation.verifier import new_verifier
from node.ledgers import api as ledgers_api
from node.level import Level, load_level
from node.opening import open_center
from node.papers import api as papers_api
from node.rehoming.settling import settle
from node.reports import api as reports_api
from node.request_times import RequestTimes
from node.robot import Robot
from node.settings import Settings
from node.status import api as status_api
from node.version import VERSION
from node.web.pages import include_pages, problem_page
from node.web.security import SecurityHeaders
from node.web.static_files import STATIC_PATH, VersionedFiles

log = structlog.get_logger()

API = "/api/v1"
PROGRAMS = (
    accounts_api.router,
    me_api.router,
    links_api.router,
    cases_api.router,
    attachments_api.router,
    study_api.router,
    subject_api.router,
    stations_api.router,
    subsidies_api.router,
    reports_api.router,
    ledgers_api.router,
    papers_api.router,
    status_api.router,
)
"""What programs may ask for, below ``API``."""

COMPRESS_LEVEL = 4
"""Of pages and answers: half a millisecond for a long page, to a sixth of its size."""

BROKER_RETRY_S = 5.0
"""Pause between attempts to start a broker whose port is taken; the center is usable meanwhile."""


def create_app(level: str, settings: Settings) -> FastAPI:
    """The service of one center.

    Args:
        level: name of its level, as in the settings.
        settings: of this center.

    Raises:
        UnknownLevel: no package provides the level.
    """
    app = assemble(load_level(level))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        center = await asyncio.to_thread(open_center, settings)
        app.state.center = center
        center.verifier = new_verifier()
        ours = await asyncio.to_thread(settle, center, settings)
        broker = await asyncio.to_thread(brokers.own_broker, center, settings)
        keeper = asyncio.create_task(_keep_broker(broker)) if broker is not None else None
        federation = Federation(center, brokers.hub_wire(center, settings), brokers.parent_wire(ours))
        federation.parent_changed = lambda: _to_new_parent(center, settings)
        if broker is not None:
            federation.children_changed = lambda: _reload(broker, center, settings)
        center.federation = federation
        await federation.start()
        using = asyncio.create_task(_keep_uses(center))
        telling = asyncio.create_task(Robot(center, settings.robot_url).run()) if settings.robot_url else None
        try:
            yield
        finally:
            if telling is not None:
                telling.cancel()
                with suppress(asyncio.CancelledError):
                    await telling
            using.cancel()
            with suppress(asyncio.CancelledError):
                await using
            if keeper is not None:
                keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await keeper
            await federation.stop()
            await asyncio.to_thread(center.verifier.close)
            if broker is not None:
                await broker.stop()
            center.database.dispose()

    app.router.lifespan_context = lifespan
    return app


async def _keep_broker(broker: SupervisedBroker) -> None:
    """Start the broker, again and again until its port is free; the broker then keeps itself."""
    while True:
        try:
            await broker.start()
        except BrokerError as error:
            log.error("broker.not_started", reason=str(error))
            await asyncio.sleep(BROKER_RETRY_S)
        else:
            return


async def _keep_uses(center: Center) -> None:
    """Write down every minute, and at the end, when sessions were last used; what can't be written is tried again."""
    try:
        while True:
            await asyncio.sleep(WRITTEN_EVERY_S)
            await asyncio.to_thread(_write_uses, center)
    finally:
        _write_uses(center)


def _write_uses(center: Center) -> None:
    try:
        center.uses.write(center.database)
    except DatabaseUnavailable as error:
        log.warning("uses.not_written", reason=str(error))


async def _to_new_parent(center: Center, settings: Settings) -> Transport | None:
    """We came under another parent: write down where its broker is, and go there."""
    return brokers.parent_wire(await asyncio.to_thread(settle, center, settings))


async def _reload(broker: SupervisedBroker, center: Center, settings: Settings) -> None:
    """A child was enrolled or revoked, perhaps by another process, or stays out for a while: the broker is told."""
    without = center.federation.door.out() if center.federation is not None else frozenset()
    config = await asyncio.to_thread(partial(brokers.broker_config, center.database, settings, without=without))
    assert config is not None
    try:
        await broker.reload(config)
    except BrokerError as error:
        log.error("broker.not_reloaded", reason=str(error))


def assemble(level: Level) -> FastAPI:
    """All routes of a center of this level; ``app.state.center`` must be set before the first request."""
    app = FastAPI(
        title="Liandong 联动",
        version=VERSION,
        description="One center of a federation of mediation centers (综治中心).",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(RequestTimes),
            Middleware(SecurityHeaders),
            # Pages carry no secret that somebody else's text could be guessed against (BREACH): forms are guarded by
            # their origin, the session stands in a cookie. Streams of events are left alone.
            Middleware(GZipMiddleware, compresslevel=COMPRESS_LEVEL),
        ],
        routes=_routes(level),
    )
    errors_http.install(app, problem_page)
    return app


@cache
def _routes(level: Level) -> list[BaseRoute]:
    """The routes of a level. They know no center: all of a process share them, and what FastAPI works out of them."""
    router = APIRouter()
    for part in PROGRAMS:
        router.include_router(part, prefix=API)
    _add_probes(router)
    include_pages(router)
    if level.router is not None:
        router.include_router(level.router)
    router.mount(STATIC_PATH, VersionedFiles(), name="static")
    return router.routes


def _add_probes(router: APIRouter) -> None:
    @router.get("/healthz", tags=["probes"])
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", tags=["probes"])
    def readyz(request: Request) -> JSONResponse:
        """The center can work: its database answers. The link to the parent is told, but a center works without it."""
        center: Center = request.app.state.center
        try:
            check_readable(center.database)
        except DatabaseUnavailable as error:
            return JSONResponse({"status": "unready", "database": str(error)}, 503)
        linked = center.federation is not None and center.federation.linked_to_parent
        return JSONResponse({"status": "ready", "database": "ok", "parent": "linked" if linked else "offline"})

    @router.get("/metrics", tags=["probes"], response_class=Response)
    def metrics(request: Request) -> Response:
        """Metrics for Prometheus."""
        center: Center = request.app.state.center
        return Response(center.metrics.render(center), media_type=CONTENT_TYPE_LATEST)
