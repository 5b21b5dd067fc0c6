"""The outbox: messages leave in the transaction of the act that they tell of.

``send`` addresses a message; for the neighbour it goes as it is, for anybody beyond it is sealed. ``flush`` gives
numbers: it locks each lane's row (in a fixed order, so that two units never wait for each other in a circle), hence
numbers follow commit order.
"""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from node.federation.tables import LaneRow, LinkRow, OutboxRow
from node.rows import insert_rows, table_of
from protocol.centers import Tree
from protocol.messages import Lane, Message, Type, lane_of, source_of, write_message
from protocol.payloads import Undeliverable
from protocol.records import Frozen
from protocol.sealing import seal_message, sealing_context

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()


class Draft(NamedTuple):
    """A message waiting for its number."""

    message_id: str
    destination: str
    body: bytes
    case_id: str | None
    transfer_epoch: int | None


_OUTBOX, _LANES = table_of(OutboxRow), table_of(LaneRow)
_COLUMNS = ("peer", "lane", "seq", "queued_at", *Draft._fields)
_PLACE = (_LANES.c.peer == bindparam("of_peer"), _LANES.c.lane == bindparam("of_lane"))
_LAST = select(_LANES.c.last_seq).where(*_PLACE).with_for_update()
_COUNT = update(_LANES).where(*_PLACE).values(last_seq=bindparam("last_seq"))


class Outbox:
    """Messages of one unit of work."""

    def __init__(self, center: "Center", session: Session, now: datetime) -> None:
        self._center = center
        self._session = session
        self._now = now
        self._drafts: dict[tuple[str, Lane], list[Draft]] = {}
        self._linked: frozenset[str] | None = None
        self._tree: Tree | None = None

    def reachable(self, destination: str) -> bool:
        """Whether a message to ``destination`` has a way to go from here."""
        return self._neighbour_towards(destination) is not None

    def _neighbour_towards(self, destination: str) -> str | None:
        """The neighbour over whom a center is reached; None where it can't be.

        Where memory knows no way that there is a link for, the certificates are read once more: a center that has just
        come under another parent has a link that only the newest ones lead to.
        """
        me, directory = self._center.identity.code, self._center.directory
        way = (self._tree or directory.tree).route(me, destination)
        if way not in self.neighbours() and self._tree is None:
            self._tree = directory.read(self._session).tree
            way = self._tree.route(me, destination)
        return way if way in self.neighbours() else None

    def send(
        self,
        type_: Type,
        payload: Frozen,
        destination: str,
        *,
        case_id: str | None = None,
        transfer_epoch: int | None = None,
        message_id: str | None = None,
        linked: bool = False,
    ) -> str | None:
        """Address a message; returns its id, or None where nobody of this code can be reached (revoked).

        ``linked`` sends it over the link with its destination, also where the tree leads another way already.
        """
        me = self._center.identity.code
        neighbour = destination if linked else self._neighbour_towards(destination)
        if neighbour is None or neighbour not in self.neighbours():
            log.warning("message.unroutable", type=type_, destination=destination, case_id=case_id)
            return None
        tree = self._tree or self._center.directory.tree
        message = Message(
            id=message_id or self._center.random_bytes(16).hex(),
            source=source_of(me),
            type=type_,
            time=self._now,
            destination=destination,
            subject=case_id,
            datacontenttype="application/json",
            data=payload.model_dump(mode="json", exclude_none=True),
        )
        if destination != neighbour:
            sealing_key = tree.claims[destination].sealing_key
            identity = self._center.identity
            seed = identity.sealing.ephemeral_seed(sealing_context(message))
            message = seal_message(message, identity.signing, sealing_key, seed)
        # An answer stands, whatever becomes of the case: taking back a transfer must not make it void.
        about = None if type_ is Type.ANSWER else case_id
        draft = Draft(message.id, destination, write_message(message), about, transfer_epoch)
        self._drafts.setdefault((neighbour, lane_of(type_)), []).append(draft)
        return message.id

    def forward(self, message: Message, neighbour: str, lane: Lane) -> None:
        """Pass on somebody else's message."""
        passed = message.model_copy(update={"hops": message.hops + 1})
        draft = Draft(message.id, message.destination, write_message(passed), None, None)
        self._drafts.setdefault((neighbour, lane), []).append(draft)

    def repeat(self, row: OutboxRow, body: bytes | None = None) -> None:
        """Send a message again, the way that leads to its destination now: word for word, or in another envelope."""
        neighbour = self._neighbour_towards(row.destination)
        if neighbour is None:
            log.warning("message.unroutable", destination=row.destination, case_id=row.case_id)
            return
        draft = Draft(row.message_id, row.destination, body or row.body, row.case_id, row.transfer_epoch)
        self._drafts.setdefault((neighbour, Lane(row.lane)), []).append(draft)

    def undeliverable(self, message: Message, reason: str) -> None:
        """Tell the source of somebody else's message that it can't be brought to its destination."""
        me = self._center.identity.code
        if message.sender != me and message.type in {Type.SEALED, Type.ENTRIES, Type.TRANSFER}:
            self.send(Type.UNDELIVERABLE, Undeliverable(message_id=message.id, reason=reason), message.sender)

    def transfers(self, case_id: str, epoch: int) -> bool:
        """Whether this unit has a transfer of a case to send."""
        drafts = (draft for drafts in self._drafts.values() for draft in drafts)
        return any((draft.case_id, draft.transfer_epoch) == (case_id, epoch) for draft in drafts)

    def is_neighbour(self, code: str) -> bool:
        """Whether a link to ``code`` exists and is not revoked."""
        return code in self.neighbours()

    def snapshot(self) -> dict[tuple[str, Lane], list[Draft]]:
        """What was collected so far, to go back to."""
        return {key: list(drafts) for key, drafts in self._drafts.items()}

    def restore(self, snapshot: dict[tuple[str, Lane], list[Draft]]) -> None:
        """Go back to a snapshot."""
        self._drafts = snapshot

    def flush(self, neighbour: str | None = None) -> None:
        """Number and store what was collected, all or for one neighbour."""
        chosen = [key for key in sorted(self._drafts) if neighbour in {None, key[0]}]
        for peer, lane in chosen:
            drafts = self._drafts.pop((peer, lane))
            connection, place = self._session.connection(), {"of_peer": peer, "of_lane": lane.value}
            first = connection.scalars(_LAST, place).one() + 1
            connection.execute(_COUNT, {**place, "last_seq": first - 1 + len(drafts)})
            numbered = enumerate(drafts, start=first)
            rows = ((peer, lane.value, seq, self._now, *draft) for seq, draft in numbered)
            insert_rows(connection, _OUTBOX, _COLUMNS, rows)

    def neighbours_changed(self) -> None:
        """A link was begun or ended in this unit."""
        self._linked = self._tree = None

    def certificates_came(self) -> None:
        """This unit has stored certificates: memory knows more than was read of them before."""
        self._tree = None

    def neighbours(self) -> frozenset[str]:
        """Codes of the neighbours that we have a link to, revoked ones left out."""
        if self._linked is None:
            peers = self._session.scalars(select(LinkRow.peer).where(LinkRow.revoked_at.is_(None)))
            self._linked = frozenset(peers)
        return self._linked
