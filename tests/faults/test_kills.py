"""Centers are killed at named points while people work; what they were told is true afterwards."""

from pathlib import Path

import pytest

from tests.faults.kills import centers_killed
from tests.faults.nest import Nest
from tests.faults.points import Point
from tests.faults.processes import SMALL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

KILLS = 12
"""Twice at each point; ``make faults`` does two hundred."""


def test_centers_killed_at_every_named_point_lose_and_double_nothing(tmp_path: Path, nest: Nest) -> None:
    figure, kills = centers_killed(tmp_path, nest, KILLS, seed=1, parents=SMALL)
    assert set(kills.at) == set(Point)
    assert kills.total >= KILLS
    assert (figure.lost, figure.doubled) == (0, 0)
    assert figure.acts > 0
