"""A village gets a fresh code: its cases go over with their history, and the old code answers with the new one."""

import json
from pathlib import Path

from tests.cases.scene import FOUR, MATTER, SESSION, TOWN, VILLAGE, Scene
from tests.commands import done
from tests.rehoming.books import balanced, counters, holders, total, until

FRESH, FRESH_NAME = "532923102299", "官营社区居民委员会"


def test_a_village_gets_a_fresh_code_by_the_command_line(scene: Scene, tmp_path: Path) -> None:
    old, town = scene[VILLAGE], scene.town
    cases = {name: old.registers(title=name) for name in ("open", "closed", "up")}
    for act, given in (("accept", {}), ("mediations", SESSION), ("fail", {"reason": "谈不拢"}), ("close", {})):
        old.does(cases["closed"], act, **given)
    old.does(cases["up"], "escalate", reason="跨村", triggers=["crosses_villages"])
    cases["down"] = town.registers(title="down")
    town.does(cases["down"], "assign", to=VILLAGE, **FOUR)
    scene.settle()
    assert balanced(scene)
    before, logs = total(scene), {name: old.case(case)["log"] for name, case in cases.items()}
    numbers = {name: old.case(case)["number"] for name, case in cases.items()}

    scene.enrol(TOWN, FRESH, tmp_path / FRESH, name=FRESH_NAME)
    here = ("-d", town.member.settings.data_dir, "--yes")
    assert FRESH_NAME in done("rehome", VILLAGE, FRESH, *here)
    until(scene, lambda: json.loads(done("rehome", VILLAGE, FRESH, *here, "--json"))["finished"])
    scene.settle()

    new = scene[FRESH]
    held = holders(scene)
    assert {name: held[case] for name, case in cases.items()} == dict.fromkeys(("open", "closed", "down"), FRESH) | {
        "up": TOWN
    }
    for name in ("open", "closed", "down"):
        after = new.case(cases[name])
        assert after["log"][: len(logs[name])] == logs[name]
        assert after["number"] == numbers[name], "what is on paper stays true"
    assert total(scene)["registered"] == before["registered"]
    assert counters(scene, VILLAGE)["held"] == 0
    assert balanced(scene)
    for desk in scene:
        known = {one["code"]: one["successor"] for one in desk.request("GET", "/centers").json()}
        assert known[VILLAGE] == FRESH
    refused = old.post("/cases", MATTER).json()
    assert (refused["type"], refused["successor"]) == ("retired", FRESH)
    assert f"This center was merged into {FRESH_NAME} ({FRESH})." in old.page()
    assert "was merged" not in new.page()
    # What the old code had sent up comes back to the new one.
    town.does(cases["up"], "return", reason="你们办")
    scene.settle()
    assert holders(scene)[cases["up"]] == FRESH
