"""PostgreSQL that is killed: people are told, and everything goes on when it is back."""

from pathlib import Path

import pytest

from tests.faults.nest import Nest
from tests.faults.postgres import postgres_killed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_killed_postgresql_loses_nothing_and_everything_goes_on_when_it_is_back(tmp_path: Path, nest: Nest) -> None:
    assert postgres_killed(tmp_path, nest, 1).lost == 0
