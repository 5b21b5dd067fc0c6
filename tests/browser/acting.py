"""What people do on the pages, step by step."""

from playwright.sync_api import Page

from tests.browser.conftest import Center

TITLE = "三组与四组放水先后争执"

LIVE_MS = 20_000
"""Milliseconds for a change to cross the federation and reach another center's open page, on a busy machine."""


def fill_registration(page: Page, title: str, place: str) -> None:
    """Fill in the four required fields."""
    page.fill("#title", title)
    page.locator("[name=category][value=neighbourhood]").check()
    page.fill("#place", place)
    page.fill("#party-1-name", "张某某")


def register(page: Page, center: Center, *, title: str = TITLE, place: str = "三组水渠") -> str:
    """Register a matter with the short form; its address."""
    page.goto(f"{center.url}/cases/new")
    fill_registration(page, title, place)
    page.locator(".savebar button.btn-primary").click()
    page.wait_for_url("**/cases/*?done=register")
    return page.url.split("?")[0]


def open_sheet(page: Page, act: str) -> None:
    """Press the button of an act and wait for its dialog, also where the button stands in the menu."""
    link = page.locator(f"[href$='/{act}']:visible").first
    if not link.count():
        page.locator("details.menu", has=page.locator(f"[href$='/{act}']")).locator("summary").first.click()
    link.click()
    page.locator("dialog#sheet[open]").wait_for()


def send(page: Page) -> None:
    """Send the form of the open dialog."""
    with page.expect_navigation():
        page.locator("dialog#sheet[open] button[type=submit]").click()


def accept(page: Page) -> None:
    """Accept the case of this page."""
    open_sheet(page, "accept")
    send(page)


def escalate(page: Page, reason: str = "双方住两村，请镇里协调。") -> None:
    """Give the case of this page up, for a reason that a person states."""
    open_sheet(page, "escalate")
    page.locator("dialog [name=triggers][value=crosses_villages]").check()
    page.fill("dialog #reason", reason)
    send(page)


def assign(page: Page) -> None:
    """Give the case down to the only child, with 四定."""
    open_sheet(page, "assign")
    page.locator("dialog .pick input").first.check()
    for field, text in (("lead", "杨某"), ("department", "司法所"), ("handler", "施某某")):
        page.fill(f"dialog #{field}", text)
    send(page)
