"""Time of a search over many cases, against reading one of them by its primary key in the same run.

The cases are those of one center, each with words of its own; their rows are written as registration writes them, but
for the log, which no search reads. What is measured is what a page asks for: the first fifty lines, ranked, and how
many there are. Words that few cases have, that many have, and that none has are looked for, each also where nothing
else is remembered of it. SQLite always; PostgreSQL where ``url`` names an empty database of it.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from deploy.bench.county import ACTOR, BROKER_PORT, CODE
from deploy.bench.matters import Matters
from deploy.bench.progress import say
from node.accounts.passwords import PasswordHasher
from node.cases import service
from node.cases.queues import Here
from node.cases.searched import Changes, findable
from node.cases.tables import CaseRow
from node.center import Center
from node.founding import init_root
from node.opening import open_center
from node.rows import insert_rows, table_of
from node.settings import OwnBroker
from node.unit import unit_of
from node.web.case_lines import Wanted, read_page
from protocol.case import CaseState

CASES: Final = 100_000
ROUNDS: Final = 15
AT_ONCE: Final = 2_000
"""Cases that are written in one transaction."""

APART: Final = timedelta(minutes=5)
"""Between two registrations."""

RARE: Final = "界碑旁的老核桃树"
"""Stands in the description of a few cases, and nowhere else."""
RARE_EVERY: Final = 5_000

SEARCHES: Final = {
    "last_digits": "4321",
    "one_digit": "7",
    "whole_number": "2026〕4321号",
    "title": "营盘山外嫁女",
    "place": "河尾77号",
    "description": "核桃树",
    "one_character": "桃",
    "common": "纠纷",
    "common_in_texts": "丈量",
    "nothing": "查无此事",
}
"""What people type, by its kind."""


def measure(cases: int = CASES, url: str | None = None) -> dict[str, float | int]:
    """Median milliseconds of each search, and how many reads by primary key fit into it.

    Args:
        cases: of the center.
        url: SQLAlchemy's URL of an empty database of PostgreSQL, to be measured as well.
    """
    figures: dict[str, float | int] = {"cases": cases}
    for name, place in {"sqlite": None, "postgresql": url}.items():
        if name == "sqlite" or place is not None:
            with TemporaryDirectory() as directory, _center(Path(directory), place) as center:
                say(f"{cases} cases on {name}")
                _fill(center, cases)
                figures |= {f"{name}_{figure}": value for figure, value in _search(center).items()}
    return figures


@contextmanager
def _center(directory: Path, url: str | None) -> Iterator[Center]:
    """A new center on SQLite, or on the database of this URL."""
    settings = init_root(
        directory / CODE, CODE, broker=OwnBroker(port=BROKER_PORT), database_url=url, environment=False
    )
    center = open_center(settings, hasher=PasswordHasher(memory_kib=8, passes=1))
    try:
        yield center
    finally:
        center.database.dispose()


def _fill(center: Center, cases: int) -> None:
    """One matter is registered for real; the others get rows like its own, with words, number and day of theirs."""
    matters = Matters(1)
    with unit_of(center) as unit:
        seed = service.register(unit, matters.registration(), ACTOR)
    with center.database.read() as session:
        first = session.execute(select(table_of(CaseRow)).where(CaseRow.id == seed.id)).one()._asdict()
    for begin in range(1, cases, AT_ONCE):
        with center.database.write() as session:
            rows = [_row(first, seed, matters, number) for number in range(begin, min(begin + AT_ONCE, cases))]
            insert_rows(session.connection(), table_of(CaseRow), tuple(first), [tuple(row.values()) for row in rows])
            changes = Changes()
            for row in rows:
                changes.note(row["id"], None, findable(row, CaseState.model_validate_json(row["state"])))
            changes.write(session.connection())
    with center.database.write() as session:
        session.execute(text("ANALYZE"))


def _row(first: dict[str, Any], seed: CaseState, matters: Matters, number: int) -> dict[str, Any]:
    given = matters.registration()
    written = given.description if number % RARE_EVERY else f"{given.description}{RARE}已枯。"
    at = seed.registered_at - number * APART
    stem, display = seed.number.rpartition("-")[0], seed.display_number.partition("〕")[0]
    own = {
        "id": f"{number:08x}{seed.id[8:]}",
        "number": f"{stem}-{number:04}",
        "display_number": f"{display}〕{number}号",
        "registered_at": at,
        "title": given.title,
        "place": given.place,
    }
    state = seed.model_copy(update={**own, "description": written})
    return {**first, **own, "since": at, "state": state.model_dump_json(exclude_none=True)}


def _search(center: Center) -> dict[str, float | int]:
    here = Here(center.code, center.clock.now(), center.policy.near_days)
    with center.database.read() as session:
        ids = session.scalars(select(CaseRow.id).limit(ROUNDS)).all()
    key = _median(center, lambda session, turn: _by_key(session, ids[turn % len(ids)]))
    figures: dict[str, float | int] = {"primary_key_ms": round(key, 3)}
    for name, words in SEARCHES.items():
        say(name)
        took = _median(center, partial(_lines, here=here, words=words))
        figures |= {f"{name}_ms": round(took, 1), f"{name}_in_key_reads": round(took / key, 1)}
    figures["slowest_ms"] = max(figures[f"{name}_ms"] for name in SEARCHES)
    figures["slowest_in_key_reads"] = max(figures[f"{name}_in_key_reads"] for name in SEARCHES)
    return figures


def _lines(session: Session, _turn: int, *, here: Here, words: str) -> int:
    return len(read_page(session, here, Wanted(q=words)).lines)


def _by_key(session: Session, case_id: str) -> int:
    return len(session.execute(select(table_of(CaseRow)).where(CaseRow.id == case_id)).all())


def _median(center: Center, ask: Callable[[Session, int], int]) -> float:
    """Milliseconds of one question in a transaction of its own, half of the times."""
    times = []
    for turn in range(ROUNDS + 1):
        began = time.perf_counter()
        with center.database.read() as session:
            ask(session, turn)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])  # the first compiles statements
