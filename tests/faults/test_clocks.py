"""Clocks that jump: order does not depend on them, and the offset is shown on both sides."""

from pathlib import Path

import pytest

from tests.faults.clocks import STEPS, step
from tests.faults.nest import Nest
from tests.faults.processes import SMALL, county
from tests.faults.work import working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_stepped_clocks_change_no_order_and_are_shown(tmp_path: Path, nest: Nest) -> None:
    with county(tmp_path, nest, parents=SMALL) as here:
        here.start()
        with working(here, clerks=1) as work:
            for by in STEPS.values():
                step(work, by)
