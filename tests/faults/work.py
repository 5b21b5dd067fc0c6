"""People work through a fault; afterwards everything is held against what they were told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import select

from node.cases.tables import EntryRow
from node.db import DatabaseUnavailable
from protocol.entries import Kind
from tests.faults.clerks import LEFT_ALONE, Act, Clerk
from tests.faults.invariants import Found, check, opened, settle
from tests.faults.processes import VILLAGE, County, Served

CLERKS = 2
ARRIVES_WITHIN = 180.0
LOOK_AGAIN = 0.02


@dataclass
class Work:
    """What people did while something failed.

    Attributes:
        here: the county.
        heals: seconds after each fault until a case that was escalated meanwhile had arrived above.
        found: what was counted in the end.
    """

    here: County
    clerks: list[Clerk]
    visitor: Clerk
    heals: list[float] = field(default_factory=list)
    settled: float = 0.0
    found: Found | None = None

    def escalated(self, code: str = VILLAGE) -> str:
        """Register a matter at a center and escalate it; the case's id."""
        case_id = self.visitor.register(code, LEFT_ALONE).case_id
        assert case_id is not None
        given = {"reason": "跨村", "triggers": ["crosses_villages"]}
        escalated = self.visitor.act(code, f"cases/{case_id}/escalate", given)
        assert escalated.acknowledged, escalated.answer
        return case_id

    def arrives(self, case_id: str, code: str = VILLAGE, *, since: float) -> float:
        """Wait until the center above has taken the case; the seconds since then, which count as time to heal."""
        above = self.here[code].parent
        assert above is not None
        while not _delivered(self.here[above], case_id):
            assert time.monotonic() - since < ARRIVES_WITHIN, f"{case_id} does not arrive at {above}"
            time.sleep(LOOK_AGAIN)
        self.heals.append(time.monotonic() - since)
        return self.heals[-1]

    @property
    def acts(self) -> list[Act]:
        """All that were answered."""
        return [act for clerk in (*self.clerks, self.visitor) for act in clerk.acts]


@contextmanager
def working(here: County, *, clerks: int = CLERKS, seed: int = 1) -> Iterator[Work]:
    """People work at all centers until the end of the block; then nothing may be lost and nothing doubled."""
    work = Work(here, [Clerk(here, seed * 100 + number) for number in range(clerks)], Clerk(here, seed * 100 - 1))
    for clerk in work.clerks:
        clerk.start()
    try:
        yield work
    except BaseException:
        for clerk in work.clerks:
            clerk.abandon()
        raise
    finally:
        work.visitor.leave()
    for clerk in work.clerks:
        clerk.stop()
    work.settled = settle(here)
    work.found = check(here, work.acts)
    work.found.must_be_whole()


def _delivered(center: Served, case_id: str) -> bool:
    arrived = select(EntryRow.seq).where(
        EntryRow.case_id == case_id, EntryRow.kind == Kind.DELIVERED, EntryRow.center == center.code
    )
    with suppress(DatabaseUnavailable), opened(center) as database, database.read() as session:
        return session.scalar(arrived.limit(1)) is not None
    return False
