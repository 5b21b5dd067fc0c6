"""The inbox: a frame's messages are applied in one transaction, together with the lane's new position.

If one message fails, the frame is applied again message by message, each in a savepoint; what fails then is parked
with its reason and the link goes on. Messages of a case that has something parked wait behind it. Unknown types are
parked too and replayed after an upgrade. Failures of the database itself are not the message's fault: the whole
frame is undone and comes again.

Before the transaction begins, all messages are read and their signatures checked, so that people who write do not
wait for that. A message that can't be read then is read again in its turn: the certificate that it needs may stand
before it in the same frame.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from node.db import DatabaseUnavailable
from node.federation.handlers import HANDLERS
from node.federation.parking import (
    BEHIND,
    SYSTEM_TYPES,
    UNKNOWN_TYPE,
    Behind,
    Frame,
    Parked,
    ParkedCases,
    park,
    reason_of,
)
from node.federation.reading import Arrival, Payload, Reader, read_verified
from node.federation.tables import InboxRow, ParkedRow, ReceivedFrameRow
from node.rows import table_of
from node.unit import Unit
from protocol.compression import compress
from protocol.link import Apply
from protocol.messages import HOPS_MAX, Lane, Message, Type
from protocol.payloads import OBSTACLES_MAX, Receipt

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

RETRY_BATCH = 100
"""Parked messages that are tried in one transaction: people never wait behind thousands of them."""


_INBOX = table_of(InboxRow)
_POSITION = (
    select(_INBOX.c.applied_seq)
    .where(_INBOX.c.peer == bindparam("peer"), _INBOX.c.lane == bindparam("lane"))
    .with_for_update()
)
_MOVE = (
    update(_INBOX)
    .where(_INBOX.c.peer == bindparam("of_peer"), _INBOX.c.lane == bindparam("of_lane"))
    .values({name: bindparam(name) for name in ("applied_seq", "applied_digest", "peer_incarnation")})
)
_KEEP = insert(table_of(ReceivedFrameRow))
"""Done with every frame, hence built once, and of the tables themselves."""


def apply_frame(center: "Center", peer: str, action: Apply, reader: Reader | None = None) -> int:
    """Apply a frame in one transaction.

    Args:
        center: our center.
        peer: who sent it.
        action: what the link's machine asks for.
        reader: of this link, which may have read the messages ahead.

    Returns:
        How many of its messages were parked.

    Raises:
        DatabaseUnavailable: nothing was applied.
        BadPosition: the lane has moved on meanwhile.
    """
    return _apply_frame(center, peer, action, (reader or Reader(center, peer)).take(action.messages))


def _apply_frame(center: "Center", peer: str, action: Apply, read: Sequence[Arrival | None]) -> int:
    try:
        with center.database.write(behind_people=True) as session:
            frame = _open(center, session, peer, action, read)
            for line, arrival in zip(action.messages, read, strict=True):
                _apply(frame, arrival or read_verified(center, peer, line))
            _close(frame, action)
        return 0
    except (DatabaseUnavailable, OperationalError, BadPosition):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a message breaks, it is found and parked below
        log.info("frame.one_by_one", peer=peer, lane=action.lane, first=action.first, reason=reason_of(error))
    return _apply_one_by_one(center, peer, action, read)


def _apply_one_by_one(center: "Center", peer: str, action: Apply, read: Sequence[Arrival | None]) -> int:
    parked = 0
    with center.database.write(behind_people=True) as session:
        frame = _open(center, session, peer, action, read)
        for seq, (line, arrival) in enumerate(zip(action.messages, read, strict=True), start=action.first):
            try:
                with frame.unit.attempt():
                    _apply(frame, arrival or read_verified(center, peer, line))
                    frame.unit.book.flush()
            except (DatabaseUnavailable, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a message breaks, the link goes on and a person is told
                park(frame, seq, line, error)
                parked += 1
        _close(frame, action)
    return parked


class BadPosition(Exception):
    """The lane's position is not where this frame continues."""


def _open(center: "Center", session: Session, peer: str, action: Apply, read: Sequence[Arrival | None]) -> Frame:
    """Begin the unit of work of a frame, with what is known of its cases."""
    row = session.connection().execute(_POSITION, {"peer": peer, "lane": action.lane.value}).one_or_none()
    if row is None:
        raise BadPosition("the link has ended")
    if row.applied_seq != action.first - 1:
        raise BadPosition(f"{peer} {action.lane}: applied {row.applied_seq}, frame begins at {action.first}")
    unit = Unit(center, session)
    messages = [arrival.message for arrival in read if arrival is not None and arrival.message is not None]
    case_ids = {message.subject for message in messages if message.subject is not None}
    unit.book.load(case_ids)
    return Frame(unit, peer, action.lane, ParkedCases(session, case_ids))


def _close(frame: Frame, action: Apply) -> None:
    unit, peer = frame.unit, frame.peer
    _send_receipts(frame)
    values = {
        "of_peer": peer,
        "of_lane": action.lane.value,
        "applied_seq": action.position.seq,
        "applied_digest": action.position.digest,
        "peer_incarnation": action.incarnation,
    }
    moved = unit.session.connection().execute(_MOVE, values)
    if moved.rowcount:  # else the link ended with this frame
        _keep(frame, action)
    unit.finish()


def _keep(frame: Frame, action: Apply) -> None:
    """Keep a frame as it was applied: what a restored neighbour gets back."""
    kept = {
        "peer": frame.peer,
        "lane": action.lane.value,
        "incarnation": action.incarnation,
        "first_seq": action.first,
        "last_seq": action.position.seq,
        "digest": action.position.digest,
        "payload": compress(b"\n".join(action.messages)),
        "received_at": frame.unit.now,
    }
    frame.unit.session.connection().execute(_KEEP, kept)


def _send_receipts(frame: Frame) -> None:
    """Tell sources what was applied of theirs, and what was not."""
    send = frame.unit.outbox.send
    for source, ids in frame.receipts.items():
        send(Type.RECEIPT, Receipt(ids=tuple(ids)), source)
    for source, obstacles in frame.obstacles.items():
        for first in range(0, len(obstacles), OBSTACLES_MAX):
            send(Type.RECEIPT, Receipt(ids=(), parked=tuple(obstacles[first : first + OBSTACLES_MAX])), source)


def _apply(frame: Frame, arrival: Arrival) -> None:
    """Apply one message, or pass it on."""
    outer, message = arrival.outer, arrival.message
    if message is None:
        _relay(frame, outer)
        return
    _deliver(frame, message, arrival.payload)
    if outer.type == Type.SEALED and message.type not in SYSTEM_TYPES:
        frame.receipts[message.sender].append(message.id)


def _deliver(frame: Frame, message: Message, payload: Payload | None) -> None:
    """Hand a message for us to its handler.

    Raises:
        Parked: its type is unknown, or something of its case is parked already.
        RemoteError: it can't be accepted.
    """
    if payload is None:
        raise Parked(f"{UNKNOWN_TYPE} {message.type}")
    if message.subject is not None:
        behind = frame.parked.of(message.subject)
        if behind is not None and not _is_for_another_holder(frame.unit, message):
            raise Behind(f"{BEHIND} {behind}")
    HANDLERS[message.type](frame.unit, message, payload)


def _is_for_another_holder(unit: Unit, message: Message) -> bool:
    """Whether this asks something of a case that we don't hold: the asker is told at once, whatever is parked here."""
    if message.type != Type.REQUEST or message.subject is None:
        return False
    state = unit.book.state(message.subject)
    return state is None or state.holder != unit.me


def _relay(frame: Frame, message: Message) -> None:
    unit, peer, lane = frame.unit, frame.peer, frame.lane
    neighbour = unit.tree.route(unit.me, message.destination)
    if neighbour is None or neighbour == peer or not unit.outbox.is_neighbour(neighbour):
        unit.outbox.undeliverable(message, f"{message.destination} takes no part in the federation")
    elif message.hops >= HOPS_MAX:
        unit.outbox.undeliverable(message, "went in circles")
    else:
        unit.outbox.forward(message, neighbour, lane)


def retry_parked(center: "Center", parked_id: str | None = None) -> tuple[int, int]:
    """Apply parked messages again, oldest first; what stays keeps its place, and what waits behind it stays too.

    People write between the batches. Frames of neighbours wait while one is tried: whatever they park waits behind
    what is still parked, and comes in its turn.

    Args:
        center: our center.
        parked_id: only this message, and those of its case behind it.

    Returns:
        How many were applied now, and how many of those stay parked.
    """
    applied = stay = after = 0
    stuck: set[str] = set()
    while True:
        with center.database.write() as session:
            session.execute(select(InboxRow.peer).order_by(InboxRow.peer, InboxRow.lane).with_for_update())
            rows = session.scalars(_chosen(session, parked_id, after)).all()
            if not rows:
                return applied, stay
            after = rows[-1].number
            gone = _retry_all(Unit(center, session), rows, stuck)
        applied += gone
        stay += len(rows) - gone


def _chosen(session: Session, parked_id: str | None, after: int) -> Select[ParkedRow]:
    """The next batch of what is to be tried: all, or one message and those of its case behind it."""
    query = select(ParkedRow).where(ParkedRow.number > after).order_by(ParkedRow.number).limit(RETRY_BATCH)
    if parked_id is None:
        return query
    first = select(ParkedRow.number, ParkedRow.case_id).where(ParkedRow.id == parked_id)
    found = session.execute(first).one_or_none()
    number, case_id = found or (0, None)
    of_case = (ParkedRow.case_id == case_id) & (ParkedRow.number > number)
    return query.where((ParkedRow.id == parked_id) | of_case)


def _retry_all(unit: Unit, rows: Sequence[ParkedRow], stuck: set[str]) -> int:
    """Try a batch; returns how many were applied. Cases of which something stays parked are ``stuck``."""
    receipts: dict[str, list[str]] = defaultdict(list)
    applied = 0
    for row in rows:
        if row.case_id not in stuck and _retry(unit, row, receipts):
            applied += 1
        elif row.case_id is not None:
            stuck.add(row.case_id)
    for source, ids in sorted(receipts.items()):
        unit.outbox.send(Type.RECEIPT, Receipt(ids=tuple(ids)), source)
    unit.finish()
    return applied


def _retry(unit: Unit, row: ParkedRow, receipts: dict[str, list[str]]) -> bool:
    """Apply one parked message; if it fails again, its newest reason stands on it."""
    known = [row.case_id] if row.case_id is not None else []
    try:
        with unit.attempt():
            arrival = read_verified(unit.center, row.peer, row.body)
            frame = Frame(unit, row.peer, Lane(row.lane), ParkedCases(unit.session, known, before=row.number))
            _apply(frame, arrival)
            unit.book.flush()
    except (DatabaseUnavailable, OperationalError):
        raise
    except Exception as error:  # noqa: BLE001 - it stays parked, with its newest reason
        row.reason = reason_of(error)
        return False
    if arrival.message is not None and arrival.message.type not in SYSTEM_TYPES:
        receipts[arrival.message.sender].append(arrival.message.id)
    unit.session.delete(row)
    unit.session.flush()
    return True
