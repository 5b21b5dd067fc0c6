"""A full disk: the clerk is told that nothing was saved, nothing is half-done, and it heals alone."""

from pathlib import Path

import pytest

from node.trouble import DatabaseTrouble
from tests.faults.disk import can_mount, disk_full, files_limited, small_disk
from tests.faults.nest import Nest
from tests.faults.processes import READY_WITHIN, SMALL, TOWNSHIP, county

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.skipif(not can_mount(), reason="only root mounts disks")
def test_a_full_disk_is_told_and_heals_alone(tmp_path: Path, nest: Nest) -> None:
    assert disk_full(tmp_path, nest, 1).lost == 0


@pytest.mark.skipif(not can_mount(), reason="only root mounts disks")
def test_a_center_that_is_started_on_a_full_disk_says_so_and_can_be_started_later(tmp_path: Path, nest: Nest) -> None:
    """Whoever looks after processes (systemd) starts it again and again."""
    with small_disk(tmp_path / TOWNSHIP) as disk, county(tmp_path, nest, parents=SMALL) as here:
        township = here[TOWNSHIP]
        here.start()
        township.stop()
        disk.fill(township)
        township.output.unlink()
        township.start()
        assert township.process is not None
        assert township.process.wait(READY_WITHIN) == DatabaseTrouble.exit_code
        said = township.last_words()
        assert "disk" in said.splitlines()[-1]
        assert "Traceback" not in said
        disk.free(township)
        township.start()
        here.healed()


def test_files_that_cannot_grow_are_told_and_heal_alone(tmp_path: Path, nest: Nest) -> None:
    assert files_limited(tmp_path, nest, 1).lost == 0
