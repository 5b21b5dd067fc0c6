"""Bugs planted in the link: frames, positions, acknowledgements, numbers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.divisions import children_of, divisions
from node.federation import inbox, lanes, link_runner
from node.federation.link_runner import LinkRunner
from node.federation.outbox import Outbox
from node.federation.tables import InboxRow, LaneRow, OutboxRow
from node.federation.writing import Writer
from node.unit import Unit
from protocol.actions import Action, Apply, MarkAcked, Position, SendAck, SendData
from protocol.keys import from_text
from protocol.lane import Incoming, Outgoing, Taken
from protocol.link import Link
from protocol.messages import Lane
from protocol.wire import Data, Frame, Header
from tests.sim.founding import COUNTY, keys_of
from tests.sim.mutant import mutant, replace


@mutant("a frame is acknowledged when it is taken, before the database has committed it")
def ack_before_commit() -> None:
    async def do(self: LinkRunner, actions: Sequence[Action]) -> None:
        early = [SendAck(one.lane, one.position, gap=False) for one in actions if isinstance(one, Apply)]
        await right(self, [*early, *actions])

    right = replace(LinkRunner, "_do", do)


@mutant("neither the payload's digest nor the digest chain of a frame is looked at")
def digest_not_checked() -> None:
    def verify_frame(frame: Frame, keys: tuple[str, ...]) -> None:
        header = frame.header
        without_payload = Header(sender=header.sender, receiver=header.receiver, session=header.session)
        right(Frame(without_payload, frame.signed, frame.signature, b""), keys)

    def take(self: Incoming, data: Data, messages: Sequence[bytes]) -> None:
        known = self.taken.seq - data.first + 1
        self.taken = Position(data.last, from_text(data.digest))
        self.waiting.append(Taken(self.taken, tuple(messages[known:]), sum(map(len, messages))))

    right = replace(link_runner, "verify_frame", verify_frame)
    replace(Incoming, "take", take)


@mutant("messages are deleted from the outbox when they are published, not when they are acknowledged")
def outbox_deleted_on_publish() -> None:
    def data(self: Any, machine: Link, action: SendData) -> bytes:  # noqa: ANN401 - reaches into private parts
        with self._center.database.write() as session:
            session.execute(
                delete(OutboxRow).where(
                    OutboxRow.peer == self._peer, OutboxRow.lane == action.lane, OutboxRow.seq <= action.last
                )
            )
        frame: bytes = right(self, machine, action)
        return frame

    right = replace(Writer, "data", data)


@mutant("numbers are drawn from memory before the commit: one that fails leaves a gap")
def seq_given_before_commit() -> None:
    drawn: dict[tuple[int, str, Lane], int] = {}

    def flush(self: Any) -> None:  # noqa: ANN401 - reaches into a private part
        session: Session = self._session
        for (peer, lane), drafts in self._drafts.items():
            key = (id(self._center), peer, lane)
            row = session.execute(select(LaneRow.last_seq).where(LaneRow.peer == peer, LaneRow.lane == lane)).one()
            given = drawn.get(key, row.last_seq)
            drawn[key] = given + len(drafts)
            if given > row.last_seq:
                lanes = update(LaneRow).where(LaneRow.peer == peer, LaneRow.lane == lane)
                session.execute(lanes.values(last_seq=given))
        right(self)

    right = replace(Outbox, "flush", flush)


@mutant("a frame that follows a gap is taken as if nothing were missing")
def gap_not_noticed() -> None:
    def on_data(self: Any, data: Data, messages: Sequence[bytes], now: float) -> list[Action]:  # noqa: ANN401
        incoming = self._in[data.lane]
        if data.first > incoming.taken.seq + 1 and data.incarnation == incoming.incarnation:
            incoming.taken = Position(data.first - 1, from_text(data.before))
        actions: list[Action] = right(self, data, messages, now)
        return actions

    right = replace(Link, "on_data", on_data)


@mutant("what is sent again begins one message too late")
def resend_window_off_by_one() -> None:
    def rewind(self: Outgoing) -> None:
        before = self.acked
        right(self)
        if self.resent > before.seq + 1:
            self.sent = Position(before.seq + 1, before.digest)

    right = replace(Outgoing, "rewind", rewind)


@mutant("any center's signature is good enough for a frame")
def wrong_peers_signature_accepted() -> None:
    towns = {COUNTY, *(each.code for each in children_of(COUNTY))}
    everybody = [each.code for each in divisions().values() if each.code in towns or each.parent in towns]

    def verify_frame(frame: Frame, keys: tuple[str, ...]) -> None:
        right(frame, (*keys, *(keys_of(code).signing.public for code in everybody)))

    right = replace(link_runner, "verify_frame", verify_frame)


@mutant("what the peer acknowledged counts up to what was offered")
def acked_as_far_as_offered() -> None:
    def mark(database: Any, peer: str, mark_: MarkAcked) -> None:  # noqa: ANN401
        with database.write() as session:
            lane = update(LaneRow).where(LaneRow.peer == peer, LaneRow.lane == mark_.lane)
            session.execute(lane.values(acked_seq=LaneRow.offered_seq))

    replace(lanes, "mark_acked", mark)


@mutant("the position of a frame is not stored with what it brought")
def position_not_stored() -> None:
    def close(frame: Any, action: Apply) -> None:  # noqa: ANN401
        unit: Unit = frame.unit
        right(frame, action)
        inbox_of = update(InboxRow).where(InboxRow.peer == frame.peer, InboxRow.lane == frame.lane)
        unit.session.execute(inbox_of.values(applied_seq=action.first - 1))

    right = replace(inbox, "_close", close)
