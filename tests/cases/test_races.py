"""Two people at the same instant: the database lets one after the other in, and the second one is told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from httpx2 import Response

from tests.cases.scene import OTHER_TOWN, OTHER_VILLAGE, SESSION, TOWN, VILLAGE, Desk, Json, Scene, refusal

ROUNDS = 6
"""Races are run more than once: the loser may come late by chance."""


@dataclass(frozen=True)
class Post:
    """A call that somebody is about to make."""

    desk: Desk
    path: str
    given: Json
    key: str | None = None

    def send(self) -> Response:
        """Make it."""
        return self.desk.post(self.path, self.given, key=self.key)


def at_once(*posts: Post) -> list[Response]:
    """Send calls from as many threads, released together."""
    ready = threading.Barrier(len(posts))

    def send(post: Post) -> Response:
        ready.wait(10)
        return post.send()

    with ThreadPoolExecutor(len(posts)) as threads:
        return list(threads.map(send, posts))


def test_of_two_transfers_posted_at_the_same_instant_exactly_one_wins(each_scene: Scene) -> None:
    town = each_scene.town
    for _ in range(ROUNDS):
        case = town.registers()
        up = {"reason": "超出能力", "triggers": ["group_incident"]}
        down = {"to": OTHER_VILLAGE, "working_days": 5, "lead": "赵", "department": "司法所", "handler": "钱"}
        answers = at_once(Post(town, f"/cases/{case}/escalate", up), Post(town, f"/cases/{case}/assign", down))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        [won] = [answer.json() for answer in answers if answer.status_code == 200]
        [lost] = [refusal(answer) for answer in answers if answer.status_code == 409]
        assert lost.type == "not-holder"
        assert lost.document["holder"] is None
        assert lost.document["in_transit_to"] == won["in_transit_to"]
        each_scene.settle()
        holders = [desk.code for desk in each_scene if (row := desk.row(case)) and row.holder == desk.code]
        assert holders == [won["in_transit_to"]]


def test_of_two_equal_escalations_exactly_one_wins(each_scene: Scene) -> None:
    village = each_scene.village
    for _ in range(ROUNDS):
        case = village.registers(grade="high")
        path = f"/cases/{case}/escalate"
        answers = at_once(*[Post(village, path, {"reason": "太大"})] * 3)
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        each_scene.settle()
        assert each_scene.town.kinds(case) == ["registered", "escalated", "delivered"]


def test_an_old_holder_cannot_write_after_a_transfer_not_even_in_a_race(each_scene: Scene) -> None:
    village = each_scene.village
    for _ in range(ROUNDS):
        case = village.registers(grade="high")
        grade = {"grade": "low", "reason": "已缓和"}
        up: Json = {"reason": "太大"}
        written, left = at_once(
            Post(village, f"/cases/{case}/grade", grade), Post(village, f"/cases/{case}/escalate", up)
        )
        if written.status_code == 200 and left.status_code == 409:
            assert refusal(left).type == "escalation-gated"  # no longer high: written first
            continue
        assert left.status_code == 200
        if written.status_code == 409:
            assert refusal(written).document["in_transit_to"] == TOWN
        each_scene.settle()
        kinds = ["registered", "graded"] if written.status_code == 200 else ["registered"]
        assert each_scene.town.kinds(case) == [*kinds, "escalated", "delivered"]
        assert village.case(case)["log"] == each_scene.town.case(case)["log"]


def test_many_notes_at_once_all_stand_in_the_log_without_gaps(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers()
    texts = [f"第{number}条" for number in range(8)]
    answers = at_once(*[Post(village, f"/cases/{case}/notes", {"text": text}) for text in texts])
    assert [answer.status_code for answer in answers] == [200] * 8
    log = village.case(case)["log"]
    assert [entry["seq"] for entry in log] == list(range(1, 10))
    assert {entry["data"]["text"] for entry in log[1:]} == set(texts)


def test_two_people_accept_at_once_and_one_of_them_is_told_who_was_first(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers()
    answers = at_once(*[Post(village, f"/cases/{case}/accept", {})] * 2)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [lost] = [refusal(answer) for answer in answers if answer.status_code == 409]
    assert (lost.type, lost.document["accepted_by"]) == ("wrong-status", "director 同志")


def test_matters_registered_at_once_get_numbers_of_their_own(each_scene: Scene) -> None:
    matter = {"title": "t", "category": "other", "place": "p", "parties": [{"name": "n"}]}
    for desk in (each_scene.far_village, each_scene.village):
        answers = at_once(*[Post(desk, "/cases", matter)] * 6)
        assert [answer.status_code for answer in answers] == [201] * 6
        assert len({answer.json()["number"] for answer in answers}) == 6


def test_a_person_and_the_wire_do_not_wait_for_each_other_in_a_circle(each_scene: Scene) -> None:
    """A village's requests come in while the township's own people write and send the same cases on."""
    town, village = each_scene.town, each_scene.village
    cases = [village.registers(grade="high") for _ in range(4)]
    for case in cases:
        village.does(case, "escalate", reason="太大")
    each_scene.settle()
    answers = at_once(
        *[Post(village, f"/cases/{case}/notes", {"text": "补充"}) for case in cases],
        *[Post(town, f"/cases/{case}/notes", {"text": "收到"}) for case in cases],
    )
    assert [answer.status_code for answer in answers] == [202] * 4 + [200] * 4
    each_scene.settle()
    for case in cases:
        assert [one["state"] for one in village.case(case)["requests"]] == ["granted"]
        assert village.case(case)["log"] == town.case(case)["log"]


def test_of_a_handoff_that_is_accepted_and_an_escalation_at_the_same_instant_one_wins(each_scene: Scene) -> None:
    town, other_town = each_scene.town, each_scene.other_town
    case = town.registers(grade="high")
    town.does(case, "handoff", to=OTHER_TOWN, reason="对方牵头")
    each_scene.settle()
    accepted, left = at_once(
        Post(other_town, f"/cases/{case}/handoff/accept", {}),
        Post(town, f"/cases/{case}/escalate", {"reason": "太大"}),
    )
    assert accepted.status_code == 202
    each_scene.settle()
    [answer] = [one for one in town.case(case)["requests"] if one["kind"] == "handoff_accept"]
    if left.status_code == 200:
        assert (answer["state"], answer["reason"]) == ("refused", "stale-epoch")
        assert each_scene.county.case(case)["holder"] == each_scene.county.code
    else:
        assert refusal(left).type == "not-holder"
        assert answer["state"] == "granted"
        assert other_town.case(case)["holder"] == OTHER_TOWN
    assert VILLAGE not in each_scene.sees(case)


def test_a_repeated_post_with_one_key_acts_once_even_at_the_same_instant(each_scene: Scene) -> None:
    village = each_scene.village
    case = village.registers()
    path = f"/cases/{case}/mediations"
    village.does(case, "accept")
    answers = at_once(*[Post(village, path, SESSION, f"once-{case}")] * 3)
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1
    assert village.kinds(case) == ["registered", "accepted", "mediated"]
