"""Whether a clock was set."""

from datetime import timedelta

import pytest

from node.clock import STEP_S, ClockWatch
from tests.conftest import HeldClock


@pytest.mark.parametrize("step", [STEP_S + 0.1, -STEP_S - 0.1, 315_360_000, -86_400])
def test_a_clock_that_was_set_is_noticed_once(clock: HeldClock, step: float) -> None:
    watch = ClockWatch(clock, lambda: 5.0)
    assert not watch.was_set()
    clock.advance(timedelta(seconds=step))
    assert watch.was_set()
    assert not watch.was_set()


def test_a_clock_that_runs_on_or_is_slowly_corrected_was_not_set(clock: HeldClock) -> None:
    seconds = iter(range(100))
    watch = ClockWatch(clock, lambda: next(seconds))
    for _ in range(50):
        clock.advance(timedelta(seconds=1.1))
        assert not watch.was_set()
