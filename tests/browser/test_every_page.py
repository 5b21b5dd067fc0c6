"""Every page: no serious finding of axe-core, nothing wider than the screen, no Chinese left over in English."""

import re

import pytest
from playwright.sync_api import Page

from tests.browser.acting import register
from tests.browser.axe import findings
from tests.browser.conftest import Federation, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

WIDTHS = (1440, 390, 320)
"""A desk, a phone, and the narrowest that WCAG 2.2 asks for (1.4.10)."""

READING = (
    "/cases",
    "/cases?queue=visits",
    "/cases?q=1",
    "/cases/new",
    "/cases/import",
    "/board",
    "/policy",
    "/account",
)
TRADE = ("/stations", "/calls", "/subsidies", "/papers", "/reports", "/grid", "/cases/import")
ADMIN = ("/links", "/users", "/backups", "/audit", "/about")

PAGES = {"village": (*READING, "/today"), "township": ("/inbox", "/board", *TRADE), "county": ("/cases", "/board")}
"""Of the director; what levels share is looked at once."""

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

FORMS = """(path) => [...document.querySelectorAll(`[href^="${path}/"]:not([download])`)]
  .map((one) => one.getAttribute("href"))"""

LABELS = "main h2, main h3, th, label, legend, button, .hint, .nav-main a, .nothing, .kpi-l, .stat-l, .keys"
"""What stands on a page whatever the matters, people and places are called."""


def looked_at(page: Page, address: str, widths: tuple[int, ...] = WIDTHS) -> list[str]:
    """What is wrong with a page, at every width."""
    page.goto(address)
    wrong = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate(TOO_WIDE)
        found = [*findings(page), *([f"{wide} px too wide"] if wide > 0 else [])]
        wrong += [f"{address} at {width}: {one}" for one in found]
    return wrong


@pytest.mark.parametrize("level", ["village", "township", "county"])
def test_nothing_serious_and_nothing_too_wide(federation: Federation, sign_in: SignIn, level: str) -> None:
    centers = (federation.county, federation.towns[0], federation.villages[0])
    center = next(one for one in centers if one.level == level)
    director = sign_in(center, "director")
    case = register(director, center, title="看每一页", place=f"{level}的地方").removeprefix(center.url)
    forms = set(director.evaluate(FORMS, case))
    assert {f"{case}/accept", f"{case}/correct", f"{case}/joint"} < forms
    wrong = [one for page in (case, *PAGES[level]) for one in looked_at(director, center.url + page)]
    new = sorted(form for form in forms if level == "township" or form.endswith("/assign"))  # the others are the same
    wrong += [one for form in new for one in looked_at(director, center.url + form, WIDTHS[1:2])]
    if level != "village":
        admin = sign_in(center, "admin")
        wrong += [one for page in ADMIN for one in looked_at(admin, center.url + page)]
    assert not wrong, "\n".join(wrong)


def test_a_refused_form_and_the_way_in_have_nothing_serious(federation: Federation, sign_in: SignIn) -> None:
    center = federation.villages[0]
    page = sign_in(center, "clerk")
    page.goto(f"{center.url}/cases/new")
    page.locator(".savebar button.btn-primary").click()
    page.locator(".err-sum").wait_for()
    assert findings(page) == []
    assert looked_at(page, f"{center.url}/cases/none") == []
    page.context.clear_cookies()
    assert looked_at(page, f"{center.url}/login") == []


def test_an_open_dialog_has_nothing_serious_and_gives_the_focus_back(federation: Federation, sign_in: SignIn) -> None:
    center = federation.towns[0]
    page = sign_in(center, "director")
    register(page, center, title="对话框", place="对话框")
    button = page.locator("[href$='/accept']").first
    button.focus()
    page.keyboard.press("Enter")
    page.locator("dialog#sheet[open]").wait_for()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.locator("dialog#sheet:not([open])").wait_for(state="attached")
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith("/accept")


def test_english_is_english(federation: Federation, sign_in: SignIn) -> None:
    center = federation.towns[0]
    left = []
    for role, pages in (("director", (*READING, *TRADE, "/inbox", "/today")), ("admin", ADMIN)):
        page = sign_in(center, role, language="en")
        for address in pages:
            page.goto(center.url + address)
            assert page.locator("html").get_attribute("lang") == "en"
            words = " ".join(page.locator(LABELS).all_inner_texts())
            for one in (federation.county, *federation.towns, *federation.villages):
                words = words.replace(one.name, "")
            left += [f"{address}: {one}" for one in re.findall(r"[\u4e00-\u9fff]+", words)]
            page.set_viewport_size({"width": 390, "height": 900})
            left += [f"{address}: {wide} px too wide"] if (wide := page.evaluate(TOO_WIDE)) > 0 else []
            page.set_viewport_size({"width": 1440, "height": 900})
    assert not left
