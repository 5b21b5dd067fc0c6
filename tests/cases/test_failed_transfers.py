"""Transfers that don't arrive: undeliverable or refused, they come back with their reason, and custody with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select, update

from node.cases import arrivals
from node.cases.tables import TombstoneRow
from node.enrolment import revoke
from node.federation.inbox import retry_parked
from node.federation.tables import LinkRow, OutboxRow
from protocol.entries import Kind
from protocol.messages import Type
from protocol.payloads import TransferNotice, Undeliverable
from tests.cases.poison import poison
from tests.cases.scene import (
    FOUR,
    OTHER_TOWN,
    OTHER_VILLAGE,
    TOWN,
    Desk,
    Scene,
)
from tests.cases.stored import rows_about


@contextmanager
def cut_off(scene: Scene, parent: Desk, child: str) -> Iterator[None]:
    """A time in which a child is marked as revoked at its parent, without telling anybody."""
    _mark(parent, child, scene.fed.clock.now())
    try:
        yield
    finally:
        _mark(parent, child, None)


def _mark(parent: Desk, child: str, revoked_at: datetime | None) -> None:
    with parent.center.database.write() as session:
        session.execute(update(LinkRow).where(LinkRow.peer == child).values(revoked_at=revoked_at))


def handed_over(scene: Scene) -> str:
    """A case that a township handed to the other one."""
    case = scene.town.registers()
    scene.town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
    scene.settle()
    scene.other_town.asks(case, "handoff/accept")
    scene.settle()
    assert scene.other_town.case(case)["holder"] == OTHER_TOWN
    return case


# --- undeliverable ---------------------------------------------------------------------------------


def test_what_a_relay_cannot_deliver_comes_back_with_its_reason(scene: Scene) -> None:
    case = handed_over(scene)
    scene.other_town.does(case, "accept")
    scene.settle()
    with cut_off(scene, scene.county, TOWN):
        scene.other_town.does(case, "return", reason="还是贵镇办")
        scene.settle()
        scene.other_town.does(case, "notes", text="继续办")
        scene.settle()
    document = scene.other_town.case(case)
    assert (document["holder"], document["in_transit_to"], document["epoch"]) == (OTHER_TOWN, None, 4)
    assert document["accepted_by"] == "director 同志", "everything is as it was before it left"
    bounced, noted = document["log"][-2:]
    assert (bounced["kind"], noted["kind"]) == ("bounced", "noted")
    assert TOWN in bounced["data"]["reason"]


def test_a_request_that_a_relay_cannot_deliver_is_refused_as_unreachable(scene: Scene) -> None:
    case = handed_over(scene)
    with cut_off(scene, scene.county, OTHER_TOWN):
        request = scene.town.asks(case, "notes", text="?")
        scene.settle()
    assert scene.town.answer_to(case, request) == ("refused", "unreachable")


def test_a_child_that_is_revoked_gives_back_what_waited_for_it(own_scene: Scene) -> None:
    scene = own_scene
    case, asked_about = scene.village.registers(grade="high"), scene.town.registers()
    scene.town.does(asked_about, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.stop(OTHER_VILLAGE)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    pending = scene.town.asks(asked_about, "notes", text="?")
    scene.settle()
    on_its_way = scene.village.asks(case, "notes", text="又淹了")
    scene.settle()
    assert scene.village.answer_to(case, on_its_way) == ("pending", None)

    assert revoke(scene.town.center, OTHER_VILLAGE, reason="并入沙龙社区") == 1
    scene.settle()
    document = scene.town.case(case)
    assert (document["holder"], document["epoch"]) == (TOWN, 4)
    assert [entry["kind"] for entry in document["log"][-2:]] == ["bounced", "noted"]
    assert document["log"][-2]["data"]["reason"] == "并入沙龙社区"
    assert scene.village.case(case)["log"] == document["log"]
    assert scene.town.answer_to(asked_about, pending) == ("refused", "unreachable")
    assert scene.village.answer_to(case, on_its_way) == ("granted", None)

    refused = scene.town.refused(case, "assign", to=OTHER_VILLAGE, **FOUR)
    assert (refused.status, refused.document["field"]) == (422, "to")
    refused = scene.town.refused(asked_about, "notes", text="?")
    assert (refused.status, refused.type, refused.document["center"]) == (409, "unreachable", OTHER_VILLAGE)


def test_only_a_center_on_the_way_is_believed_that_something_is_undeliverable(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.offline(OTHER_VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        with scene.town.member.read() as session:
            sent = session.scalar(select(OutboxRow.message_id).where(OutboxRow.case_id == case).limit(1))
        assert sent is not None
        with scene.village.member.act() as unit:
            unit.outbox.send(Type.UNDELIVERABLE, Undeliverable(message_id=sent, reason="-"), TOWN)
        scene.settle(parked=True)
        [parked] = scene.town.parked()
        assert "not on the way" in parked.reason
        assert scene.town.case(case)["in_transit_to"] == OTHER_VILLAGE
        scene.town.forget()
    scene.settle()
    assert scene.town.case(case)["holder"] == OTHER_VILLAGE


# --- refused ---------------------------------------------------------------------------------------


def test_a_transfer_that_the_receiver_had_to_park_is_refused_and_comes_back_with_the_reason(scene: Scene) -> None:
    case = scene.village.registers(grade="high", title="退回来的案子")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    poison(scene.town, OTHER_VILLAGE, case)
    scene.settle(parked=True)
    scene.town.does(case, "accept")
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle(parked=True)

    document = scene.town.case(case)
    assert (document["holder"], document["epoch"], document["accepted_by"]) == (TOWN, 4, "director 同志")
    bounced = document["log"][-1]
    assert bounced["kind"] == "bounced"
    assert "parked" in bounced["data"]["reason"]
    assert scene.village.case(case)["log"] == document["log"]

    with scene.other_village.member.read() as session:
        tombstone = session.get(TombstoneRow, (case, 3))
        assert tombstone is not None
        assert "parked" in tombstone.reason
    assert scene.other_village.sees(case) is None
    assert set(rows_about(scene.other_village, case)) == {"parked"}
    assert scene.other_village.get("/cases", q="退回来的")["total"] == 0

    # What was refused is never applied, whatever becomes of the parked messages.
    oldest = scene.other_village.parked()[0]
    scene.other_village.forget(oldest.id)
    retry_parked(scene.other_village.center)
    scene.settle(parked=True)
    assert scene.other_village.sees(case) is None
    assert rows_about(scene.other_village, case) == []
    assert scene.town.case(case)["holder"] == TOWN

    # A new transfer, at a new epoch, arrives.
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    assert scene.other_village.case(case)["holder"] == OTHER_VILLAGE
    assert scene.other_village.case(case)["epoch"] == 5


def test_a_tombstone_stops_a_transfer_however_late_it_comes(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.other_village.member.act() as unit:
        notice = TransferNotice(case_id=case, epoch=2, seq=2, kind=Kind.ASSIGNED)
        arrivals.refuse(unit, notice, TOWN, "已经拒绝")
    scene.settle()
    assert scene.town.case(case)["holder"] == TOWN, "a refusal of what was never sent changes nothing"
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle()
    document = scene.town.case(case)
    assert (document["holder"], document["epoch"]) == (TOWN, 3)
    assert scene.other_village.sees(case) is None
    assert rows_about(scene.other_village, case) == []


def test_only_the_destination_of_a_transfer_refuses_it(scene: Scene) -> None:
    case = scene.town.registers()
    with scene.offline(OTHER_VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        with scene.village.member.act() as unit:
            arrivals.refuse(unit, TransferNotice(case_id=case, epoch=2, seq=2, kind=Kind.ASSIGNED), TOWN, "我不要")
        scene.settle()
        assert scene.town.case(case)["in_transit_to"] == OTHER_VILLAGE
    scene.settle()
    assert scene.other_village.case(case)["holder"] == OTHER_VILLAGE


def test_requests_that_waited_for_a_refused_transfer_are_answered_by_who_has_the_case_again(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    poison(scene.town, OTHER_VILLAGE, case)
    scene.settle(parked=True)
    scene.stop(OTHER_VILLAGE)
    scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
    scene.settle(parked=True)
    from_below = scene.village.asks(case, "notes", text="又淹了")
    from_above = scene.county.asks(case, "urge", text="抓紧")
    scene.settle(parked=True)
    scene.start(OTHER_VILLAGE)
    scene.settle(parked=True)
    assert scene.town.case(case)["holder"] == TOWN
    assert scene.village.answer_to(case, from_below) == ("granted", None)
    assert scene.county.answer_to(case, from_above) == ("refused", "unknown-case"), "a header does not name the sender"
    scene.other_village.forget()
