"""Which browsers there are: Debian's Chromium, and Chromium 109, the last for Windows 7 (``make chromium109``)."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)

_UNPACKED = Path(__file__).parents[2] / ".chromium109" / "chromium"
CHROMIUM_109 = str(_UNPACKED) if _UNPACKED.exists() else None

REQUIRED = os.environ.get("REQUIRE_BROWSERS") == "1"
"""Whether a missing browser fails the tests, as it does in CI, instead of skipping them."""

QUIET = ("--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")

ONE_PROCESS = ("--no-sandbox", "--single-process", "--no-zygote")
"""How Chromium 109 starts from its package, which has no sandbox helper beside it."""


def missing(words: str) -> NoReturn:
    """Skip, or fail where the browsers are required."""
    if REQUIRED:
        pytest.fail(words)
    pytest.skip(words)


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        missing("NO BROWSER: install the package `chromium` to run the tests of the pages")
    # Chromium's sandbox does not run as root.
    flags = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield browser
    browser.close()


@contextmanager
def chromium_109(playwright: Playwright) -> Iterator[Browser]:
    """Chromium 109."""
    if CHROMIUM_109 is None:
        missing("NO CHROMIUM 109: `make chromium109` fetches the browser of Windows 7")
    browser = playwright.chromium.launch(executable_path=CHROMIUM_109, args=[*QUIET, *ONE_PROCESS])
    assert browser.version.startswith("109."), browser.version
    yield browser
    browser.close()
