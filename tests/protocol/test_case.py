"""The fold: which entry may follow which, and what it changes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import entries as e
from protocol.case import CaseState, Outcome, PartnerStatus
from protocol.codes import ENDED, Category, Grade, Status, Trigger
from protocol.entries import Body, Kind
from protocol.errors import OutOfOrder, Refused
from protocol.folding import fold
from protocol.rules import RULES, check
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
    in_status,
    mediated,
    registered,
)

GRID = """
                registered accepted mediating agreed failed closed withdrawn referred merged
graded              +         +         +        +      +      -       -         -       -
corrected           +         +         +        +      +      +       +         +       -
noted               +         +         +        +      +      +       +         +       +
mediated            -         +         +        -      +      -       -         -       -
agreed              -         -         +        -      -      -       -         -       -
failed              -         -         +        +      -      -       -         -       -
withdrawn           +         +         +        +      +      -       -         -       -
referred            +         +         +        +      +      -       -         -       -
closed              -         -         -        +      +      -       -         -       -
reopened            -         -         -        -      -      +       +         +       -
merged              +         +         +        +      +      -       -         -       -
absorbed            +         +         +        +      +      +       +         +       -
inquired            +         +         +        +      +      -       -         -       -
filed               +         +         +        +      +      +       +         +       -
attached            +         +         +        +      +      +       +         +       -
archived            -         -         -        -      -      +       +         +       -
visited             -         -         -        +      +      +       -         -       -
escalated           +         +         +        +      +      -       -         -       -
assigned            +         +         +        +      +      -       -         -       -
handed_off          +         +         +        +      +      -       -         -       -
rehomed             +         +         +        +      +      +       +         +       +
replaced            +         +         +        +      +      +       +         +       +
called              +         +         +        +      +      -       -         -       -
urged               +         +         +        +      +      -       -         -       -
invited             +         +         +        +      +      -       -         -       -
offered             +         +         +        +      +      -       -         -       -
lead_ordered        +         +         +        +      +      -       -         -       -
ruled               +         +         +        +      +      -       -         -       -
viewed              +         +         +        +      +      +       +         +       +
renumbered          +         +         +        +      +      +       +         +       +
"""
"""Which entry may stand in which status, written down a second time, from DESIGN section 4."""

BECOMES = {
    Kind.MEDIATED: Status.MEDIATING,
    Kind.AGREED: Status.AGREED,
    Kind.FAILED: Status.FAILED,
    Kind.WITHDRAWN: Status.WITHDRAWN,
    Kind.REFERRED: Status.REFERRED,
    Kind.CLOSED: Status.CLOSED,
    Kind.MERGED: Status.MERGED,
    Kind.REOPENED: Status.ACCEPTED,
}
"""Kinds that change the status."""

NEED_ACCEPTANCE = {Kind.MEDIATED, Kind.AGREED, Kind.FAILED, Kind.CLOSED}
"""DESIGN: needed before mediations, agree, fail and close, and for nothing else."""


def _grid() -> list[tuple[Kind, Status, bool]]:
    header, *lines = GRID.split("\n")[1:-1]
    statuses = [Status(name) for name in header.split()]
    cells = []
    for line in lines:
        kind, *marks = line.split()
        cells += [(Kind(kind), status, mark == "+") for status, mark in zip(statuses, marks, strict=True)]
    return cells


@pytest.mark.parametrize(("kind", "status", "allowed"), _grid())
def test_an_entry_follows_only_in_its_statuses(kind: Kind, status: Status, allowed: bool) -> None:
    log = in_status(status)
    if not allowed:
        with pytest.raises(Refused) as refused:
            log.append(kind, BODIES[kind])
        assert refused.value.reason == "wrong-status"
        assert refused.value.members["status"] == status
        return
    assert log.append(kind, BODIES[kind]).status is BECOMES.get(kind, status)


def test_the_grid_knows_every_kind_that_a_holder_writes_by_itself() -> None:
    """The others need something that happened before; they have tests of their own."""
    others = {
        Kind.REGISTERED,
        Kind.ACCEPTED,
        Kind.RETURNED,
        Kind.RECALLED,
        Kind.DELIVERED,
        Kind.BOUNCED,
        Kind.ANSWERED,
        Kind.EXTENDED,
        Kind.SUBSIDY_CLAIMED,
        Kind.SUBSIDY_JUDGED,
        Kind.REPORTED,
        Kind.FULFILLED,
        Kind.VISIT_MISSED,
        Kind.COUNTERSIGNED,
        Kind.JOINED,
        Kind.DECLINED,
        Kind.JOINT_NOTED,
    }
    assert {kind for kind, _, _ in _grid()} | others == set(Kind)
    assert set(RULES) == set(Kind) - {Kind.REGISTERED}


# --- departments that are called -------------------------------------------------------------------


def called(log: Log, days: int = 1) -> int:
    """Call the forestry station to this case; the entry's number."""
    body = e.Called(station="林业站", station_id="s1", task="到场指界", report_by=log.now + timedelta(days=days))
    return log.append(Kind.CALLED, body).seq


def test_who_is_called_reports_once_in_time_or_not() -> None:
    log = Log()
    first, second = called(log), called(log, days=3)
    log.wait(timedelta(days=2))
    for seq in (first, second):
        log.append(Kind.REPORTED, e.Reported(call_seq=seq, text="已到场"))
    assert [call.in_time for call in log.state.calls.values()] == [False, True]
    with pytest.raises(Refused, match="already-reported"):
        log.append(Kind.REPORTED, e.Reported(call_seq=first, text="又来了"))
    with pytest.raises(Refused, match="no-such-call"):
        log.append(Kind.REPORTED, e.Reported(call_seq=1, text="没叫我"))


def test_the_time_to_report_lies_ahead() -> None:
    with pytest.raises(Refused, match="report-by-passed"):
        called(Log(), days=0)


def test_a_station_reports_to_the_center_that_called_it() -> None:
    log = Log()
    seq = called(log)
    log.escalate(TOWN)
    log.deliver()
    with pytest.raises(Refused, match="no-such-call"):
        log.append(Kind.REPORTED, e.Reported(call_seq=seq, text="到了"))


def handler(log: Log) -> str | None:
    return log.state.handler


def test_who_deals_with_a_case_is_named_then_accepts_then_mediates() -> None:
    log = Log(center=TOWN)
    assert handler(log) is None
    log.assign(VILLAGE)
    assert handler(log) == "钱调解员"
    log.bounce()
    assert handler(log) is None
    log.assign(VILLAGE)
    log.deliver()
    log.accept()
    assert handler(log) == "钱调解员"
    log.append(Kind.MEDIATED, mediated())
    assert handler(log) == "王调解员"
    log.escalate(TOWN)
    assert handler(log) is None
    log.deliver()
    log.accept()
    assert handler(log) == log.state.custody.accepted_by


# --- who may write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_only_the_holder_writes(kind: Kind) -> None:
    log = Log()
    with pytest.raises(Refused) as refused:
        log.append(kind, BODIES[kind], by=TOWN)
    assert refused.value.reason == "not-holder"
    assert refused.value.members == {"holder": VILLAGE, "in_transit_to": None}


@pytest.mark.parametrize("by", [VILLAGE, TOWN, COUNTY])
@pytest.mark.parametrize("kind", sorted(BODIES))
def test_nobody_writes_while_the_case_is_in_flight(kind: Kind, by: str) -> None:
    log = Log()
    log.escalate(TOWN)
    with pytest.raises(Refused) as refused:
        log.append(kind, BODIES[kind], by=by)
    assert refused.value.reason == "not-holder"
    assert refused.value.members == {"holder": None, "in_transit_to": TOWN}


@pytest.mark.parametrize("by", [VILLAGE, COUNTY, OTHER_TOWN])
def test_only_the_destination_says_delivered(by: str) -> None:
    log = Log()
    log.escalate(TOWN)
    with pytest.raises(Refused):
        log.append(Kind.DELIVERED, e.Delivered(), by=by)


@pytest.mark.parametrize("by", [TOWN, COUNTY])
def test_only_the_sender_says_bounced(by: str) -> None:
    log = Log()
    log.escalate(TOWN)
    with pytest.raises(Refused):
        log.append(Kind.BOUNCED, e.WithReason(reason="-"), by=by)


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.BOUNCED])
def test_what_is_not_in_flight_neither_arrives_nor_comes_back(kind: Kind) -> None:
    log = Log()
    body = e.Delivered() if kind is Kind.DELIVERED else e.WithReason(reason="-")
    with pytest.raises(Refused) as refused:
        log.append(kind, body)
    assert refused.value.reason == "not-holder"


# --- acceptance ------------------------------------------------------------------------------------


def test_acceptance_is_by_a_named_person_and_leads_from_registered_to_accepted() -> None:
    log = Log()
    state = log.append(Kind.ACCEPTED, actor="王调解员")
    assert state.status is Status.ACCEPTED
    assert state.custody.accepted_by == "王调解员"


def test_acceptance_is_once_per_term() -> None:
    log = Log()
    log.accept()
    with pytest.raises(Refused) as refused:
        log.append(Kind.ACCEPTED, actor="另一人")
    assert refused.value.reason == "already-accepted"
    assert refused.value.members["accepted_by"] == CLERK_NAME


CLERK_NAME = "杨秀英"


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.MEDIATING, Status.AGREED, Status.FAILED])
def test_each_term_is_accepted_anew_and_the_status_stays(status: Status) -> None:
    log = in_status(status)
    log.escalate(TOWN)
    assert log.deliver().custody.accepted_by is None
    state = log.accept()
    assert state.status is status
    assert state.custody.accepted_by == CLERK_NAME


@pytest.mark.parametrize(
    ("kind", "status"),
    [(kind, status) for kind, status, allowed in _grid() if allowed and status not in ENDED | {Status.REGISTERED}],
)
def test_acceptance_of_this_term_is_needed_for_four_acts_and_nothing_else(kind: Kind, status: Status) -> None:
    log = in_status(status)
    log.assign(OTHER_VILLAGE)
    log.deliver()
    body = BODIES[kind]
    if isinstance(body, e.Invited):
        body = e.Invited(partners=(TOWN,), reason="跨界")
    elif isinstance(body, e.Offered):
        body = e.Offered(to=TOWN, reason="对方牵头")
    elif isinstance(body, e.Transfer):
        body = body.model_copy(update={"to": TOWN})
    if kind not in NEED_ACCEPTANCE:
        log.append(kind, body)
        return
    with pytest.raises(Refused) as refused:
        log.append(kind, body)
    assert refused.value.reason == "not-accepted"
    log.accept()
    log.append(kind, body)


@pytest.mark.parametrize("status", sorted(ENDED))
def test_an_ended_case_is_not_accepted(status: Status) -> None:
    log = in_status(status)
    with pytest.raises(Refused) as refused:
        log.accept()
    assert refused.value.reason == "wrong-status"


def test_a_case_that_was_withdrawn_before_acceptance_needs_it_after_it_is_reopened() -> None:
    log = Log()
    log.append(Kind.WITHDRAWN, BODIES[Kind.WITHDRAWN])
    assert log.append(Kind.REOPENED, BODIES[Kind.REOPENED]).status is Status.ACCEPTED
    with pytest.raises(Refused, match="not-accepted"):
        log.append(Kind.MEDIATED, mediated())
    log.accept()
    log.append(Kind.MEDIATED, mediated())


# --- what entries change ---------------------------------------------------------------------------


def test_a_registration_gives_the_case_its_first_state() -> None:
    state = Log(registered(grade=Grade.MEDIUM, description="多年积怨")).state
    assert state.title == "排水沟堵塞"
    assert [party.name for party in state.parties] == ["张三", "李四"]
    assert (state.status, state.grade, state.origin) == (Status.REGISTERED, Grade.MEDIUM, VILLAGE)
    assert (state.holder, state.in_transit_to, state.epoch, state.seq) == (VILLAGE, None, 1, 1)
    assert state.followers == [VILLAGE]


def test_a_correction_changes_what_it_names_and_nothing_else() -> None:
    log = Log()
    changes = e.Changes(category=Category.FOREST_LAND, parties=(e.Party(name="张三丰"),))
    before, after = log.state, log.append(Kind.CORRECTED, e.Corrected(changes=changes, reason="写错了"))
    assert after.category is Category.FOREST_LAND
    assert after.parties == (e.Party(name="张三丰"),)
    assert (after.title, after.place, after.description) == (before.title, before.place, before.description)


def test_grades_are_judged_anew() -> None:
    assert Log().append(Kind.GRADED, BODIES[Kind.GRADED]).grade is Grade.HIGH


def test_sessions_and_failures_are_counted() -> None:
    log = in_status(Status.FAILED)
    log.append(Kind.MEDIATED, mediated())
    state = log.append(Kind.FAILED, BODIES[Kind.FAILED])
    assert (state.mediations, state.failures) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        (Kind.CLOSED, Status.AGREED, Outcome.SUCCEEDED),
        (Kind.CLOSED, Status.FAILED, Outcome.FAILED),
        (Kind.WITHDRAWN, Status.MEDIATING, Outcome.WITHDRAWN),
        (Kind.REFERRED, Status.FAILED, Outcome.REFERRED),
        (Kind.MERGED, Status.REGISTERED, Outcome.MERGED),
    ],
)
def test_a_case_ends_where_and_when_and_how_it_ended(kind: Kind, status: Status, outcome: Outcome) -> None:
    log = in_status(status)
    log.wait(timedelta(days=2))
    end = log.append(kind, BODIES[kind]).end
    assert end is not None
    assert (end.center, end.at, end.outcome, end.on_time) == (VILLAGE, log.now, outcome, None)


@pytest.mark.parametrize(("days", "on_time"), [(2, True), (4, False)])
def test_an_end_knows_whether_it_was_in_time(days: int, on_time: bool) -> None:
    log = in_status(Status.AGREED)
    log.assign(OTHER_VILLAGE)
    log.deliver(deadline=START + timedelta(days=3))
    log.accept()
    log.wait(timedelta(days=days))
    assert log.state.overdue(log.now) is not on_time
    end = log.append(Kind.CLOSED).end
    assert end is not None
    assert end.on_time is on_time
    assert not log.state.overdue(log.now), "an ended case is no longer overdue"


@pytest.mark.parametrize("status", [Status.CLOSED, Status.WITHDRAWN, Status.REFERRED])
def test_a_reopened_case_has_no_end_and_no_agreement(status: Status) -> None:
    log = in_status(status)
    state = log.append(Kind.REOPENED, BODIES[Kind.REOPENED])
    assert (state.status, state.end, state.agreement_seq, state.reopenings) == (Status.ACCEPTED, None, None, 1)


def test_a_failure_after_an_agreement_undoes_the_agreement() -> None:
    log = in_status(Status.AGREED)
    assert log.append(Kind.FAILED, BODIES[Kind.FAILED]).agreement_seq is None


def test_a_supervision_order_is_answered_by_its_number() -> None:
    log = Log()
    log.append(Kind.NOTED, BODIES[Kind.NOTED])
    seq = log.append(Kind.URGED, BODIES[Kind.URGED]).seq
    assert not log.state.urges[seq].answered
    assert log.append(Kind.ANSWERED, e.Answered(urge_seq=seq, text="在办")).urges[seq].answered


@pytest.mark.parametrize("seq", [1, 2, 99])
def test_what_is_no_supervision_order_is_not_answered(seq: int) -> None:
    log = Log()
    log.append(Kind.NOTED, BODIES[Kind.NOTED])
    with pytest.raises(Refused, match="no-such-urge"):
        log.append(Kind.ANSWERED, e.Answered(urge_seq=seq, text="在办"))


def test_a_renumbered_case_keeps_its_old_number_as_alias() -> None:
    body = e.Renumbered(number="新号", display_number="新〔2026〕1号", old_number=f"{VILLAGE}-2026-0001")
    state = Log().append(Kind.RENUMBERED, body)
    assert (state.number, state.aliases) == ("新号", (f"{VILLAGE}-2026-0001",))


def test_triggers_of_an_escalation_stay_with_the_case() -> None:
    log = Log()
    log.append(Kind.ESCALATED, e.Escalated(to=TOWN, triggers=(Trigger.GROUP_INCIDENT,)))
    log.deliver()
    log.append(Kind.ESCALATED, e.Escalated(to=COUNTY, triggers=(Trigger.GRADE_HIGH,)))
    assert log.state.triggers == {Trigger.GROUP_INCIDENT, Trigger.GRADE_HIGH}


# --- joint mediation -------------------------------------------------------------------------------


def joint_log() -> Log:
    """Led by a township, with the neighbouring one as accepted partner."""
    log = Log(center=TOWN)
    log.accept()
    log.invite(OTHER_TOWN)
    log.join(OTHER_TOWN)
    return log


def partners(state: CaseState) -> dict[str, PartnerStatus]:
    return {code: partner.status for code, partner in state.partners.items()}


def test_an_invitation_is_accepted_or_declined_once() -> None:
    log = Log(center=TOWN)
    log.invite(OTHER_TOWN, THIRD_TOWN)
    assert log.state.joint
    assert log.state.followers == [TOWN], "who is invited follows nothing yet"
    log.append(Kind.JOINED, e.Joined(center=OTHER_TOWN, members=(e.Member(name="周副镇长"),)))
    declined = e.Declined(what=e.DeclinedWhat.JOINT, center=THIRD_TOWN, reason="不在我镇")
    state = log.append(Kind.DECLINED, declined)
    assert partners(state) == {OTHER_TOWN: PartnerStatus.ACCEPTED, THIRD_TOWN: PartnerStatus.DECLINED}
    assert state.followers == [TOWN, OTHER_TOWN]
    assert state.members == (e.Member(name="周副镇长", center=OTHER_TOWN),)
    with pytest.raises(Refused, match="not-invited"):
        log.join(OTHER_TOWN)
    with pytest.raises(Refused, match="not-invited"):
        log.append(Kind.DECLINED, declined)


def test_who_declined_can_be_invited_again_and_who_accepted_stays_accepted() -> None:
    log = joint_log()
    log.invite(THIRD_TOWN)
    log.append(Kind.DECLINED, e.Declined(what=e.DeclinedWhat.JOINT, center=THIRD_TOWN, reason="忙"))
    assert log.state.joint
    log.invite(THIRD_TOWN, OTHER_TOWN)
    assert partners(log.state) == {OTHER_TOWN: PartnerStatus.ACCEPTED, THIRD_TOWN: PartnerStatus.INVITED}


def test_a_case_whose_only_partner_declined_is_not_joint() -> None:
    log = Log(center=TOWN)
    log.invite(OTHER_TOWN)
    log.append(Kind.DECLINED, e.Declined(what=e.DeclinedWhat.JOINT, center=OTHER_TOWN, reason="忙"))
    assert not log.state.joint


@pytest.mark.parametrize("center", [OTHER_TOWN, THIRD_TOWN])
def test_nobody_joins_or_declines_uninvited(center: str) -> None:
    log = Log(center=TOWN)
    with pytest.raises(Refused, match="not-invited"):
        log.join(center)
    with pytest.raises(Refused, match="not-invited"):
        log.append(Kind.DECLINED, e.Declined(what=e.DeclinedWhat.JOINT, center=center, reason="忙"))


def test_the_holder_invites_and_offers_only_to_others() -> None:
    log = Log(center=TOWN)
    with pytest.raises(Refused, match="to-self"):
        log.invite(OTHER_TOWN, TOWN)
    with pytest.raises(Refused, match="to-self"):
        log.append(Kind.OFFERED, e.Offered(to=TOWN, reason="-"))


def test_the_lead_and_accepted_partners_write_into_the_joint_log() -> None:
    log = joint_log()
    for center in (TOWN, OTHER_TOWN):
        log.append(Kind.JOINT_NOTED, e.JointNoted(text="各自走访", center=center))
    with pytest.raises(Refused, match="not-a-partner"):
        log.append(Kind.JOINT_NOTED, e.JointNoted(text="我也来", center=THIRD_TOWN))


def test_a_joint_case_closes_when_every_accepted_partner_has_countersigned() -> None:
    log = joint_log()
    log.invite(THIRD_TOWN)
    log.join(THIRD_TOWN)
    log.agree()
    log.countersign(OTHER_TOWN)
    with pytest.raises(Refused) as refused:
        log.append(Kind.CLOSED)
    assert (refused.value.reason, refused.value.members) == ("not-countersigned", {"missing": [THIRD_TOWN]})
    log.countersign(THIRD_TOWN)
    assert log.append(Kind.CLOSED).status is Status.CLOSED


def test_a_new_agreement_is_countersigned_anew() -> None:
    log = joint_log()
    log.agree()
    log.countersign(OTHER_TOWN)
    old = log.state.agreement_seq
    assert old is not None
    log.append(Kind.FAILED, BODIES[Kind.FAILED])
    log.agree()
    assert log.state.missing_countersignatures() == [OTHER_TOWN]
    with pytest.raises(Refused, match="stale-agreement"):
        log.append(Kind.COUNTERSIGNED, e.Countersigned(center=OTHER_TOWN, agreement_seq=old))


def test_a_failed_joint_mediation_closes_without_countersignatures() -> None:
    log = joint_log()
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.FAILED, BODIES[Kind.FAILED])
    assert log.append(Kind.CLOSED).status is Status.CLOSED


def test_who_is_only_invited_does_not_hold_up_the_end() -> None:
    log = joint_log()
    log.invite(THIRD_TOWN)
    log.agree()
    log.countersign(OTHER_TOWN)
    assert log.append(Kind.CLOSED).status is Status.CLOSED


@pytest.mark.parametrize("center", [THIRD_TOWN, TOWN])
def test_only_accepted_partners_countersign(center: str) -> None:
    log = joint_log()
    log.agree()
    with pytest.raises(Refused, match="not-a-partner"):
        log.countersign(center)


def test_with_a_handoff_the_lead_and_the_partner_swap() -> None:
    log = joint_log()
    log.hand_off(OTHER_TOWN)
    state = log.deliver()
    assert state.holder == OTHER_TOWN
    assert partners(state) == {TOWN: PartnerStatus.ACCEPTED}
    log.append(Kind.JOINT_NOTED, e.JointNoted(text="我方配合", center=TOWN))


def test_a_return_after_the_handoff_swaps_them_back() -> None:
    log = joint_log()
    log.hand_off(OTHER_TOWN)
    log.deliver()
    log.give_back()
    state = log.deliver()
    assert state.holder == TOWN
    assert partners(state) == {OTHER_TOWN: PartnerStatus.ACCEPTED}


def test_a_handoff_to_somebody_new_makes_the_old_lead_a_partner_beside_the_others() -> None:
    log = joint_log()
    log.hand_off(THIRD_TOWN)
    state = log.deliver()
    assert partners(state) == {OTHER_TOWN: PartnerStatus.ACCEPTED, TOWN: PartnerStatus.ACCEPTED}


def test_an_ordinary_handoff_makes_no_joint_case() -> None:
    log = Log(center=TOWN)
    log.hand_off(OTHER_TOWN)
    assert not log.deliver().partners


def test_after_a_declined_invitation_a_handoff_makes_no_joint_case() -> None:
    log = Log(center=TOWN)
    log.invite(THIRD_TOWN)
    log.append(Kind.DECLINED, e.Declined(what=e.DeclinedWhat.JOINT, center=THIRD_TOWN, reason="忙"))
    log.hand_off(OTHER_TOWN)
    assert not log.deliver().joint


def test_a_partner_that_the_county_assigns_the_case_to_leads_and_the_county_becomes_no_partner() -> None:
    log = joint_log()
    log.escalate(COUNTY)
    log.deliver()
    log.assign(OTHER_TOWN)
    state = log.deliver()
    assert state.holder == OTHER_TOWN
    assert partners(state) == {}
    assert state.missing_countersignatures() == []


def test_an_escalation_leaves_the_partners_as_they_are() -> None:
    log = joint_log()
    log.escalate(COUNTY)
    assert partners(log.deliver()) == {OTHER_TOWN: PartnerStatus.ACCEPTED}


def test_a_bounced_handoff_leaves_the_partners_as_they_are() -> None:
    log = joint_log()
    log.hand_off(OTHER_TOWN)
    state = log.bounce()
    assert (state.holder, partners(state)) == (TOWN, {OTHER_TOWN: PartnerStatus.ACCEPTED})


def test_an_offer_stands_until_it_is_declined_or_the_case_leaves_or_ends() -> None:
    offered = e.Offered(to=OTHER_TOWN, reason="对方牵头")
    decline = e.Declined(what=e.DeclinedWhat.HANDOFF, center=OTHER_TOWN, reason="忙")
    for undo, body in (
        (Kind.DECLINED, decline),
        (Kind.WITHDRAWN, BODIES[Kind.WITHDRAWN]),
        (Kind.ESCALATED, e.Escalated(to=COUNTY)),
    ):
        log = Log(center=TOWN)
        offer = log.append(Kind.OFFERED, offered).offer
        assert offer is not None
        assert offer.to == OTHER_TOWN
        assert log.append(undo, body).offer is None
    with pytest.raises(Refused, match="not-invited"):
        Log(center=TOWN).append(Kind.DECLINED, decline)


# --- logs that do not continue ---------------------------------------------------------------------


def test_entries_come_without_gaps_and_without_repetition() -> None:
    log = Log()
    log.accept()
    for seq in (1, 2, 4):
        with pytest.raises(OutOfOrder):
            fold(log.state, log.entry(Kind.NOTED, BODIES[Kind.NOTED], seq=seq))


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_entry_carries_the_epoch_of_its_term(epoch: int) -> None:
    log = Log()
    log.escalate(TOWN)
    log.deliver()
    assert log.state.epoch == 2
    with pytest.raises(OutOfOrder):
        fold(log.state, log.entry(Kind.NOTED, BODIES[Kind.NOTED], epoch=epoch))


def test_a_transfer_carries_the_next_epoch() -> None:
    log = Log()
    with pytest.raises(OutOfOrder):
        fold(log.state, log.entry(Kind.ESCALATED, BODIES[Kind.ESCALATED], epoch=1))


def test_a_log_begins_with_a_registration_and_has_only_one() -> None:
    log = Log()
    with pytest.raises(OutOfOrder):
        fold(log.state, log.entry(Kind.REGISTERED, registered()))
    with pytest.raises(OutOfOrder):
        fold(None, log.entry(Kind.NOTED, BODIES[Kind.NOTED], seq=1, epoch=1))
    with pytest.raises(OutOfOrder):
        fold(None, log.entry(Kind.REGISTERED, registered(), seq=2, epoch=1))


def test_an_entry_of_another_case_does_not_follow() -> None:
    log = Log()
    entry = log.entry(Kind.NOTED, BODIES[Kind.NOTED])
    foreign = entry.head.model_copy(update={"case_id": "another"})
    with pytest.raises(OutOfOrder):
        fold(log.state, e.Entry(record=entry.record, head=foreign, body=entry.body))


def test_check_says_before_writing_what_the_fold_would_say() -> None:
    log = in_status(Status.CLOSED)
    with pytest.raises(Refused, match="wrong-status"):
        check(log.state, Kind.ESCALATED, VILLAGE)
    check(log.state, Kind.NOTED, VILLAGE)
    with pytest.raises(Refused, match="not-holder"):
        check(log.state, Kind.NOTED, OTHER_VILLAGE)


# --- states survive being stored -------------------------------------------------------------------


@given(
    steps=st.lists(
        st.sampled_from(
            [Kind.ACCEPTED, Kind.GRADED, Kind.URGED, Kind.INVITED, Kind.OFFERED, Kind.MEDIATED, Kind.AGREED]
        ),
        max_size=12,
    )
)
def test_a_state_is_the_same_after_json(steps: list[Kind]) -> None:
    log = Log(registered(description="a\x00b\u202e😀", occurred_at=START))
    for kind in steps:
        try:
            log.append(kind, BODIES.get(kind, Body()))
        except Refused:
            continue
    assert CaseState.model_validate_json(log.state.model_dump_json(exclude_none=True)) == log.state
