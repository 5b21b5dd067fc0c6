"""Full followers get every entry, in order; what comes early is held back while one is missing."""

import pytest
from sqlalchemy import select

from node.cases import arrivals
from node.federation.tables import OutboxRow
from protocol.entries import Kind
from protocol.errors import BadRecord
from protocol.messages import Message, Type, source_of, write_message
from protocol.payloads import Entries, TransferNotice
from protocol.records import Record
from tests.cases.scene import FAR_VILLAGE, FOUR, OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, Desk, Scene


def message(sender: str, to: Desk, case: str, type_: Type) -> Message:
    return Message(
        id=f"by-hand-{case[:8]}",
        source=source_of(sender),
        type=type_,
        time=to.center.clock.now(),
        destination=to.code,
        subject=case,
    )


def bring(desk: Desk, case: str, records: list[Record], sender: str = TOWN) -> None:
    """Let entries arrive at a center, in this order, in one message."""
    with desk.member.act() as unit:
        keys_of = desk.center.directory.known.keys_of
        payload, signed = arrivals.read_entries(Entries(case_id=case, entries=tuple(records)), keys_of)
        assert all(one.verifies() for one in signed)
        arrivals.on_entries(unit, message(sender, desk, case, Type.ENTRIES), payload)


def records(desk: Desk, case: str) -> list[Record]:
    with desk.member.act() as unit:
        return unit.book.records(case)


def test_entries_that_come_early_are_held_back_until_the_missing_one_comes(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(VILLAGE):
        for number in range(4):
            scene.town.does(case, "notes", text=f"第{number}条")
        known = len(scene.village.case(case)["log"])
        missing, *early = records(scene.town, case)[known:]
        bring(scene.village, case, [early[2]])
        bring(scene.village, case, [early[0], early[1]])
        bring(scene.village, case, [early[1]])
        assert len(scene.village.case(case)["log"]) == known
        assert len(scene.village.held_back()) == 3
        bring(scene.village, case, [missing])
        assert scene.village.case(case)["log"] == scene.town.case(case)["log"]
        assert scene.village.held_back() == []
    scene.settle()


def test_entries_that_come_again_are_dropped(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    log = scene.village.case(case)["log"]
    bring(scene.village, case, records(scene.town, case))
    assert scene.village.case(case)["log"] == log


def test_a_transfer_brings_the_whole_log_also_to_a_follower_that_lacks_a_part_of_it(scene: Scene) -> None:
    """Somebody gave up a parked message there, or its database is a new one."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.stop(VILLAGE)
    scene.town.does(case, "notes", text="从未送到的一条")
    lose_last_message(scene.town, VILLAGE, case)
    scene.start(VILLAGE)
    scene.town.does(case, "notes", text="等前一条的一条")
    scene.settle()
    assert scene.village.held_back() == [(case, 5)]
    assert scene.village.kinds(case)[-1] == "delivered"
    scene.town.does(case, "return", reason="还是你们办")
    scene.settle()
    assert scene.village.held_back() == []
    assert scene.village.case(case)["holder"] == VILLAGE
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def lose_last_message(desk: Desk, to: str, case: str) -> None:
    """Empty the last message about a case that waits for a neighbour."""
    with desk.member.act() as unit:
        rows = select(OutboxRow).where(OutboxRow.peer == to, OutboxRow.case_id == case).order_by(OutboxRow.seq.desc())
        row = unit.session.scalars(rows.limit(1)).one()
        row.body = write_message(
            Message(
                id=row.message_id, source=source_of(desk.code), type=Type.VOID, time=unit.now, destination=to, data={}
            )
        )


def test_a_transfer_without_its_log_is_refused(scene: Scene) -> None:
    case = scene.town.registers()
    notice = TransferNotice(case_id=case, epoch=2, seq=2, kind=Kind.ASSIGNED)
    with scene.town.member.act() as unit:
        unit.outbox.send(Type.TRANSFER, notice, VILLAGE, case_id=case)
    scene.settle(parked=True)
    [parked] = scene.village.parked()
    assert parked.reason == f"transfer of case {case} came before its log"
    scene.village.forget()
    scene.town.does(case, "assign", to=VILLAGE, **FOUR)
    scene.settle()
    assert (scene.town.case(case)["holder"], scene.town.kinds(case)[-1]) == (TOWN, "bounced"), "that epoch is buried"


def test_nobody_else_gives_custody_away(scene: Scene) -> None:
    """A follower that knows of a flight speaks up in the sender's place."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(OTHER_VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        scene.settle()
        bring(scene.other_village, case, records(scene.town, case))
        assert scene.other_village.sees(case) is None, "custody has not arrived, nor has sight"
        state = scene.town.state(case)
        notice = TransferNotice(case_id=case, epoch=state.epoch, seq=state.seq, kind=Kind.ASSIGNED)
        with pytest.raises(BadRecord), scene.other_village.member.act() as unit:
            arrivals.on_transfer(unit, message(VILLAGE, scene.other_village, case, Type.TRANSFER), notice)
    scene.settle()
    assert scene.other_village.case(case)["holder"] == OTHER_VILLAGE


def test_followers_off_the_way_get_the_whole_log_too(scene: Scene) -> None:
    """The other township's village hears of the new holder before the transfer that made it one."""
    case = scene.far_village.registers(grade="high")
    scene.far_village.does(case, "escalate", reason="太大")
    scene.settle()
    for giver, taker in ((scene.other_town, scene.town), (scene.town, scene.other_town)):
        giver.does(case, "handoff", to=taker.code, reason="对方牵头")
        scene.settle()
        taker.asks(case, "handoff/accept")
        scene.settle()
        taker.does(case, "notes", text=f"现在由{taker.code}办")
    scene.settle()
    logs = [scene[code].case(case)["log"] for code in (FAR_VILLAGE, OTHER_TOWN, TOWN)]
    assert logs[0] == logs[1] == logs[2]
    assert scene.far_village.case(case)["holder"] == OTHER_TOWN


def test_who_was_away_for_long_gets_everything_in_order(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(VILLAGE):
        scene.town.does(case, "assign", to=OTHER_VILLAGE, **FOUR)
        scene.settle()
        scene.other_village.does(case, "accept")
        scene.other_village.does(case, "return", reason="不归我们")
        scene.settle()
        for number in range(30):
            scene.town.does(case, "notes", text=f"第{number}条" + "长" * 1500)
    scene.settle()
    assert scene.village.case(case)["log"] == scene.town.case(case)["log"]


def test_nobody_is_made_to_see_a_case_by_sending_its_log(scene: Scene) -> None:
    """Entries alone give neither custody nor sight."""
    case = scene.town.registers(title="不请自来")
    bring(scene.village, case, records(scene.town, case))
    assert scene.village.sees(case) is None
    assert scene.village.get("/cases", q="不请自来")["total"] == 0
