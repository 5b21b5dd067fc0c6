"""What can't be applied is parked with its reason; the link goes on; later messages of that case wait behind it."""

import json
import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from node.accounts.roles import Role
from node.federation import handlers, inbox
from node.federation.inbox import retry_parked
from node.unit import Unit
from protocol import messages
from protocol.messages import Message
from tests.cases.poison import FUTURE, Future, from_the_future, poison
from tests.cases.scene import FOUR, OTHER_TOWN, TOWN, VILLAGE, Desk, Json, Scene
from tests.commands import done, run


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
    monkeypatch.setitem(handlers.HANDLERS, FUTURE, on_future)
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


# --- order, batches, races ------------------------------------------------------------------------------------------


def test_messages_keep_their_order_though_the_clock_is_set_back(own_scene: Scene) -> None:
    scene = own_scene
    case = escalated(scene)
    poison(scene.town, VILLAGE, case)
    scene.settle(parked=True)
    for number in range(3):
        scene.fed.clock.advance(timedelta(days=-400))
        scene.town.does(case, "notes", text=f"第{number}条")
        scene.settle(parked=True)
    first, *behind = scene.village.parked()
    assert first.reason.startswith("head: ")
    scene.village.forget(first.id)
    assert retry_parked(scene.village.center) == (len(behind), 0) == (3, 0)
    scene.settle()
    assert [entry["data"].get("text") for entry in scene.village.case(case)["log"][-3:]] == ["第0条", "第1条", "第2条"]


def test_many_parked_messages_are_tried_in_batches_and_people_write_between(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = own_scene
    monkeypatch.setattr(inbox, "RETRY_BATCH", 10)
    case = escalated(scene)
    for number in range(35):
        from_the_future(scene.town, VILLAGE, case if number % 2 else None, f"{number}")
    scene.town.does(case, "notes", text="最后")
    scene.settle(parked=True)
    understood = understand(monkeypatch)
    between: list[int] = []
    scene.village.center.database.on_commit(lambda: between.append(len(understood)))
    assert retry_parked(scene.village.center) == (36, 0)
    assert understood == [f"{number}" for number in range(35)]
    assert {10, 20, 30} <= set(between), "a transaction for each batch"
    scene.settle()
    assert scene.village.kinds(case)[-1] == "noted"


def test_an_upgrade_replays_by_itself_when_the_center_starts(own_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = own_scene
    case = escalated(scene)
    from_the_future(scene.town, VILLAGE, case, "新版本的话")
    scene.town.does(case, "notes", text="排队")
    scene.settle(parked=True)
    scene.stop(VILLAGE)
    understood = understand(monkeypatch)
    scene.start(VILLAGE)
    scene.settle()
    assert understood == ["新版本的话"]
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_what_is_parked_while_others_are_tried_comes_in_its_turn(
    each_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = each_scene
    case = escalated(scene)
    for number in range(20):
        from_the_future(scene.town, VILLAGE, case, f"{number}")
    scene.settle(parked=True)
    understood = understand(monkeypatch)
    monkeypatch.setattr(inbox, "RETRY_BATCH", 1)
    notes = threading.Thread(
        target=lambda: [scene.town.does(case, "notes", text=f"同时{number}") for number in range(5)]
    )
    notes.start()
    applied, stay = retry_parked(scene.village.center)
    notes.join()
    scene.settle(parked=True)
    assert (applied >= 20, stay) == (True, 0)
    retry_parked(scene.village.center)
    assert not scene.village.parked()
    assert len(understood) == 20
    scene.settle()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_only_a_part_of_what_waits_can_be_applied_and_the_rest_stays_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = escalated(scene)
    from_the_future(scene.town, VILLAGE, case, "懂了")
    scene.town.does(case, "notes", text="一")
    poison(scene.town, VILLAGE, case)
    scene.town.does(case, "notes", text="二")
    scene.settle(parked=True)
    understand(monkeypatch)
    assert retry_parked(scene.village.center) == (2, 2)
    poisoned, behind = scene.village.parked()
    assert scene.village.case(case)["log"][-1]["data"]["text"] == "一"
    assert poisoned.reason.startswith("head: "), "its own reason now, no longer that it waits"
    scene.village.forget(poisoned.id)
    assert retry_parked(scene.village.center, behind.id) == (1, 0)
    scene.settle()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def understand(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The upgrade: from now on everybody here understands the type; returns what was understood."""
    understood: list[str] = []
    monkeypatch.setitem(messages.PAYLOADS, FUTURE, Future)
    monkeypatch.setitem(handlers.HANDLERS, FUTURE, lambda _unit, _message, payload: understood.append(payload.words))
    return understood


# --- what people are told -------------------------------------------------------------------------------------------


def test_a_bug_of_ours_parks_the_message_and_tells_nobody_what_stood_in_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = escalated(scene)

    def broken(_unit: Unit, message: Message, _payload: object) -> None:
        raise KeyError(f"13800000001 {message.data}")

    with monkeypatch.context() as patch, capture_logs() as logged:
        patch.setitem(handlers.HANDLERS, messages.Type.ENTRIES, broken)
        scene.town.does(case, "notes", text="张三的电话是13800000001")
        scene.settle(parked=True)
    [parked] = scene.village.parked()
    assert parked.reason == "unexpected KeyError"
    assert "13800000001" not in str(logged)
    assert "张三" not in str(logged)
    assert [line["reason"] for line in logged if line["event"] in {"message.parked", "frame.one_by_one"}] == [
        "unexpected KeyError"
    ] * 2
    assert retry_parked(scene.village.center) == (1, 0), "the repaired version takes it"
    scene.settle()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_a_reason_names_fields_and_never_what_stands_in_them(scene: Scene) -> None:
    case = escalated(scene)
    with scene.town.member.act() as unit:
        secret = Future.model_validate({"words": "?", "case_id": {"name": "张三"}, "until": "call 13800000001"})
        unit.outbox.send(messages.Type.VIEW, secret, VILLAGE, case_id=case)
    scene.settle(parked=True)
    [parked] = scene.village.parked()
    assert parked.reason.startswith("cn.liandong.case.view.v1: case_id (")
    assert "until (" in parked.reason
    assert "张三" not in parked.reason
    assert "13800000001" not in parked.reason
    scene.village.forget(parked.id)


def test_the_source_is_told_what_waits_at_its_destination_and_when_it_no_longer_does(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, before = escalated(scene), elsewhere(scene.town)
    from_the_future(scene.town, VILLAGE, case, "一")
    scene.town.does(case, "notes", text="排在后面")
    scene.settle(parked=True)
    [told] = [one for one in elsewhere(scene.town) if one not in before]
    assert (told["destination"], told["case_id"], told["reason"]) == (VILLAGE, case, f"unknown type {FUTURE}")
    understand(monkeypatch)
    assert scene.village.post("/parked/retry", None, role=Role.admin).json() == {"applied": 2, "parked": 0}
    scene.settle()
    assert elsewhere(scene.town) == before


def elsewhere(desk: Desk) -> list[Json]:
    """What of a center's messages is parked at its destinations, as far as it was told."""
    found: list[Json] = desk.request("GET", "/parked/elsewhere").json()
    return found


def test_a_far_source_is_told_through_its_relays(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from_the_future(scene.far_village, VILLAGE, None, "远方来信")
    scene.settle(parked=True)
    [told] = elsewhere(scene.far_village)
    assert (told["destination"], told["reason"]) == (VILLAGE, f"unknown type {FUTURE}")
    understand(monkeypatch)
    assert retry_parked(scene.village.center) == (1, 0)
    scene.settle()
    assert elsewhere(scene.far_village) == []


def test_a_hundred_obstacles_in_one_frame_are_all_told(scene: Scene) -> None:
    before = len(elsewhere(scene.town))
    with scene.offline(VILLAGE):
        for number in range(120):
            from_the_future(scene.town, VILLAGE, None, f"{number}")
    scene.settle(parked=True)
    assert len(elsewhere(scene.town)) == before + 120
    scene.village.forget()


def test_an_admin_sees_and_tries_one_message(scene: Scene) -> None:
    case = escalated(scene)
    poison(scene.town, VILLAGE, case)
    scene.settle(parked=True)
    [parked] = scene.village.request("GET", "/parked", role=Role.admin).json()
    assert parked["case_id"] == case
    assert set(parked) == {"id", "peer", "lane", "seq", "type", "case_id", "reason", "parked_at"}, "never the content"
    path = f"/parked/{parked['id']}/retry"
    assert scene.village.post(path, None, role=Role.admin).json() == {"applied": 0, "parked": 1}
    assert scene.village.post("/parked/none/retry", None, role=Role.admin).status_code == 404
    assert scene.village.post(path, None, role=Role.clerk).status_code == 403
    scene.village.forget()


def test_the_command_line_shows_and_tries_what_is_parked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    case = escalated(scene)
    here, there = (desk.member.settings.data_dir for desk in (scene.village, scene.town))
    assert "Nothing is parked here" in done("--lang", "en", "parked", "list", "-d", here)
    from_the_future(scene.town, VILLAGE, case, "?")
    scene.settle(parked=True)
    [parked] = scene.village.parked()
    listed = done("--lang", "en", "parked", "list", "-d", here)
    assert parked.id in listed
    assert f"unknown type {FUTURE}" in listed
    elsewhere = done("--lang", "en", "parked", "list", "-d", there)
    assert "Parked at their destinations" in elsewhere
    assert json.loads(done("parked", "list", "--json", "-d", here))["here"][0]["id"] == parked.id
    stays = run("--lang", "en", "parked", "retry", "-d", here)
    assert (stays.exit_code, "1 message stays parked" in stays.output) == (1, True)
    assert run("parked", "retry", "none", "-d", here).exit_code == 1
    understand(monkeypatch)
    assert "1 message was applied" in done("--lang", "en", "parked", "retry", parked.id, "-d", here)
    scene.settle()
