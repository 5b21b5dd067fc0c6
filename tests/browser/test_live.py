"""The county's board follows by itself: by its stream within two seconds, and without one by asking."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import register
from tests.browser.conftest import Federation, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

WITHIN_S = 2.0
"""A change at this center stands on its open pages."""

PATIENCE_S = 20.0
"""For a machine that does much else: beyond it the page does not follow at all."""

ROUNDS = 3


def registered(board: Page) -> int:
    found = re.search(r"\d+", board.locator("#kpis .flowbar .big b").text_content() or "")
    assert found is not None
    return int(found[0])


def waits(board: Page, clerk: Page, federation: Federation, word: str) -> list[float]:
    """Seconds until the board shows each of some new matters."""
    seconds = []
    for number in range(ROUNDS):
        before = registered(board)
        register(clerk, federation.county, title=f"{word}{number}", place=f"{word}{number}号")
        began = time.monotonic()
        expect(board.locator("#kpis .flowbar .big b")).to_have_text(str(before + 1), timeout=PATIENCE_S * 1000)
        seconds.append(time.monotonic() - began)
    return seconds


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "polling"])
def test_the_board_follows_without_a_reload(
    federation: Federation, sign_in: SignIn, record_property: Callable[[str, object], None], stream: bool
) -> None:
    county = federation.county
    board = sign_in(county, "monitor")
    if not stream:
        board.add_init_script("delete window.EventSource")
    board.goto(f"{county.url}/board")
    clerk = sign_in(county, "director")
    seconds = waits(board, clerk, federation, "直播" if stream else "轮询")
    record_property("board follows after, s", ", ".join(f"{one:.2f}" for one in seconds))
    assert min(seconds) < WITHIN_S, seconds
