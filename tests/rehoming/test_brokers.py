"""Centers change over real nats-servers: keys and addresses go along."""

from pathlib import Path

import pytest

from node.rehoming.deciding import merge, move
from tests.cases.scene import OTHER_TOWN, OTHER_VILLAGE, TOWN, VILLAGE, scene_of
from tests.federation_kit import Wire
from tests.rehoming.books import balanced, holders, until


@pytest.mark.slow
def test_a_moved_village_logs_in_to_its_new_parents_broker_and_its_township_is_merged(tmp_path: Path) -> None:
    with scene_of(tmp_path, wire=Wire.NATS) as scene:
        before = scene[VILLAGE].member.settings.parent_url
        case = scene[VILLAGE].registers()
        move(scene.county.center, VILLAGE, OTHER_TOWN)
        linked = [("up", "linked")]
        until(scene, lambda: [(one["direction"], one["state"]) for one in scene[VILLAGE].links()] == linked)
        until(scene, lambda: scene[VILLAGE].links()[0]["peer"] == OTHER_TOWN and scene[VILLAGE].links()[0]["connected"])
        after = scene[VILLAGE].member.settings.parent_url
        assert after != before
        assert f'parent_url = "{after}"' in scene[VILLAGE].member.settings.file.read_text(encoding="utf-8")
        scene[VILLAGE].does(case, "escalate", reason="跨村", triggers=["crosses_villages"])
        until(scene, lambda: holders(scene).get(case) == OTHER_TOWN)
        until(scene, lambda: VILLAGE not in [one["peer"] for one in scene.town.links()])
        merge(scene.county.center, TOWN, OTHER_TOWN)
        until(scene, lambda: [one["peer"] for one in scene[OTHER_VILLAGE].links()] == [OTHER_TOWN])
        until(scene, lambda: scene[OTHER_VILLAGE].links()[0]["state"] == "linked")
        assert balanced(scene)
