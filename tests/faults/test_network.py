"""Partitions and bad lines: nobody loses anything, and what waits arrives when it can."""

from pathlib import Path

import pytest

from tests.faults.cable import cables
from tests.faults.nest import Nest
from tests.faults.network import PARTINGS, part, strain
from tests.faults.processes import SMALL, county
from tests.faults.work import working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTED = 3.0
"""Seconds; ``make faults`` parts them long enough for both sides to give each other up."""


def test_partitions_and_bad_lines_lose_nothing(tmp_path: Path, nest: Nest) -> None:
    with cables() as laid, county(tmp_path, nest, parents=SMALL, parent_url=laid.between) as here:
        here.start()
        with working(here) as work:
            for how in PARTINGS:
                part(work, laid, how, PARTED)
            lost, carried = strain(work, laid, 3)
        assert 0 < lost < carried
