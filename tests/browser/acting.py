"""What people do on the pages, step by step."""

from playwright.sync_api import Page

from tests.browser.conftest import Center

TITLE = "三组与四组放水先后争执"


def register(page: Page, center: Center, *, title: str = TITLE, place: str = "三组水渠") -> str:
    """Register a matter with the short form; its address."""
    page.goto(f"{center.url}/cases/new")
    page.fill("#title", title)
    page.get_by_role("radio", name="邻里").check()
    page.fill("#place", place)
    page.fill("#party-1-name", "张某某")
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url("**/cases/*?done=register")
    return page.url.split("?")[0]


def open_sheet(page: Page, act: str) -> None:
    """Press the button of an act and wait for its dialog, also where the button stands in the menu."""
    link = page.locator(f"[href$='/{act}']").first
    if not link.is_visible():
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
