"""All villages of a large township come back in the same second.

The township is a process of its own with its nats-server, as ``liandong serve`` runs it. The villages are real centers,
each with its own SQLite file, keys, wire and links; they share one process, since a hundred and seventy would not fit
into the memory of this machine. All were enrolled long ago and know each other's certificates. Each has matters that it
escalated while the township was away. The clock begins when all villages start together; a village is *linked* when
both have compared positions, and all is *drained* when nothing waits at any of them nor at the township: custody of
every matter has then moved, and every village knows. People work at the township all the time. As ``strangers`` the
villages were enrolled a moment ago: the certificates of all that were enrolled after it wait for each as well.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import delete, func, insert, select, update

from deploy.bench.backlog import waiting
from deploy.bench.matters import Matters
from deploy.bench.pair import TOWNSHIP, free_ports, opened, running
from deploy.bench.people import People, Waits, hire
from deploy.bench.progress import say
from node import brokers
from node.cases import acts, inputs, service
from node.cases.tables import CaseRow
from node.center import Center
from node.enrolment import enroll
from node.federation.runner import Federation
from node.federation.tables import CertificateRow, LaneRow, OutboxRow, ParkedRow
from node.founding import init_root, join
from node.settings import OwnBroker, Settings
from node.unit import unit_of
from protocol.codes import Trigger

VILLAGES = 170
"""The largest real township has so many."""
MATTERS = 10
"""Escalated by each village; each is two messages up and one back."""
IDLE_S = 5.0
LOOK_S = 0.1
WITHIN = 300.0
"""Seconds after which the run is given up."""
ACTOR = "调解员"


def measure(
    villages: int = VILLAGES, matters: int = MATTERS, idle_s: float = IDLE_S, *, strangers: bool = False
) -> Mapping[str, float | int]:
    """Run all; figures by name, waits as p95 in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="liandong-bench-") as directory, ExitStack() as stack:
        township, joined = _found(Path(directory), villages)
        password = hire(township)
        centers = [stack.enter_context(opened(settings)) for settings in joined]
        with opened(township) as above:
            if not strangers:
                _acquaint(above, centers)
            down = waiting(above)
        say(f"{villages} villages escalate {matters} matters each")
        for number, center in enumerate(centers):
            _escalate(center, Matters(number), matters)
        up = sum(map(waiting, centers))
        with running(township), opened(township) as above:
            idle, busy, linked, drained = _come_back(
                township, password, above, list(zip(centers, joined, strict=True)), idle_s
            )
            assert _held_from_below(above) == villages * matters, "custody has not moved"
            assert not any(map(_parked, (above, *centers))), "messages were parked"
    return {
        "villages": villages,
        "messages_up": up,
        "messages_down": down,
        "linked_after_s": round(linked, 1),
        "drained_after_s": round(drained, 1),
        "township_idle_p95_ms": idle.p95(),
        "township_meanwhile_p95_ms": busy.p95(),
        "township_ratio": round(busy.p95() / idle.p95(), 2),
        "township_requests": len(busy.reads) + len(busy.writes),
    }


def _found(root: Path, villages: int) -> tuple[Settings, Sequence[Settings]]:
    """A township and so many villages, enrolled one after the other."""
    broker_port, port = free_ports(2)
    township = init_root(root / "township", TOWNSHIP, port=port, broker=OwnBroker(port=broker_port), environment=False)
    joined = []
    say(f"{villages} villages are enrolled")
    with opened(township) as center:
        for number in range(1, villages + 1):
            code = f"{TOWNSHIP[:9]}{200 + number}"
            file = enroll(center, township, code, name=f"第{number}村", level="village")
            joined.append(join(file, root / code, environment=False))
        brokers.install(center.database, township)
    return township, joined


def _acquaint(township: Center, villages: Sequence[Center]) -> None:
    """Let all know each other's certificates, as after years, and take back what would have told of them."""
    with township.database.write() as session:
        known = [row._asdict() for row in session.execute(select(*CertificateRow.__table__.columns))]
        session.execute(delete(OutboxRow))
        session.execute(update(LaneRow).values(last_seq=0))
    for village in villages:
        with village.database.write() as session:
            session.execute(delete(CertificateRow))
            session.execute(insert(CertificateRow), known)
        with village.database.read() as session:
            village.directory.refresh(session)


def _escalate(village: Center, matters: Matters, count: int) -> None:
    goes_up = inputs.EscalateInput(reason="涉及两个村，请镇里协调", triggers=[Trigger.CROSSES_VILLAGES])
    with unit_of(village) as unit:
        case_ids = [service.register(unit, matters.registration(), ACTOR).id for _ in range(count)]
    with unit_of(village) as unit:
        for case_id in case_ids:
            acts.perform(unit, case_id, "escalate", goes_up, ACTOR)


def _come_back(
    township: Settings, password: str, above: Center, villages: Sequence[tuple[Center, Settings]], idle_s: float
) -> tuple[Waits, Waits, float, float]:
    """What people wait before and meanwhile, and the seconds until all are linked, and all is drained."""
    say(f"the township is idle for {idle_s:.0f} s")
    people = People(township, password)
    people.start()
    time.sleep(idle_s)
    idle = people.stop()
    people = People(township, password)
    say("they come back")
    people.start()
    try:
        linked, drained = asyncio.run(_drain(above, villages))
    finally:
        busy = people.stop()
    return idle, busy, linked, drained


async def _drain(above: Center, villages: Sequence[tuple[Center, Settings]]) -> tuple[float, float]:
    federations = [Federation(center, None, brokers.parent_wire(settings)) for center, settings in villages]
    began = time.monotonic()
    try:
        await asyncio.gather(*(federation.start() for federation in federations))
        await _until(lambda: all(federation.linked_to_parent for federation in federations), "not all are linked")
        linked = time.monotonic() - began
        say(f"all linked after {linked:.1f} s")
        centers = [above, *(center for center, _ in villages)]
        await _until(lambda: not any(map(waiting, centers)), "something still waits")
        drained = time.monotonic() - began
        say(f"all drained after {drained:.1f} s")
    finally:
        await asyncio.gather(*(federation.stop() for federation in federations))
    return linked, drained


async def _until(true: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + WITHIN
    while not await asyncio.to_thread(true):
        if time.monotonic() > until:
            raise TimeoutError(otherwise)
        await asyncio.sleep(LOOK_S)


def _held_from_below(township: Center) -> int:
    """Matters that the township holds and did not register itself."""
    mine = CaseRow.holder == township.code, CaseRow.origin != township.code
    with township.database.read() as session:
        return session.scalar(select(func.count()).where(*mine)) or 0


def _parked(center: Center) -> int:
    with center.database.read() as session:
        return session.scalar(select(func.count()).select_from(ParkedRow)) or 0
