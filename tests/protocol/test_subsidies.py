"""Subsidies: what a settled case earns, once, when its dossier is complete, and how it is shared."""

from datetime import date

import pytest

from protocol import entries as e
from protocol.case import CaseState, SubsidyState
from protocol.codes import Grade, Part
from protocol.entries import Kind
from protocol.errors import Refused
from protocol.policy import Policy
from protocol.subsidies import claim, missing
from tests.protocol.case_logs import BODIES, OTHER_TOWN, START, TOWN, VILLAGE, Log, mediated

FLAT = Policy(subsidy_low=100, subsidy_medium=100, subsidy_high=100)
BY_GRADE = Policy(subsidy_low=100, subsidy_medium=200, subsidy_high=300)
DAY = date(2026, 3, 9)
OURS = {VILLAGE: ["王调解员"]}


def settled(*terms: e.Term, grade: Grade = Grade.LOW, visited: bool = True) -> Log:
    log = Log()
    log.append(Kind.GRADED, e.Graded(grade=grade, reason="r"))
    log.accept()
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.FILED, e.Filed(parts=(Part.NOTICE, Part.IDENTITY)))
    log.append(Kind.AGREED, e.Agreed(agreement="a", terms=terms, visit_on=(DAY,)))
    log.append(Kind.CLOSED)
    if visited:
        log.append(Kind.VISITED, e.Visited(held_at=START, method="电话", visit_on=DAY))
    return log


def claimed(log: Log) -> CaseState:
    return log.append(Kind.SUBSIDY_CLAIMED, claim(FLAT, log.state, OURS))


def judged(log: Log, *, approved: bool, seq: int | None = None) -> CaseState:
    assert log.state.subsidy is not None
    body = e.SubsidyJudged(claim_seq=seq or log.state.subsidy.seq, approved=approved, by=TOWN)
    return log.append(Kind.SUBSIDY_JUDGED, body)


@pytest.mark.parametrize(
    ("policy", "grade", "yuan"),
    [(FLAT, Grade.HIGH, 100), (BY_GRADE, Grade.LOW, 100), (BY_GRADE, Grade.MEDIUM, 200), (BY_GRADE, Grade.HIGH, 300)],
)
def test_the_policy_says_how_much(policy: Policy, grade: Grade, yuan: int) -> None:
    assert claim(policy, settled(grade=grade).state, OURS).yuan == yuan


def test_without_a_rule_nothing_is_paid() -> None:
    with pytest.raises(Refused, match="no-subsidy"):
        claim(Policy(), settled().state, OURS)


def test_a_claim_says_what_the_dossier_lacks() -> None:
    assert missing(Log().state) == ["settled", Part.MEDIATION, Part.AGREEMENT]
    log = settled(e.Term(text="赔偿"), visited=False)
    assert missing(log.state) == [Part.FULFILMENT, Part.VISIT]
    for attempt in (
        lambda: claim(FLAT, log.state, OURS),
        lambda: log.append(
            Kind.SUBSIDY_CLAIMED,
            e.SubsidyClaimed(yuan=1, shares=(e.Share(center=VILLAGE, mediator="王", yuan=1),)),
        ),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert (refused.value.reason, refused.value.members) == (
            "dossier-incomplete",
            {"dossier": [Part.FULFILMENT, Part.VISIT]},
        )
    log.append(Kind.VISITED, e.Visited(held_at=START, method="电话", visit_on=DAY))
    assert log.state.agreement_seq is not None
    log.append(Kind.FULFILLED, e.Fulfilled(agreement_seq=log.state.agreement_seq, term=1, on=DAY))
    assert claimed(log).subsidy is not None


def test_what_failed_earns_nothing() -> None:
    log = Log()
    log.accept()
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.FAILED, BODIES[Kind.FAILED])
    log.append(Kind.CLOSED)
    assert "settled" in missing(log.state)


def test_one_dispute_pays_once_also_when_it_was_reopened() -> None:
    log = settled()
    claimed(log)
    with pytest.raises(Refused, match="already-claimed"):
        claimed(log)
    judged(log, approved=True)
    log.append(Kind.REOPENED, e.Reopened(reason="反悔"))
    log.append(Kind.MEDIATED, mediated())
    log.append(Kind.AGREED, e.Agreed(agreement="b", visit_on=(DAY,)))
    log.append(Kind.CLOSED)
    log.append(Kind.VISITED, e.Visited(held_at=START, method="电话", visit_on=DAY))
    with pytest.raises(Refused, match="already-claimed"):
        claimed(log)


def test_what_was_turned_down_is_claimed_again() -> None:
    log = settled()
    claimed(log)
    turned_down = judged(log, approved=False).subsidy
    assert turned_down is not None
    assert turned_down.state is SubsidyState.REJECTED
    again = claimed(log).subsidy
    assert again is not None
    assert (again.state, again.seq) == (SubsidyState.CLAIMED, log.state.seq)


def test_a_claim_is_judged_once() -> None:
    log = settled()
    claimed(log)
    with pytest.raises(Refused, match="no-such-claim"):
        judged(log, approved=True, seq=1)
    judged(log, approved=True)
    with pytest.raises(Refused, match="no-such-claim"):
        judged(log, approved=False)


def test_a_joint_subsidy_is_shared_in_whole_yuan_and_adds_up() -> None:
    log = settled()
    partners = {"partners": {OTHER_TOWN: {"status": "accepted"}}}
    state = CaseState.model_validate({**log.state.model_dump(), **partners})
    found = claim(FLAT, state, {VILLAGE: ["王", "王", "李"], OTHER_TOWN: ["周"]})
    assert [(share.center, share.mediator, share.yuan) for share in found.shares] == [
        (VILLAGE, "王", 34),
        (VILLAGE, "李", 33),
        (OTHER_TOWN, "周", 33),
    ]


def test_who_takes_no_part_gets_no_share_and_shares_are_the_whole() -> None:
    log = settled()
    with pytest.raises(Refused, match="not-a-partner"):
        claim(FLAT, log.state, {**OURS, OTHER_TOWN: ["周"]})
    short = e.SubsidyClaimed(yuan=100, shares=(e.Share(center=VILLAGE, mediator="王", yuan=99),))
    with pytest.raises(Refused, match="wrong-shares"):
        log.append(Kind.SUBSIDY_CLAIMED, short)
