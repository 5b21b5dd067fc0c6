"""Full followers get every entry, in order; what comes early is held back while one is missing."""

from node.cases import arrivals
from protocol.entries import Kind
from protocol.messages import Entries, Message, TransferNotice, Type, source_of
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
        payload = arrivals.verified(Entries(case_id=case, entries=tuple(records)), desk.center.directory.known.keys_of)
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


def test_a_transfer_that_overtakes_its_log_waits_for_it(scene: Scene) -> None:
    """A destination that follows the case may get the notice before an entry that travels another way."""
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    with scene.offline(VILLAGE):
        scene.town.does(case, "notes", text="迟到的一条")
        scene.town.does(case, "return", reason="还是你们办")
        *_, late, transfer = records(scene.town, case)
        bring(scene.village, case, [transfer])
        epoch, seq = scene.town.state(case).epoch, scene.town.state(case).seq
        notice = TransferNotice(case_id=case, epoch=epoch, seq=seq, kind=Kind.RETURNED)
        with scene.village.member.act() as unit:
            arrivals.on_transfer(unit, message(TOWN, scene.village, case, Type.TRANSFER), notice)
        assert scene.village.case(case)["holder"] == TOWN
        bring(scene.village, case, [late])
        assert scene.village.case(case)["holder"] == VILLAGE
        assert scene.village.held_back() == []
    scene.settle()
    assert scene.town.case(case)["log"] == scene.village.case(case)["log"]


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
