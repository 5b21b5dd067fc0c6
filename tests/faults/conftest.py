"""One nest for all tests of real processes."""

from collections.abc import Iterator

import pytest

from tests.faults.nest import Nest
from tests.faults.nest import nest as a_nest


@pytest.fixture(scope="session")
def nest() -> Iterator[Nest]:
    """Starts centers' processes quickly."""
    with a_nest() as made:
        yield made
