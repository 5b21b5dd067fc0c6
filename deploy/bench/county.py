"""A whole county to measure pages of: its ten townships and their villages by certificate, a year of their figures.

The first matters are registered and ended as people do it. All others are copies of their rows under other ids,
numbers and dates, written in one statement: a million of them takes a minute, and a page can't tell them apart, since
it checks no signatures. The counters are multiplied with the rows.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import insert, select, text, update

from deploy.bench.matters import Matters
from node import brokers, enrolment
from node.accounts.passwords import PasswordHasher
from node.cases import acts, inputs, service
from node.cases.tables import CaseRow, EntryRow
from node.center import Center
from node.clock import local_day
from node.directory import add_certificates
from node.divisions import children_of
from node.founding import init_root
from node.join_file import JoinFile
from node.opening import open_center
from node.settings import OwnBroker, Settings
from node.status.tables import CounterRow, DayCounterRow, SpanCounterRow
from node.unit import unit_of
from protocol.centers import Certificate, Claims, issue
from protocol.codes import Grade

CODE: Final = "532923000000"
ACTOR: Final = "受理员"

SEEDS: Final = 200
"""Matters that are registered for real."""

OPEN_EVERY: Final = 10
"""One of so many stays open; a tenth of these is overdue."""

HIGH_EVERY: Final = 50
JOINT_EVERY: Final = 1000
"""One open matter of so many is of high grade, or mediated jointly."""

FOUND_MAX: Final = 100_000
"""Cases that a search finds; in a larger county nobody searches here."""

DAYS: Final = 365
"""Days of figures of each center below."""

BROKER_PORT: Final = 4222
"""Named in the settings, never opened: nothing is served here."""

CACHE_KIB: Final = 262144
"""Of the connection that copies; those of the center have their own."""


@contextmanager
def county(directory: Path, cases: int) -> Iterator[Center]:
    """A county's center with everyone below it, and as many cases."""
    settings = init_root(directory / CODE, CODE, broker=OwnBroker(port=BROKER_PORT), environment=False)
    center = open_center(settings, hasher=PasswordHasher(memory_kib=8, passes=1))
    try:
        brokers.prepare(settings)
        _enrol_all(center, settings)
        _register(center)
        copies = max(0, -(-cases // SEEDS) - 1)
        _copy(center, copies)
        _multiply(center, copies + 1)
        _report(center)
        yield center
    finally:
        center.database.dispose()


def open_case(center: Center) -> str:
    """A case with its log that people still work on."""
    held = select(CaseRow.id).join(EntryRow, EntryRow.case_id == CaseRow.id).where(CaseRow.ended.is_(False))
    with center.database.read() as session:
        return session.scalars(held.limit(1)).one()


def _enrol_all(center: Center, settings: Settings) -> None:
    """The townships as an administrator enrols them, their villages by certificates of theirs."""
    below: list[Certificate] = []
    for town in children_of(CODE):
        joined = enrolment.enroll(center, settings, town.code)
        below += _villages(center, joined)
    with center.database.write() as session:
        add_certificates(session, below, center.root_key)
        center.directory.refresh(session)


def _villages(center: Center, town: JoinFile) -> Iterator[Certificate]:
    for village in children_of(town.code):
        claims = Claims(
            code=village.code,
            name=village.name,
            level=village.level,
            parent=town.code,
            signing_key=town.keys.signing.public,
            sealing_key=town.keys.sealing.public,
            version=1,
            issuer=town.code,
            issued_at=center.clock.now(),
        )
        yield issue(town.keys.signing, claims)


def _register(center: Center) -> None:
    matters = Matters(1)
    with unit_of(center) as unit:
        ids = [service.register(unit, matters.registration(), ACTOR).id for _ in range(SEEDS)]
    with unit_of(center) as unit:
        for number, case_id in enumerate(ids):
            if number % OPEN_EVERY:
                acts.perform(unit, case_id, "withdraw", inputs.ReasonInput(reason="和好了"), ACTOR)
            else:
                acts.perform(unit, case_id, "accept", inputs.NothingInput(), ACTOR)


def _copy(center: Center, copies: int) -> None:
    """Write each case so often again; logs for the first few thousand only, since no list or board reads them."""
    changed = {
        "id": "printf('%08x', (n.k * 2654435761) & 4294967295) || substr(c.id, 9)",
        "number": "substr(c.number, 1, 18) || (n.k * :seeds + c.place_in_line)",
        "display_number": "substr(c.display_number, 1, instr(c.display_number, '〕')) || "
        "(n.k * :seeds + c.place_in_line) || '号'",
        "registered_at": "strftime('%Y-%m-%d %H:%M:%f', c.registered_at, "
        "'-' || (n.k * 97 % 525600) || ' minutes') || '000'",
        "deadline": "CASE WHEN c.ended = 0 THEN strftime('%Y-%m-%d %H:%M:%f', c.registered_at, "
        "(n.k % 30 - 3) || ' days', '12 hours') || '000' END",
        "grade": f"CASE WHEN n.k % {HIGH_EVERY} = 0 THEN '{Grade.HIGH}' ELSE c.grade END",
        "joint": f"n.k % {JOINT_EVERY} = 0",
    }
    names = [column.name for column in CaseRow.__table__.columns]
    values = ", ".join(changed.get(name, f"c.{name}") for name in names)
    numbers = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < :copies)"
    with center.database.write() as session:
        if not copies:
            return
        session.execute(text(f"PRAGMA cache_size=-{CACHE_KIB}"))
        session.execute(text("CREATE TEMP TABLE seeds AS SELECT rowid AS place_in_line, * FROM cases"))
        copied = f"INSERT INTO cases ({', '.join(names)}) {numbers} SELECT {values} FROM n, seeds c"  # noqa: S608 - names of our own columns
        session.execute(text(copied), {"copies": copies, "seeds": SEEDS})
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.create_function("backwards", 1, _backwards)
        named = (
            f"{numbers}, c(case_id, number, display, words, grams) AS (SELECT {changed['id']}, {changed['number']}, "  # noqa: S608 - the same
            f"rtrim({changed['display_number']}, '号'), s.words, s.grams "
            "FROM n, seeds c JOIN searched s ON s.case_id = c.id)"
        )
        values = "case_id, number, backwards(number), display, backwards(display), words, grams"
        into = "INSERT INTO searched (case_id, number, number_back, display, display_back, words, grams)"
        found = {"copies": min(copies, FOUND_MAX // SEEDS), "seeds": SEEDS}
        session.execute(text(f"{into} {named} SELECT {values} FROM c"), found)  # noqa: S608 - the same
        session.execute(text("DROP TABLE temp.seeds"))


def _backwards(number: str) -> str:
    return number[::-1]


def _multiply(center: Center, factor: int) -> None:
    """Count what was copied."""
    with center.database.write() as session:
        totals, days = session.scalars(select(CounterRow)).all(), session.scalars(select(DayCounterRow)).all()
        for row in (*totals, *days, *session.scalars(select(SpanCounterRow))):
            row.counters = json.dumps({name: count * factor for name, count in json.loads(row.counters).items()})


def _report(center: Center) -> None:
    """Figures of everyone below: what the county counted itself, as each center's own, and a year of days."""
    today = date.fromisoformat(local_day(center.clock.now()))
    days = [(today - timedelta(days=back)).isoformat() for back in range(DAYS)]
    with center.database.write() as session:
        own = session.scalars(select(CounterRow)).one()
        counters = {name: count // SEEDS + 1 for name, count in json.loads(own.counters).items()}
        whole, day = json.dumps({name: DAYS * count for name, count in counters.items()}), json.dumps(counters)
        codes = center.directory.tree.descendants(CODE)
        session.add_all(
            CounterRow(code=code, incarnation="bench", counter=1, as_of=center.clock.now(), counters=whole)
            for code in codes
        )
        rows = [
            {"code": code, "day": one, "incarnation": "bench", "version": 1, "counters": day, "told": True}
            for code in codes
            for one in days
        ]
        session.execute(insert(DayCounterRow), rows)
        session.execute(update(DayCounterRow).values(told=True))
        spans = Counter(one[:length] for one in days for length in (4, 7))
        sums = {span: json.dumps({name: n * count for name, count in counters.items()}) for span, n in spans.items()}
        added = [{"code": code, "span": span, "counters": text} for code in codes for span, text in sums.items()]
        session.execute(insert(SpanCounterRow), added)
