"""Parking: what can't be applied is kept with its reason, its source is told, and later messages of its case wait.

A reason never quotes a message. What we did not expect, a bug of ours, is told by its type.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from node.audit.trail import SYSTEM, Event, record
from node.cases import arrivals, recovery
from node.federation.tables import ParkedRow
from node.rows import table_of
from node.unit import Unit
from protocol.errors import BadRecord, ProtocolError, RemoteError, SealedToAnother
from protocol.messages import Lane, Message, Type, read_message, read_payload
from protocol.payloads import OBSTACLE_REASON_MAX, Obstacle, TransferNotice
from protocol.records import NUMBER_MAX
from protocol.sealing import open_message

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

SYSTEM_TYPES = frozenset(
    {
        Type.RECEIPT,
        Type.UNDELIVERABLE,
        Type.CERTIFICATES,
        Type.POLICIES,
        Type.KNOCK,
        Type.WELCOME,
        Type.FAREWELL,
        Type.NEW_KEY,
        Type.LOST,
        Type.TOLD,
        Type.RECOVERED,
        Type.ATTACHMENT_WANTED,
        Type.ATTACHMENT_PIECE,
        Type.ATTACHMENT_ABSENT,
        Type.BACKUP_PART,
        Type.BACKUP_WANTED,
        Type.BACKUP_OFFERED,
        Type.DAYS,
        Type.WEEKLY_REPORT,
        Type.AUDIT_HEAD,
        Type.VOID,
    }
)
"""Types that need no receipt."""


PARKED_REASON_MAX = 1000
"""Characters of a reason that are kept."""

UNKNOWN_TYPE = "unknown type"
BEHIND = "behind parked message"
UNEXPECTED = "unexpected"
"""How a reason begins, for whoever tells it to people (``node.web.links_page``)."""


_PARKED = table_of(ParkedRow).c
_FIRST = (
    select(func.min(_PARKED.number))
    .where(_PARKED.case_id.in_(bindparam("case_ids", expanding=True)), _PARKED.number < bindparam("before"))
    .group_by(_PARKED.case_id)
)
_FIRST_PARKED = select(_PARKED.case_id, _PARKED.id).where(_PARKED.number.in_(_FIRST))


class Parked(Exception):
    """A message must wait; the reason is its text."""


class Behind(Parked):
    """A message must wait for one of its case that was parked before."""


class ParkedCases:
    """Which cases have something parked; looked up at once for those that a frame speaks of.

    Args:
        session: a unit of work.
        case_ids: of the cases.
        before: only what was parked before this number: a message that is tried again waits for nothing later.
    """

    def __init__(self, session: Session, case_ids: Iterable[str], *, before: int | None = None) -> None:
        self._session = session
        self._before = before
        self._found: dict[str, str | None] = {}
        self._look(case_ids)

    def _look(self, case_ids: Iterable[str]) -> None:
        """Find the first message parked of each of these cases."""
        found: dict[str, str | None] = dict.fromkeys(case_ids)
        before = self._before if self._before is not None else NUMBER_MAX
        rows = self._session.connection().execute(_FIRST_PARKED, {"case_ids": list(found), "before": before})
        self._found |= found | {str(case_id): parked_id for case_id, parked_id in rows}

    def of(self, case_id: str) -> str | None:
        """The first message parked of this case."""
        if case_id not in self._found:
            self._look([case_id])
        return self._found[case_id]

    def add(self, row: ParkedRow) -> None:
        """Park a message; later ones of its case wait behind it."""
        self._session.add(row)
        self._session.flush()
        if row.case_id is not None:
            self._found[row.case_id] = self._found.get(row.case_id) or row.id


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in its unit of work.

    Attributes:
        receipts: ids of what came sealed and was applied, by source.
        obstacles: what was parked, by source.
    """

    unit: Unit
    peer: str
    lane: Lane
    parked: ParkedCases
    receipts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    obstacles: dict[str, list[Obstacle]] = field(default_factory=lambda: defaultdict(list))


def park(frame: Frame, seq: int, line: bytes, error: Exception) -> None:
    """Keep a message that can't be applied. A transfer does not wait with it: custody goes back at once."""
    unit, peer, lane = frame.unit, frame.peer, frame.lane
    outer, message = _readable(unit.center, peer, line)
    if outer is not None and isinstance(error, SealedToAnother) and recovery.is_superseded(unit, outer.sender):
        log.info("message.superseded", peer=peer, lane=lane, seq=seq, sender=outer.sender)
        return
    reason = reason_of(error)
    if isinstance(error, BadRecord):
        told = {"sender": outer.sender if outer is not None else "", "reason": reason}
        about = message.subject if message is not None else None
        record(unit.session, unit.now, SYSTEM, Event.MESSAGE_REFUSED, case_id=about, subject=peer, **told)
    log.warning("message.parked", peer=peer, lane=lane, seq=seq, reason=reason, error=type(error).__name__)
    frame.parked.add(
        ParkedRow(
            id=unit.new_id(),
            peer=peer,
            lane=lane,
            seq=seq,
            message_id=outer.id if outer is not None else None,
            type=(message or outer).type if outer is not None else None,
            case_id=message.subject if message is not None else None,
            reason=reason,
            body=line,
            parked_at=unit.now,
        )
    )
    if message is None or message.type in SYSTEM_TYPES:
        return
    if message.type == Type.TRANSFER:
        _refuse(unit, message, reason)
    elif not isinstance(error, Behind):  # one obstacle is told, not all that waits behind it
        obstacle = Obstacle(message_id=message.id, reason=reason[:OBSTACLE_REASON_MAX])
        frame.obstacles[message.sender].append(obstacle)


def reason_of(error: Exception) -> str:
    """Why a message can't be applied. What we did not expect is told by its type: its text may quote the message."""
    quotable = isinstance(error, ProtocolError | Parked)
    text = str(error) if quotable and str(error) else f"{UNEXPECTED} {type(error).__name__}"
    return text.replace("\0", "")[:PARKED_REASON_MAX]


def _readable(center: "Center", peer: str, line: bytes) -> tuple[Message | None, Message | None]:
    """A message as it travelled, and as its source wrote it for us; only what can be believed."""
    try:
        outer = read_message(line)
    except RemoteError:
        return None, None
    if outer.type != Type.SEALED:
        return outer, outer if outer.sender == peer else None
    try:
        keys = center.directory.known.keys_of(outer.sender)
        return outer, open_message(outer, center.identity.sealing, keys)
    except RemoteError:
        return outer, None


def _refuse(unit: Unit, message: Message, reason: str) -> None:
    try:
        notice = read_payload(message)
    except BadRecord:
        return
    assert isinstance(notice, TransferNotice)
    arrivals.refuse(unit, notice, message.sender, reason)
