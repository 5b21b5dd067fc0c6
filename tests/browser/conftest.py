"""A real federation of processes (``liandong demo``), one for all tests, and real browsers that look at it.

Whatever a page says in its console, asks of another host, or refuses by its content security policy fails the test
that opened it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

from tests.browser.browsers import CHROMIUM, CHROMIUM_109, Browsers, Chromium, Chromium109, missing
from tests.centers import free_ports
from tests.served import LIANDONG, environment

LINKED_WITHIN = 90.0
PATIENCE_MS = 20_000

TOLD = ("401", "409", "422")
"""Answers to who is signed out, and to a form that must be changed: the browser logs them, and they are no fault."""


@dataclass(frozen=True)
class Center:
    """A center of the federation and who works there."""

    code: str
    level: str
    name: str
    url: str
    passwords: dict[str, str]
    argv: tuple[str, ...]
    pid: int


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
    if CHROMIUM is None and CHROMIUM_109 is None:
        missing("NO BROWSER: install the package `chromium` to run the tests of the pages")
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
        _end(demo)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    if process.poll() is None:
        process.kill()
        process.wait()


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
    return Center(
        document["code"],
        document["level"],
        document["name"],
        document["url"],
        passwords,
        tuple(document["argv"]),
        document["pid"],
    )


class Switch:
    """Stops a center as a power cut does, and starts it again."""

    def __init__(self, center: Center) -> None:
        self._center = center
        self._again: subprocess.Popen[bytes] | None = None

    def off(self) -> None:
        """No more answers, and its broker dies with it."""
        os.kill(self._center.pid, signal.SIGKILL)

    def on(self) -> None:
        """The same center, from its files."""
        self._again = subprocess.Popen(
            self._center.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )

    def end(self) -> None:
        """What this switch started ends with the tests."""
        if self._again is not None:
            _end(self._again)


@pytest.fixture(scope="session")
def power(federation: Federation) -> Iterator[Switch]:
    """The switch of the second township."""
    switch = Switch(federation.towns[1])
    yield switch
    switch.end()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of all browsers."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Chromium]:
    """Debian's Chromium."""
    browser = Chromium(playwright)
    yield browser
    browser.end()


@pytest.fixture(params=[Chromium, Chromium109], ids=["chromium", "chromium109"])
def any_chromium(request: pytest.FixtureRequest, playwright: Playwright) -> Browsers:
    """Both, one after the other."""
    if request.param is Chromium:
        return cast("Chromium", request.getfixturevalue("chromium"))
    return Chromium109(playwright)


Sessions = dict[tuple[str, str], dict[str, str]]
"""Cookies, name and value, by center and role."""


@pytest.fixture(scope="session")
def sessions() -> Sessions:
    """Who has signed in: twenty sign-ins less in a run."""
    return {}


class Desk:
    """Browsers of one's own, each signed in as somebody; what their pages complain about is kept."""

    def __init__(self, browsers: Browsers, sessions: Sessions) -> None:
        self.complaints: list[str] = []
        self._sessions = sessions
        self.version = browsers.version
        self._browsers = browsers
        self._contexts: list[BrowserContext] = []

    def _page(self, center: Center, *, width: int = 1440, language: str = "zh-CN", **more: Any) -> Page:  # noqa: ANN401 - Playwright's own options
        """A fresh browser that looks at one center."""
        context = self._browsers.open(viewport={"width": width, "height": 900}, locale=language, **more)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._heard(page, message))
        page.on("pageerror", lambda error: self._failed(page, error))
        page.on("request", lambda request: self._asked(center, request))
        return page

    def _heard(self, page: Page, message: ConsoleMessage) -> None:
        told = TOLD if message.location["url"] != page.url else (*TOLD, "404")
        if message.type in ("error", "warning") and not any(answer in message.text for answer in told):
            self.complaints.append(f"{page.url}: {message.text}")

    def _failed(self, page: Page, error: Error) -> None:
        self.complaints.append(f"{page.url}: {error}")

    def _asked(self, center: Center, request: Request) -> None:
        if not request.url.startswith(f"{center.url}/"):
            self.complaints.append(f"a page of {center.name} asked for {request.url}")

    def sign_in(self, center: Center, role: str, *, anew: bool = False, **options: Any) -> Page:  # noqa: ANN401 - as above
        """Somebody's first page; who signed in for an earlier test stays so, unless they sign in anew."""
        page = self._page(center, **options)
        known = self._sessions.get((center.code, role))
        if known is not None and not anew:
            page.context.add_cookies(
                [{"name": name, "value": value, "url": center.url} for name, value in known.items()]
            )
            page.goto(center.url)
            return page
        page.goto(center.url)
        give_password(page, center, role)
        page.wait_for_url(lambda url: "/login" not in url)
        self._sessions[center.code, role] = {
            str(one["name"]): str(one["value"]) for one in page.context.cookies(center.url)
        }
        return page

    def close(self) -> None:
        """Close all of them."""
        for context in self._contexts:
            self._browsers.shut(context)


def give_password(page: Page, center: Center, role: str) -> None:
    """Fill the sign-in form and send it."""
    page.fill("input[name=username]", role)
    page.fill("input[name=password]", center.passwords[role])
    page.click("main button[type=submit]")


@pytest.fixture
def desk(chromium: Chromium, sessions: Sessions) -> Iterator[Desk]:
    """Debian's Chromium; its complaints fail the test."""
    yield from _desk(chromium, sessions)


@pytest.fixture
def desk_anywhere(any_chromium: Browsers, sessions: Sessions) -> Iterator[Desk]:
    """The same in both browsers."""
    yield from _desk(any_chromium, sessions)


def _desk(browsers: Browsers, sessions: Sessions) -> Iterator[Desk]:
    desk = Desk(browsers, sessions)
    yield desk
    desk.close()
    assert not desk.complaints, "\n".join(desk.complaints)


@pytest.fixture
def sign_in(desk: Desk) -> SignIn:
    """Open a browser of one's own, signed in."""
    return desk.sign_in
