"""What a link does when somebody's database went back in time, when there are two of one, and when it stopped."""

import pytest

from protocol.errors import BadFrame
from protocol.keys import to_text
from protocol.link import (
    CALM_S,
    RECOVER_S,
    SILENCE_S,
    START,
    STOPPED_S,
    Compare,
    Healed,
    LaneRecord,
    Link,
    Position,
    Restored,
    Rewind,
    SendHello,
    SendRecover,
    Serve,
    State,
    Stopped,
    StopReason,
    TakeBack,
)
from protocol.messages import Lane
from protocol.wire import ORIGIN, Hello, Recover, Return
from tests.protocol.test_link import (
    BULK,
    CASE,
    MINE,
    PEER,
    THEIRS,
    ack,
    at,
    data,
    hello,
    linked,
    load_in,
    log,
    new_link,
    state,
)
from tests.protocol.test_link import ME as US

KNOWN = LaneRecord(last=5, offered=at(5), acked=at(3), applied=at(4), peer_incarnation=THEIRS)


def met(meeting: Hello, record: LaneRecord = KNOWN, bulk: LaneRecord | None = None) -> tuple[Link, list[object]]:
    """A link that hears this HELLO, and what it wants done beside the answer."""
    link = new_link(record, bulk)
    link.wire_up("S", 0.0)
    answer, *rest = link.on_hello(meeting, 0.0)
    assert answer == SendHello("P"), "the other side learns our positions and can judge for itself"
    return link, list(rest)


def recover(after: int, session: str = "P", lane: Lane = CASE) -> Recover:
    """The peer asks for its own messages."""
    return Recover(sender=PEER, receiver=US, session=session, lane=lane, after=after)


def returned(
    first: int, last: int, *, digest: bytes | None = None, session: str = "P", lane: Lane = CASE
) -> tuple[Return, list[bytes]]:
    """Messages of ours that the peer gives back."""
    header = Return(
        sender=PEER,
        receiver=US,
        session=session,
        lane=lane,
        first=first,
        last=last,
        digest=to_text(digest or at(last).digest),
        payload_digest=to_text(ORIGIN),
    )
    return header, log(last)[first - 1 :]


# --- the peer went back in time ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "meeting",
    [
        pytest.param(hello(offered=at(3), applied=at(3)), id="it offered less than we hold"),
        pytest.param(hello(offered=at(4, "another"), applied=at(3)), id="it offered something else"),
        pytest.param(hello(offered=at(4), applied=at(3), incarnation="new"), id="it does not know who it was"),
        pytest.param(
            hello(offered=at(3), applied=at(3), incarnation="new", former=(THEIRS,)), id="an heir that is behind"
        ),
    ],
)
def test_a_peer_that_went_back_in_time_is_waited_for(meeting: Hello) -> None:
    link, rest = met(meeting)
    assert rest == [Stopped(StopReason.PEER_RESTORED, "lane case")]
    assert link.stop == rest[0]
    assert state(link) is State.HEALING
    assert link.telling is None
    assert link.on_data(*data(5, 5), 1.0) == []
    assert link.on_ack(ack(at(5)), 1.0) == []
    assert link.queued(CASE, 9) == []


def test_an_heir_that_is_not_behind_goes_on_where_its_ancestor_was() -> None:
    link, rest = met(hello(offered=at(4), applied=at(3), incarnation="new", former=("older", THEIRS)))
    assert state(link) is State.LINKED
    assert link.peer_incarnation(CASE) == "new"
    assert load_in(rest).after == at(3)  # type: ignore[arg-type]
    assert link.on_data(*data(5, 5), 0.1) == [], "what its ancestor still sent does not count"
    assert len(link.on_data(*data(5, 5, incarnation="new"), 0.2)) == 1


def test_a_peer_gets_back_what_we_took_of_it_once_nobody_else_has_shown_up() -> None:
    link, _ = met(hello(offered=at(3), applied=at(3)))
    assert link.on_recover(recover(3), CALM_S - 0.1) == []
    assert link.on_recover(recover(3, session="older"), CALM_S) == []
    assert link.on_recover(recover(3), CALM_S) == [Serve(CASE, 3, at(4))]


def test_nothing_is_given_back_while_a_commit_is_under_way() -> None:
    link, _ = linked(LaneRecord(applied=at(2), peer_incarnation=THEIRS))
    link.on_data(*data(3, 3), 0.1)
    assert link.on_recover(recover(0), CALM_S) == []
    link.applied(CASE, at(3), CALM_S)
    assert link.on_recover(recover(0), CALM_S) == [Serve(CASE, 0, at(3))]


def test_a_peer_that_holds_less_than_it_said_gets_it_again() -> None:
    link, rest = met(hello(offered=at(4), applied=at(2)))
    compare = Compare(CASE, at(2))
    assert rest == [compare]
    rewound, load = link.compared(compare, at(2).digest, 0.1)
    assert rewound == Rewind(CASE, at(2))
    assert load_in([load]).after == at(2)
    assert link.acked(CASE) == at(2)


def test_a_peer_that_holds_less_and_something_else_stops_the_link() -> None:
    link, _ = met(hello(offered=at(4), applied=at(2, "another")))
    stopped = Stopped(StopReason.DIVERGED, "lane case at 2")
    assert link.compared(Compare(CASE, at(2, "another")), at(2).digest, 0.1) == [stopped, SendHello("P")]


def test_a_peer_that_needs_what_we_keep_no_longer_is_told_where_we_go_on() -> None:
    record = LaneRecord(last=5, offered=at(5), acked=at(5), kept=at(3))
    link, rest = met(hello(applied=at(2)), record)
    assert rest == [Stopped(StopReason.PEER_RESTORED, "lane case")]
    told = link.positions()[CASE].kept
    assert told is not None
    assert told.seq == 3
    link.on_hello(hello("S", "P2", applied=at(3)), 3.0)
    actions = link.on_hello(hello("S.1", "P2", applied=at(3)), 3.0)
    assert Compare(CASE, at(3)) in actions


def test_a_peer_that_falls_silent_while_it_heals_is_greeted_anew() -> None:
    link, _ = met(hello(offered=at(3), applied=at(3)))
    assert link.tick(SILENCE_S - 1) == []
    assert link.tick(SILENCE_S) == [SendHello(None)]
    assert state(link) is State.GREETING


# --- we went back in time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meeting", "known"),
    [
        pytest.param(hello(offered=at(4), applied=at(6)), {MINE}, id="it holds what we never offered"),
        pytest.param(
            hello(offered=at(4), applied=at(3), of="forgotten"), {"forgotten"}, id="it knows us by another id"
        ),
        pytest.param(hello(offered=at(4), applied=at(9), of=None), set(), id="it does not say of whom"),
        pytest.param(
            hello(offered=at(4), applied=at(3), of="forgotten", bulk_of="twins"),
            {"forgotten", "twins"},
            id="its lanes know us by two ids",
        ),
    ],
)
def test_a_peer_that_knows_more_of_us_shows_that_we_went_back(meeting: Hello, known: set[str]) -> None:
    link, rest = met(meeting)
    assert rest == [Stopped(StopReason.SELF_RESTORED, "lane case"), Restored(frozenset(known), {}, THEIRS)]
    assert state(link) is State.HEALING


def test_what_the_peer_keeps_no_longer_is_skipped() -> None:
    _, rest = met(hello(offered=at(9), applied=at(3), kept=at(6)))
    assert rest == [Stopped(StopReason.SELF_RESTORED, "lane case"), Restored(frozenset({MINE}), {CASE: at(6)}, THEIRS)]


def test_earlier_incarnations_of_ours_are_known() -> None:
    link = Link(US, PEER, MINE, {CASE: KNOWN}, former=("earlier",))
    link.wire_up("S", 0.0)
    link.on_hello(hello(offered=at(4), applied=at(3), of="earlier"), 0.0)
    assert state(link) is State.LINKED


def test_our_own_messages_come_back_in_order_lane_by_lane() -> None:
    meeting = hello(offered=at(4), applied=at(8), bulk_applied=at(2))
    link, _ = met(meeting, KNOWN, LaneRecord())
    assert link.recover(1.0) == [SendRecover(CASE, 3)]
    taken = TakeBack(CASE, 4, tuple(log(6)[3:]), at(6), at(8))
    assert link.on_return(*returned(4, 6), 1.1) == [taken]
    assert link.on_return(*returned(4, 6), 1.2) == [], "it came twice while we store it"
    assert link.taken_back(taken, 1.3) == [SendRecover(CASE, 6)]
    assert link.acked(CASE) == at(6)
    assert link.on_return(*returned(4, 6), 1.4) == [], "and again later"
    rest = TakeBack(CASE, 7, tuple(log(8)[6:]), at(8), at(8))
    assert link.on_return(*returned(7, 8), 1.5) == [rest]
    assert link.taken_back(rest, 1.6) == [SendRecover(BULK, 0)]
    assert link.on_return(*returned(7, 8), 1.7) == [], "that lane is whole"
    last = TakeBack(BULK, 1, tuple(log(2)), at(2), at(2))
    assert link.on_return(*returned(1, 2, lane=BULK), 1.8) == [last]
    assert link.taken_back(last, 1.9) == [Healed()]


def test_where_nothing_is_missing_nothing_is_asked_for() -> None:
    link, _ = met(hello(offered=at(4), applied=at(3), of="forgotten"))
    assert link.recover(1.0) == [Healed()]


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    link, _ = met(hello(offered=at(4), applied=at(6)))
    link.recover(1.0)
    assert link.tick(1.0 + RECOVER_S - 0.1) == []
    assert link.tick(1.0 + RECOVER_S) == [SendRecover(CASE, 3)]
    link.on_return(*returned(4, 6), 4.5)
    assert link.tick(9.0) == [], "we are storing"
    link.take_back_failed()
    assert link.tick(9.0) == [SendRecover(CASE, 3)]


def test_messages_that_are_kept_no_longer_leave_a_gap() -> None:
    link, _ = met(hello(offered=at(4), applied=at(8)))
    link.recover(1.0)
    taken = TakeBack(CASE, 6, tuple(log(7)[5:]), at(7), at(8), gap=True)
    assert link.on_return(*returned(6, 7), 1.1) == [taken]
    link.taken_back(taken, 1.2)
    header, _ = returned(9, 8)
    nothing = TakeBack(CASE, 9, (), at(8), at(8), gap=True)
    assert link.on_return(header, [], 1.3) == [nothing]
    assert link.taken_back(nothing, 1.4) == [Healed()]


def test_more_than_the_peer_said_it_holds_is_no_answer() -> None:
    link, _ = met(hello(offered=at(4), applied=at(6)))
    link.recover(1.0)
    with pytest.raises(BadFrame, match="up to 7"):
        link.on_return(*returned(4, 7), 1.1)


def test_messages_that_are_not_ours_stop_the_link() -> None:
    link, _ = met(hello(offered=at(4), applied=at(6)))
    link.recover(1.0)
    header, _ = returned(4, 6)
    stopped = Stopped(StopReason.DIVERGED, "lane case at 6")
    assert link.on_return(header, log(6, "another")[3:], 1.1) == [stopped, SendHello("P")]


def test_what_comes_back_when_nobody_asked_is_ignored() -> None:
    link, _ = linked(KNOWN)
    assert link.on_return(*returned(4, 6), 0.1) == []
    assert link.recover(0.2) == []
    link.take_back_failed()
    assert link.taken_back(TakeBack(CASE, 4, (), at(4), at(4)), 0.3) == []
    healing, _ = met(hello(offered=at(4), applied=at(6)))
    healing.recover(1.0)
    assert healing.on_return(*returned(4, 6, session="older"), 1.1) == []


def test_a_new_session_ends_the_retrieval_and_begins_it_again_from_what_was_stored() -> None:
    link, _ = met(hello(offered=at(4), applied=at(8)))
    link.recover(1.0)
    taken = TakeBack(CASE, 4, tuple(log(6)[3:]), at(6), at(8))
    link.on_return(*returned(4, 6), 1.1)
    link.taken_back(taken, 1.2)
    link.on_hello(hello(None, "P2", offered=at(4), applied=at(8)), 3.0)
    actions = link.on_hello(hello("S.1", "P2", offered=at(4), applied=at(8)), 3.1)
    assert Restored(frozenset({MINE}), {}, THEIRS) in actions
    assert link.recover(3.2) == [SendRecover(CASE, 6)]


# --- two of one ---------------------------------------------------------------------------------------------


def test_two_processes_that_answer_a_session_begun_after_both_were_heard_are_a_fork() -> None:
    link = new_link(KNOWN)
    link.wire_up("S", 0.0)
    link.on_hello(hello("S", "P", offered=at(4), applied=at(3), process="one"), 0.0)
    link.on_hello(hello("S", "P", offered=at(4), applied=at(3), process="one"), 0.1)
    assert state(link) is State.LINKED, "the same one twice is none"
    assert link.on_hello(hello(None, "Q", process="two"), 9.0) == [SendHello("Q")], "which of them answers?"
    link.on_hello(hello("S.1", "P2", offered=at(4), applied=at(3), process="one"), 9.1)
    forked = Stopped(StopReason.PEER_FORKED, "processes one and two")
    assert link.on_hello(hello("S.1", "Q", process="two"), 9.2) == [SendHello("P2"), SendHello("Q"), forked]
    assert state(link) is State.STOPPED
    assert link.telling is StopReason.PEER_FORKED


def test_a_process_that_answers_its_predecessors_session_is_asked_again_before_it_is_suspected() -> None:
    link = new_link(KNOWN)
    link.wire_up("S", 0.0)
    link.on_hello(hello("S", "P", offered=at(4), applied=at(3), process="one"), 0.0)
    assert link.on_hello(hello("S", "Q", process="two"), 0.2) == [SendHello("Q")]
    link.on_hello(hello("S.1", "Q", offered=at(4), applied=at(3), process="two"), 0.3)
    assert state(link) is State.LINKED


def test_a_restarted_process_is_no_fork() -> None:
    link = new_link(KNOWN)
    link.wire_up("S", 0.0)
    link.on_hello(hello("S", "P", offered=at(4), applied=at(3), process="one"), 0.0)
    assert link.on_hello(hello(None, "Q", process="two"), 9.0) == [SendHello("Q")]
    link.on_hello(hello("S.1", "Q", offered=at(4), applied=at(3), process="two"), 9.1)
    assert state(link) is State.LINKED


def test_a_peer_that_does_not_name_its_process_is_not_suspected() -> None:
    link, _ = linked(KNOWN)
    link.on_hello(hello("S", "Q", process="two"), 9.0)
    assert state(link) is State.GREETING


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("peer_forked", StopReason.SELF_FORKED),
        ("diverged", StopReason.DIVERGED),
        ("something-new", StopReason.INCOMPATIBLE),
    ],
)
def test_who_is_told_that_the_link_stopped_stops_too(said: str, reason: StopReason) -> None:
    link, _ = linked(KNOWN)
    assert link.on_hello(hello("S", "P", stopped=said), 1.0) == [Stopped(reason, "the peer says so")]
    assert state(link) is State.STOPPED
    assert link.telling is None, "who said it knows it"
    assert link.on_hello(hello("S", "P", stopped=said), 2.0) == []
    assert link.on_hello(hello(None, "P2"), 60.0) == [SendHello("P2")], "the peer looks again"
    assert state(link) is State.GREETING


def test_a_stopped_link_says_why_and_looks_again_after_a_while() -> None:
    link, _ = met(hello(versions=(2, 3)))
    assert link.on_hello(hello(None, "P2"), 1.0) == [SendHello("P2")]
    assert link.on_hello(hello("S", "P2", stopped="incompatible"), 1.0) == []
    assert link.on_data(*data(5, 5), 1.0) == []
    assert link.tick(STOPPED_S - 1) == []
    assert link.tick(STOPPED_S) == [SendHello(None)]
    assert link.stop is not None, "until it is linked, everybody sees why it was not"
    link.on_hello(hello("S.1", "P3", offered=at(4), applied=at(3)), STOPPED_S)
    assert state(link) is State.LINKED
    assert link.stop is None


def test_a_stopped_link_looks_again_on_a_new_wire() -> None:
    link, _ = met(hello(versions=(2, 3)))
    link.wire_down()
    assert link.wire_up("T", 5.0) == [SendHello(None)]
    assert link.positions()[CASE].kept is None
    assert Position() == START
