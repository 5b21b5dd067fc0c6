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
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol.compression import decompress
from protocol.entries import CONTEXT as ENTRY_CONTEXT
from protocol.keys import from_text, verify
from protocol.wire import FRAME_MAX_PLAIN_BYTES
from tests.sim.custody import NOBODY, TRANSFERS, Custody, Violation, Written, check_request, follow
from tests.sim.restored import Restored, cases_of

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World


@dataclass(slots=True)
class Seen:
    """What the oracle saw of a machine's database at its last commit."""

    entries: int = 0
    lanes: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    inbox: dict[tuple[str, str], int] = field(default_factory=dict)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)


class Oracle:
    """The oracle of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.logs: dict[str, list[Written]] = {}
        self.readers: dict[str, set[str]] = {}
        """Who may ever have read a case."""
        self.registered: dict[str, str] = {}
        """Cases whose registration a person was told of, and where."""
        self.restored = Restored(world)
        self._seen = {code: Seen() for code in world.machines}
        self._ended: set[frozenset[str]] = set()
        """Pairs whose link has ended once; what begins anew begins at zero."""

    def forget(self, machine: "Machine", image: bytes | None, also: AbstractSet[str] = frozenset()) -> None:
        """A machine's disk becomes what an older copy holds, or its twin is gone, which had cases ``also``."""
        self.restored.happens_to(machine, image, set(also))
        self._seen[machine.name] = Seen()

    def shake(self, machine: "Machine") -> None:
        """A second machine begins to speak for this one's center."""
        self.restored.shake(machine, cases_of(machine))

    def settle(self) -> None:
        """Everything is at rest: what was shaken must be whole again, and is watched like the rest from now on.

        Raises:
            Violation: it is not.
        """
        for case_id in self.restored.cases:
            missing = self.restored.missing(case_id)
            if missing is not None:
                raise Violation(missing)
            self.logs[case_id] = []
            if self.restored.gone(case_id):
                del self.logs[case_id]
                self.registered.pop(case_id, None)
                continue
            holders = self.restored.holders(case_id)
            if len(holders) != 1:
                raise Violation(f"case {case_id[:8]} is held by {holders}")
            self._read_again(self._world.machines[holders[0]], case_id)

    def _read_again(self, holder: "Machine", case_id: str) -> None:
        """The log of a case as its holder has it, by our rules."""
        log = self.logs[case_id]
        for seq, epoch, head, signature, salt, body, kind, center in holder.disk.raw.execute(
            "SELECT seq, epoch, head, signature, salt, text_of('entries.body', body), kind, center FROM entries "
            "WHERE case_id = ? ORDER BY seq",
            (case_id,),
        ).fetchall():
            where = f"entry {seq} of case {case_id[:8]} at {holder.code}, after all was healed,"
            if seq != len(log) + 1:
                raise Violation(f"{where} came after {len(log)}")
            self._append(case_id, epoch, Written(head, signature, salt, body, kind, center, NOBODY), where)

    def acknowledged(self, code: str, case_id: str) -> None:
        """A person was told that a case is registered.

        Raises:
            Violation: it is not in the database.
        """
        self.registered[case_id] = code
        if case_id not in self.logs and case_id not in self.restored.cases:
            raise Violation(f"{code} says that case {case_id[:8]} is registered, its database knows nothing of it")

    def committed(self, machine: "Machine") -> None:
        """Look at what a commit brought.

        Raises:
            Violation: it may not be.
        """
        seen = self._seen.setdefault(machine.name, Seen())
        self._entries(machine, seen)
        if machine in self._world.twins:
            return
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
            "SELECT case_id, seq, epoch, kind, center, head, signature, salt, text_of('entries.body', body) "
            "FROM entries WHERE rowid > ? ORDER BY case_id, seq",
            (seen.entries,),
        ).fetchall()
        seen.entries = newest
        for case_id, seq, epoch, kind, center, head, signature, salt, body in rows:
            self._entry(machine, case_id, seq, epoch, Written(head, signature, salt, body, kind, center, NOBODY))
        for case_id in {row[0] for row in rows} - self.restored.cases.keys():
            self._copy(machine, case_id)

    def _entry(self, machine: "Machine", case_id: str, seq: int, epoch: int, new: Written) -> None:
        where = f"entry {seq} ({new.kind}) of case {case_id[:8]} at {machine.code}"
        if case_id not in self.restored.cases and machine.code in {twin.code for twin in self._world.twins}:
            self.restored.shake(machine, {case_id})  # it came while two speak for the center
        if case_id in self.restored.cases:
            self._signed(new, where)
            self._readers(case_id, new)
            return
        log = self.logs.setdefault(case_id, [])
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
        self._append(case_id, epoch, new, where)

    def _append(self, case_id: str, epoch: int, new: Written, where: str) -> None:
        log = self.logs[case_id]
        self._signed(new, where)
        before = log[-1].custody if log else None
        custody = follow(before, new, where)
        check_request(new, before, where, self._world.keys)
        if custody.epoch != epoch:
            raise Violation(f"{where} carries epoch {epoch}, not {custody.epoch}")
        log.append(Written(new.head, new.signature, new.salt, new.body, new.kind, new.center, custody))
        self._readers(case_id, new)

    def _signed(self, new: Written, where: str) -> None:
        head, signature = new.head.encode(), from_text(new.signature)
        if not any(verify(key, ENTRY_CONTEXT, head, signature) for key in self._world.keys[new.center]):
            raise Violation(f"{where} is not signed by {new.center}")

    def _readers(self, case_id: str, new: Written) -> None:
        body = json.loads(new.body or "{}")
        readers = self.readers.setdefault(case_id, set())
        readers.add(new.center)
        if new.kind in TRANSFERS:
            readers.add(body["to"])
        if new.kind == "viewed":
            readers.add(body["by"])
        if new.kind == "replaced":
            readers.add(body["successor"])
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
            if "#" in peer:  # what is kept of a link that ended
                self._ended.add(frozenset({machine.code, peer.partition("#")[0]}))
            if self._may_go_back(machine, peer):
                seen.lanes[peer, lane] = now
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
            if self._may_go_back(machine, peer):
                seen.inbox[peer, lane] = applied
                continue
            where = f"{machine.code} from {peer}, lane {lane}: {before} became {applied}"
            if applied < before:
                raise Violation(f"{where}: applied went back")
            self._frames(machine, peer, lane, before, applied, where)
            seen.inbox[peer, lane] = applied

    def _may_go_back(self, machine: "Machine", peer: str) -> bool:
        """Whether positions may go back: somebody's database did, or the link ended and begins anew."""
        return frozenset({machine.code, peer.partition("#")[0]}) in self._ended or self.restored.concerns(
            machine.code, peer
        )

    def _frames(self, machine: "Machine", peer: str, lane: str, before: int, applied: int, where: str) -> None:
        """What was applied is what the sender's outbox holds under these numbers."""
        sent = dict(
            self._world.machines[peer].disk.raw.execute(
                "SELECT seq, bytes_of('outbox.body', body) FROM outbox "
                "WHERE peer = ? AND lane = ? AND seq > ? AND seq <= ?",
                (machine.code, lane, before, applied),
            )
        )
        expected = before + 1
        for first, last, payload in machine.disk.raw.execute(
            "SELECT first_seq, last_seq, bytes_of('received_frames.payload', payload) FROM received_frames "
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
        """Counters that a center knows of others never go back, however late a snapshot comes.

        But for a center that has moved back to a former parent, whose clock is wrong: that tells what it knew of it in
        another time, until the center itself is heard.
        """
        if {"clock", "rehome"} <= self._world.faults.struck.keys():
            return
        for code, incarnation, counter in machine.disk.raw.execute("SELECT code, incarnation, counter FROM counters"):
            before = seen.counters.get((code, incarnation), 0)
            if counter < before and not self.restored.concerns(machine.code, code):
                raise Violation(f"{machine.code}: the row of {code} went back from {before} to {counter}")
            seen.counters[code, incarnation] = counter
