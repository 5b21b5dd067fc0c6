"""Custody: one holder or in flight, epochs, the return stack, deadlines; over single logs and over any history."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import entries as e
from protocol.case import CaseState, PartnerStatus
from protocol.codes import Status
from protocol.custody import (
    KEEPING,
    POPPING,
    PUSHING,
    Custody,
    check_epoch,
    check_holder,
    destination_of_return,
    is_take_back,
    restored_deadline,
)
from protocol.entries import Body, Kind
from protocol.errors import Refused
from tests.protocol.case_logs import (
    BODIES,
    COUNTY,
    OTHER_TOWN,
    OTHER_VILLAGE,
    START,
    THIRD_TOWN,
    TOWN,
    VILLAGE,
    Log,
    assigned,
    in_status,
)


def stack_of(log: Log) -> list[str]:
    return [sender.center for sender in log.state.custody.stack]


# --- leaving, arriving, coming back ----------------------------------------------------------------


def test_a_transfer_leaves_nobody_holding_until_it_is_delivered() -> None:
    log = Log()
    state = log.escalate(TOWN)
    assert (state.holder, state.in_transit_to, state.epoch) == (None, TOWN, 2)
    state = log.deliver()
    assert (state.holder, state.in_transit_to, state.epoch) == (TOWN, None, 2)
    assert state.followers == [VILLAGE, TOWN]


@pytest.mark.parametrize("kind", sorted(PUSHING))
def test_escalating_assigning_and_handing_off_push_the_sender(kind: Kind) -> None:
    log = Log()
    body = BODIES[kind]
    log.append(kind, body)
    log.deliver()
    assert stack_of(log) == [VILLAGE]
    assert log.state.custody.last_sender == VILLAGE


def test_returns_pop_one_sender_after_the_other() -> None:
    log = Log()
    for to in (TOWN, COUNTY, OTHER_TOWN):
        log.escalate(to)
        log.deliver()
    assert stack_of(log) == [VILLAGE, TOWN, COUNTY]
    for expected in (COUNTY, TOWN, VILLAGE):
        assert destination_of_return(log.state.custody) == expected
        log.give_back()
        assert log.deliver().holder == expected
    assert stack_of(log) == []
    assert log.state.epoch == 7


def test_nobody_returns_what_nobody_gave() -> None:
    with pytest.raises(Refused, match="nothing-to-return-to"):
        destination_of_return(Log().state.custody)
    with pytest.raises(Refused, match="nothing-to-return-to"):
        Log().append(Kind.RETURNED, e.Transfer(to=TOWN, reason="-"))


@pytest.mark.parametrize("kind", sorted(POPPING))
def test_a_return_goes_to_whoever_gave_it_and_to_nobody_else(kind: Kind) -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    body = e.Recalled(to=COUNTY) if kind is Kind.RECALLED else e.Transfer(to=COUNTY)
    with pytest.raises(Refused) as refused:
        log.append(kind, body)
    assert (refused.value.reason, refused.value.members) == ("not-the-sender", {"expected": VILLAGE})


@pytest.mark.parametrize("kind", sorted(PUSHING | KEEPING))
def test_nobody_gives_a_case_to_itself(kind: Kind) -> None:
    body = BODIES[kind]
    assert isinstance(body, e.Transfer)
    with pytest.raises(Refused, match="to-self"):
        Log().append(kind, body.model_copy(update={"to": VILLAGE}))


def test_a_successor_takes_the_place_of_the_center_that_is_no_more() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.assign(VILLAGE, working_days=None, deadline=START + timedelta(days=9))
    log.deliver(deadline=START + timedelta(days=9))
    log.accept()
    before = log.state.custody
    flying = log.append(Kind.REHOMED, e.Rehomed(to=OTHER_VILLAGE))
    assert (flying.holder, flying.in_transit_to, flying.epoch) == (None, OTHER_VILLAGE, 4)
    assert flying.deadline == before.deadline
    after = log.deliver(deadline=flying.deadline).custody
    assert (after.holder, after.accepted_by, after.came_by) == (OTHER_VILLAGE, None, Kind.REHOMED)
    assert (after.stack, after.deadline, after.last_sender) == (before.stack, before.deadline, TOWN)
    assert after.held_by == (VILLAGE, TOWN, OTHER_VILLAGE)
    assert log.give_back().in_transit_to == TOWN, "it goes back to whoever gave it, not to the center that is no more"


def test_a_successor_that_had_given_the_case_itself_has_it_from_nobody() -> None:
    log = Log()
    log.hand_off(OTHER_VILLAGE)
    log.deliver()
    log.append(Kind.REHOMED, e.Rehomed(to=VILLAGE))
    assert stack_of(log) == [VILLAGE]
    log.deliver()
    assert stack_of(log) == []


def test_what_has_ended_travels_to_a_successor_and_stays_as_it_is() -> None:
    log = in_status(Status.CLOSED)
    ended = log.state
    log.append(Kind.REHOMED, e.Rehomed(to=OTHER_VILLAGE))
    after = log.deliver()
    assert (after.holder, after.status, after.end) == (OTHER_VILLAGE, Status.CLOSED, ended.end)
    assert log.append(Kind.REOPENED, e.Reopened(reason="反悔")).status is Status.ACCEPTED


def test_what_would_come_back_to_a_merged_center_comes_to_its_successor() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.invite(OTHER_VILLAGE)
    state = log.append(Kind.REPLACED, e.Replaced(former=VILLAGE, successor=OTHER_TOWN))
    assert stack_of(log) == [OTHER_TOWN]
    assert state.custody.last_sender == OTHER_TOWN
    assert state.followers == [VILLAGE, TOWN, OTHER_TOWN]
    assert log.give_back().in_transit_to == OTHER_TOWN


def test_nobody_gives_back_to_itself_after_a_merger() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.hand_off(OTHER_TOWN)
    log.deliver()
    log.append(Kind.REPLACED, e.Replaced(former=TOWN, successor=OTHER_TOWN))
    assert stack_of(log) == [VILLAGE]
    with pytest.raises(Refused, match="to-self"):
        log.append(Kind.REPLACED, e.Replaced(former=VILLAGE, successor=VILLAGE))


def test_a_bounced_transfer_comes_back_with_everything_as_it_was_at_the_next_epoch() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.assign(VILLAGE, working_days=None, deadline=START + timedelta(days=9))
    log.deliver(deadline=START + timedelta(days=9))
    log.accept()
    before = log.state.custody
    log.assign(OTHER_VILLAGE)
    assert log.state.custody.deadline is None
    after = log.bounce().custody
    back = {"epoch": before.epoch + 2, "came_by": Kind.BOUNCED, "since": log.entries[-1].head.at}
    assert after == before.model_copy(update=back)


def test_what_was_taken_back_is_the_senders_again_at_the_next_epoch() -> None:
    log = Log()
    log.accept()
    before = log.state.custody
    log.escalate(TOWN)
    state = log.take_back()
    back = {"epoch": 3, "came_by": Kind.RECALLED, "since": log.entries[-1].head.at}
    assert state.custody == before.model_copy(update=back)
    assert is_take_back(log.entries[-1])
    assert state.followers == [VILLAGE]


@pytest.mark.parametrize("by", [TOWN, COUNTY])
def test_only_the_sender_takes_back(by: str) -> None:
    log = Log()
    log.escalate(TOWN)
    with pytest.raises(Refused, match="not-holder"):
        log.append(Kind.RECALLED, e.Recalled(to=by, taken_back=True), by=by)


def test_what_has_arrived_is_not_taken_back() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    with pytest.raises(Refused, match="not-holder"):
        log.append(Kind.RECALLED, e.Recalled(to=VILLAGE, taken_back=True), by=VILLAGE)


def test_a_granted_recall_is_a_transfer_of_its_own() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    state = log.recall()
    assert (state.holder, state.in_transit_to, state.epoch) == (None, VILLAGE, 3)
    log.deliver()
    assert (log.state.holder, stack_of(log)) == (VILLAGE, [])


def test_whoever_held_a_case_follows_it_for_good_and_once() -> None:
    log = Log()
    for _ in range(2):
        log.escalate(TOWN)
        log.deliver()
        log.give_back()
        log.deliver()
    assert log.state.followers == [VILLAGE, TOWN]


# --- stale actors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 3])
def test_who_names_another_epoch_is_refused_and_told_where_the_case_is(epoch: int) -> None:
    log = Log()
    log.escalate(TOWN)
    with pytest.raises(Refused) as refused:
        check_epoch(log.state.custody, epoch)
    assert refused.value.reason == "stale-epoch"
    assert refused.value.members == {"epoch": 2, "holder": None, "in_transit_to": TOWN}
    check_epoch(log.state.custody, 2)


def test_an_old_holder_is_refused_and_told_the_present_one() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    with pytest.raises(Refused) as refused:
        check_holder(log.state.custody, VILLAGE)
    assert refused.value.members == {"holder": TOWN, "in_transit_to": None}
    check_holder(log.state.custody, TOWN)


# --- deadlines -------------------------------------------------------------------------------------


def test_a_deadline_belongs_to_a_term() -> None:
    deadline = START + timedelta(days=5)
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.append(Kind.ASSIGNED, assigned(working_days=None, deadline=deadline))
    assert log.state.deadline == deadline
    assert log.deliver(deadline=deadline).deadline == deadline
    log.escalate(TOWN)
    assert log.state.deadline is None


def test_working_days_wait_for_the_delivery() -> None:
    log = Log()
    log.assign(OTHER_VILLAGE, working_days=7, not_after=START + timedelta(days=30))
    custody = log.state.custody
    assert (custody.deadline, custody.working_days, custody.not_after) == (None, 7, START + timedelta(days=30))
    custody = log.deliver(deadline=START + timedelta(days=9)).custody
    assert (custody.working_days, custody.not_after) == (None, None)


@pytest.mark.parametrize("back", [Kind.RETURNED, Kind.RECALLED])
def test_a_return_restores_the_previous_deadline_extended_by_the_time_in_transit(back: Kind) -> None:
    deadline = START + timedelta(days=10)
    log = Log(center=TOWN)
    log.assign(VILLAGE, working_days=None, deadline=deadline)
    log.deliver(deadline=deadline)
    log.assign(OTHER_VILLAGE)
    log.wait(timedelta(hours=3))  # on its way there: counts
    log.deliver(deadline=START + timedelta(days=4))
    log.wait(timedelta(days=2))  # held there: does not
    if back is Kind.RETURNED:
        log.give_back()
    else:
        log.recall()
    log.wait(timedelta(hours=5))  # on its way back: counts
    assert restored_deadline(log.state.custody, log.now) == deadline + timedelta(hours=8)


def test_a_clock_that_runs_behind_shortens_no_deadline() -> None:
    deadline = START + timedelta(days=10)
    log = Log(center=TOWN)
    log.assign(VILLAGE, working_days=None, deadline=deadline)
    log.deliver(deadline=deadline)
    log.assign(OTHER_VILLAGE)
    log.wait(timedelta(hours=-3))
    log.deliver()
    log.give_back()
    log.wait(timedelta(hours=-3))
    assert restored_deadline(log.state.custody, log.now) == deadline


def test_who_had_no_deadline_gets_none_on_return() -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    log.give_back()
    assert restored_deadline(log.state.custody, log.now) is None


def test_a_transfer_that_is_no_return_restores_no_deadline() -> None:
    log = Log()
    log.escalate(TOWN)
    assert restored_deadline(log.state.custody, log.now) is None


# --- any history -----------------------------------------------------------------------------------

CENTERS = [VILLAGE, OTHER_VILLAGE, TOWN, OTHER_TOWN, THIRD_TOWN, COUNTY]
centers = st.sampled_from(CENTERS)
PLAIN = sorted(kind for kind, body in BODIES.items() if not isinstance(body, e.Transfer | e.Replaced))


class History(RuleBasedStateMachine):
    """Anybody tries anything at any time; beside the fold runs a model of custody that knows only who gave to whom."""

    @initialize(center=centers)
    def register(self, center: str) -> None:
        self.log = Log(center=center)
        self.stack: list[str] = []
        self.before: list[str] = []
        self.held = {center}
        self.epoch = 1

    def attempt(self, kind: Kind, body: Body, by: str | None = None) -> bool:
        """Try to append; says whether it was allowed. A refusal changes nothing."""
        before = self.log.state
        try:
            self.log.append(kind, body, by=by)
        except Refused:
            assert self.log.state is before
            return False
        return True

    @rule(to=centers, kind=st.sampled_from(sorted(PUSHING)), days=st.none() | st.integers(1, 30))
    def give(self, to: str, kind: Kind, days: int | None) -> None:
        sender = self.log.state.holder
        body = BODIES[kind].model_copy(update={"to": to})
        if isinstance(body, e.Assigned) and days is not None:
            body = body.model_copy(update={"working_days": None, "deadline": self.log.now + timedelta(days=days)})
        if self.attempt(kind, body):
            assert sender is not None
            assert to != sender
            self.before = list(self.stack)
            self.stack.append(sender)
            self.epoch += 1

    @rule(to=centers, kind=st.sampled_from(sorted(POPPING)))
    def give_back(self, to: str, kind: Kind) -> None:
        body = e.Recalled(to=to) if kind is Kind.RECALLED else e.Transfer(to=to)
        if self.attempt(kind, body):
            self.before = list(self.stack)
            assert self.stack.pop() == to
            self.epoch += 1

    @rule(to=centers)
    def rehome(self, to: str) -> None:
        if self.attempt(Kind.REHOMED, e.Rehomed(to=to)):
            self.before = list(self.stack)
            self.epoch += 1

    @rule(center=centers, successor=centers)
    def replace(self, center: str, successor: str) -> None:
        holder = self.log.state.holder
        if self.attempt(Kind.REPLACED, e.Replaced(former=center, successor=successor)):
            renamed = [successor if one == center else one for one in self.stack]
            self.stack = [one for one, above in zip(renamed, [*renamed, holder][1:], strict=True) if one != above]
            self.held |= {successor} if center in self.held else set()

    @rule(by=centers, deadline=st.booleans())
    def deliver(self, by: str, deadline: bool) -> None:
        flight = self.log.state.custody.flight
        until = self.log.now + timedelta(days=7) if deadline else None
        if self.attempt(Kind.DELIVERED, e.Delivered(deadline=until), by=by):
            assert flight is not None
            assert flight.to == by
            self.held.add(by)
            while flight.kind is Kind.REHOMED and self.stack and self.stack[-1] == by:
                self.stack.pop()

    @rule(by=centers, taken_back=st.booleans())
    def come_back(self, by: str, taken_back: bool) -> None:
        flight = self.log.state.custody.flight
        body = e.Recalled(to=by, taken_back=True) if taken_back else e.WithReason(reason="-")
        if self.attempt(Kind.RECALLED if taken_back else Kind.BOUNCED, body, by=by):
            assert flight is not None
            assert flight.sender == by
            self.stack = self.before
            self.epoch += 1

    @rule(kind=st.sampled_from(PLAIN), by=st.none() | centers)
    def write(self, kind: Kind, by: str | None) -> None:
        body = BODIES[kind]
        holder = self.log.state.holder
        if self.attempt(kind, body, by):
            assert holder is not None
            assert by in {None, holder}

    @rule(by=centers, accept=st.booleans())
    def answer_invitation(self, by: str, accept: bool) -> None:
        declined = e.Declined(what=e.DeclinedWhat.JOINT, center=by, reason="-")
        self.attempt(Kind.JOINED if accept else Kind.DECLINED, e.Joined(center=by) if accept else declined)

    @rule(by=centers)
    @precondition(lambda self: self.log.state.agreement_seq is not None)
    def countersign(self, by: str) -> None:
        seq = self.log.state.agreement_seq
        assert seq is not None
        self.attempt(Kind.COUNTERSIGNED, e.Countersigned(center=by, agreement_seq=seq))

    @rule(hours=st.integers(-2, 40))
    def wait(self, hours: int) -> None:
        self.log.wait(timedelta(hours=hours))

    @property
    def state(self) -> CaseState:
        return self.log.state

    @invariant()
    def one_holder_or_in_flight(self) -> None:
        assert (self.state.holder is None) is (self.state.custody.flight is not None)
        assert (self.state.holder is None) is (self.state.in_transit_to is not None)
        if self.state.ended and self.state.custody.flight is not None:
            assert self.state.custody.flight.kind is Kind.REHOMED, "what has ended travels to a successor only"

    @invariant()
    def epochs_rise_by_one(self) -> None:
        assert self.state.epoch == self.epoch
        epochs = [entry.head.epoch for entry in self.log.entries]
        assert all(later - earlier in {0, 1} for earlier, later in pairwise(epochs))

    @invariant()
    def the_stack_is_whoever_gave(self) -> None:
        custody: Custody = self.state.custody
        found = [sender.center for sender in custody.stack]
        popping = custody.flight is not None and custody.flight.kind in POPPING
        assert (found[:-1] if popping else found) == self.stack
        if custody.holder is not None and found:
            assert destination_of_return(custody) == found[-1]

    @invariant()
    def followers_are_who_held_it_and_who_takes_part(self) -> None:
        assert set(self.state.custody.held_by) == self.held
        accepted = {code for code, one in self.state.partners.items() if one.status is PartnerStatus.ACCEPTED}
        assert set(self.state.followers) == self.held | accepted
        assert len(self.state.followers) == len(set(self.state.followers))
        assert self.state.holder not in self.state.partners

    @invariant()
    def acceptance_ends_with_the_term(self) -> None:
        if self.state.custody.flight is not None:
            assert self.state.custody.accepted_by is None

    @invariant()
    def it_survives_being_stored(self) -> None:
        assert CaseState.model_validate_json(self.state.model_dump_json(exclude_none=True)) == self.state

    @invariant()
    def the_log_tells_it_again(self) -> None:
        assert Log.retold(self.log.entries) == self.state


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
