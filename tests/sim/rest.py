"""When all is repaired: has everybody come to rest, and does everybody agree?"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from node.db import Base
from node.vault import Sealed
from protocol.compression import decompress
from protocol.wire import FRAME_MAX_PLAIN_BYTES
from tests.sim import rehoming
from tests.sim.custody import Written
from tests.sim.profiles import Profile

if TYPE_CHECKING:
    from tests.sim.world import World


def unexpected(event: Mapping[str, object], profile: Profile, *, carried: bool) -> str | None:
    """Whether a line that the real code logs tells of something that may not be.

    Args:
        event: the line.
        profile: what may fail in this world.
        carried: whether files were carried in, past the links: these find their positions moved on.
    """
    name = str(event["event"])
    match name:
        case "link.task_failed":
            return f"{name}: {event}"
        case "link.stopped" | "carry.positions" | "carry.refused":
            # A restored database heals; that no link stands still is seen at rest.
            excused = {"rollback", "clone", "lost"}
            if name != "link.stopped":
                excused |= {"rehome"}  # a file of a link that ended, and began anew when the child came back
            return f"{name}: {event}" if profile.faults.isdisjoint(excused) else None
        case "frame.not_applied" | "frame.not_loaded":
            moved_on = carried and "frame begins at" in str(event["reason"])
            moved_on |= "rehome" in profile.faults and event["reason"] == "the link has ended"
            return None if moved_on or event["reason"] in DATABASE_REASONS else f"{name}: {event}"
        case "message.parked":
            parked = str(event["reason"]).startswith(("unknown type", "behind parked"))
            return None if parked and "versions" in profile.faults else f"{name}: {event}"
        case _:
            return None


DATABASE_REASONS = {"disk is full"}


def restless(world: "World") -> str | None:
    """What still moves; None where nothing does."""
    for machine in world.machines.values():
        if not machine.running:
            return f"{machine.code} does not run"
        raw = machine.disk.raw
        waiting = raw.execute(_UNACKED).fetchone()
        if waiting:
            return f"{machine.code} has messages for {waiting}"
        if standing := raw.execute("SELECT peer, state FROM links WHERE state != 'linked'").fetchone():
            return f"{machine.code}: a link stands still: {standing}"
        if machine.parent and raw.execute("SELECT 1 FROM day_counters WHERE told = 0").fetchone():
            return f"{machine.code} has daily rows to tell"
        if raw.execute("SELECT 1 FROM reseeds").fetchone():
            return f"{machine.code} still tells others what it holds of their cases"
    return rehoming.unsettled(world) or _unknown_above(world)


_UNACKED = "SELECT peer, lane, last_seq, acked_seq FROM lanes WHERE last_seq > acked_seq AND peer NOT LIKE '%#%'"
"""What a neighbour's database does not hold yet; lanes to a database that was lost are kept aside."""


def _unknown_above(world: "World") -> str | None:
    for machine in world.machines.values():
        own = _counters(world, machine.code, machine.code)
        above = machine.parent
        while above is not None:
            known = _counters(world, above, machine.code)
            if {**own, "overdue": 0} != {**known, "overdue": 0}:
                return f"{above} does not know the counters of {machine.code}: {known}, not {own}"
            above = world.machines[above].parent
    return None


def _counters(world: "World", at: str, of: str) -> dict[str, int]:
    row = world.machines[at].disk.raw.execute("SELECT counters FROM counters WHERE code = ?", (of,)).fetchone()
    counters: dict[str, int] = json.loads(row[0]) if row else {}
    return counters


def followers_equal(world: "World") -> str | None:
    """Everybody who follows a case holds the whole log and its fold, byte for byte; nobody else holds any of it."""
    log = "SELECT seq, head, signature, salt, text_of('entries.body', body) FROM entries WHERE case_id = ? ORDER BY seq"
    for case_id, written in world.oracle.logs.items():
        custody = world.oracle.custody(case_id)
        keeper = custody.holder or custody.sender
        assert keeper is not None
        raw = world.machines[keeper].disk.raw
        if custody.holder is None:
            return f"case {case_id[:8]} is still in flight: {custody}"
        whole = raw.execute(log, (case_id,)).fetchall()
        if [(row[1], row[2]) for row in whole] != [(each.head, each.signature) for each in written]:
            return f"{keeper} holds {len(whole)} entries of case {case_id[:8]}, {len(written)} were written"
        (fold,) = raw.execute(_FOLD, (case_id,)).fetchone()
        state = json.loads(fold)
        partners = {code for code, each in state["partners"].items() if each["status"] == "accepted"}
        followers = set(state["custody"]["held_by"]) | partners
        for machine in world.machines.values():
            copy = machine.disk.raw.execute(log, (case_id,)).fetchall()
            if machine.code in followers and copy != whole:
                return f"{machine.code} follows case {case_id[:8]} and has {len(copy)} of {len(whole)} entries"
            if machine.code in followers and machine.disk.raw.execute(_FOLD, (case_id,)).fetchone() != (fold,):
                return f"{machine.code} follows case {case_id[:8]}, has its log, and believes something else"
            if copy and machine.code not in world.oracle.readers[case_id]:
                return f"{machine.code} has entries of case {case_id[:8]}, which it may not read"
    return None


_FOLD = "SELECT text_of('cases.state', state) FROM cases WHERE id = ?"


def acknowledged_survive(world: "World") -> str | None:
    """Whatever a person was told to be registered is there."""
    for case_id, code in world.oracle.registered.items():
        if case_id not in world.oracle.logs:
            return f"case {case_id[:8]}, registered at {code}, is lost"
    return None


def nothing_waits(world: "World") -> str | None:
    """No message is parked, no entry is held back, no request is without an answer."""
    for machine in world.machines.values():
        for what, query in _WAITING.items():
            found = machine.disk.raw.execute(query).fetchone()
            if found:
                return f"{machine.code}: {what}: {found}"
    return None


_WAITING = {
    "parked": "SELECT type, reason, case_id FROM parked",
    "held back": "SELECT case_id, seq FROM held_back",
    "without an answer": "SELECT kind, case_id, id, mine FROM requests WHERE state = 'pending'",
}


SEALED = tuple(
    (table.name, column.name)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, Sealed)
)
"""Where the database holds what it does not show by itself."""


def _opened(raw: sqlite3.Connection, table: str, column: str) -> bytes:
    """All that lies sealed in a column, frames unpacked."""
    query = f"SELECT bytes_of('{table}.{column}', {column}) FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - ours
    values = [value for (value,) in raw.execute(query)]
    return b"".join(decompress(one, FRAME_MAX_PLAIN_BYTES) if column == "payload" else one for one in values)


def sealed_at_relays(world: "World") -> str | None:
    """Nobody's database holds a word of a case that its center never had a right to read."""
    readers: dict[bytes, tuple[str, set[str]]] = {}
    for case_id, written in world.oracle.logs.items():
        parties = json.loads(written[0].body or "{}").get("parties")
        if parties:
            readers[parties[0]["name"].encode()] = case_id, world.oracle.readers[case_id]
    for machine in world.machines.values():
        opened = b"".join(_opened(machine.disk.raw, table, column) for table, column in SEALED)
        text = machine.disk.image() + opened
        for word, (case_id, allowed) in readers.items():
            if machine.code not in allowed and word in text:
                return f"{machine.code} holds words of case {case_id[:8]}, which it may not read"
    return None


def totals_add_up(world: "World") -> str | None:
    """What each center counts is what the logs say; the county's totals are the sums of its townships and villages."""
    expected: dict[str, Counter[str]] = {code: Counter() for code in world.machines}
    for written in world.oracle.logs.values():
        expected[written[0].center]["registered"] += 1
        holder = written[-1].custody.holder
        assert holder is not None
        end, inherited = _end(written)
        if end is None:
            expected[holder]["held"] += 1
        else:
            expected[end[1]]["merged" if end[0] == "merged" else "closed"] += 1
        for ended, reopened in inherited:
            expected[ended]["closed"] += 1
            expected[reopened]["closed"] -= 1
    total: Counter[str] = Counter()
    for code, wanted in expected.items():
        own = Counter(_counters(world, code, code))
        for name in ("registered", "held", "in_transit", "closed", "merged"):
            if own[name] != wanted[name]:
                return f"{code} counts {own[name]} {name}, the logs say {wanted[name]}"
        total.update(_counters(world, world.root.code, code))
    parts = total["held"] + total["in_transit"] + total["closed"] + total["merged"]
    if total["registered"] != parts or parts != len(world.oracle.logs):
        return (
            f"{total['registered']} registered, {parts} held, in transit, closed or merged of {len(world.oracle.logs)}"
        )
    return _days_add_up(world)


def _end(written: list[Written]) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
    """How and where a case ended, None while it is open; and whose end which heir took back by reopening it.

    An end stays counted where it was, and the heir counts one less (docs/decisions/0013).
    """
    end = None
    inherited = []
    for entry in written:
        if entry.kind in {"closed", "withdrawn", "referred", "merged"}:
            end = entry.kind, entry.center
        elif entry.kind == "reopened":
            if end is not None and end[1] != entry.center:
                inherited.append((end[1], entry.center))
            end = None
    return end, inherited


def _days_add_up(world: "World") -> str | None:
    """The days of a center make its totals, at the center and at each of its ancestors."""
    for machine in world.machines.values():
        own = Counter(_counters(world, machine.code, machine.code))
        at: str | None = machine.code
        while at is not None:
            days: Counter[str] = Counter()
            rows = world.machines[at].disk.raw.execute(
                "SELECT counters FROM day_counters WHERE code = ?", (machine.code,)
            )
            for (counters,) in rows:
                days.update(json.loads(counters))
            if world.oracle.restored.forgot_together(machine):
                break
            for name in own | days:
                if name != "overdue" and own[name] != days[name]:
                    return f"{at}: the days of {machine.code} make {days[name]} {name}, its total is {own[name]}"
            at = world.machines[at].parent
    return None


def headers_are_true(world: "World") -> str | None:
    """Whoever has only the header of a case knows its holder, its status and its epoch."""
    for machine in world.machines.values():
        for case_id, holder, status, epoch in machine.disk.raw.execute(
            "SELECT id, holder, status, epoch FROM cases WHERE access = 'header'"
        ).fetchall():
            if world.oracle.restored.gone(case_id):
                continue  # lost with its log: this header is the last that anybody knows of it
            keeper = world.oracle.custody(case_id).holder
            assert keeper is not None
            true = (
                world.machines[keeper]
                .disk.raw.execute("SELECT holder, status, epoch FROM cases WHERE id = ?", (case_id,))
                .fetchone()
            )
            if true != (holder, status, epoch):
                return f"{machine.code} believes {(holder, status, epoch)} of case {case_id[:8]}, it is {true}"
    return None


def headers_are_told(world: "World") -> str | None:
    """Whoever stands above the holder has the header of each high-grade, joint or supervised case."""
    for case_id in world.oracle.logs:
        holder = world.oracle.custody(case_id).holder
        assert holder is not None
        state = json.loads(world.machines[holder].disk.raw.execute(_FOLD, (case_id,)).fetchone()[0])
        joint = any(partner["status"] != "declined" for partner in state["partners"].values())
        if not (state["grade"] == "high" or joint or state["urges"]):
            continue
        above = world.machines[holder].parent
        while above is not None:
            if not world.machines[above].disk.raw.execute("SELECT 1 FROM cases WHERE id = ?", (case_id,)).fetchone():
                return f"{above} does not know of case {case_id[:8]}, which {holder} holds"
            above = world.machines[above].parent
    return None


def new_types_are_applied(world: "World") -> str | None:
    """What was parked for want of an upgrade was applied after it, once."""
    return world.futures.not_applied_once()


CHECKS: tuple[Callable[["World"], str | None], ...] = (
    followers_equal,
    acknowledged_survive,
    rehoming.everybody_knows,
    nothing_waits,
    sealed_at_relays,
    totals_add_up,
    headers_are_true,
    headers_are_told,
    new_types_are_applied,
)
