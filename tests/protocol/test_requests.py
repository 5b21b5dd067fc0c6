"""Requests: signed by their center, read by anybody who knows its keys, bound to an epoch or not."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from protocol import entries as e
from protocol import requests as r
from protocol.entries import REQUEST_TEXT_MAX
from protocol.errors import BadRecord
from protocol.keys import SigningKey
from protocol.records import Frozen, Record
from protocol.requests import BODIES, EPOCH_BOUND, Ask, CaseRequest, RequestHead, read_request, write_request
from tests.protocol.case_logs import CASE_ID, CLERK, OTHER_TOWN, START, TOWN

KEY = SigningKey(b"k" * 32)
SALT = b"s" * 16

EXAMPLES: dict[Ask, Frozen] = {
    Ask.NOTE: r.AskNote(text="补充一句"),
    Ask.URGE: r.AskUrge(text="抓紧", reply_by=START),
    Ask.ANSWER: r.AskAnswer(urge_seq=3, text="在办"),
    Ask.JOINT_ACCEPT: r.AskJoin(),
    Ask.JOINT_DECLINE: r.AskReason(reason="忙"),
    Ask.JOINT_ENTRY: r.AskNote(text="各自走访"),
    Ask.COUNTERSIGN: r.AskCountersign(agreement_seq=7),
    Ask.HANDOFF_ACCEPT: r.AskNothing(),
    Ask.HANDOFF_DECLINE: r.AskReason(reason="忙"),
    Ask.RECALL: r.AskReason(reason="点错了"),
    Ask.VISIT: r.AskVisit(held_at=START, method="上门", satisfied=True),
    Ask.REOPEN: r.AskReason(reason="反悔"),
    Ask.LEAD_ORDER: r.AskLead(to=OTHER_TOWN, reason="属地"),
    Ask.ATTACH: e.File(name="照片.jpg", type="image/jpeg", size=1, sha256="5a" * 32),
    Ask.VIEW: r.AskReason(reason="督查"),
    Ask.RULE: r.AskRule(to=OTHER_TOWN, department="水务站", reason="属地"),
    Ask.JUDGE_SUBSIDY: r.AskJudgeSubsidy(claim_seq=9, approved=False, reason="卷宗缺签字页"),
    Ask.ABSORB: r.AskAbsorb(case_id=CASE_ID, number="532923102205-2026-000007"),
}


def keys_of(code: str) -> tuple[str, ...]:
    return (KEY.public,) if code == TOWN else ()


def written(kind: str = Ask.NOTE, body: Frozen | None = None, *, key: SigningKey = KEY) -> CaseRequest:
    head = RequestHead(id="q1", case_id=CASE_ID, epoch=2, kind=kind, at=START, center=TOWN, actor=CLERK, body_digest="")
    return write_request(key, head, body or EXAMPLES[Ask(kind)], SALT)


def test_every_kind_has_a_body_and_an_example_here() -> None:
    assert set(BODIES) == set(EXAMPLES) == set(Ask)


@pytest.mark.parametrize("kind", sorted(Ask))
def test_a_request_is_read_as_it_was_written(kind: Ask) -> None:
    request = read_request(written(kind).record, keys_of)
    assert (request.kind, request.body) == (kind, EXAMPLES[kind])
    assert (request.head.center, request.head.actor, request.head.epoch) == (TOWN, CLERK, 2)


def test_recall_countersign_joint_and_handoff_answers_are_bound_to_their_epoch_and_nothing_else() -> None:
    assert {
        Ask.RECALL,
        Ask.COUNTERSIGN,
        Ask.JOINT_ACCEPT,
        Ask.JOINT_DECLINE,
        Ask.HANDOFF_ACCEPT,
        Ask.HANDOFF_DECLINE,
    } == EPOCH_BOUND


def test_a_request_signed_by_another_is_refused() -> None:
    with pytest.raises(BadRecord):
        read_request(written(key=SigningKey(b"x" * 32)).record, keys_of)


def test_a_request_of_an_unknown_center_is_refused() -> None:
    with pytest.raises(BadRecord):
        read_request(written().record, lambda _code: ())


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.model_copy(update={"body": '{"text":"另一句"}'}),
        lambda record: record.model_copy(update={"body": None}),
        lambda record: record.model_copy(update={"head": record.head.replace('"epoch":2', '"epoch":3')}),
        lambda record: record.model_copy(update={"head": "{"}),
        lambda record: record.model_copy(update={"signature": ""}),
        lambda record: record.model_copy(update={"signature": "?"}),
    ],
    ids=["another body", "no body", "another epoch", "no head", "no signature", "no base64"],
)
def test_a_damaged_request_is_refused(damage: Callable[[Record], Record]) -> None:
    with pytest.raises(BadRecord):
        read_request(damage(written().record), keys_of)


def test_a_request_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadRecord):
        read_request(written("dance", r.AskNothing()).record, keys_of)


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(BadRecord):
        read_request(written(Ask.COUNTERSIGN, r.AskReason(reason="-")).record, keys_of)


def test_fields_that_a_newer_asker_adds_are_kept() -> None:
    body = r.AskNote.model_validate({"text": "补充一句", "mood": "calm"})
    read = read_request(written(Ask.NOTE, body).record, keys_of)
    assert read.body.model_dump()["mood"] == "calm"


@pytest.mark.parametrize("text", ["", "长" * (REQUEST_TEXT_MAX + 1)])
def test_texts_of_requests_have_limits(text: str) -> None:
    with pytest.raises(ValidationError):
        r.AskNote(text=text)
