"""A village comes back after a month with a long backlog; do people wait while it drains?

A village and its township, each a process of its own. Two people at each center look at pages and lists and write notes
all the time. First each center runs alone: so long they wait when it is idle. Then both run, and the backlog goes up:
so long they wait meanwhile. Beside the entries stand daily rows of thirty days on the bulk lane, which must let cases
go first.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta

from sqlalchemy import func, select

from deploy.bench.backlog import pile_up
from deploy.bench.pair import Pair, new_pair, opened, running
from deploy.bench.people import People, Waits, hire, p95
from deploy.bench.progress import say
from node.center import Center
from node.clock import local_day
from node.federation.tables import LaneRow
from node.settings import Settings
from node.unit import unit_of
from protocol.messages import Lane, Type
from protocol.payloads import Days
from protocol.status import DayRow

MESSAGES = 100_000
DAYS_AWAY = 30
IDLE_S = 10.0
POLL_S = 0.05
PATIENCE_S = 60.0
"""Seconds without any progress after which the run is given up."""


def measure(messages: int = MESSAGES, idle_s: float = IDLE_S) -> Mapping[str, float | int]:
    """Run all; figures by name, waits as p95 in milliseconds."""
    with new_pair() as pair:
        passwords = {settings.code: hire(settings) for settings in (pair.township, pair.village)}
        pile_up(pair, messages)
        with opened(pair.village) as village:
            _tell_days(village, pair.township.code)
        idle = {settings.code: _alone(settings, passwords, idle_s) for settings in (pair.township, pair.village)}
        busy, drained = _together(pair, passwords)
    above, below = pair.township.code, pair.village.code
    return {
        "messages": messages,
        "drained_after_s": round(drained[Lane.CASE], 1),
        "bulk_drained_after_s": round(drained[Lane.BULK], 1),
        "messages_per_s": round(messages / drained[Lane.CASE]),
        **_figures("township", idle[above], busy[above]),
        **_figures("village", idle[below], busy[below]),
    }


def _figures(name: str, idle: Waits, busy: Waits) -> Mapping[str, float | int]:
    return {
        f"{name}_idle_p95_ms": idle.p95(),
        f"{name}_catching_up_p95_ms": busy.p95(),
        f"{name}_ratio": round(busy.p95() / idle.p95(), 2),
        f"{name}_reads_ratio": round(p95(busy.reads) / p95(idle.reads), 2),
        f"{name}_writes_ratio": round(p95(busy.writes) / p95(idle.writes), 2),
        f"{name}_requests": len(busy.reads) + len(busy.writes),
    }


def _tell_days(village: Center, township: str) -> None:
    """Daily rows of the days that it was away, as they would have come to be one by one."""
    with unit_of(village) as unit:
        for back in range(DAYS_AWAY, 0, -1):
            row = DayRow(
                code=village.code,
                day=local_day(unit.now - timedelta(days=back)),
                incarnation=village.identity.incarnation,
                version=1,
                counters={"registered": 1},
            )
            unit.outbox.send(Type.DAYS, Days(rows=(row,)), township)


def _alone(settings: Settings, passwords: Mapping[str, str], seconds: float) -> Waits:
    say(f"{settings.code} is idle for {seconds:.0f} s")
    with running(settings):
        people = People(settings, passwords[settings.code])
        people.start()
        time.sleep(seconds)
        return people.stop()


def _together(pair: Pair, passwords: Mapping[str, str]) -> tuple[Mapping[str, Waits], Mapping[Lane, float]]:
    """What people at both wait while the backlog drains, and how long each lane took since the village was started."""
    with ExitStack() as stack:
        stack.enter_context(running(pair.township))
        village = stack.enter_context(opened(pair.village))
        above = People(pair.township, passwords[pair.township.code])
        say("the village comes back")
        began = time.monotonic()
        stack.enter_context(running(pair.village))
        below = People(pair.village, passwords[pair.village.code])
        above.start()
        below.start()
        try:
            drained = _drain(village, began)
        finally:
            waits = {pair.township.code: above.stop(), pair.village.code: below.stop()}
    return waits, drained


def _drain(village: Center, began: float) -> Mapping[Lane, float]:
    """Seconds until nothing of a lane was left; what people write meanwhile goes up too."""
    target = _last(village)
    drained: dict[Lane, float] = {}
    moved_at, before = time.monotonic(), -1
    while len(drained) < len(target):
        acked = _acked(village)
        for lane, last in target.items():
            if acked[lane] >= last and lane not in drained:
                drained[lane] = time.monotonic() - began
                say(f"lane {lane}: {last} messages after {drained[lane]:.1f} s")
        if sum(acked.values()) > before:
            moved_at, before = time.monotonic(), sum(acked.values())
        elif time.monotonic() - moved_at > PATIENCE_S:
            raise RuntimeError(f"nothing moved for {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)
    return drained


def _last(village: Center) -> dict[Lane, int]:
    with village.database.read() as session:
        rows = session.execute(select(LaneRow.lane, func.max(LaneRow.last_seq)).group_by(LaneRow.lane))
        return {Lane(lane): int(last) for lane, last in rows}


def _acked(village: Center) -> dict[Lane, int]:
    with village.database.read() as session:
        rows = session.execute(select(LaneRow.lane, func.max(LaneRow.acked_seq)).group_by(LaneRow.lane))
        return {Lane(lane): int(acked) for lane, acked in rows}
