"""A broker that dies, or loses all that it keeps, loses nothing: it holds nothing that is not in a database."""

from pathlib import Path

import pytest

from tests.faults.broker import broker_killed, broker_wiped
from tests.faults.nest import Nest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_killed_broker_loses_nothing(tmp_path: Path, nest: Nest) -> None:
    assert broker_killed(tmp_path, nest, 2).lost == 0


def test_a_broker_whose_directory_was_deleted_starts_again_and_loses_nothing(tmp_path: Path, nest: Nest) -> None:
    assert broker_wiped(tmp_path, nest, 1).lost == 0
