"""Agreements with terms, fulfilment, and visits in a running federation."""

from datetime import timedelta

from node.cases.visiting import note_missed
from node.clock import LOCAL_ZONE
from tests.cases.scene import SESSION, TOWN, VILLAGE, Desk, Json, Scene

TERMS: list[Json] = [
    {"text": "赔偿误工费", "amount": "800.50", "due_on": "2031-05-01", "by": "李四"},
    {"text": "清理排水沟"},
]


def agreed(desk: Desk, given: Json | None = None) -> str:
    case = desk.registers()
    desk.does(case, "accept")
    desk.does(case, "mediations", **SESSION, participants=["张三", "李四", "村小组长"])
    desk.does(case, "agree", **{"agreement": "各清各的沟", **(given or {})})
    return case


def last(desk: Desk, case: str) -> Json:
    data: Json = desk.case(case)["log"][-1]["data"]
    return data


def visits(scene: Scene, desk: Desk, case: str, given: Json) -> Json:
    return desk.does(case, "follow-ups", held_at=scene.fed.clock.now().isoformat(), method="电话", **given)


def rate(desk: Desk) -> tuple[int, int]:
    own = desk.get("/status")["own"]
    return own["visited"], own["visits_due"]


def test_an_agreement_has_terms_that_are_fulfilled_one_by_one(scene: Scene) -> None:
    case = agreed(scene.village, {"manner": "oral", "terms": TERMS})
    body = last(scene.village, case)
    assert (body["manner"], body["terms"]) == ("oral", TERMS)
    assert "2031-05-01" in body["visit_on"], "somebody asks on the day on which a term is due"
    seq = scene.village.case(case)["agreement_seq"]
    scene.village.does(case, "fulfilments", agreement_seq=seq, term=1, on="2031-04-30", note="已付清")
    agreement = scene.village.case(case)["agreement"]
    assert [(term["text"], term["fulfilled"]) for term in agreement["terms"]] == [
        ("赔偿误工费", True),
        ("清理排水沟", False),
    ]
    again = scene.village.refused(case, "fulfilments", agreement_seq=seq, term=1, on="2031-04-30")
    assert (again.status, again.type) == (409, "already-fulfilled")
    none = scene.village.refused(case, "fulfilments", agreement_seq=seq, term=3, on="2031-04-30")
    assert (none.status, none.document["detail"]) == (422, "The agreement has no term 3.")


def test_visits_made_in_their_window_and_missed_ones_make_the_rate(scene: Scene) -> None:
    kept_before, due_before = rate(scene.village)
    case = agreed(scene.village)
    today = scene.fed.clock.now().astimezone(LOCAL_ZONE).date()
    plan = [(today + timedelta(days=count)).isoformat() for count in (7, 30)]
    assert [visit["day"] for visit in scene.village.case(case)["visits"]] == plan
    scene.village.does(case, "close")
    scene.fed.clock.advance(timedelta(days=8))
    visits(scene, scene.village, case, {"satisfied": True, "fulfilled": True})
    assert last(scene.village, case)["visit_on"] == plan[0]
    visits(scene, scene.village, case, {"satisfied": False})
    assert "visit_on" not in last(scene.village, case), "a second visit stands for no day"
    scene.fed.clock.advance(timedelta(days=40))
    while note_missed(scene.village.center):
        pass
    assert scene.village.kinds(case)[-1] == "visit_missed"
    assert [visit["state"] for visit in scene.village.case(case)["visits"]] == ["kept", "missed"]
    kept, due = rate(scene.village)
    assert kept - kept_before == 1
    assert due - due_before >= 2, "others of this center may have been missed, too"


def test_a_failed_mediation_is_visited_too(scene: Scene) -> None:
    case = agreed(scene.village)
    scene.village.does(case, "fail", reason="反悔")
    scene.village.does(case, "close")
    assert [visit["state"] for visit in scene.village.case(case)["visits"]] == ["open", "open"]


def test_a_relapse_reopens_the_same_number_and_tells_the_danger(scene: Scene) -> None:
    case = agreed(scene.village)
    number = scene.village.does(case, "close")["number"]
    document = visits(scene, scene.village, case, {"relapsed": True, "danger": "扬言报复", "satisfied": False})
    assert [entry["kind"] for entry in document["log"][-2:]] == ["visited", "reopened"]
    assert document["log"][-2]["data"]["danger"] == "扬言报复"
    assert (document["status"], document["number"], document["visits"]) == ("accepted", number, [])


def test_a_relapse_before_the_end_leaves_the_case_open_as_it_is(scene: Scene) -> None:
    case = agreed(scene.village)
    assert visits(scene, scene.village, case, {"relapsed": True})["status"] == "agreed"


def test_who_held_the_case_visits_for_the_holder(scene: Scene) -> None:
    case = scene.village.registers(grade="high")
    scene.village.does(case, "escalate", reason="太大")
    scene.settle()
    scene.town.does(case, "accept")
    scene.town.does(case, "mediations", **SESSION)
    scene.town.does(case, "agree", agreement="a")
    scene.town.does(case, "close")
    scene.settle()
    now = scene.fed.clock.now().isoformat()
    asked = scene.village.asks(case, "follow-ups", held_at=now, method="上门", relapsed=True, danger="仍有积怨")
    scene.settle()
    assert scene.village.answer_to(case, asked) == ("granted", None)
    document = scene.village.case(case)
    assert (document["status"], document["holder"]) == ("accepted", TOWN)
    assert [entry["kind"] for entry in document["log"][-2:]] == ["visited", "reopened"]
    assert {entry["data"]["by"] for entry in document["log"][-2:]} == {VILLAGE}
