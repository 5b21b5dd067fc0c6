"""Getting back what was given away: taken back at once, or asked for."""

import pytest

from node.federation import lanes
from node.federation.inbox import apply_frame
from protocol.compression import decompress
from protocol.link import Apply, Load, Position
from protocol.messages import Lane
from protocol.wire import FRAME_MAX_PLAIN_BYTES
from tests.cases.scene import COUNTY, FOUR, OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Json, Scene
from tests.cases.stored import received_by, rows_about


def offered(desk: Desk, peer: str) -> Apply:
    """Do what a link does just before a frame leaves: record that it was offered; returns what the peer is to apply."""
    database = desk.center.database
    record = lanes.read_records(database, peer)[Lane.CASE]
    load = Load(lane=Lane.CASE, after=Position(record.offered.seq, record.offered.digest), ticket=1, budget=1 << 18)
    count, end, payload = lanes.load_frame(database, peer, load)
    assert count
    messages = tuple(decompress(payload, FRAME_MAX_PLAIN_BYTES).split(b"\n"))
    return Apply(Lane.CASE, load.after.seq + 1, end, desk.center.identity.incarnation, messages)


def bring_waiting(desk: Desk, to: Desk) -> None:
    """What waits at one center is applied at its neighbour, and the process there ends before it sends anything."""
    assert apply_frame(to.center, desk.code, offered(desk, to.code)) == 0


# --- taken back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "given"),
    [("assign", {"to": OTHER_VILLAGE, **FOUR}), ("escalate", {"reason": "太大"})],
)
def test_what_no_wire_has_seen_is_taken_back_at_once(scene: Scene, act: str, given: Json) -> None:
    case = scene.town.registers(grade="high")
    scene.settle()
    scene.stop(TOWN)
    scene.town.does(case, act, **given)
    back = scene.town.does(case, "recall", reason="点错了")
    assert (back["holder"], back["in_transit_to"], back["epoch"]) == (TOWN, None, 3)
    assert back["log"][-1]["data"]["taken_back"] is True
    scene.town.does(case, "notes", text="继续办")
    scene.start(TOWN)
    scene.settle()
    assert scene.sees(case) == {TOWN: "full", COUNTY: "header"}
    assert scene.county.case(case)["epoch"] == 3


def test_the_destination_never_learns_of_what_was_taken_back(scene: Scene) -> None:
    canary = "布谷鸟CUCKOO"
    case = scene.village.registers(title=canary, grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    before = received_by(scene.other_village)
    scene.stop(TOWN)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.town.does(case, "recall", reason="点错了")
    scene.start(TOWN)
    scene.settle()
    assert scene.other_village.sees(case) is None
    assert rows_about(scene.other_village, case) == []
    came = received_by(scene.other_village).removeprefix(before)
    assert canary not in came
    assert case not in came
    assert "void" in came, "the places of its messages come, empty"
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"], "followers see both, in order"
    assert scene.village.kinds(case)[-2:] == ["assigned", "recalled"]


def test_what_a_destination_has_that_held_the_case_before_is_told_the_taking_back(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.stop(TOWN)
    scene.town.does(case, "return", reason="不归我们")
    scene.town.does(case, "recall", reason="点错了")
    scene.start(TOWN)
    scene.settle()
    assert scene.village.kinds(case)[-2:] == ["returned", "recalled"]
    assert scene.village.case(case)["holder"] == TOWN
    scene.town.does(case, "return", reason="还是退回")
    scene.settle()
    assert scene.village.case(case)["holder"] == VILLAGE


def test_a_transfer_to_a_neighbour_that_is_offline_is_taken_back_while_our_own_link_runs(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.offline(OTHER_VILLAGE):
        scene.stop(TOWN)
        scene.start(TOWN)  # it greets, and nobody answers
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        assert scene.town.does(case, "recall", reason="点错了")["holder"] == TOWN
    scene.settle()
    assert scene.other_village.sees(case) is None


def test_requests_that_were_on_their_way_to_the_destination_are_judged_by_who_took_the_case_back(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(OTHER_VILLAGE):
        scene.stop(TOWN)
        scene.start(TOWN)  # it greets, and nobody answers
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        scene.settle()
        request = scene.village.asks(case, "notes", text="又淹了")
        scene.settle()
        assert scene.village.answer_to(case, request) == ("pending", None)
        back = scene.town.does(case, "recall", reason="点错了")
        assert [entry["kind"] for entry in back["log"]][-2:] == ["recalled", "noted"]
        scene.settle()
        assert scene.village.answer_to(case, request) == ("granted", None)
    scene.settle()
    assert rows_about(scene.other_village, case) == []


def test_who_asked_for_a_recall_is_told_even_if_what_was_granted_is_taken_back(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.stop(TOWN, VILLAGE)
    request = scene.village.asks(case, "recall", reason="点错了")
    bring_waiting(scene.village, scene.town)
    assert scene.town.case(case)["in_transit_to"] == VILLAGE, "granted, and seen by no wire"
    assert scene.town.does(case, "recall", reason="还是我们办")["holder"] == TOWN
    scene.start(TOWN, VILLAGE)
    scene.settle()
    assert scene.village.answer_to(case, request) == ("granted", None)
    assert scene.village.kinds(case) == scene.town.kinds(case)
    assert scene.village.kinds(case)[-2:] == ["recalled", "recalled"]


def test_what_was_asked_of_the_destination_lapses_with_what_is_taken_back(scene: Scene) -> None:
    case = scene.town.registers(grade="high")
    scene.settle()
    scene.stop(TOWN)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    request = scene.town.asks(case, "notes", text="请先看现场")
    scene.town.does(case, "recall", reason="点错了")
    assert scene.town.answer_to(case, request) == ("refused", "holder-cannot-ask")
    scene.start(TOWN)
    scene.settle()
    assert rows_about(scene.other_village, case) == []


# --- asked for -------------------------------------------------------------------------------------


def test_after_the_wire_has_seen_it_only_a_recall_helps_which_is_granted_before_acceptance(scene: Scene) -> None:
    case = scene.town.registers()
    scene.settle()
    scene.stop(TOWN)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    offered(scene.town, OTHER_VILLAGE)
    request = scene.town.asks(case, "recall", reason="点错了")
    scene.start(TOWN)
    scene.settle()
    assert scene.town.answer_to(case, request) == ("granted", None)
    document = scene.town.case(case)
    assert (document["holder"], document["epoch"]) == (TOWN, 3)
    assert scene.town.kinds(case) == ["registered", "assigned", "delivered", "recalled", "delivered"]
    assert scene.other_village.sees(case) == "full", "it held the case, if only for a moment"


def test_a_recall_is_granted_by_the_holders_node_while_no_person_has_accepted(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    scene.other_village.does(case, "notes", text="看到了")
    scene.settle()
    request = scene.town.asks(case, "recall", reason="派错村")
    scene.settle()
    assert scene.town.answer_to(case, request) == ("granted", None)
    assert scene.town.case(case)["holder"] == TOWN
    recalled = scene.other_village.case(case)["log"][-2]
    assert (recalled["kind"], recalled["center"], recalled["data"]["request"]["center"]) == (
        "recalled",
        OTHER_VILLAGE,
        TOWN,
    )
    assert scene.other_village.refused(case, "accept").type == "not-holder"


def test_a_recall_after_acceptance_is_refused_with_the_name_of_who_accepted(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    scene.other_village.does(case, "accept")
    request = scene.town.asks(case, "recall", reason="派错村")
    scene.settle()
    assert scene.town.answer_to(case, request) == ("refused", "recall-too-late")
    assert scene.town.case(case)["holder"] == OTHER_VILLAGE


def test_a_recall_belongs_to_whoever_made_the_last_transfer(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    refused = scene.village.refused(case, "recall", reason="我要回来")
    assert (refused.status, refused.type, refused.document["holder"]) == (409, "not-last-sender", OTHER_VILLAGE)
    assert scene.other_village.refused(case, "recall", reason="?").type == "holder-cannot-ask"
    headed = scene.county.asks(case, "recall", reason="?")
    scene.settle()
    assert scene.county.answer_to(case, headed) == ("refused", "not-last-sender")


def test_a_return_is_not_recalled(scene: Scene) -> None:
    """It gave the case back: nothing is owed to it, and the stack does not name it."""
    case = scene.town.registers()
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    scene.other_village.does(case, "return", reason="不归我们")
    scene.settle()
    request = scene.other_village.asks(case, "recall", reason="又归我们了")
    scene.settle()
    assert scene.other_village.answer_to(case, request) == ("refused", "nothing-to-return-to")


def test_a_recall_of_an_epoch_that_has_passed_is_refused(scene: Scene) -> None:
    """The case went on before the recall came."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(VILLAGE):
        request = scene.village.asks(case, "recall", reason="点错了")
        scene.town.does(case, "escalate", reason="太大")
        scene.settle()
    scene.settle()
    assert scene.village.answer_to(case, request) == ("refused", "stale-epoch")
    assert scene.village.case(case)["holder"] == COUNTY


def test_a_handed_over_case_is_recalled_too(scene: Scene) -> None:
    case = scene.town.registers()
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    request = scene.town.asks(case, "recall", reason="还是我们办")
    scene.settle()
    assert scene.town.answer_to(case, request) == ("granted", None)
    assert scene.town.case(case)["holder"] == TOWN
