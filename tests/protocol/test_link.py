"""What a link does, sentence by sentence; ``test_link_machine.py`` proves that it is enough."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from protocol.errors import BadFrame
from protocol.keys import from_text, to_text
from protocol.lane import WAITING_MAX_BYTES
from protocol.link import (
    FRAME_BUDGET,
    GREET_MAX_S,
    GREET_S,
    KEEPALIVE_S,
    RESEND_MAX_S,
    RESEND_S,
    SILENCE_S,
    START,
    WINDOW_BYTES,
    Action,
    Apply,
    Compare,
    LaneRecord,
    Link,
    Load,
    MarkAcked,
    Position,
    Restored,
    SendAck,
    SendData,
    SendHello,
    State,
    Stopped,
    StopReason,
)
from protocol.messages import Lane
from protocol.wire import (
    FRAME_MAX_MESSAGES,
    FRAME_MAX_PLAIN_BYTES,
    ORIGIN,
    Ack,
    Data,
    Hello,
    InPosition,
    LanePositions,
    OutPosition,
    chain,
)
from tests.protocol.adversary import World

ME, PEER = "532923102000", "532923102201"
MINE, THEIRS = "mine", "theirs"
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
CASE, BULK = Lane.CASE, Lane.BULK
FULL_FRAME = FRAME_BUDGET


def log(count: int, text: str = "message") -> list[bytes]:
    """Messages of an outbox."""
    return [f"{text} {number}".encode() for number in range(1, count + 1)]


def at(seq: int, text: str = "message") -> Position:
    """The position after so many messages of ``log``."""
    return Position(seq, [ORIGIN, *chain(ORIGIN, log(seq, text))][seq])


def hello(
    answering: str | None = "S",
    session: str = "P",
    *,
    offered: Position = START,
    applied: Position = START,
    incarnation: str = THEIRS,
    of: str | None = MINE,
    bulk_applied: Position = START,
    bulk_of: str | None = None,
    versions: tuple[int, ...] = (1,),
    lanes: Sequence[Lane] = tuple(Lane),
    former: tuple[str, ...] = (),
    process: str | None = None,
    stopped: str | None = None,
    kept: Position = START,
) -> Hello:
    """A HELLO of the peer; positions are those of the case lane."""
    into = {CASE: applied, BULK: bulk_applied}
    out = {CASE: offered, BULK: START}
    known_as = {CASE: of, BULK: bulk_of or of}
    return Hello(
        sender=PEER,
        receiver=ME,
        session=session,
        answering=answering,
        incarnation=incarnation,
        former=former,
        process=process,
        stopped=stopped,
        protocol_versions=versions,
        clock=NOON,
        lanes={
            lane: LanePositions(
                out=OutPosition(seq=out[lane].seq, digest=to_text(out[lane].digest)),
                into=InPosition(seq=into[lane].seq, digest=to_text(into[lane].digest), incarnation=known_as[lane]),
                kept=OutPosition(seq=kept.seq, digest=to_text(kept.digest)) if lane is CASE and kept.seq else None,
            )
            for lane in lanes
        },
    )


def data(
    first: int,
    last: int,
    *,
    text: str = "message",
    session: str = "P",
    incarnation: str = THEIRS,
    digest: bytes | None = None,
) -> tuple[Data, list[bytes]]:
    """A DATA frame of the peer's case lane."""
    header = Data(
        sender=PEER,
        receiver=ME,
        session=session,
        lane=CASE,
        incarnation=incarnation,
        first=first,
        last=last,
        before=to_text(at(first - 1, text).digest),
        digest=to_text(digest or at(last, text).digest),
        payload_digest=to_text(ORIGIN),
    )
    return header, log(last, text)[first - 1 :]


def ack(position: Position, *, gap: bool = False, session: str = "P", of: str | None = MINE, lane: Lane = CASE) -> Ack:
    """An ACK of the peer."""
    return Ack(
        sender=PEER,
        receiver=ME,
        session=session,
        lane=lane,
        incarnation=of,
        seq=position.seq,
        digest=to_text(position.digest),
        gap=gap,
    )


def new_link(case: LaneRecord | None = None, bulk: LaneRecord | None = None) -> Link:
    """A link that has no wire yet."""
    lanes = {CASE: case or LaneRecord()}
    return Link(ME, PEER, MINE, lanes if bulk is None else {**lanes, BULK: bulk})


def linked(case: LaneRecord | None = None, bulk: LaneRecord | None = None) -> tuple[Link, list[Action]]:
    """A link whose peer knows what our record says, and what linking asked for beside the answer."""
    link = new_link(case, bulk)
    link.wire_up("S", 0.0)
    held = case or LaneRecord()
    actions = link.on_hello(
        hello(offered=held.applied, applied=held.acked, bulk_applied=bulk.acked if bulk is not None else START),
        0.0,
    )
    assert actions[0] == SendHello("P")
    assert state(link) is State.LINKED
    return link, actions[1:]


def state(link: Link) -> State:
    """The link's state, asked anew."""
    return link.state


def load_in(actions: Sequence[Action]) -> Load:
    """The one Load among actions; it comes last."""
    loads = [action for action in actions if isinstance(action, Load)]
    assert loads == list(actions[-1:])
    return loads[0]


def asked(load: Load) -> tuple[Lane, Position, int]:
    """What a Load asks for, whichever ticket it has."""
    return load.lane, load.after, load.budget


def send(link: Link, load: Load, count: int, size: int = 100, now: float = 0.0) -> list[Action]:
    """The owner's answer to a Load: so many messages."""
    return link.loaded(load, count, at(load.after.seq + count), bytes(size), now)


def sending(count: int) -> Link:
    """A link with messages 1 to ``count`` on the wire, each in a frame of its own."""
    link, actions = linked(LaneRecord(last=count))
    for _ in range(count):
        actions = send(link, load_in(actions), 1)
    assert actions == [SendData(CASE, count, count, at(count - 1).digest, at(count).digest, bytes(100))]
    return link


# --- greeting ------------------------------------------------------------------------------------------------


def test_two_links_greet_each_other_and_begin_without_any_time_passing() -> None:
    world = World()
    world.queue("child", CASE, b"a matter")
    world.settle()
    assert world.drained()
    assert world.sides["parent"].store.inbox[CASE] == [b"a matter"]


def test_without_a_wire_a_link_does_nothing() -> None:
    link = new_link(LaneRecord(last=1))
    assert state(link) is State.OFFLINE
    assert link.tick(100.0) == []
    assert link.on_hello(hello(), 0.0) == []
    assert link.on_data(*data(1, 1), 0.0) == []
    assert link.on_ack(ack(START), 0.0) == []
    assert link.queued(CASE, 2) == []


def test_an_unanswered_hello_is_repeated_with_growing_patience() -> None:
    link = new_link()
    assert link.wire_up("S", 0.0) == [SendHello(None)]
    assert state(link) is State.GREETING
    greeted = [now for now in range(1, 200) if link.tick(float(now)) == [SendHello(None)]]
    waits = [later - sooner for sooner, later in zip([0, *greeted], greeted, strict=False)]
    assert waits == [GREET_S, 2 * GREET_S, 4 * GREET_S, 8 * GREET_S, *[GREET_MAX_S] * 5]


def test_a_hello_that_does_not_know_our_session_is_answered_but_not_believed() -> None:
    link = new_link()
    link.wire_up("S", 0.0)
    for answering in (None, "an-earlier-session"):
        assert link.on_hello(hello(answering, offered=at(3)), 0.0) == [SendHello("P")]
    assert state(link) is State.GREETING


def test_a_hello_that_answers_our_session_links_and_is_answered_once() -> None:
    link = new_link()
    link.wire_up("S", 0.0)
    assert link.on_hello(hello(), 0.0) == [SendHello("P")]
    assert state(link) is State.LINKED
    assert link.peer_session == "P"
    assert link.on_hello(hello(), 0.0) == []


def test_a_linked_peer_that_still_greets_is_answered() -> None:
    link, _ = linked()
    assert link.on_hello(hello(None), 1.0) == [SendHello("P")]
    assert state(link) is State.LINKED


def test_hello_tells_what_is_offered_and_what_is_applied() -> None:
    link = new_link(LaneRecord(last=9, offered=at(5), acked=at(2), applied=at(3), peer_incarnation=THEIRS))
    assert link.positions()[CASE] == LanePositions(
        out=OutPosition(seq=5, digest=to_text(at(5).digest)),
        into=InPosition(seq=3, digest=to_text(at(3).digest), incarnation=THEIRS),
    )
    assert link.acked(CASE) == at(2)
    assert link.applied_position(CASE) == at(3)
    assert link.peer_incarnation(CASE) == THEIRS
    assert link.positions()[BULK].into.incarnation is None


def test_a_peer_that_was_restarted_is_greeted_under_a_new_session() -> None:
    link, _ = linked()
    assert link.on_hello(hello(None, "P2"), GREET_S) == [SendHello("P2")]
    assert state(link) is State.GREETING
    assert link.session == "S.1"
    link.on_hello(hello("S.1", "P2"), GREET_S)
    assert state(link) is State.LINKED
    assert link.peer_session == "P2"


def test_a_hello_from_the_past_never_stops_a_link() -> None:
    record = LaneRecord(last=5, offered=at(5), acked=at(5), applied=at(5), peer_incarnation=THEIRS)
    link, _ = linked(record)
    old = hello("S", "an-old-session", offered=at(1), applied=at(1))
    link.on_hello(old, 60.0)
    link.on_hello(old, 60.0)
    assert state(link) is State.GREETING
    link.on_hello(hello("S.1", "P.1", offered=at(5), applied=at(5)), 60.0)
    assert state(link) is State.LINKED


def test_right_after_pairing_a_stranger_must_wait_until_the_paired_one_falls_silent() -> None:
    link, _ = linked()
    assert link.on_hello(hello(None, "Q"), 0.5) == []
    assert link.tick(1.0) == []
    assert link.tick(GREET_S) == [SendHello(None)]
    assert link.session == "S.1"


def test_right_after_pairing_a_word_of_the_paired_one_outweighs_the_stranger() -> None:
    link, _ = linked()
    link.on_hello(hello(None, "Q"), 0.5)
    link.on_ack(ack(START), 1.0)
    assert link.tick(GREET_S) == []
    assert state(link) is State.LINKED


def test_a_silent_peer_is_greeted_anew() -> None:
    link, _ = linked()
    link.on_ack(ack(START), 10.0)
    link.tick(10.0 + SILENCE_S - 1)
    assert state(link) is State.LINKED
    assert link.tick(10.0 + SILENCE_S) == [SendHello(None)]
    assert state(link) is State.GREETING
    assert link.session == "S.1"
    assert link.peer_session is None


def test_a_wire_that_comes_back_begins_a_new_session() -> None:
    link = sending(1)
    link.wire_down()
    assert state(link) is State.OFFLINE
    assert link.bytes_in_flight() == 0
    assert link.wire_up("S2", 1.0) == [SendHello(None)]
    assert link.session == "S2"


def test_a_sign_of_life_is_given_when_there_is_nothing_to_say() -> None:
    link, _ = linked()
    assert link.tick(KEEPALIVE_S) == []
    assert link.tick(KEEPALIVE_S + 1) == [SendAck(CASE, START, gap=False)]
    assert link.tick(KEEPALIVE_S + 2) == []


# --- positions that must be looked up ------------------------------------------------------------------------


def comparing(acked: int = 0) -> tuple[Link, Compare]:
    """A link whose peer holds five messages while we know of less."""
    link = new_link(LaneRecord(last=9, offered=at(7), acked=at(acked)))
    link.wire_up("S", 0.0)
    answer, compare = link.on_hello(hello(applied=at(5)), 0.0)
    assert answer == SendHello("P")
    assert compare == Compare(CASE, at(5))
    assert state(link) is State.COMPARING
    return link, Compare(CASE, at(5))


def test_a_peer_that_holds_more_than_we_knew_is_believed_after_looking_it_up() -> None:
    link, compare = comparing()
    marked, load = link.compared(compare, at(5).digest, 0.1)
    assert marked == MarkAcked(CASE, at(5))
    assert asked(load_in([load])) == (CASE, at(5), FULL_FRAME)
    assert state(link) is State.LINKED
    assert link.acked(CASE) == at(5)


@pytest.mark.parametrize("ours", [None, at(5, "another").digest])
def test_a_peer_that_holds_something_else_shows_that_we_went_back(ours: bytes | None) -> None:
    link, compare = comparing()
    healing = link.compared(compare, ours, 0.1)
    assert healing == [Stopped(StopReason.SELF_RESTORED, "lane case at 5"), Restored(frozenset(), {})]
    assert state(link) is State.HEALING, "our database is a copy from another past"


def test_both_lanes_are_looked_up_before_anything_is_sent() -> None:
    record = LaneRecord(last=9, offered=at(7))
    link = new_link(record, record)
    link.wire_up("S", 0.0)
    _, case, bulk = link.on_hello(hello(applied=at(5), bulk_applied=at(2)), 0.0)
    assert isinstance(case, Compare)
    assert isinstance(bulk, Compare)
    assert link.compared(bulk, at(2).digest, 0.1) == [MarkAcked(BULK, at(2))]
    assert state(link) is State.COMPARING
    link.compared(case, at(5).digest, 0.1)
    assert state(link) is State.LINKED


def test_what_was_looked_up_for_an_earlier_session_does_not_count() -> None:
    link, compare = comparing()
    link.wire_down()
    link.wire_up("S2", 1.0)
    assert link.compared(compare, at(5).digest, 1.0) == []
    assert state(link) is State.GREETING


def test_an_owner_that_never_looks_it_up_is_asked_again_in_a_new_session() -> None:
    link, _ = comparing()
    assert link.tick(SILENCE_S - 1) == []
    assert link.tick(SILENCE_S) == [SendHello(None)]
    assert Compare(CASE, at(5)) in link.on_hello(hello("S.1", applied=at(5)), SILENCE_S)


def test_messages_that_come_while_we_compare_are_asked_for_once_we_are_linked() -> None:
    link, compare = comparing()
    assert link.on_data(*data(1, 2), 0.1) == []
    actions = link.compared(compare, at(5).digest, 0.2)
    assert SendAck(CASE, START, gap=True) in actions


# --- databases that went back in time ------------------------------------------------------------------------

KNOWN = LaneRecord(last=5, offered=at(5), acked=at(3), applied=at(4), peer_incarnation=THEIRS)


@pytest.mark.parametrize(
    ("meeting", "reason"),
    [
        pytest.param(
            hello(offered=at(4), applied=at(3, "another")),
            StopReason.DIVERGED,
            id="it holds something else",
        ),
        pytest.param(
            hello(offered=at(4), applied=at(3), lanes=[CASE]),
            StopReason.INCOMPATIBLE,
            id="it lacks a lane",
        ),
        pytest.param(
            hello(offered=at(4), applied=at(3), versions=(2, 3)),
            StopReason.INCOMPATIBLE,
            id="it speaks none of our versions",
        ),
    ],
)
def test_positions_that_cannot_be_stop_the_link(meeting: Hello, reason: StopReason) -> None:
    link = new_link(KNOWN)
    link.wire_up("S", 0.0)
    answer, stopped = link.on_hello(meeting, 0.0)
    assert answer == SendHello("P"), "the other side learns our positions and can judge for itself"
    assert isinstance(stopped, Stopped)
    assert stopped.reason is reason
    assert link.stop == stopped
    assert link.telling is reason
    assert state(link) is State.STOPPED


def test_positions_that_fit_do_not_stop_the_link() -> None:
    link, _ = linked(KNOWN)
    assert state(link) is State.LINKED


def test_a_new_incarnation_of_a_peer_that_never_sent_anything_is_welcome() -> None:
    link, _ = linked()
    link.on_hello(hello(None, "P2"), 9.0)
    link.on_hello(hello("S.1", "P2", incarnation="a-new-one"), 9.0)
    assert link.peer_incarnation(CASE) == "a-new-one"
    assert link.on_data(*data(1, 1, session="P2"), 9.0) == [], "messages of the old incarnation do not count"


# --- sending -------------------------------------------------------------------------------------------------


def test_messages_are_loaded_sent_and_acknowledged() -> None:
    link, actions = linked(LaneRecord(last=3))
    load = load_in(actions)
    assert asked(load) == (CASE, START, FULL_FRAME)
    assert send(link, load, 3) == [SendData(CASE, 1, 3, ORIGIN, at(3).digest, bytes(100))]
    assert link.bytes_in_flight() == 100
    assert link.positions()[CASE].out.seq == 3
    assert link.on_ack(ack(at(3)), 0.1) == [MarkAcked(CASE, at(3))]
    assert link.bytes_in_flight() == 0


def test_what_is_queued_later_is_loaded_at_once_but_one_load_at_a_time() -> None:
    link, _ = linked()
    assert asked(load_in(link.queued(CASE, 1))) == (CASE, START, FULL_FRAME)
    assert link.queued(CASE, 2) == []


def test_cases_go_before_bulk() -> None:
    link, actions = linked(LaneRecord(last=1), LaneRecord(last=1))
    first = load_in(actions)
    assert first.lane is CASE
    assert load_in(send(link, first, 1)).lane is BULK


def test_behind_bulk_there_is_room_for_cases_but_not_for_more_bulk() -> None:
    link, actions = linked(None, LaneRecord(last=9))
    for _ in range(2):
        load = load_in(actions)
        assert load.lane is BULK
        actions = send(link, load, 1, load.budget)
    assert actions[1:] == []
    assert asked(load_in(link.queued(CASE, 1))) == (CASE, START, FULL_FRAME)


def test_a_full_window_waits_for_an_ack() -> None:
    link, actions = linked(LaneRecord(last=9))
    for _ in range(4):
        actions = send(link, load_in(actions), 1, FULL_FRAME)
    assert actions[1:] == []
    assert link.bytes_in_flight() == WINDOW_BYTES
    assert load_in(link.on_ack(ack(at(1)), 0.1)).after == at(4)


def test_a_lone_message_larger_than_the_window_goes_alone() -> None:
    link, actions = linked(LaneRecord(last=2))
    assert send(link, load_in(actions), 1, WINDOW_BYTES + 1)[1:] == []
    assert link.queued(CASE, 3) == []
    assert load_in(link.on_ack(ack(at(1)), 0.1)).after == at(1)


def test_an_empty_load_waits_for_the_next_message() -> None:
    link, actions = linked(LaneRecord(last=2))
    assert send(link, load_in(actions), 0) == []
    assert link.tick(1.0) == []
    assert load_in(link.queued(CASE, 3)).after == START


def test_a_load_that_failed_is_asked_for_again_by_the_clock() -> None:
    link, actions = linked(LaneRecord(last=2))
    link.load_failed(load_in(actions))
    assert link.tick(1.0) == actions


def test_what_was_loaded_for_an_earlier_session_is_not_sent_but_counts_as_offered() -> None:
    link, actions = linked(LaneRecord(last=3))
    load = load_in(actions)
    link.wire_down()
    assert send(link, load, 3) == []
    assert link.positions()[CASE].out.seq == 3
    link.wire_up("S2", 0.0)
    actions = link.on_hello(hello("S2"), 0.0)
    link.load_failed(load)
    assert link.queued(CASE, 4) == [], "the present load is still under way"
    assert send(link, load_in(actions), 2)[0] == SendData(CASE, 1, 2, ORIGIN, at(2).digest, bytes(100))
    assert link.positions()[CASE].out.seq == 3, "what was offered once stays offered"


def waits_of(link: Link, rounds: int) -> list[int]:
    """Whole seconds after which an unacknowledged first frame is sent again, while the peer gives signs of life."""
    waits, sent_at = [], 0
    for _ in range(rounds):
        for now in range(sent_at + 1, sent_at + 100):
            link.on_ack(ack(START), now)
            actions = [action for action in link.tick(now) if isinstance(action, Load)]
            if actions:
                send(link, actions[0], 1, now=now)
                waits.append(now - 1 - sent_at)
                sent_at = now
                break
    return waits


def test_an_unacknowledged_frame_is_sent_again_with_doubling_patience() -> None:
    assert waits_of(sending(1), 7) == [RESEND_S, 6, 12, 24, 48, RESEND_MAX_S, RESEND_MAX_S]


def test_patience_follows_the_time_that_acks_take() -> None:
    link = sending(1)
    link.on_ack(ack(at(1)), 2.5)
    send(link, load_in(link.queued(CASE, 2)), 1, now=10.0)
    assert link.tick(15.0) == []
    assert load_in(link.tick(15.1)).after == at(1)


def test_patience_learns_nothing_from_the_ack_of_a_frame_that_was_sent_twice() -> None:
    link = sending(1)
    send(link, load_in(link.tick(3.5)), 1, now=3.5)
    link.on_ack(ack(at(1)), 3.6)
    send(link, load_in(link.queued(CASE, 2)), 1, now=10.0)
    assert link.tick(10.0 + 2 * RESEND_S) == []
    link.on_ack(ack(at(2)), 16.0)
    send(link, load_in(link.queued(CASE, 3)), 1, now=20.0)
    assert not any(isinstance(action, Load) for action in link.tick(32.0)), "the ack before took six seconds"
    assert load_in(link.tick(32.1)).after == at(2)


def test_patience_begins_anew_with_a_session() -> None:
    link = sending(1)
    waits_of(link, 4)
    link.wire_down()
    link.wire_up("S2", 100.0)
    send(link, load_in(link.on_hello(hello("S2"), 100.0)), 1, now=100.0)
    assert load_in(link.tick(100.1 + RESEND_S)).after == START


def test_an_ack_covers_all_frames_before_it() -> None:
    link = sending(3)
    assert link.on_ack(ack(at(2)), 0.1) == [MarkAcked(CASE, at(2))]
    assert link.bytes_in_flight() == 100
    assert link.on_ack(ack(at(1)), 0.2) == [], "late"
    assert link.acked(CASE) == at(2)


def test_a_gap_is_filled_from_the_last_ack() -> None:
    link = sending(3)
    actions = link.on_ack(ack(at(1), gap=True), 0.1)
    assert actions[0] == MarkAcked(CASE, at(1))
    assert load_in(actions).after == at(1)
    assert link.bytes_in_flight() == 0


def test_a_gap_that_was_filled_meanwhile_changes_nothing() -> None:
    link = sending(3)
    link.on_ack(ack(at(2)), 0.1)
    assert link.on_ack(ack(at(1), gap=True), 0.2) == []
    link.on_ack(ack(at(3)), 0.3)
    assert link.on_ack(ack(at(3), gap=True), 0.4) == []


def test_acks_of_other_sessions_and_incarnations_are_ignored() -> None:
    link = sending(3)
    assert link.on_ack(ack(at(2), session="an-earlier-one"), 0.1) == []
    assert link.on_ack(ack(at(2), of="another-incarnation"), 0.1) == []
    assert link.acked(CASE) == START


def test_an_ack_of_what_was_never_offered_stops_the_link() -> None:
    link = sending(3)
    stopped = Stopped(StopReason.DIVERGED, "lane case: 4 was never offered")
    assert link.on_ack(ack(at(4)), 0.1) == [stopped, SendHello("P")]


def test_an_ack_of_something_else_stops_the_link() -> None:
    link = sending(3)
    stopped = Stopped(StopReason.DIVERGED, "lane case at 2")
    assert link.on_ack(ack(at(2, "another")), 0.1) == [stopped, SendHello("P")], "the peer is told"


def test_an_ack_that_ends_no_frame_on_the_wire_is_looked_up() -> None:
    link, actions = linked(LaneRecord(last=4))
    send(link, load_in(actions), 4)
    assert link.on_ack(ack(at(2)), 0.1) == [Compare(CASE, at(2))]
    assert link.on_ack(ack(at(3)), 0.2) == [], "one at a time"
    assert link.compared(Compare(CASE, at(2)), at(2).digest, 0.3) == [MarkAcked(CASE, at(2))]
    assert link.bytes_in_flight() == 100, "the frame is not wholly acknowledged"


def test_what_was_looked_up_too_late_does_not_take_an_ack_back() -> None:
    link, actions = linked(LaneRecord(last=4))
    send(link, load_in(actions), 4)
    link.on_ack(ack(at(2)), 0.1)
    link.on_ack(ack(at(4)), 0.2)
    assert link.compared(Compare(CASE, at(2)), at(2).digest, 0.3) == []
    assert link.acked(CASE) == at(4)


def test_an_ack_beyond_what_is_sent_again_spares_the_rest() -> None:
    link = sending(3)
    load = load_in(link.tick(3.5))
    assert link.on_ack(ack(at(2)), 3.6) == [Compare(CASE, at(2))]
    actions = link.compared(Compare(CASE, at(2)), at(2).digest, 3.7)
    assert send(link, load, 3) == [], "it begins too early"
    assert load_in(actions).after == at(2)


# --- receiving -----------------------------------------------------------------------------------------------


def apply_in(actions: Sequence[Action]) -> Apply:
    """The one action: an Apply."""
    (action,) = actions
    assert isinstance(action, Apply)
    return action


def test_messages_are_applied_and_then_acknowledged() -> None:
    link, _ = linked()
    apply = apply_in(link.on_data(*data(1, 3), 0.1))
    assert apply == Apply(CASE, 1, at(3), THEIRS, tuple(log(3)))
    assert link.applied_position(CASE) == START
    assert link.applied(CASE, apply.position, 0.2) == [SendAck(CASE, at(3), gap=False)]
    assert link.applied_position(CASE) == at(3)


def test_one_commit_at_a_time_and_the_next_takes_all_that_waits() -> None:
    link, _ = linked()
    first = apply_in(link.on_data(*data(1, 1), 0.1))
    for number in (2, 3, 4):
        assert link.on_data(*data(number, number), 0.1) == []
    ack_of_first, second = link.applied(CASE, first.position, 0.2)
    assert ack_of_first == SendAck(CASE, at(1), gap=False)
    assert second == Apply(CASE, 2, at(4), THEIRS, tuple(log(4)[1:]))
    assert link.applied(CASE, at(4), 0.3) == [SendAck(CASE, at(4), gap=False)]


def test_a_commit_holds_no_more_messages_than_a_frame_may() -> None:
    link, _ = linked()
    apply_in(link.on_data(*data(1, 1), 0.1))
    link.on_data(*data(2, FRAME_MAX_MESSAGES), 0.1)
    link.on_data(*data(FRAME_MAX_MESSAGES + 1, FRAME_MAX_MESSAGES + 2), 0.1)
    apply = apply_in(link.applied(CASE, at(1), 0.2)[1:])
    assert apply.position.seq == FRAME_MAX_MESSAGES


def frame_of(messages: list[bytes], first: int, before: bytes) -> tuple[Data, list[bytes]]:
    """A DATA frame of any messages."""
    digest = chain(before, messages)[-1]
    header, _ = data(1, 1)
    changes = {
        "first": first,
        "last": first + len(messages) - 1,
        "before": to_text(before),
        "digest": to_text(digest),
    }
    return header.model_copy(update=changes), messages


def take_large_frames(link: Link, count: int, size: int) -> list[Position]:
    """Frames of one message each arrive; returns their positions."""
    positions = [START]
    for number in range(1, count + 1):
        header, messages = frame_of([bytes(size)], number, positions[-1].digest)
        link.on_data(header, messages, 0.1)
        positions.append(Position(number, from_text(header.digest)))
    return positions


def test_a_commit_holds_no_more_bytes_than_a_frame_may() -> None:
    link, _ = linked()
    positions = take_large_frames(link, 4, FRAME_MAX_PLAIN_BYTES // 2)
    assert apply_in(link.applied(CASE, positions[1], 0.2)[1:]).position.seq == 3


def test_what_waits_for_a_commit_is_bounded_and_the_rest_as_good_as_lost() -> None:
    link, _ = linked()
    room = WAITING_MAX_BYTES // FRAME_MAX_PLAIN_BYTES
    positions = take_large_frames(link, room + 5, FRAME_MAX_PLAIN_BYTES)
    for position in positions[1 : room + 1]:
        apply_in(link.applied(CASE, position, 0.2)[1:])
    assert link.applied(CASE, positions[room + 1], 0.2) == [SendAck(CASE, positions[room + 1], gap=False)]


def test_what_we_hold_already_is_dropped_and_acknowledged_again() -> None:
    link, _ = linked()
    apply_in(link.on_data(*data(1, 3), 0.1))
    assert link.on_data(*data(2, 3), 0.2) == [SendAck(CASE, START, gap=False)], "not committed yet"
    link.applied(CASE, at(3), 0.3)
    assert link.on_data(*data(1, 3), 0.4) == [SendAck(CASE, at(3), gap=False)]


def test_of_a_frame_that_overlaps_the_rest_is_taken() -> None:
    link, _ = linked(LaneRecord(applied=at(2), peer_incarnation=THEIRS))
    assert link.on_data(*data(1, 4), 0.1) == [Apply(CASE, 3, at(4), THEIRS, tuple(log(4)[2:]))]


def test_a_gap_is_told_once_and_again_when_the_peer_went_back_in_vain() -> None:
    link, _ = linked()
    gap = [SendAck(CASE, START, gap=True)]
    assert link.on_data(*data(2, 2), 0.1) == gap
    assert link.on_data(*data(3, 3), 0.1) == []
    assert link.on_data(*data(4, 4), 0.1) == []
    assert link.on_data(*data(2, 2), 0.2) == gap
    apply_in(link.on_data(*data(1, 1), 0.3))
    assert link.on_data(*data(3, 3), 0.3) == gap, "another one"


def test_a_commit_that_failed_is_forgotten_without_asking_for_it() -> None:
    link, _ = linked()
    apply_in(link.on_data(*data(1, 1), 0.1))
    link.on_data(*data(2, 2), 0.1)
    link.apply_failed(CASE)
    assert link.on_data(*data(3, 3), 0.2) == [], "a full disk must not make the peer send without pause"
    assert apply_in(link.on_data(*data(1, 1), 4.0)).messages == tuple(log(1))
    assert link.applied(CASE, at(1), 4.1) == [SendAck(CASE, at(1), gap=False)], "what waited is forgotten too"


def test_what_is_taken_counts_what_waits_until_a_commit_fails() -> None:
    link, _ = linked()
    assert link.taken(CASE) == 0
    link.on_data(*data(1, 1), 0.1)
    link.on_data(*data(2, 4), 0.1)
    assert link.taken(CASE) == 4
    link.on_data(*data(7, 7), 0.1)
    assert link.taken(CASE) == 4, "a gap is not taken"
    link.apply_failed(CASE)
    assert link.taken(CASE) == 0


def test_a_commit_that_ends_after_the_wire_went_counts() -> None:
    link, _ = linked()
    first = apply_in(link.on_data(*data(1, 1), 0.1))
    link.on_data(*data(2, 2), 0.1)
    link.wire_down()
    assert apply_in(link.applied(CASE, first.position, 0.2)).position == at(2)
    assert link.positions()[CASE].into.seq == 1


def test_after_a_stop_nothing_more_is_applied() -> None:
    link, _ = linked()
    first = apply_in(link.on_data(*data(1, 1), 0.1))
    link.on_data(*data(2, 2), 0.1)
    link.on_ack(ack(at(9)), 0.1)
    assert state(link) is State.STOPPED
    assert link.applied(CASE, first.position, 0.2) == []


def test_a_frame_that_contradicts_itself_is_refused() -> None:
    link, _ = linked()
    header, messages = data(1, 3)
    with pytest.raises(BadFrame, match="2 messages"):
        link.on_data(header, messages[:2], 0.1)
    with pytest.raises(BadFrame, match="0 messages"):
        link.on_data(header.model_copy(update={"last": 0}), [], 0.1)
    with pytest.raises(BadFrame, match="chain"):
        link.on_data(*data(1, 3, digest=at(2).digest), 0.1)
    assert apply_in(link.on_data(*data(1, 3), 0.1)).position == at(3)


def test_a_frame_that_contradicts_what_we_hold_stops_the_link() -> None:
    link, _ = linked(LaneRecord(applied=at(2), peer_incarnation=THEIRS))
    stopped = Stopped(StopReason.DIVERGED, "lane case at 2")
    assert link.on_data(*data(3, 4, text="another"), 0.1) == [stopped, SendHello("P")]


def test_frames_of_an_earlier_session_are_ignored() -> None:
    link, _ = linked()
    assert link.on_data(*data(1, 1, session="an-earlier-one"), 0.1) == []


# --- positions --------------------------------------------------------------------------------------------------


def test_a_link_tells_what_its_peer_may_hold() -> None:
    assert linked(LaneRecord(last=7, offered=at(5), acked=at(3)))[0].offered(CASE) == at(5)
