"""What must hold when everything has come to rest, read from all databases and held against what people were told."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from node.access import Access
from node.cases.tables import CaseRow, EntryRow, HeldBackRow, RequestRow
from node.db import Database
from node.federation.tables import InboxRow, LaneRow, LinkRow, ParkedRow
from node.opening import open_storage
from node.status.reporting import count_overdue
from node.status.tables import CounterRow, DayCounterRow
from protocol.case import CaseState
from protocol.status import GAUGE
from tests.faults.clerks import Act, Document
from tests.faults.processes import County, Served, until

SETTLED_WITHIN = 240.0

Log = list[tuple[int, int, str, str | None]]
"""Number, epoch, head and body of each entry of a case."""


@dataclass(frozen=True)
class Found:
    """What was counted at rest.

    Attributes:
        cases: of the whole county.
        acts: that people were told are done.
        lost: of those, how many are not there, and cases without a holder.
        doubled: acts that are there twice, and cases with two holders.
    """

    cases: int
    acts: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]

    def must_be_whole(self) -> None:
        """Raise unless nothing was lost and nothing doubled."""
        assert not self.lost, self.lost[:10]
        assert not self.doubled, self.doubled[:10]


@contextmanager
def opened(center: Served) -> Iterator[Database]:
    """A center's database, to look into."""
    database = Database(center.settings.database_url, vault=open_storage(center.settings))
    try:
        yield database
    finally:
        database.dispose()


# --- at rest ---------------------------------------------------------------------------------------------


def settle(here: County, within: float = SETTLED_WITHIN) -> float:
    """Wait until all links are up and nothing moves between the centers; the seconds that it took."""
    took = until(lambda: next((one.code for one in here if not one.healed()), None), within)
    return took + until(lambda: restless(here), within)


def restless(here: County) -> str | None:
    """What still moves; None at rest."""
    for one in here:
        with opened(one) as database, database.read() as session:
            for lane in session.scalars(select(LaneRow).where(LaneRow.last_seq > LaneRow.acked_seq)):
                return f"{one.code} has {lane.last_seq - lane.acked_seq} on lane {lane.lane} for {lane.peer}"
            untold = select(func.count()).select_from(DayCounterRow).where(DayCounterRow.told.is_(False))
            if one.parent is not None and session.scalar(untold):
                return f"{one.code} has daily rows to tell"
    rows = {one.code: counters(one) for one in here}
    for one in here:
        above = one.parent
        while above is not None:
            if rows[above].get(one.code) != rows[one.code][one.code]:
                known, own = rows[above].get(one.code), rows[one.code][one.code]
                return f"{above} does not know the counters of {one.code}: {known} is not {own}"
            above = here[above].parent
    return None


def counters(center: Served) -> dict[str, dict[str, int]]:
    """The counters that a center knows, by code; its own with what is overdue now, which it counts when it tells."""
    with opened(center) as database, database.read() as session:
        known = {row.code: json.loads(row.counters) for row in session.scalars(select(CounterRow))}
        overdue = count_overdue(session, center.code, datetime.now(UTC))
    own = known.get(center.code, {}) | ({GAUGE: overdue} if overdue else {})
    return known | {center.code: own}


# --- nothing lost, nothing doubled --------------------------------------------------------------------------


def check(here: County, acts: Iterable[Act]) -> Found:
    """Hold all databases against each other and against what people were told; the county must be at rest.

    Raises:
        AssertionError: something was parked, a link stopped, copies or totals disagree.
    """
    states, logs = {}, {}
    for one in here:
        _links_are_even(here, one)
        states[one.code], logs[one.code] = _cases(one)
    holders: dict[str, list[str]] = {}
    for code, cases in states.items():
        for case_id, state in cases.items():
            holders.setdefault(case_id, [])
            if state.holder == code:
                holders[case_id].append(code)
            assert state.custody.flight is None, f"{case_id} is in flight at {code} although nothing moves"
    newest = {case_id: logs[held[0]][case_id] for case_id, held in holders.items() if held}
    _copies_agree(logs, newest)
    _totals_add_up(here, states, holders)
    lost = [f"{case_id} is held by nobody" for case_id, held in holders.items() if not held]
    doubled = [f"{case_id} is held by {held}" for case_id, held in holders.items() if len(held) > 1]
    acts = list(acts)
    requests = _requests(here)
    for act in acts:
        _hold(act, newest, requests, lost, doubled)
    registered = sum(act.path == "cases" and act.acknowledged for act in acts)
    assert len(holders) == registered, f"{len(holders)} cases, {registered} were registered"
    return Found(len(holders), sum(act.acknowledged for act in acts), tuple(lost), tuple(doubled))


def _cases(center: Served) -> tuple[dict[str, CaseState], dict[str, Log]]:
    """The states and logs of which a center has the whole."""
    with opened(center) as database, database.read() as session:
        held_back = session.scalar(select(func.count()).select_from(HeldBackRow))
        assert not held_back, f"{center.code} holds {held_back} entries back"
        rows = session.execute(select(CaseRow.id, CaseRow.state).where(CaseRow.access == Access.FULL))
        states = {case_id: CaseState.model_validate_json(state) for case_id, state in rows if state is not None}
        logs: dict[str, Log] = {case_id: [] for case_id in states}
        for entry in session.scalars(select(EntryRow).order_by(EntryRow.case_id, EntryRow.seq)):
            if entry.case_id in logs:
                logs[entry.case_id].append((entry.seq, entry.epoch, entry.head, entry.body))
    for case_id, log in logs.items():
        numbers = [seq for seq, *_ in log]
        assert numbers == list(range(1, states[case_id].seq + 1)), f"{center.code} has {numbers} of {case_id}"
    return states, logs


def _copies_agree(logs: dict[str, dict[str, Log]], newest: dict[str, Log]) -> None:
    for code, cases in logs.items():
        for case_id, log in cases.items():
            if case_id in newest:
                assert log == newest[case_id], f"{code} has another log of {case_id} than its holder"


def _links_are_even(here: County, center: Served) -> None:
    """All links are up, nothing is parked, and what one side sent is what the other applied."""
    with opened(center) as database, database.read() as session:
        parked = session.execute(select(ParkedRow.type, ParkedRow.reason)).all()
        assert not parked, f"{center.code} parked {parked}"
        links = dict(session.execute(select(LinkRow.peer, LinkRow.state)).all())
        assert set(links.values()) == {"linked"}, f"links of {center.code}: {links}"
        columns = (LaneRow.peer, LaneRow.lane, LaneRow.last_seq, LaneRow.acked_seq, LaneRow.offered_digest)
        sent = session.execute(select(*columns)).all()
    for peer, name, *ours in sent:
        with opened(here[peer]) as database, database.read() as session:
            taken = session.get(InboxRow, (center.code, name))
            assert taken is not None
            theirs = [taken.applied_seq, taken.applied_seq, taken.applied_digest]
        assert ours == theirs, f"{center.code} and {peer} disagree about lane {name}"


def _totals_add_up(here: County, states: dict[str, dict[str, CaseState]], holders: dict[str, list[str]]) -> None:
    """Counters are what the cases say, and the county's sums are the sums of all."""
    own = {one.code: counters(one)[one.code] for one in here}
    root = next(iter(here))
    assert counters(root) == own, "the county's rows are not everyone's own"
    total = Counter[str]()
    for row in own.values():
        total.update({name: row.get(name, 0) for name in ("registered", "held", "in_transit", "closed", "merged")})
    assert total["registered"] == len(holders)
    assert total["registered"] == total["held"] + total["in_transit"] + total["closed"] + total["merged"]
    assert total["in_transit"] == 0
    for code, row in own.items():
        held = sum(state.holder == code and not state.ended for state in states[code].values())
        assert row.get("held", 0) == held, f"{code} counts {row.get('held', 0)} held, and holds {held}"


def _requests(here: County) -> dict[str, str]:
    """How every request was judged, by id, as its asker knows it."""
    found: dict[str, str] = {}
    for one in here:
        with opened(one) as database, database.read() as session:
            found |= dict(session.execute(select(RequestRow.id, RequestRow.state).where(RequestRow.mine)).all())
    return found


def _hold(act: Act, newest: dict[str, Log], requests: dict[str, str], lost: list[str], doubled: list[str]) -> None:
    """Hold one answer against the log of its case at its holder."""
    log = newest.get(act.case_id or "", [])
    times = 0 if act.mark is None else sum(act.mark in (body or "") for _, _, _, body in log)
    named = f"{act.path} {act.mark} at {act.center} ({act.status})"
    if act.status == 202:
        state = requests.get(act.answer["request"]["id"])
        assert state in {"granted", "refused"}, f"{named}: a request is {state} although nothing moves"
        expected = int(state == "granted")
    else:
        expected = int(act.acknowledged)
    if act.mark is not None and times < expected:
        lost.append(named)
    if act.mark is not None and times > expected:
        doubled.append(f"{named}: {times} times, expected {expected}")
    told: list[Document] = act.answer.get("log") or [] if act.status in {200, 201} else []
    for entry in told:
        known = log[entry["seq"] - 1] if entry["seq"] <= len(log) else None
        if known is None or known[1] != entry["epoch"]:
            lost.append(f"{named}: entry {entry['seq']} that the answer showed")
