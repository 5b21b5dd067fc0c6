"""Which browsers there are: Debian's Chromium, and Chromium 109, the last for Windows 7 (``make chromium109``)."""

import os
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import BrowserContext, Playwright

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


class Chromium:
    """Debian's Chromium: one process, in which everybody has a context of their own."""

    def __init__(self, playwright: Playwright) -> None:
        if CHROMIUM is None:
            missing("NO BROWSER: install the package `chromium` to run the tests of the pages")
        # Chromium's sandbox does not run as root.
        flags = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        self.version = self._browser.version

    def open(self, **options: Any) -> BrowserContext:  # noqa: ANN401 - Playwright's own options
        """A browser for one person."""
        return self._browser.new_context(**options)

    def shut(self, context: BrowserContext) -> None:
        """Close it."""
        context.close()

    def end(self) -> None:
        """Close all."""
        self._browser.close()


class Chromium109:
    """Chromium 109: a process for everybody, since the contexts of its one process share cookies in fetches."""

    version = "109"

    def __init__(self, playwright: Playwright) -> None:
        if CHROMIUM_109 is None:
            missing("NO CHROMIUM 109: `make chromium109` fetches the browser of Windows 7")
        self._playwright = playwright

    def open(self, **options: Any) -> BrowserContext:  # noqa: ANN401 - Playwright's own options
        """A browser for one person."""
        flags = [*QUIET, *ONE_PROCESS]
        browser = self._playwright.chromium.launch(executable_path=CHROMIUM_109, args=flags)
        assert browser.version.startswith("109."), browser.version
        return browser.new_context(**options)

    def shut(self, context: BrowserContext) -> None:
        """Close it; a context can't be closed without its process."""
        assert context.browser is not None
        context.browser.close()

    def end(self) -> None:
        """Nothing is left."""


Browsers = Chromium | Chromium109
