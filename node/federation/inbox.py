"""The inbox: a frame's messages are applied in one transaction, together with the lane's new position.

If one message fails, the frame is applied again message by message, each in a savepoint; what fails then is parked
with its reason and the link goes on. Messages of a case that has something parked wait behind it. Unknown types are
parked too and replayed after an upgrade. Failures of the database itself are not the message's fault: the whole
frame is undone and comes again.
"""

from collections.abc import Callable, Sequence
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

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

SYSTEM_TYPES = frozenset({Type.RECEIPT, Type.UNDELIVERABLE, Type.CERTIFICATES, Type.DAYS, Type.VOID})
"""Types that need no receipt."""


class Parked(Exception):
    """A message must wait; the reason is its text."""


def apply_frame(center: "Center", peer: str, action: Apply) -> int:
    """Apply a frame in one transaction.

    Returns:
        How many of its messages were parked.

    Raises:
        DatabaseUnavailable: nothing was applied.
        BadPosition: the lane has moved on meanwhile.
    """
    try:
        with center.database.write() as session:
            unit = _open(center, session, peer, action)
            receipts: dict[str, list[str]] = {}
            for line in action.messages:
                _apply(unit, peer, action.lane, line, receipts)
            _close(unit, peer, action, receipts)
        return 0
    except (DatabaseUnavailable, OperationalError, BadPosition):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a message breaks, it is found and parked below
        log.info("frame.one_by_one", peer=peer, lane=action.lane, first=action.first, error=repr(error))
    return _apply_one_by_one(center, peer, action)


def _apply_one_by_one(center: "Center", peer: str, action: Apply) -> int:
    parked = 0
    with center.database.write() as session:
        unit = _open(center, session, peer, action)
        receipts: dict[str, list[str]] = {}
        for seq, line in enumerate(action.messages, start=action.first):
            try:
                with unit.attempt():
                    _apply(unit, peer, action.lane, line, receipts)
                    unit.book.flush()
            except (DatabaseUnavailable, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a message breaks, the link goes on and a person is told
                _park(unit, peer, action.lane, seq, line, error)
                parked += 1
        _close(unit, peer, action, receipts)
    return parked


class BadPosition(Exception):
    """The lane's position is not where this frame continues."""


def _open(center: "Center", session: Session, peer: str, action: Apply) -> Unit:
    row = session.execute(
        select(InboxRow.applied_seq).where(InboxRow.peer == peer, InboxRow.lane == action.lane).with_for_update()
    ).one()
    if row.applied_seq != action.first - 1:
        raise BadPosition(f"{peer} {action.lane}: applied {row.applied_seq}, frame begins at {action.first}")
    return Unit(center, session)


def _close(unit: Unit, peer: str, action: Apply, receipts: dict[str, list[str]]) -> None:
    for source, ids in receipts.items():
        unit.outbox.send(Type.RECEIPT, Receipt(ids=tuple(ids)), source)
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


def _apply(unit: Unit, peer: str, lane: Lane, line: bytes, receipts: dict[str, list[str]]) -> None:
    """Apply one message, or pass it on."""
    outer = read_message(line)
    if outer.destination != unit.me:
        _relay(unit, peer, lane, outer)
        return
    message = outer
    if outer.type == Type.SEALED:
        keys = unit.center.directory.known.keys_of(outer.sender)
        message = open_message(outer, unit.center.identity.sealing, keys)
    elif outer.sender != peer:
        raise BadRecord(f"unsealed message of {outer.sender} came from {peer}")
    deliver(unit, message)
    if outer.type == Type.SEALED and message.type not in SYSTEM_TYPES:
        receipts.setdefault(message.sender, []).append(message.id)


def deliver(unit: Unit, message: Message) -> None:
    """Hand a message for us to its handler.

    Raises:
        Parked: its type is unknown, or something of its case is parked already.
        RemoteError: it can't be accepted.
    """
    if message.type not in PAYLOADS:
        raise Parked(f"unknown type {message.type}")
    case_id = message.subject
    if case_id is not None:
        behind = unit.session.scalar(select(ParkedRow.id).where(ParkedRow.case_id == case_id).limit(1))
        if behind is not None:
            raise Parked(f"behind parked message {behind}")
    _HANDLERS[message.type](unit, message, read_payload(message))


def _relay(unit: Unit, peer: str, lane: Lane, message: Message) -> None:
    neighbour = unit.tree.route(unit.me, message.destination)
    if neighbour is None or neighbour == peer or not unit.outbox.is_neighbour(neighbour):
        unit.outbox.undeliverable(message, f"{message.destination} takes no part in the federation")
    elif message.hops >= HOPS_MAX:
        unit.outbox.undeliverable(message, "went in circles")
    else:
        unit.outbox.forward(message, neighbour, lane)


def _park(unit: Unit, peer: str, lane: Lane, seq: int, line: bytes, error: Exception) -> None:
    message: Message | None
    try:
        message = read_message(line)
    except BadRecord:
        message = None
    reason = str(error) or type(error).__name__
    log.warning("message.parked", peer=peer, lane=lane, seq=seq, reason=reason, error=type(error).__name__)
    unit.session.add(
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
    unit.session.flush()


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
            receipts: dict[str, list[str]] = {}
            try:
                with unit.attempt():
                    _apply(unit, row.peer, Lane(row.lane), row.body, receipts)
                    unit.book.flush()
            except (DatabaseUnavailable, OperationalError):
                raise
            except Exception as error:  # noqa: BLE001 - it stays parked, with its newest reason
                _park(unit, row.peer, Lane(row.lane), row.seq, row.body, error)
                stay += 1
            else:
                applied += 1
                for source, ids in receipts.items():
                    unit.outbox.send(Type.RECEIPT, Receipt(ids=tuple(ids)), source)
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
