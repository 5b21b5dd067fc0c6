"""The inbox: a frame's messages are applied in one transaction, together with the lane's new position.

If one message fails, the frame is applied again message by message, each in a savepoint; what fails then is parked
with its reason and the link goes on. Messages of a case that has something parked wait behind it. Unknown types are
parked too and replayed after an upgrade. Failures of the database itself are not the message's fault: the whole
frame is undone and comes again.

Before the transaction begins, all messages are read and their signatures checked, so that people who write do not
wait for that. A message that can't be read then is read again in its turn: the certificate that it needs may stand
before it in the same frame.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from node.cases import arrivals, transfers
from node.db import DatabaseUnavailable
from node.directory import add_certificates
from node.federation.tables import InboxRow, OutboxRow, ParkedRow, ReceivedFrameRow
from node.status import descendants
from node.unit import Unit
from protocol.centers import Certificate
from protocol.compression import compress
from protocol.errors import BadRecord, RemoteError
from protocol.link import Apply
from protocol.messages import (
    HOPS_MAX,
    PAYLOADS,
    Certificates,
    Entries,
    Lane,
    Message,
    Receipt,
    Type,
    Undeliverable,
    Void,
    open_message,
    read_message,
    read_payload,
)
from protocol.records import Frozen

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

SYSTEM_TYPES = frozenset({Type.RECEIPT, Type.UNDELIVERABLE, Type.CERTIFICATES, Type.DAYS, Type.VOID})
"""Types that need no receipt."""


class Parked(Exception):
    """A message must wait; the reason is its text."""


Payload = Frozen | arrivals.VerifiedEntries


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came, read.

    Attributes:
        outer: as it travelled.
        message: as its source wrote it; None where it is for somebody else.
        payload: what it says; None where it is for somebody else, or of a type that we don't know.
    """

    outer: Message
    message: Message | None = None
    payload: Payload | None = None


class _Parked:
    """Which cases have something parked; looked up at once for those that a frame speaks of."""

    def __init__(self, session: Session, case_ids: Iterable[str]) -> None:
        self._session = session
        self._found: dict[str, str | None] = dict.fromkeys(case_ids)
        rows = session.execute(select(ParkedRow.case_id, ParkedRow.id).where(ParkedRow.case_id.in_(self._found)))
        self._found.update((str(case_id), parked_id) for case_id, parked_id in rows)

    def of(self, case_id: str) -> str | None:
        """Something parked of this case."""
        if case_id not in self._found:
            query = select(ParkedRow.id).where(ParkedRow.case_id == case_id).limit(1)
            self._found[case_id] = self._session.scalar(query)
        return self._found[case_id]

    def add(self, row: ParkedRow) -> None:
        """Park a message; later ones of its case wait behind it."""
        self._session.add(row)
        self._session.flush()
        if row.case_id is not None:
            self._found[row.case_id] = row.id


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame in its unit of work.

    Attributes:
        receipts: ids of what came sealed and was applied, by source.
    """

    unit: Unit
    peer: str
    lane: Lane
    parked: _Parked
    receipts: dict[str, list[str]] = field(default_factory=dict)


def apply_frame(center: "Center", peer: str, action: Apply) -> int:
    """Apply a frame in one transaction.

    Returns:
        How many of its messages were parked.

    Raises:
        DatabaseUnavailable: nothing was applied.
        BadPosition: the lane has moved on meanwhile.
    """
    read = [_try_read(center, peer, line) for line in action.messages]
    try:
        with center.database.write() as session:
            frame = _open(center, session, peer, action, read)
            for line, arrival in zip(action.messages, read, strict=True):
                _apply(frame, arrival or _read(center, peer, line))
            _close(frame, action)
        return 0
    except (DatabaseUnavailable, OperationalError, BadPosition):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a message breaks, it is found and parked below
        log.info("frame.one_by_one", peer=peer, lane=action.lane, first=action.first, error=repr(error))
    return _apply_one_by_one(center, peer, action, read)


def _apply_one_by_one(center: "Center", peer: str, action: Apply, read: Sequence[Arrival | None]) -> int:
    parked = 0
    with center.database.write() as session:
        frame = _open(center, session, peer, action, read)
        for seq, (line, arrival) in enumerate(zip(action.messages, read, strict=True), start=action.first):
            try:
                with frame.unit.attempt():
                    _apply(frame, arrival or _read(center, peer, line))
                    frame.unit.book.flush()
            except (DatabaseUnavailable, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a message breaks, the link goes on and a person is told
                _park(frame, seq, line, error)
                parked += 1
        _close(frame, action)
    return parked


def _try_read(center: "Center", peer: str, line: bytes) -> Arrival | None:
    try:
        return _read(center, peer, line)
    except RemoteError:
        return None


def _read(center: "Center", peer: str, line: bytes) -> Arrival:
    """Open and read a message for us and check its signatures; of one for somebody else, the envelope."""
    outer = read_message(line)
    if outer.destination != center.code:
        return Arrival(outer)
    message = outer
    keys_of = center.directory.known.keys_of
    if outer.type == Type.SEALED:
        message = open_message(outer, center.identity.sealing, keys_of(outer.sender))
    elif outer.sender != peer:
        raise BadRecord(f"unsealed message of {outer.sender} came from {peer}")
    if message.type not in PAYLOADS:
        return Arrival(outer, message)
    payload = read_payload(message)
    return Arrival(outer, message, arrivals.verified(payload, keys_of) if isinstance(payload, Entries) else payload)


class BadPosition(Exception):
    """The lane's position is not where this frame continues."""


def _open(center: "Center", session: Session, peer: str, action: Apply, read: Sequence[Arrival | None]) -> _Frame:
    """Begin the unit of work of a frame, with what is known of its cases."""
    row = session.execute(
        select(InboxRow.applied_seq).where(InboxRow.peer == peer, InboxRow.lane == action.lane).with_for_update()
    ).one()
    if row.applied_seq != action.first - 1:
        raise BadPosition(f"{peer} {action.lane}: applied {row.applied_seq}, frame begins at {action.first}")
    unit = Unit(center, session)
    messages = [arrival.message for arrival in read if arrival is not None and arrival.message is not None]
    case_ids = {message.subject for message in messages if message.subject is not None}
    unit.book.load(case_ids)
    return _Frame(unit, peer, action.lane, _Parked(session, case_ids))


def _close(frame: _Frame, action: Apply) -> None:
    unit, peer = frame.unit, frame.peer
    _send_receipts(frame)
    unit.session.execute(
        update(InboxRow)
        .where(InboxRow.peer == peer, InboxRow.lane == action.lane)
        .values(
            applied_seq=action.position.seq,
            applied_digest=action.position.digest,
            peer_incarnation=action.incarnation,
        )
    )
    unit.session.add(
        ReceivedFrameRow(
            peer=peer,
            lane=action.lane,
            incarnation=action.incarnation,
            first_seq=action.first,
            last_seq=action.position.seq,
            digest=action.position.digest,
            payload=compress(b"\n".join(action.messages)),
            received_at=unit.now,
        )
    )
    unit.finish()


def _send_receipts(frame: _Frame) -> None:
    for source, ids in frame.receipts.items():
        frame.unit.outbox.send(Type.RECEIPT, Receipt(ids=tuple(ids)), source)


def _apply(frame: _Frame, arrival: Arrival) -> None:
    """Apply one message, or pass it on."""
    outer, message = arrival.outer, arrival.message
    if message is None:
        _relay(frame, outer)
        return
    _deliver(frame, message, arrival.payload)
    if outer.type == Type.SEALED and message.type not in SYSTEM_TYPES:
        frame.receipts.setdefault(message.sender, []).append(message.id)


def _deliver(frame: _Frame, message: Message, payload: Payload | None) -> None:
    """Hand a message for us to its handler.

    Raises:
        Parked: its type is unknown, or something of its case is parked already.
        RemoteError: it can't be accepted.
    """
    if payload is None:
        raise Parked(f"unknown type {message.type}")
    if message.subject is not None:
        behind = frame.parked.of(message.subject)
        if behind is not None:
            raise Parked(f"behind parked message {behind}")
    _HANDLERS[message.type](frame.unit, message, payload)


def _relay(frame: _Frame, message: Message) -> None:
    unit, peer, lane = frame.unit, frame.peer, frame.lane
    neighbour = unit.tree.route(unit.me, message.destination)
    if neighbour is None or neighbour == peer or not unit.outbox.is_neighbour(neighbour):
        unit.outbox.undeliverable(message, f"{message.destination} takes no part in the federation")
    elif message.hops >= HOPS_MAX:
        unit.outbox.undeliverable(message, "went in circles")
    else:
        unit.outbox.forward(message, neighbour, lane)


def _park(frame: _Frame, seq: int, line: bytes, error: Exception) -> None:
    unit, peer, lane = frame.unit, frame.peer, frame.lane
    message: Message | None
    try:
        message = read_message(line)
    except BadRecord:
        message = None
    reason = str(error) or type(error).__name__
    log.warning("message.parked", peer=peer, lane=lane, seq=seq, reason=reason, error=type(error).__name__)
    frame.parked.add(
        ParkedRow(
            id=unit.new_id(),
            peer=peer,
            lane=lane,
            seq=seq,
            message_id=message.id if message is not None else None,
            type=message.type if message is not None else None,
            case_id=_case_id(unit, message),
            reason=reason[:1000],
            body=line,
            parked_at=unit.now,
        )
    )


def _case_id(unit: Unit, message: Message | None) -> str | None:
    """The case that a parked message belongs to, so that later ones wait behind it."""
    if message is None or message.type != Type.SEALED or message.destination != unit.me:
        return message.subject if message is not None else None
    try:
        keys = unit.center.directory.known.keys_of(message.sender)
        return open_message(message, unit.center.identity.sealing, keys).subject
    except RemoteError:
        return None


def retry_parked(center: "Center", parked_id: str | None = None) -> tuple[int, int]:
    """Apply parked messages again, oldest first.

    Returns:
        How many were applied now, and how many stay parked.
    """
    applied = stay = 0
    with center.database.write() as session:
        unit = Unit(center, session)
        query = select(ParkedRow).order_by(ParkedRow.parked_at, ParkedRow.seq)
        if parked_id is not None:
            query = query.where(ParkedRow.id == parked_id)
        for row in session.scalars(query).all():
            session.delete(row)
            session.flush()
            frame = _Frame(unit, row.peer, Lane(row.lane), _Parked(session, ()))
            try:
                with unit.attempt():
                    _apply(frame, _read(center, row.peer, row.body))
                    unit.book.flush()
            except (DatabaseUnavailable, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - it stays parked, with its newest reason
                _park(frame, row.seq, row.body, error)
                stay += 1
            else:
                applied += 1
                _send_receipts(frame)
        unit.finish()
    return applied, stay


def _on_certificates(unit: Unit, message: Message, payload: Certificates) -> None:
    """New certificates are kept and passed on to all other neighbours."""
    added = add_certificates(unit.session, payload.certificates, unit.center.root_key)
    if not added:
        return
    unit.center.directory.refresh(unit.session)
    unit.tree = unit.center.directory.tree
    spread(unit, added, but=message.sender)


def spread(unit: Unit, added: Sequence[Certificate], *, but: str | None = None) -> None:
    """Tell all neighbours about certificates."""
    certificates = Certificates(certificates=tuple(added))
    for neighbour in sorted(unit.outbox.neighbours()):
        if neighbour != but:
            unit.outbox.send(Type.CERTIFICATES, certificates, neighbour)


def _on_receipt(unit: Unit, message: Message, payload: Receipt) -> None:
    unit.session.execute(
        update(OutboxRow)
        .where(OutboxRow.message_id.in_(payload.ids), OutboxRow.destination == message.sender)
        .values(receipt_at=unit.now)
    )


def _on_undeliverable(unit: Unit, message: Message, payload: Undeliverable) -> None:
    """A message of ours can't reach its destination: a transfer comes back, a request is refused."""
    del message
    row = unit.session.scalar(select(OutboxRow).where(OutboxRow.message_id == payload.message_id).limit(1))
    if row is None:
        raise BadRecord(f"undeliverable message {payload.message_id} is none of ours")
    if row.case_id is not None and row.transfer_epoch is not None:
        transfers.bounce(unit, row.case_id, row.transfer_epoch, payload.reason)
    transfers.refuse_request(unit, payload.message_id, "unreachable")


def _on_void(unit: Unit, message: Message, payload: Void) -> None:
    """The place of a message that was taken back before anybody saw it."""
    del unit, message, payload


Handler = Callable[[Unit, Message, Any], None]

_HANDLERS: dict[str, Handler] = {
    Type.ENTRIES: arrivals.on_entries,
    Type.TRANSFER: arrivals.on_transfer,
    Type.REFUSAL: arrivals.on_refusal,
    Type.HEADER: arrivals.on_header,
    Type.INVITATION: arrivals.on_invitation,
    Type.REQUEST: arrivals.on_request,
    Type.ANSWER: arrivals.on_answer,
    Type.VIEW: arrivals.on_view,
    Type.CERTIFICATES: _on_certificates,
    Type.DAYS: descendants.on_days,
    Type.RECEIPT: _on_receipt,
    Type.UNDELIVERABLE: _on_undeliverable,
    Type.VOID: _on_void,
}
