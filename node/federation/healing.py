"""After a restore: our database went back in time, and its neighbours know more of us than we do.

Theory of operation
-------------------
The link sees it at HELLO (``protocol.link``): a neighbour holds more of ours than we ever offered. Then, in this
order:

1. ``begin``: a new incarnation, all links are to be shown whole again, and the cases that we hold are frozen: what
   moved after the backup may be somebody else's by now (``node.cases.frozen``). New cases and those that are given to
   us from now on are free.
2. ``take_back``, frame by frame: the neighbour returns what it took of ours. Each frame is stored in our sent log in
   its old place, what we have written since stands behind it, and what it tells is done again (``replaying``). What
   contradicts it gives way (``conflicts``). What we sent twice, before and after, is void the second time.
3. ``end``: this neighbour has nothing of ours that we don't have. The link begins a new session; the neighbour sees
   its heir, and sends what it sent since the backup again.
4. When the last neighbour is through, all others are asked what they hold of our cases: a neighbour may have gone back
   in time with us, and have no more to return. Custody thaws, and of the cases concerned the followers get the log
   again and our ancestors the header (``finish``).

A crash at any point goes on from the last commit. A database that was lost altogether is one that went back to its
very beginning. What never left it is gone; nobody can know of it but those who wrote it.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from node.cases import log as case_log
from node.cases import replaying, reseed, transfers
from node.cases.tables import CaseRow, FrozenCaseRow
from node.federation.tables import IdentityRow, InboxRow, LaneRow, LinkRow, OutboxRow, ReceivedFrameRow
from node.status.descendants import tell_all_days_anew
from node.status.tables import DayCounterRow
from node.unit import Unit, unit_of
from protocol.case import CaseState
from protocol.compression import decompress
from protocol.errors import ProtocolError
from protocol.link import Position, Restored, Rewind, Serve, TakeBack
from protocol.messages import Lane, Type, read_message
from protocol.payloads import CaseHeader, Lost
from protocol.wire import FORMER_MAX, FRAME_MAX_MESSAGES, FRAME_MAX_PLAIN_BYTES, pack

if TYPE_CHECKING:
    from node.center import Center

log = structlog.get_logger()

INCARNATION_BYTES = 16
SERVE_LOOK_AHEAD = 20
"""Received frames that are looked through for one that can be returned whole."""
RECEIVED_MAX_BYTES = FRAME_MAX_PLAIN_BYTES + FRAME_MAX_MESSAGES


class Returned(NamedTuple):
    """What we took of a neighbour's messages, for a RETURN frame."""

    first: int
    last: int
    digest: bytes
    payload: bytes


def begin(center: "Center", peer: str | None, restored: Restored | None = None) -> bool:
    """We learned that our database went back in time.

    Args:
        center: our center.
        peer: the neighbour that showed it; None where we know it ourselves, after ``liandong restore``.
        restored: what it said.

    Returns:
        Whether a new incarnation was drawn, so that all links have to begin anew.
    """
    with center.database.write() as session:
        identity = session.scalars(select(IdentityRow).with_for_update()).one()
        former = [*json.loads(identity.former)]
        link = session.get(LinkRow, peer) if peer is not None else None
        renewed = link is None or not link.healing
        if renewed:
            former.append(identity.incarnation)
            identity.restored_at = center.clock.now()
            identity.incarnation = center.random_bytes(INCARNATION_BYTES).hex()
            session.execute(update(LinkRow).where(LinkRow.revoked_at.is_(None)).values(healing=True))
            _freeze(session, center.code)
        if restored is not None:  # the lanes may name two, where two of us have spoken
            former += sorted(restored.incarnations - {identity.incarnation, *former})
        identity.former = json.dumps(former[-FORMER_MAX:])
        if restored is not None and peer is not None:
            for lane, position in restored.skip.items():
                _skip(session, peer, lane, position, restored.theirs)
        incarnation, kept = identity.incarnation, tuple(former[-FORMER_MAX:])
    center.identity = replace(center.identity, incarnation=incarnation, former=kept)
    if renewed:
        log.error("database.restored", center=center.code, shown_by=peer, incarnation=incarnation)
    return renewed


def _freeze(session: Session, me: str) -> None:
    """What we hold may be somebody else's by now."""
    known = select(FrozenCaseRow.case_id)
    held = select(CaseRow.id).where(CaseRow.holder == me, CaseRow.id.not_in(known))
    session.execute(insert(FrozenCaseRow).from_select(["case_id"], held))


def _skip(session: Session, peer: str, lane: str, position: Position, theirs: str | None) -> None:
    """Go on where the neighbour still keeps its messages; what it sent before it has forgotten."""
    session.execute(
        update(InboxRow)
        .where(InboxRow.peer == peer, InboxRow.lane == lane, InboxRow.applied_seq < position.seq)
        .values(applied_seq=position.seq, applied_digest=position.digest, peer_incarnation=theirs)
    )


def take_back(center: "Center", peer: str, action: TakeBack) -> None:
    """Store messages of ours that came back in their old place, and do again what they tell; in one transaction."""
    with unit_of(center) as unit:
        _make_room(unit, peer, action)
        _store(unit, peer, action)
        for line in action.messages:
            try:
                with unit.attempt():
                    replaying.replay(unit, line)
                    unit.book.flush()
            except ProtocolError as error:
                log.error("replay.failed", peer=peer, lane=action.lane, error=type(error).__name__, reason=str(error))
        if action.gap and action.lane == Lane.BULK and peer == center.parent:
            tell_all_days_anew(unit)


def _make_room(unit: Unit, peer: str, action: TakeBack) -> None:
    """Let what we have written since stand behind everything that the neighbour holds."""
    lane = unit.session.execute(
        select(LaneRow.acked_seq, LaneRow.healed_to, LaneRow.last_seq)
        .where(LaneRow.peer == peer, LaneRow.lane == action.lane)
        .with_for_update()
    ).one()
    taken = lane.healed_to if lane.healed_to is not None else lane.acked_seq
    shift = action.until.seq - taken
    if shift <= 0:
        return
    ours = (OutboxRow.peer == peer, OutboxRow.lane == action.lane)
    # Below zero and back: no two rows ever have the same number.
    unit.session.execute(update(OutboxRow).where(*ours, OutboxRow.seq > taken).values(seq=-(OutboxRow.seq + shift)))
    unit.session.execute(update(OutboxRow).where(*ours, OutboxRow.seq < 0).values(seq=-OutboxRow.seq))
    _set_lane(unit, peer, action.lane, healed_to=action.until.seq, last_seq=lane.last_seq + shift)
    unit.session.expire_all()


def _set_lane(unit: Unit, peer: str, lane: str, **values: object) -> None:
    unit.session.execute(update(LaneRow).where(LaneRow.peer == peer, LaneRow.lane == lane).values(**values))


def _store(unit: Unit, peer: str, action: TakeBack) -> None:
    rows = []
    for seq, line in enumerate(action.messages, start=action.first):
        message = read_message(line)
        own = message.sender == unit.me
        rows.append(
            {
                "peer": peer,
                "lane": action.lane.value,
                "seq": seq,
                "message_id": message.id,
                "destination": message.destination,
                "body": line,
                "digest": action.end.digest if seq == action.end.seq else None,
                "case_id": message.subject if own else None,
                "transfer_epoch": replaying.transfer_epoch(line) if own else None,
                "queued_at": message.time,
            }
        )
    ids = [row["message_id"] for row in rows]
    again = select(OutboxRow).where(OutboxRow.peer == peer, OutboxRow.message_id.in_(ids))
    for row in unit.session.scalars(again).all():
        if row.lane == action.lane and row.seq > action.until.seq:
            transfers.void(unit, row)
    unit.session.flush()
    if rows:
        unit.session.execute(insert(OutboxRow), rows)
    seq, digest = action.end.seq, action.end.digest
    _set_lane(unit, peer, action.lane, acked_seq=seq, acked_digest=digest, offered_seq=seq, offered_digest=digest)
    if action.gap:  # what lies before the end of this frame can never be sent or compared again
        _set_lane(unit, peer, action.lane, kept_seq=seq, kept_digest=digest)
    if action.end == action.until:
        _set_lane(unit, peer, action.lane, healed_to=None)


def read_returned(center: "Center", peer: str, serve: Serve) -> Returned:
    """What we took of a neighbour's messages after a number, as much as a frame carries.

    Where the next messages are kept no longer, the first that are; where none are, the position that we hold.
    """
    frames = (
        select(ReceivedFrameRow.first_seq, ReceivedFrameRow.last_seq, ReceivedFrameRow.digest, ReceivedFrameRow.payload)
        .where(
            ReceivedFrameRow.peer == peer,
            ReceivedFrameRow.lane == serve.lane,
            ReceivedFrameRow.last_seq > serve.after,
            ReceivedFrameRow.last_seq <= serve.until.seq,
        )
        .order_by(ReceivedFrameRow.last_seq)
        .limit(SERVE_LOOK_AHEAD)
    )
    with center.database.read() as session:
        rows = session.execute(frames).all()
    for row in rows:
        known = max(0, serve.after + 1 - row.first_seq)
        messages = decompress(row.payload, RECEIVED_MAX_BYTES).split(b"\n")[known:]
        count, payload = pack(messages)
        if count == len(messages) or row.first_seq <= serve.after + 1:
            first = row.first_seq + known
            return Returned(first, first + count - 1, row.digest, payload)
    return Returned(serve.until.seq + 1, serve.until.seq, serve.until.digest, b"")


def rewind(center: "Center", peer: str, back: Rewind) -> None:
    """Record that a neighbour, restored from a copy, holds less than it has acknowledged."""
    with center.database.write() as session:
        session.execute(
            update(LaneRow)
            .where(LaneRow.peer == peer, LaneRow.lane == back.lane, LaneRow.acked_seq > back.position.seq)
            .values(acked_seq=back.position.seq, acked_digest=back.position.digest)
        )
    log.warning("peer.restored", peer=peer, lane=back.lane, again_from=back.position.seq + 1)


def parent_restored(center: "Center") -> None:
    """Our parent's database went back in time.

    It may have lost days that we keep no messages of. And if ours went back with it, it can't show us: those above it
    are asked what they know of our cases.
    """
    with unit_of(center) as unit:
        unit.session.execute(update(DayCounterRow).values(told=False))
        _ask(unit, unit.tree.ancestors(unit.me))


def end(center: "Center", peer: str) -> None:
    """This neighbour has nothing of ours that we don't have; harmless where we never went back in time."""
    with center.database.read() as session:
        if not session.scalar(select(LinkRow.healing).where(LinkRow.peer == peer)):
            return
    with unit_of(center) as unit:
        unit.session.execute(update(LinkRow).where(LinkRow.peer == peer).values(healing=False))
        if not awaited(unit.session):
            _ask(unit, unit.tree.claims)
            _offer_again(unit)
    log.info("link.healed", peer=peer)
    finish(center)


def _ask(unit: Unit, whom: Collection[str]) -> None:
    """Ask these, but for our neighbours, what they hold of our cases."""
    question = Lost(incarnation=unit.center.identity.incarnation)
    for code in sorted({*whom} - unit.outbox.neighbours() - {unit.me}):
        if unit.tree.known(code) and unit.outbox.reachable(code):
            unit.outbox.send(Type.LOST, question, code)


def _offer_again(unit: Unit) -> None:
    """Send again what is under way by our log, and void by what came back, as it had been taken back later.

    That it was is forgotten; it never left us. So may requests be void which we made at the destination.
    """
    under_way = select(CaseRow.id).where(CaseRow.in_transit_to.is_not(None), CaseRow.state.is_not(None))
    case_ids = unit.session.scalars(under_way.order_by(CaseRow.id)).all()
    unit.book.load(case_ids)
    for case_id in case_ids:
        state = unit.book.state(case_id)
        if state is not None:
            transfers.repeat_forgotten(unit, state)
    reseed.ask_again(unit)


def awaited(session: Session) -> list[str]:
    """The neighbours that have not shown yet that we have all of ours again."""
    rows = select(LinkRow.peer).where(LinkRow.healing.is_(True), LinkRow.revoked_at.is_(None)).order_by(LinkRow.peer)
    return list(session.scalars(rows))


def _tell_again(unit: Unit, state: CaseState, told: str | None) -> None:
    """Tell the followers the whole log, and the ancestors its header: both databases on the way may have forgotten."""
    for follower in state.followers:
        if follower != unit.me:
            case_log.send_records(unit, state.id, unit.book.records(state.id), follower)
    if told is not None:
        case_log.untell_ancestors(unit, state, CaseHeader.model_validate_json(told))
    flight = state.custody.flight
    if unit.me in {state.holder, flight.sender if flight is not None else None}:
        case_log.tell_ancestors(unit, state)


def finish(center: "Center") -> bool:
    """Thaw custody once no neighbour is awaited any more; says whether it did."""
    with center.database.read() as session:
        frozen = session.scalar(select(FrozenCaseRow.case_id).limit(1))
        if frozen is None or awaited(session):
            return False
    with unit_of(center) as unit:
        rows = unit.session.execute(select(FrozenCaseRow.case_id, FrozenCaseRow.told)).all()
        for case_id, told in rows:
            state = unit.book.state(case_id)
            if state is not None and unit.me in state.followers:
                _tell_again(unit, state, told)
        unit.session.execute(delete(FrozenCaseRow))
    log.info("database.healed", center=center.code, cases=len(rows))
    return True
