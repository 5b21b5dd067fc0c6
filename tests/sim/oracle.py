"""The oracle: watches every commit of every database and knows what may never be.

It keeps its own record of each case's log, in the order in which centers wrote it, and follows custody with rules of
its own, a dozen lines that share nothing with the code under test. After each commit it looks only at what is new.

* No entry ever changes, none is missing, none forks: the n-th entry of a case has the same bytes in every database,
  and it is first seen in the database of the center that wrote it, with that center's true signature.
* One holder or in flight: whoever writes holds the case by the log, a transfer arrives where it was sent and nowhere
  else, once; what a database says of the holder is what the log says up to there.
* Each lane is gap-free, in order, applied once: positions only rise, numbers have no gap, what was applied is what
  stands in the sender's outbox, and nothing counts as acknowledged that the receiver's database does not hold.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol.compression import decompress
from protocol.entries import CONTEXT as ENTRY_CONTEXT
from protocol.keys import from_text, verify
from protocol.requests import CONTEXT as REQUEST_CONTEXT
from protocol.wire import FRAME_MAX_PLAIN_BYTES
from tests.sim.founding import keys_of

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World


class Violation(AssertionError):
    """Something that may never be."""


@dataclass(frozen=True, slots=True)
class Custody:
    """Who has a case after an entry: a holder, or a flight from one center to another."""

    epoch: int
    holder: str | None
    sender: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One entry as it was first seen."""

    head: str
    signature: str
    salt: str | None
    body: str | None
    kind: str
    center: str
    custody: Custody


@dataclass(slots=True)
class Seen:
    """What the oracle saw of a machine's database at its last commit."""

    entries: int = 0
    lanes: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    inbox: dict[tuple[str, str], int] = field(default_factory=dict)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)


BOUND = {"recall", "countersign", "joint_accept", "joint_decline", "handoff_accept", "handoff_decline"}
TRANSFERS = {"escalated", "assigned", "returned", "handed_off", "recalled", "rehomed"}


class Oracle:
    """The oracle of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.logs: dict[str, list[Written]] = {}
        self.readers: dict[str, set[str]] = {}
        """Who may ever have read a case."""
        self.registered: dict[str, str] = {}
        """Cases whose registration a person was told of, and where."""
        self._seen = {code: Seen() for code in world.machines}

    def acknowledged(self, code: str, case_id: str) -> None:
        """A person was told that a case is registered.

        Raises:
            Violation: it is not in the database.
        """
        self.registered[case_id] = code
        if case_id not in self.logs:
            raise Violation(f"{code} says that case {case_id[:8]} is registered, its database knows nothing of it")

    def committed(self, machine: "Machine") -> None:
        """Look at what a commit brought.

        Raises:
            Violation: it may not be.
        """
        seen = self._seen[machine.code]
        self._entries(machine, seen)
        self._lanes(machine, seen)
        self._inbox(machine, seen)
        self._counters(machine, seen)

    # --- entries and custody -----------------------------------------------------------------------

    def _entries(self, machine: "Machine", seen: Seen) -> None:
        raw = machine.disk.raw
        newest = raw.execute("SELECT coalesce(max(rowid), 0) FROM entries").fetchone()[0]
        seen.entries = min(seen.entries, newest)  # bodies that were purged: what comes next takes their places
        if newest == seen.entries:
            return
        rows = raw.execute(
            "SELECT case_id, seq, epoch, kind, center, head, signature, salt, body FROM entries "
            "WHERE rowid > ? ORDER BY case_id, seq",
            (seen.entries,),
        ).fetchall()
        seen.entries = newest
        for case_id, seq, epoch, kind, center, head, signature, salt, body in rows:
            self._entry(machine, case_id, seq, epoch, Written(head, signature, salt, body, kind, center, _NOBODY))
        for case_id in {row[0] for row in rows}:
            self._copy(machine, case_id)

    def _entry(self, machine: "Machine", case_id: str, seq: int, epoch: int, new: Written) -> None:
        log = self.logs.setdefault(case_id, [])
        where = f"entry {seq} ({new.kind}) of case {case_id[:8]} at {machine.code}"
        if seq <= len(log):
            first = log[seq - 1]
            same_body = new.body is None or first.body is None or (new.salt, new.body) == (first.salt, first.body)
            if (new.head, new.signature) != (first.head, first.signature) or not same_body:
                raise Violation(f"{where} is not the one first written by {first.center} ({first.kind})")
            return
        if seq != len(log) + 1:
            raise Violation(f"{where} came before entry {len(log) + 1} was ever written")
        if new.center != machine.code:
            raise Violation(f"{where} was never in the database of {new.center}, who signed it")
        signed = verify(keys_of(new.center).signing.public, ENTRY_CONTEXT, new.head.encode(), from_text(new.signature))
        if not signed:
            raise Violation(f"{where} is not signed by {new.center}")
        before = log[-1].custody if log else None
        custody = _follow(before, new, where)
        _check_request(new, before, where)
        if custody.epoch != epoch:
            raise Violation(f"{where} carries epoch {epoch}, not {custody.epoch}")
        log.append(Written(new.head, new.signature, new.salt, new.body, new.kind, new.center, custody))
        self._readers(case_id, new, custody)

    def _readers(self, case_id: str, new: Written, custody: Custody) -> None:
        readers = self.readers.setdefault(case_id, set())
        readers.update(code for code in (custody.holder, custody.to) if code is not None)
        body = json.loads(new.body or "{}")
        if new.kind == "viewed":
            readers.add(body["by"])
        if new.kind == "joined":
            readers.add(body["center"])
        asked = body.get("request")
        if asked:
            readers.add(json.loads(asked["head"])["center"])  # it wrote the text of its request itself

    def _copy(self, machine: "Machine", case_id: str) -> None:
        """What a database says of the holder is what the log says."""
        row = machine.disk.raw.execute(
            "SELECT holder, in_transit_to, epoch, seq FROM cases WHERE id = ? AND state IS NOT NULL", (case_id,)
        ).fetchone()
        if row is None:
            return
        holder, in_transit_to, epoch, seq = row
        log = self.logs[case_id]
        if seq > len(log):
            return  # a header that is ahead of the entries; the entries were looked at
        custody = log[seq - 1].custody
        if (holder, in_transit_to, epoch) != (custody.holder, custody.to, custody.epoch):
            raise Violation(f"{machine.code} believes {row} of case {case_id[:8]}, the log says {custody}")
        if holder == machine.code and seq != len(log):
            raise Violation(
                f"{machine.code} believes to hold case {case_id[:8]} at {seq}, the log goes on to {len(log)}"
            )

    def custody(self, case_id: str) -> Custody:
        """Who has a case now."""
        return self.logs[case_id][-1].custody

    # --- lanes -------------------------------------------------------------------------------------

    def _lanes(self, machine: "Machine", seen: Seen) -> None:
        raw = machine.disk.raw
        for peer, lane, last, offered, acked in raw.execute(
            "SELECT peer, lane, last_seq, offered_seq, acked_seq FROM lanes"
        ).fetchall():
            before = seen.lanes.get((peer, lane), (0, 0, 0))
            now = (last, offered, acked)
            if now == before:
                continue
            where = f"{machine.code} to {peer}, lane {lane}: {before} became {now}"
            if any(new < old for new, old in zip(now, before, strict=True)):
                raise Violation(f"{where}: a position went back")
            if not acked <= offered <= last:
                raise Violation(f"{where}: not acked <= offered <= last")
            if last > before[0]:
                count, first, final = raw.execute(
                    "SELECT count(*), min(seq), max(seq) FROM outbox WHERE peer = ? AND lane = ? AND seq > ?",
                    (peer, lane, before[0]),
                ).fetchone()
                if (count, first, final) != (last - before[0], before[0] + 1, last):
                    raise Violation(f"{where}: {count} messages from {first} to {final} in the outbox")
            if acked > before[2] and peer in self._seen:
                holds = self._seen[peer].inbox.get((machine.code, lane), 0)
                if acked > holds:
                    raise Violation(f"{where}: acknowledged, but the database of {peer} holds {holds}")
            seen.lanes[peer, lane] = now

    def _inbox(self, machine: "Machine", seen: Seen) -> None:
        raw = machine.disk.raw
        for peer, lane, applied in raw.execute("SELECT peer, lane, applied_seq FROM inbox").fetchall():
            before = seen.inbox.get((peer, lane), 0)
            if applied == before:
                continue
            where = f"{machine.code} from {peer}, lane {lane}: {before} became {applied}"
            if applied < before:
                raise Violation(f"{where}: applied went back")
            self._frames(machine, peer, lane, before, applied, where)
            seen.inbox[peer, lane] = applied

    def _frames(self, machine: "Machine", peer: str, lane: str, before: int, applied: int, where: str) -> None:
        """What was applied is what the sender's outbox holds under these numbers."""
        sent = dict(
            self._world.machines[peer].disk.raw.execute(
                "SELECT seq, body FROM outbox WHERE peer = ? AND lane = ? AND seq > ? AND seq <= ?",
                (machine.code, lane, before, applied),
            )
        )
        expected = before + 1
        for first, last, payload in machine.disk.raw.execute(
            "SELECT first_seq, last_seq, payload FROM received_frames "
            "WHERE peer = ? AND lane = ? AND first_seq > ? ORDER BY first_seq",
            (peer, lane, before),
        ).fetchall():
            messages = decompress(payload, FRAME_MAX_PLAIN_BYTES).split(b"\n")
            if first != expected or len(messages) != last - first + 1:
                raise Violation(f"{where}: frame {first}-{last} of {len(messages)} messages, expected {expected}")
            for seq, message in enumerate(messages, start=first):
                if sent.get(seq) != message:
                    raise Violation(f"{where}: message {seq} is not the one that {peer} holds")
            expected = last + 1
        if expected != applied + 1:
            raise Violation(f"{where}: frames kept up to {expected - 1}")

    def _counters(self, machine: "Machine", seen: Seen) -> None:
        """Counters that a center knows of others never go back, however late a snapshot comes."""
        for code, incarnation, counter in machine.disk.raw.execute("SELECT code, incarnation, counter FROM counters"):
            before = seen.counters.get((code, incarnation), 0)
            if counter < before:
                raise Violation(f"{machine.code}: the row of {code} went back from {before} to {counter}")
            seen.counters[code, incarnation] = counter


def _check_request(new: Written, before: Custody | None, where: str) -> None:
    """An entry made from a request contains it, signed by the asker, and bound to its epoch where it must be."""
    asked = json.loads(new.body or "{}").get("request")
    if asked is None:
        return
    head = json.loads(asked["head"])
    key = keys_of(head["center"]).signing.public
    if not verify(key, REQUEST_CONTEXT, asked["head"].encode(), from_text(asked["signature"])):
        raise Violation(f"{where}: its request is not signed by {head['center']}")
    if head["kind"] in BOUND and before is not None and head["epoch"] != before.epoch:
        raise Violation(f"{where}: asked for in epoch {head['epoch']}, granted in epoch {before.epoch}")


_NOBODY = Custody(0, None)


def _follow(before: Custody | None, new: Written, where: str) -> Custody:
    """Custody after an entry, by rules of the oracle's own."""
    body = json.loads(new.body or "{}")
    if before is None:
        if new.kind != "registered":
            raise Violation(f"{where} begins a log")
        return Custody(1, new.center)
    if new.kind == "delivered":
        if before.to != new.center:
            raise Violation(f"{where}: {new.center} takes what is {before}")
        return Custody(before.epoch, new.center)
    if new.kind == "bounced" or body.get("taken_back"):
        if before.sender != new.center:
            raise Violation(f"{where}: {new.center} takes back what is {before}")
        return Custody(before.epoch + 1, new.center)
    if before.holder != new.center:
        raise Violation(f"{where}: {new.center} writes to what is {before}")
    if new.kind in TRANSFERS:
        return Custody(before.epoch + 1, None, new.center, body["to"])
    return before
