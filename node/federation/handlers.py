"""Which handler takes which type of message. Those of cases are in ``node.cases``, those of the federation here."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import update

from node import policies, rekeying
from node.attachments import gathering, serving
from node.audit import heads
from node.cases import arrivals, recovery, reseed, undelivered
from node.certifying import spread, store
from node.federation import kept_backups
from node.federation.tables import OutboxRow
from node.rehoming import moving
from node.reports import weekly
from node.status import descendants
from node.unit import Unit
from protocol.centers import Certificate
from protocol.messages import Message, Type
from protocol.payloads import Certificates, Receipt, Void


def certificates_came(unit: Unit, certificates: Sequence[Certificate], sender: str) -> None:
    """New certificates are kept and passed on to all other neighbours.

    Raises:
        BadRecord: one does not count.
    """
    before = unit.tree
    added = store(unit, *certificates)
    if not added:
        return
    moving.tree_changed(unit, before)
    spread(unit, added, but=sender)
    recovery.ask(unit)


def _on_certificates(unit: Unit, message: Message, payload: Certificates) -> None:
    certificates_came(unit, payload.certificates, message.sender)


def _on_receipt(unit: Unit, message: Message, payload: Receipt) -> None:
    unit.session.execute(
        update(OutboxRow)
        .where(OutboxRow.message_id.in_(payload.ids), OutboxRow.destination == message.sender)
        .values(receipt_at=unit.now, parked_reason=None)
    )
    for obstacle in payload.parked:
        unit.session.execute(
            update(OutboxRow)
            .where(OutboxRow.message_id == obstacle.message_id, OutboxRow.destination == message.sender)
            .values(parked_reason=obstacle.reason)
        )


def _on_void(unit: Unit, message: Message, payload: Void) -> None:
    """The place of a message that was taken back before anybody saw it."""
    del unit, message, payload


Handler = Callable[[Unit, Message, Any], None]

HANDLERS: dict[str, Handler] = {
    Type.ENTRIES: arrivals.on_entries,
    Type.TRANSFER: arrivals.on_transfer,
    Type.REFUSAL: arrivals.on_refusal,
    Type.HEADER: arrivals.on_header,
    Type.INVITATION: arrivals.on_invitation,
    Type.REQUEST: arrivals.on_request,
    Type.ANSWER: arrivals.on_answer,
    Type.VIEW: arrivals.on_view,
    Type.CERTIFICATES: _on_certificates,
    Type.POLICIES: policies.on_policies,
    Type.KNOCK: moving.on_knock,
    Type.WELCOME: moving.on_welcome,
    Type.FAREWELL: moving.on_farewell,
    Type.NEW_KEY: rekeying.on_new_key,
    Type.LOST: reseed.on_lost,
    Type.TOLD: recovery.on_told,
    Type.RECOVERED: recovery.on_recovered,
    Type.BACKUP_PART: kept_backups.on_part,
    Type.BACKUP_WANTED: kept_backups.on_wanted,
    Type.BACKUP_OFFERED: kept_backups.on_offered,
    Type.ATTACHMENT_WANTED: serving.on_wanted,
    Type.ATTACHMENT_PIECE: gathering.on_piece,
    Type.ATTACHMENT_ABSENT: gathering.on_absent,
    Type.AUDIT_HEAD: heads.on_head,
    Type.DAYS: descendants.on_days,
    Type.WEEKLY_REPORT: weekly.on_report,
    Type.RECEIPT: _on_receipt,
    Type.UNDELIVERABLE: undelivered.on_undeliverable,
    Type.VOID: _on_void,
}
