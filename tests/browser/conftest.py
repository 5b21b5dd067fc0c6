"""A real federation of processes (``liandong demo``) and a real Chromium that looks at it.

Whatever a page says in its console, asks of another host, or refuses by its content security policy fails the test
that opened it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, sync_playwright

from tests.centers import free_ports
from tests.served import LIANDONG, environment

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)

LINKED_WITHIN = 90.0
PATIENCE_MS = 15_000


@dataclass(frozen=True)
class Center:
    """A center of the federation and who works there."""

    code: str
    level: str
    name: str
    url: str
    passwords: dict[str, str]


@dataclass(frozen=True)
class Federation:
    """One county, two townships, a village each."""

    county: Center
    towns: tuple[Center, Center]
    villages: tuple[Center, Center]


SignIn = Callable[..., Page]


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A federation of processes, linked."""
    if CHROMIUM is None:
        pytest.skip("NO BROWSER: install the package `chromium` to run the tests of the pages")
    directory = tmp_path_factory.mktemp("demo")
    port = free_ports(12)
    size = ("--townships", "2", "--villages", "1", "--port", str(port))
    with (directory / "demo.log").open("wb") as log:
        demo = subprocess.Popen(
            [LIANDONG, "demo", "--dir", str(directory / "d"), *size, "--no-browser"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
    try:
        yield _linked(directory, demo)
    finally:
        demo.terminate()
        with suppress(subprocess.TimeoutExpired):
            demo.wait(30)
        if demo.poll() is None:
            demo.kill()
            demo.wait()


def _linked(directory: Path, demo: subprocess.Popen[bytes]) -> Federation:
    record = directory / "d" / "demo.json"
    began = time.monotonic()
    while not record.exists():
        words = (directory / "demo.log").read_text(encoding="utf-8", errors="replace")
        assert demo.poll() is None, words
        assert time.monotonic() - began < LINKED_WITHIN, words
        time.sleep(0.2)
    centers = [_center(one) for one in json.loads(record.read_text(encoding="utf-8"))["centers"]]
    by_level = {level: [one for one in centers if one.level == level] for level in ("county", "township", "village")}
    first, second = by_level["township"]
    villages = {one.code[:9]: one for one in by_level["village"]}
    return Federation(by_level["county"][0], (first, second), (villages[first.code[:9]], villages[second.code[:9]]))


def _center(document: dict[str, Any]) -> Center:
    passwords = {role: user["password"] for role, user in document["users"].items()}
    return Center(document["code"], document["level"], document["name"], document["url"], passwords)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("NO BROWSER: install the package `chromium` to run the tests of the pages")
    flags = ["--disable-gpu", "--disable-background-networking"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium's sandbox does not run as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(chromium: Browser) -> Iterator[SignIn]:
    """Open a browser of one's own, signed in; its complaints fail the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def signed_in(center: Center, role: str, *, width: int = 1440, language: str = "zh-CN", **more: Any) -> Page:  # noqa: ANN401 - Playwright's own options
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale=language, **more)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()

        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and "422" not in message.text and "409" not in message.text:
                complaints.append(f"{page.url}: {message.text}")

        def failed(error: Error) -> None:
            complaints.append(f"{page.url}: {error}")

        def asked(request: Request) -> None:
            if not request.url.startswith(center.url):
                complaints.append(f"{page.url} asked for {request.url}")

        page.on("console", heard)
        page.on("pageerror", failed)
        page.on("request", asked)
        page.goto(center.url)
        page.fill("input[name=username]", role)
        page.fill("input[name=password]", center.passwords[role])
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield signed_in
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)
