"""A full disk: the clerk is told that nothing was saved, nothing is half-done, and it heals alone."""

from pathlib import Path

import pytest

from node.trouble import DatabaseTrouble
from tests.faults.disk import can_mount, files_limited, small_disk, strike
from tests.faults.nest import Nest
from tests.faults.processes import READY_WITHIN, SMALL, TOWNSHIP, county

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.skipif(not can_mount(), reason="only root mounts disks")
def test_a_full_disk_is_told_and_heals_alone_and_who_starts_on_one_says_so(tmp_path: Path, nest: Nest) -> None:
    """Whoever looks after processes (systemd) starts a center again and again until its disk has room."""
    with small_disk(tmp_path / TOWNSHIP) as disk, county(tmp_path, nest, parents=SMALL) as here:
        assert strike(here, disk, "disk full", 1).lost == 0
        township = here[TOWNSHIP]
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


@pytest.mark.skipif(can_mount(), reason="a disk of its own shows more")
def test_files_that_cannot_grow_are_told_and_heal_alone(tmp_path: Path, nest: Nest) -> None:
    assert files_limited(tmp_path, nest, 1).lost == 0
