"""The command group ``liandong bench``: figures as a table for people, or as JSON."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Annotated

import structlog
import typer

from deploy.bench import catchup as catchup_bench
from deploy.bench import film as film_bench
from deploy.bench import latency as latency_bench
from deploy.bench import link as link_bench
from deploy.bench import pages as pages_bench
from deploy.bench import reconnect as reconnect_bench
from deploy.bench import search as search_bench

app = typer.Typer(name="bench", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def bench() -> None:
    """Measure this installation on this machine."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@app.command()
def link(
    messages: Annotated[int, typer.Option(min=1, help="Entries that wait for the link.")] = link_bench.MESSAGES,
    as_json: AsJson = False,
) -> None:
    """Drain a backlog of case entries over a real link; beside it, nats-py and JetStream on the same bodies."""
    _show(link_bench.measure(messages), as_json=as_json)


@app.command()
def latency(
    escalations: Annotated[int, typer.Option(min=1, help="How many to measure.")] = latency_bench.ESCALATIONS,
    idle: Annotated[float, typer.Option(min=1, help="Seconds at rest before memory is read.")] = latency_bench.IDLE_S,
    as_json: AsJson = False,
) -> None:
    """Time from an escalation at a village to the case at its township, both idle; and memory at rest."""
    _show(latency_bench.measure(escalations, idle), as_json=as_json)


@app.command()
def film(
    escalations: Annotated[
        int, typer.Option(min=1, help="How many to measure, idle and beside.")
    ] = latency_bench.ESCALATIONS,
    megabytes: Annotated[int, typer.Option(min=1, max=50, help="Size of a film.")] = film_bench.FILM_MB,
    as_json: AsJson = False,
) -> None:
    """Time from an escalation at a village to the case at its township, idle and while a film is on its way."""
    _show(film_bench.measure(escalations, megabytes), as_json=as_json)


@app.command()
def backlog(
    messages: Annotated[int, typer.Option(min=1, help="Entries that wait at the village.")] = catchup_bench.MESSAGES,
    idle: Annotated[float, typer.Option(min=1, help="Seconds to measure each center alone.")] = catchup_bench.IDLE_S,
    as_json: AsJson = False,
) -> None:
    """A village comes back after a month: what people at it and at its township wait while the backlog drains."""
    _show(catchup_bench.measure(messages, idle), as_json=as_json)


@app.command()
def reconnect(
    villages: Annotated[int, typer.Option(min=1, max=700, help="How many come back.")] = reconnect_bench.VILLAGES,
    matters: Annotated[int, typer.Option(min=1, help="Escalated by each meanwhile.")] = reconnect_bench.MATTERS,
    idle: Annotated[float, typer.Option(min=1, help="Seconds to measure the township alone.")] = reconnect_bench.IDLE_S,
    strangers: Annotated[
        bool, typer.Option("--strangers", help="They don't know each other's certificates yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """All villages of a township come back in the same second: when all are linked, and when nothing waits any more."""
    _show(reconnect_bench.measure(villages, matters, idle, strangers=strangers), as_json=as_json)


@app.command()
def pages(
    cases: Annotated[int, typer.Option(min=1, help="Cases of the county.")] = pages_bench.CASES,
    many: Annotated[int, typer.Option(min=0, help="Cases of the larger county; 0: none.")] = pages_bench.MANY,
    users: Annotated[int, typer.Option(min=1, help="People who take turns.")] = pages_bench.USERS,
    as_json: AsJson = False,
) -> None:
    """Server time of every page of a county, beside an empty FastAPI page; the board beside a larger county's."""
    _show(pages_bench.measure(cases, many, users), as_json=as_json)


@app.command()
def search(
    cases: Annotated[int, typer.Option(min=1, help="Cases of the center.")] = search_bench.CASES,
    url: Annotated[str | None, typer.Option(help="An empty PostgreSQL database, measured as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search by number, title, place and description over many cases, beside a read by primary key."""
    _show(search_bench.measure(cases, url), as_json=as_json)


@app.command(name="all")
def everything(as_json: AsJson = False) -> None:
    """Every measurement, one after the other; takes some twenty minutes."""
    measures = (link_bench, latency_bench, film_bench, catchup_bench, reconnect_bench, pages_bench, search_bench)
    for measurement in measures:
        _show(measurement.measure(), as_json=as_json)


def _show(figures: Mapping[str, float | int], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    width = max(len(name) for name in figures)
    for name, figure in figures.items():
        typer.echo(f"{name:{width}}  {figure:>12,}")
