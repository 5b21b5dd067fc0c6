"""A broker that dies, or loses all that it keeps, loses nothing: it holds nothing that is not in a database."""

from pathlib import Path

import pytest

from tests.faults.broker import kill, strike, wipe
from tests.faults.nest import Nest
from tests.faults.processes import SMALL, county
from tests.faults.work import working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_broker_that_is_killed_or_loses_its_directory_starts_again_and_loses_nothing(
    tmp_path: Path, nest: Nest
) -> None:
    with county(tmp_path, nest, parents=SMALL) as here:
        here.start()
        with working(here) as work:
            for how in (kill, kill, wipe, kill):
                strike(work, how)
