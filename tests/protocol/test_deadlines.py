"""Deadlines: the ladder, extensions, and who let one pass."""

from datetime import datetime, timedelta

import pytest

from protocol import entries as e
from protocol.codes import PartyRole, Rung
from protocol.deadlines import last_rung, rung_of
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.status import contribution
from tests.protocol.case_logs import COUNTY, START, TOWN, VILLAGE, Log, registered

DAY = timedelta(days=1)
PARTIES = (
    e.Party(name="张三", role=PartyRole.APPLICANT),
    e.Party(name="李四", role=PartyRole.RESPONDENT),
    e.Party(name="王五", role=PartyRole.OTHER),
)


def term(deadline: datetime | None = START + 5 * DAY) -> Log:
    """A case that the township assigned to the village, with this deadline."""
    log = Log(registered().model_copy(update={"parties": PARTIES}), center=TOWN)
    log.assign(VILLAGE)
    log.deliver(deadline)
    return log


def extension(days: int = 9, *consented: str) -> e.Extended:
    return e.Extended(deadline=START + days * DAY, reason="等鉴定", consented=consented or ("张三", "李四"))


def late(log: Log, center: str) -> int:
    return contribution(log.state, center, lambda _code: "village")["fell_due"]


@pytest.mark.parametrize(
    ("deadline", "rung"),
    [
        (START - timedelta(seconds=1), Rung.RED),
        (START, Rung.YELLOW),
        (START + DAY - timedelta(seconds=1), Rung.YELLOW),
        (START + DAY, Rung.BLUE),
        (START + 4 * DAY, None),
        (None, None),
    ],
)
def test_a_deadline_climbs_the_ladder(deadline: datetime | None, rung: Rung | None) -> None:
    assert rung_of(deadline, START, START + DAY, START + 4 * DAY) is rung


def test_without_near_days_the_last_day_is_yellow_all_the_same() -> None:
    assert rung_of(START + DAY / 2, START, START + DAY, START) is Rung.YELLOW


def test_an_extension_puts_the_deadline_off() -> None:
    log = term()
    state = log.append(Kind.EXTENDED, extension())
    assert (state.deadline, state.extensions) == (START + 9 * DAY, 1)


@pytest.mark.parametrize(
    ("body", "reason", "members"),
    [
        (extension(5), "not-later", {}),
        (extension(9, "张三"), "no-consent", {"party_role": [PartyRole.RESPONDENT]}),
        (extension(9, "王五"), "no-consent", {"party_role": [PartyRole.APPLICANT, PartyRole.RESPONDENT]}),
        (extension(9, "张三", "李四", "赵六"), "no-such-party", {"name": "赵六"}),
    ],
)
def test_an_extension_needs_a_later_day_and_both_sides(body: e.Extended, reason: str, members: object) -> None:
    log = term()
    with pytest.raises(Refused) as refused:
        log.append(Kind.EXTENDED, body)
    assert (refused.value.reason, refused.value.members) == (reason, members)


def test_what_has_no_deadline_is_not_put_off() -> None:
    with pytest.raises(Refused, match="no-deadline"):
        term(None).append(Kind.EXTENDED, extension())


def test_what_is_late_is_not_put_off_afterwards() -> None:
    log = term()
    log.wait(6 * DAY)
    with pytest.raises(Refused, match="deadline-passed"):
        log.append(Kind.EXTENDED, extension())


def test_no_extension_goes_beyond_the_deadline_of_who_gave_the_case() -> None:
    log = Log(registered().model_copy(update={"parties": PARTIES}), center=COUNTY)
    log.assign(TOWN)
    log.deliver(START + 8 * DAY)
    log.assign(VILLAGE)
    log.deliver(START + 5 * DAY)
    log.append(Kind.EXTENDED, extension(8))
    with pytest.raises(Refused) as refused:
        log.append(Kind.EXTENDED, extension(9))
    assert (refused.value.reason, refused.value.members) == ("later-than-giver", {"center": TOWN})


# --- who let a deadline pass -----------------------------------------------------------------------


def test_who_gives_a_case_away_too_late_has_let_its_deadline_pass() -> None:
    log = term()
    log.wait(6 * DAY)
    log.escalate(TOWN)
    assert late(log, VILLAGE) == 1
    log.deliver()
    assert (late(log, VILLAGE), late(log, TOWN)) == (1, 0)


def test_who_gives_it_away_in_time_has_not() -> None:
    log = term()
    log.escalate(TOWN)
    log.deliver()
    log.wait(9 * DAY)
    assert late(log, VILLAGE) == 0


@pytest.mark.parametrize("back", ["bounce", "take_back"])
def test_a_transfer_that_failed_lets_the_term_go_on(back: str) -> None:
    log = term()
    log.wait(6 * DAY)
    log.escalate(TOWN)
    getattr(log, back)()
    assert (log.state.late, log.state.deadline) == ((), START + 5 * DAY)


def test_a_return_lets_the_giver_go_on_and_counts_the_returner() -> None:
    log = term(START + 5 * DAY)
    log.wait(6 * DAY)
    log.escalate(COUNTY)
    log.deliver(START + 7 * DAY)
    assert late(log, VILLAGE) == 1
    log.wait(3 * DAY)
    log.give_back()
    assert (late(log, VILLAGE), late(log, COUNTY)) == (1, 1)
    log.deliver(START + 5 * DAY)
    assert (late(log, VILLAGE), late(log, COUNTY)) == (0, 1), "the village's own deadline is overdue again"


def test_a_successor_takes_the_deadline_over() -> None:
    log = term()
    log.wait(6 * DAY)
    log.append(Kind.REHOMED, e.Rehomed(to=TOWN))
    assert log.state.late == ()


def test_each_term_that_was_missed_counts() -> None:
    log = term()
    for _ in range(2):
        log.wait(6 * DAY)
        log.escalate(TOWN)
        log.deliver()
        log.assign(VILLAGE)
        log.deliver(log.now + 2 * DAY)
    assert late(log, VILLAGE) == 2


# --- orders by rule --------------------------------------------------------------------------------


def test_orders_by_rule_are_remembered_for_their_term() -> None:
    log = term()
    assert last_rung(log.state) is None
    log.append(Kind.URGED, e.Urged(text="t", by=TOWN, rung=Rung.BLUE, number="督办〔2026〕1号"))
    log.append(Kind.URGED, e.Urged(text="t", by=TOWN))
    assert last_rung(log.state) is Rung.BLUE
    assert [urge.number for urge in log.state.urges.values()] == ["督办〔2026〕1号", None]
    log.escalate(TOWN)
    log.deliver()
    assert last_rung(log.state) is None
