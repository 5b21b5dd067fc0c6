"""Reporting: our own row and our descendants' rows go up to the parent, as last values that may get lost.

Theory of operation. A snapshot carries our own row and the rows of descendants that changed since the last one.
What a lost snapshot carried comes again with the next full one, within ``HEARTBEAT``. A row's counter rises
whenever its content does not read as it did in the last snapshot: case changes raise it in their own
transaction (``node.status.ledger``); what changes without one (the overdue gauge with time, the backlog with an
acknowledgement) raises it here. The first snapshot of a process raises it too, since nobody remembers what the
last process told. A new ``as_of`` alone raises nothing; at an equal counter the parent takes the later one.

News of a descendant goes on at once; a mere sign of life waits a little for others (``GATHER``), so that a
county does not write to disk for each village by itself.

Revoked centers. The last row of a revoked center stays in its ancestors' tables, goes on upward and counts in
every total: what it registered was settled elsewhere and counts there, so without its row
``registered = held + in_transit + closed + merged`` would break, and figures of past years would change. What it
still holds is real, too, and nobody works on it: a total that hid it would be wrong. It has no say in how old a
total is, and nobody misses its reports (``node.status.board``).
"""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import structlog
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.cases.tables import CaseRow
from node.federation import lanes
from node.federation.tables import LinkRow
from node.rows import insert_unless_there
from node.status.descendants import CLOCK_TOLERANCE, store_rows
from node.status.tables import CounterRow
from node.unit import Unit, unit_of
from protocol.errors import BadRecord, RemoteError
from protocol.records import flaws
from protocol.status import GAUGE, Row, Snapshot

if TYPE_CHECKING:
    from node.center import Center

HEARTBEAT = timedelta(seconds=60)
"""After so long everything is sent again, changed or not."""

SHORTEST = timedelta(seconds=0.9)
"""Between two snapshots: about one a second."""

GATHER = timedelta(seconds=15)
"""How long a descendant's sign of life waits for others. While all links are up, a row is thus never older than
HEARTBEAT and one GATHER for each level between: 75 s at the county, where it counts as stale after 180."""

LOOK_AGAIN = timedelta(seconds=5)
"""How often our own row is looked at where this process has committed nothing since: deadlines pass by themselves, and
the command line writes from a process of its own."""

SNAPSHOT_MAX_BYTES = 240 * 1024
"""One snapshot before compression. A frame takes 256 KB compressed, and what a hostile descendant makes its row of
need not shrink at all."""

STRANGERS_MAX = 2000
"""Rows of centers without a certificate that are kept until it comes; more come again within HEARTBEAT."""

log = structlog.get_logger()


def own_row(session: Session, center: "Center", now: datetime) -> Row:
    """Our own row as of now; all zero where nothing was counted yet.

    The number of cases does not matter: totals are kept with each case change, the gauge is a range of an index,
    the backlog a subtraction.
    """
    kept = session.get(CounterRow, center.code)
    counters: dict[str, int] = json.loads(kept.counters) if kept is not None else {}
    if overdue := count_overdue(session, center.code, now):
        counters[GAUGE] = overdue
    parent = center.parent
    return Row(
        code=center.code,
        incarnation=center.identity.incarnation,
        counter=kept.counter if kept is not None else 0,
        as_of=now,
        counters=counters,
        backlog=lanes.backlog(session, parent) if parent is not None else 0,
    )


def count_overdue(session: Session, code: str, now: datetime) -> int:
    """Open cases that this center holds past their deadline."""
    late = select(func.count()).where(CaseRow.holder == code, CaseRow.ended.is_(False), CaseRow.deadline < now)
    return session.scalar(late) or 0


def ensure_row(session: Session, center: "Center", now: datetime) -> None:
    """Have a row of ours, all zero, where none is yet; harmless when somebody else does the same."""
    empty = {"incarnation": center.identity.incarnation, "counter": 0, "as_of": now, "counters": "{}"}
    insert_unless_there(session, CounterRow, code=center.code, backlog=0, **empty)


class Reporter:
    """What a center tells its parent of its counters, and hears from its children. Called from any thread."""

    def __init__(self, center: "Center") -> None:
        self._center = center
        self._lock = threading.Lock()
        self._told: Row | None = None
        self._sent_at: datetime | None = None
        self._all_sent_at: datetime | None = None
        self._signs_sent_at: datetime | None = None
        self._news: set[str] = set()
        self._signs: set[str] = set()
        self._seen: dict[str, tuple[str, int]] = {}
        self._strangers: dict[str, tuple[str, Row]] = {}
        self._looked_at: datetime | None = None
        self._stirred = True
        center.database.on_commit(self._stir)

    def snapshot(self, force_all: bool, now: datetime) -> list[bytes]:  # noqa: FBT001 - the runner's one question
        """What to send now: JSON documents of ``protocol.status.Snapshot``, each small enough for a frame.

        Args:
            force_all: send everything, as after HELLO; else what changed, everything once per HEARTBEAT, and
                nothing within a second of the last time.
            now: the instant that our row is told as of.

        Returns:
            Usually one document, several where there are many rows, none where there is nothing to tell.

        Raises:
            DatabaseUnavailable: what was to be told now is told the next time.
        """
        if self._center.parent is None:
            return []
        with self._lock:
            if not force_all and not _past(self._sent_at, SHORTEST, now):
                return []
            everything = force_all or _past(self._all_sent_at, HEARTBEAT, now)
            codes = self._due(everything, now)
            if not (everything or codes or self._stirred or _past(self._looked_at, LOOK_AGAIN, now)):
                return []
            self._stirred = False
            own = self._own(now)
            self._looked_at = now
            changed = self._told is None or not _same(self._told, own)
            if not (everything or changed or codes):
                return []
            rows = [own, *self._rows(None if everything else codes)]
            self._told, self._sent_at = own, now
            self._news -= codes
            self._signs -= codes
            if codes:
                self._signs_sent_at = now
            if everything:
                self._all_sent_at = now
                self._news.clear()
                self._signs.clear()
            return list(_documents(rows))

    def receive(self, peer: str, document: bytes) -> None:
        """Keep the rows of a child's snapshot.

        Rows of centers that we have no certificate of yet wait for it: status may overtake certificates. A clock that
        is plainly wrong is corrected: by what HELLO showed of it, if the child's own row, just told, shows the same.

        Raises:
            RemoteError: it does not parse, or has a row of somebody who is not below the child; nothing is kept.
            DatabaseUnavailable: nothing is kept.
        """
        snapshot = _read_snapshot(peer, document)
        with unit_of(self._center, behind_people=True) as unit:
            kept = _keep_known(unit, peer, snapshot)
        self._remember(kept)

    def receive_all(self, came: Sequence[tuple[str, bytes]]) -> None:
        """Keep the rows of many children's snapshots in one transaction; what is refused is logged.

        Raises:
            DatabaseUnavailable: nothing is kept.
        """
        all_kept = []
        with unit_of(self._center, behind_people=True) as unit:
            for peer, document in came:
                try:
                    snapshot = _read_snapshot(peer, document)
                    with unit.attempt():
                        all_kept.append(_keep_known(unit, peer, snapshot))
                except RemoteError as error:
                    log.warning("snapshot.refused", peer=peer, reason=str(error))
        for kept in all_kept:
            self._remember(kept)

    def _remember(self, kept: "_Kept") -> None:
        self._keep_strangers(kept.peer, kept.strangers)
        self._note(kept.changed)

    def _keep_strangers(self, peer: str, rows: Sequence[Row]) -> None:
        with self._lock:
            room = STRANGERS_MAX - len(self._strangers)
            self._strangers.update({row.code: (peer, row) for row in rows[: max(0, room)]})
        if rows:
            log.info("status.unknown_centers", peer=peer, rows=len(rows))

    def meet_strangers(self) -> None:
        """Keep the rows that waited for a certificate which has come meanwhile.

        Raises:
            DatabaseUnavailable: they wait on.
        """
        tree = self._center.directory.tree
        with self._lock:
            met = {code: told for code, told in self._strangers.items() if code in tree.claims}
        if not met:
            return
        changed: set[str] = set()
        with unit_of(self._center) as unit:
            for peer, row in met.values():
                try:
                    changed.update(store_rows(unit, peer, [row]))
                except BadRecord as error:
                    log.warning("snapshot.refused", peer=peer, reason=str(error))
        with self._lock:
            for code, told in met.items():
                if self._strangers.get(code) is told:
                    del self._strangers[code]
        self._note(row for _, row in met.values() if row.code in changed)

    def _note(self, rows: Iterable[Row]) -> None:
        """Remember what of these rows is to be passed on, and how soon."""
        with self._lock:
            for row in rows:
                version = row.incarnation, row.counter
                (self._signs if self._seen.get(row.code) == version else self._news).add(row.code)
                self._seen[row.code] = version

    def _stir(self) -> None:
        """Something was committed here; our row may have changed."""
        self._stirred = True

    def _own(self, now: datetime) -> Row:
        """Our row; its counter is raised if it would else tell something new under the last one."""
        with self._center.database.read() as session:
            row = own_row(session, self._center, now)
        if self._told is not None and (_same(self._told, row) or row.counter > self._told.counter):
            return row
        with self._center.database.write(behind_people=True) as session:
            ensure_row(session, self._center, now)
            mine = select(CounterRow).where(CounterRow.code == self._center.code).with_for_update()
            kept = session.scalars(mine).one()
            kept.counter += 1
            kept.incarnation, kept.as_of = self._center.identity.incarnation, now
            session.flush()
            return own_row(session, self._center, now)

    def _due(self, everything: bool, now: datetime) -> set[str]:  # noqa: FBT001 - private
        """Codes of the descendants whose rows go up now."""
        if everything or self._news or _past(self._signs_sent_at, GATHER, now):
            return self._news | self._signs
        return set()

    def _rows(self, codes: set[str] | None) -> list[Row]:
        """Rows of descendants as we know them: these, or all."""
        tree, me = self._center.directory.tree, self._center.code
        query = select(CounterRow).where(CounterRow.code != me).order_by(CounterRow.code)
        if codes is not None:
            query = query.where(CounterRow.code.in_(codes))
        with self._center.database.read() as session:
            return [_row(row) for row in session.scalars(query) if tree.is_ancestor(me, row.code)]


def _row(kept: CounterRow) -> Row:
    return Row(
        code=kept.code,
        incarnation=kept.incarnation,
        counter=kept.counter,
        as_of=kept.as_of,
        counters=json.loads(kept.counters),
        backlog=kept.backlog,
    )


def _same(left: Row, right: Row) -> bool:
    """Whether two rows say the same, whenever they said it."""
    return left.counters == right.counters and left.backlog == right.backlog


def _set_right(row: Row, wrong: float) -> Row:
    """The row with its time by our clock, not by one that is so many seconds ahead."""
    try:
        return row.model_copy(update={"as_of": row.as_of - timedelta(seconds=wrong)})
    except OverflowError as error:
        raise BadRecord(f"row of {row.code} as of {row.as_of}") from error


def _past(last: datetime | None, pause: timedelta, now: datetime) -> bool:
    """Whether a pause is over; also when the clock was set back meanwhile."""
    return last is None or not timedelta(0) <= now - last < pause


def _documents(rows: Sequence[Row]) -> Iterator[bytes]:
    """Snapshots of bounded size."""
    batch: list[str] = []
    size = 0
    for row in rows:
        text = row.model_dump_json()
        length = len(text.encode()) + 1
        if batch and size + length > SNAPSHOT_MAX_BYTES:
            yield _document(batch)
            batch, size = [], 0
        batch.append(text)
        size += length
    yield _document(batch)


def _document(rows: list[str]) -> bytes:
    return ('{"rows":[' + ",".join(rows) + "]}").encode()


class _Kept(NamedTuple):
    """What became of a snapshot: rows that changed ours, and rows of centers that we do not know yet."""

    peer: str
    changed: Sequence[Row]
    strangers: Sequence[Row]


def _read_snapshot(peer: str, document: bytes) -> Snapshot:
    try:
        return Snapshot.model_validate_json(document)
    except ValidationError as error:
        raise BadRecord(f"snapshot of {peer}: {flaws(error)}") from error


def _keep_known(unit: Unit, peer: str, snapshot: Snapshot) -> _Kept:
    """Store the rows of centers that we know."""
    known = [row for row in snapshot.rows if row.code in unit.tree.claims]
    offset = unit.session.scalar(select(LinkRow.clock_offset).where(LinkRow.peer == peer)) or 0.0
    if abs(offset) > CLOCK_TOLERANCE and any(
        row.code == peer and abs((row.as_of - unit.now).total_seconds() - offset) <= CLOCK_TOLERANCE for row in known
    ):
        known = [_set_right(row, offset) for row in known]
    changed = set(store_rows(unit, peer, known))
    strangers = [row for row in snapshot.rows if row.code not in unit.tree.claims]
    return _Kept(peer, [row for row in known if row.code in changed], strangers)
