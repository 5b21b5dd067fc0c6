"""What can't be applied is parked with its reason; the link goes on; later messages of that case wait behind it."""

import pytest

from node.federation import inbox
from node.federation.inbox import retry_parked
from node.unit import Unit
from protocol import messages
from protocol.messages import Message
from tests.cases.poison import FUTURE, Future, from_the_future, poison
from tests.cases.scene import FOUR, OTHER_TOWN, TOWN, VILLAGE, Scene


def escalated(scene: Scene) -> str:
    """A village's case that its township holds, so that the village follows."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    return case


def test_a_poisonous_message_parks_with_its_reason_and_later_ones_of_its_case_wait_behind_it(scene: Scene) -> None:
    case, other = escalated(scene), escalated(scene)
    poison(scene.town, VILLAGE, case)
    scene.town.does(case, "notes", text="第一条")
    scene.town.does(other, "notes", text="别的案子")
    scene.town.does(case, "notes", text="第二条")
    scene.settle(parked=True)

    first, *behind = scene.village.parked()
    assert (first.type, first.case_id, first.peer, first.lane) == ("cn.liandong.case.entries.v1", case, TOWN, "case")
    assert first.reason.startswith("head:")
    assert [row.case_id for row in behind] == [case, case]
    assert all(row.reason.startswith("behind parked message ") for row in behind)

    assert "noted" not in scene.village.kinds(case)
    assert scene.village.kinds(other)[-1] == "noted", "other cases go on"
    [link] = [one for one in scene.village.links() if one["peer"] == TOWN]
    assert (link["state"], link["parked"]) == ("linked", 3)

    assert retry_parked(scene.village.center) == (0, 3), "nothing has changed"
    assert [row.id for row in scene.village.parked()] == [first.id, *(row.id for row in behind)], "nor their order"

    scene.village.forget(first.id)
    assert retry_parked(scene.village.center) == (2, 0)
    scene.settle()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_a_poisonous_message_of_no_case_holds_up_nothing(scene: Scene) -> None:
    case = escalated(scene)
    from_the_future(scene.town, VILLAGE, None, "?")
    scene.town.does(case, "notes", text="照常")
    scene.settle(parked=True)
    [parked] = scene.village.parked()
    assert (parked.type, parked.case_id) == (FUTURE, None)
    assert scene.village.kinds(case)[-1] == "noted"
    scene.village.forget(parked.id)


def test_an_unknown_type_is_parked_and_replayed_after_an_upgrade(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    case = escalated(scene)
    from_the_future(scene.town, VILLAGE, case, "新版本的话")
    scene.town.does(case, "notes", text="升级之后才看得到")
    scene.settle(parked=True)
    first, behind = scene.village.parked()
    assert (first.type, first.reason) == (FUTURE, f"unknown type {FUTURE}")
    assert behind.reason == f"behind parked message {first.id}"
    assert retry_parked(scene.village.center) == (0, 2)

    understood: list[str] = []

    def on_future(_unit: Unit, _message: Message, payload: Future) -> None:
        understood.append(payload.words)

    monkeypatch.setitem(messages.PAYLOADS, FUTURE, Future)
    monkeypatch.setitem(inbox._HANDLERS, FUTURE, on_future)  # noqa: SLF001 - the upgrade
    assert retry_parked(scene.village.center) == (2, 0)
    scene.settle()
    assert understood == ["新版本的话"]
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_one_message_is_tried_again_with_those_of_its_case_behind_it(scene: Scene) -> None:
    case, other = escalated(scene), escalated(scene)
    poison(scene.town, VILLAGE, case)
    poison(scene.town, VILLAGE, other)
    scene.town.does(case, "notes", text="一")
    scene.town.does(case, "notes", text="二")
    scene.town.does(other, "notes", text="三")
    scene.settle(parked=True)
    parked = {row.case_id: row.id for row in reversed(scene.village.parked())}
    [waiting, *_] = [row.id for row in scene.village.parked() if row.case_id == case and row.id != parked[case]]
    assert retry_parked(scene.village.center, waiting) == (0, 2), "it still waits behind the older one"
    assert retry_parked(scene.village.center, "nothing of that id") == (0, 0)
    scene.village.forget(parked[case])
    assert retry_parked(scene.village.center, waiting) == (2, 0)
    assert scene.village.kinds(case)[-2:] == ["noted", "noted"]
    assert {row.case_id for row in scene.village.parked()} == {other}
    scene.village.forget(parked[other])
    assert retry_parked(scene.village.center) == (1, 0)


def test_a_sealed_message_parks_under_the_case_that_it_speaks_of(scene: Scene) -> None:
    """From the other township, over the county: nobody but the receiver knows which case it is about."""
    case = scene.town.registers()
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    poison(scene.other_town, TOWN, case)
    scene.other_town.does(case, "notes", text="排在后面")
    scene.settle(parked=True)
    first, behind = scene.town.parked()
    assert (first.case_id, behind.case_id) == (case, case)
    scene.town.forget(first.id)
    assert retry_parked(scene.town.center) == (1, 0)
    scene.settle()
    assert scene.town.case(case)["log"] == scene.other_town.case(case)["log"]


def test_nobody_blocks_a_case_with_a_message_in_anothers_name(scene: Scene) -> None:
    case = escalated(scene)
    with scene.town.member.act() as unit:
        forged = messages.Message(
            id="forged",
            source=messages.source_of(OTHER_TOWN),
            type=messages.Type.ENTRIES,
            time=unit.now,
            destination=VILLAGE,
            subject=case,
        )
        unit.outbox.forward(forged, VILLAGE, messages.Lane.CASE)
    scene.town.does(case, "notes", text="照常")
    scene.settle(parked=True)
    [parked] = scene.village.parked()
    assert (parked.case_id, parked.reason) == (None, f"unsealed message of {OTHER_TOWN} came from {TOWN}")
    assert scene.village.kinds(case)[-1] == "noted"
    scene.village.forget(parked.id)


def test_a_frame_with_poison_applies_all_the_rest_in_one_go(scene: Scene) -> None:
    cases = [escalated(scene) for _ in range(3)]
    with scene.offline(VILLAGE):
        for case in cases:
            scene.town.does(case, "accept")
        poison(scene.town, VILLAGE, cases[1])
        for case in cases:
            scene.town.does(case, "notes", text="一起到")
        scene.town.does(cases[0], "assign", to=VILLAGE, **FOUR)
    scene.settle(parked=True)
    assert [scene.village.kinds(case)[-1] for case in cases] == ["delivered", "accepted", "noted"]
    for row in scene.village.parked()[:1]:
        scene.village.forget(row.id)
    assert retry_parked(scene.village.center) == (1, 0)
    scene.settle()
