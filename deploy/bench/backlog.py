"""A backlog of real entries: cases that a village worked on while the link to its township was down.

The township follows the cases because it held them before (each was escalated and returned), so every entry of the
village is a message to it. A village works on some matters at a time, not on all it ever had: ``OPEN`` of them take
turns at random, and each is followed by another one after ``ENTRIES_EACH`` entries.
"""

import asyncio
import math
import time
from collections.abc import Callable

from sqlalchemy import func, select

from deploy.bench.matters import Matters
from deploy.bench.pair import Pair, at_rest
from deploy.bench.progress import say
from node.cases import acts, inputs, service
from node.cases.tables import CaseRow
from node.center import Center
from node.federation.memory_transport import MemoryBroker, MemoryTransport
from node.federation.runner import Federation
from node.federation.tables import LaneRow, OutboxRow
from node.rows import table_of
from node.unit import unit_of
from protocol.codes import Trigger
from protocol.messages import Lane, read_message, read_payload
from protocol.payloads import Entries

OPEN = 40
ENTRIES_EACH = 10
UNIT = 100
"""Acts in one transaction: only the preparation does so, where each person's act has one of its own."""
WITHIN = 300.0
"""Seconds for the cases to go up and come back."""
ACTOR = "调解员"
_LANES = table_of(LaneRow).c
_BEHIND = select(func.coalesce(func.sum(_LANES.last_seq - _LANES.acked_seq), 0)).where(_LANES.lane == Lane.CASE.value)
"""Asked again and again beside what is measured, hence built once."""


def pile_up(pair: Pair, messages: int, seed: int = 1) -> None:
    """Leave exactly so many entries in the village's outbox, of cases that the township has had before."""
    with at_rest(pair) as (township, village):
        matters = Matters(seed)
        cases = math.ceil(messages / ENTRIES_EACH)
        say(f"{cases} cases go up to the township and come back")
        followed = asyncio.run(_followed(township, village, matters, cases))
        say(f"the link is down; {messages} entries wait for it")
        _write(village, matters, followed, messages)
        assert waiting(village) == messages


async def _followed(township: Center, village: Center, matters: Matters, count: int) -> list[str]:
    """Cases that the village holds and has accepted, and that the township has held before."""
    broker = MemoryBroker()
    above = Federation(township, MemoryTransport(broker, name="hub"), None)
    below = Federation(village, None, MemoryTransport(broker, name=village.code))
    await above.start()
    await below.start()
    try:
        case_ids = await asyncio.to_thread(_register, village, matters, count)
        goes_up = inputs.EscalateInput(reason="涉及两个村，请镇里先看", triggers=[Trigger.CROSSES_VILLAGES])
        await asyncio.to_thread(_all, village, case_ids, "escalate", goes_up)
        await _until(lambda: _held(township) == count)
        await asyncio.to_thread(_all, township, case_ids, "return", inputs.ReasonInput(reason="由村里先行调解"))
        await _until(lambda: _held(village) == count)
        await asyncio.to_thread(_all, village, case_ids, "accept", inputs.NothingInput())
        await _until(lambda: waiting(village) == 0 and waiting(township) == 0)
    finally:
        await below.stop()
        await above.stop()
    return case_ids


def _register(village: Center, matters: Matters, count: int) -> list[str]:
    case_ids: list[str] = []
    while len(case_ids) < count:
        with unit_of(village) as unit:
            some = range(min(UNIT, count - len(case_ids)))
            case_ids += [service.register(unit, matters.registration(), ACTOR).id for _ in some]
    return case_ids


def _all(center: Center, case_ids: list[str], act: str, given: inputs.Input) -> None:
    _perform(center, [(case_id, act, given) for case_id in case_ids])


def _perform(center: Center, doings: list[tuple[str, str, inputs.Input]]) -> None:
    for start in range(0, len(doings), UNIT):
        with unit_of(center) as unit:
            for case_id, act, given in doings[start : start + UNIT]:
                acts.perform(unit, case_id, act, given, ACTOR)


def _write(village: Center, matters: Matters, case_ids: list[str], messages: int) -> None:
    """Entries of cases that take turns, ``OPEN`` at a time."""
    left = dict.fromkeys(case_ids, ENTRIES_EACH)
    at_work, later = case_ids[:OPEN], iter(case_ids[OPEN:])
    doings: list[tuple[str, str, inputs.Input]] = []
    for _ in range(messages):
        place = matters.choose(len(at_work))
        case_id = at_work[place]
        doings.append((case_id, *matters.act()))
        left[case_id] -= 1
        if left[case_id] == 0:
            follower = next(later, None)
            at_work[place : place + 1] = [] if follower is None else [follower]
    _perform(village, doings)


def _held(center: Center) -> int:
    with center.database.read() as session:
        return session.scalar(select(func.count()).where(CaseRow.holder == center.code)) or 0


def waiting(center: Center) -> int:
    """Messages of cases that the neighbour's database does not hold yet."""
    with center.database.read() as session:
        return int(session.connection().scalar(_BEHIND) or 0)


def bodies(center: Center) -> list[bytes]:
    """The messages that wait, as they will go."""
    with center.database.read() as session:
        query = (
            select(OutboxRow.body)
            .join(LaneRow, (LaneRow.peer == OutboxRow.peer) & (LaneRow.lane == OutboxRow.lane))
            .where(OutboxRow.lane == Lane.CASE, OutboxRow.seq > LaneRow.acked_seq)
            .order_by(OutboxRow.seq)
        )
        return list(session.scalars(query))


def entry_bytes(messages: list[bytes]) -> float:
    """What one entry takes in the mean: head, signature, salt and body."""
    payloads = [read_payload(read_message(message)) for message in messages]
    records = [record for payload in payloads if isinstance(payload, Entries) for record in payload.entries]
    parts = ((each.head, each.signature, each.salt or "", each.body or "") for each in records)
    return sum(len("".join(each).encode()) for each in parts) / len(records)


async def _until(true: Callable[[], bool]) -> None:
    def wait() -> None:
        until = time.monotonic() + WITHIN
        while not true():
            if time.monotonic() > until:
                raise TimeoutError("the cases did not go up and come back")
            time.sleep(0.05)

    await asyncio.to_thread(wait)
