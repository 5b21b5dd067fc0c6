"""Every page: no serious finding of axe-core, nothing wider than the screen, no Chinese left over in English."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.acting import register
from tests.browser.conftest import Center, Federation, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

FINDINGS = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, { runOnly: tags });
  return violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""

CASES = (
    "/today",
    "/inbox",
    "/cases",
    "/cases?queue=visits",
    "/cases?q=1",
    "/cases/new",
    "/board",
    "/policy",
    "/account",
)
LABELS = "main h2, main h3, th, label, legend, button, .hint, .nav-main a, .nothing, .kpi-l, .stat-l, .keys"
"""What stands on a page whatever the matters, people and places are called."""

ADMIN = ("/links", "/users", "/about")


def looked_at(page: Page, address: str) -> list[str]:
    """What is wrong with a page."""
    page.goto(address)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = [str(one) for one in page.evaluate(FINDINGS)]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{address}: {one}" for one in [*found, *([f"{wide} px too wide"] if wide > 0 else [])]]


@pytest.mark.parametrize("width", [1440, 390, 320])
def test_nothing_serious_and_nothing_too_wide(federation: Federation, sign_in: SignIn, width: int) -> None:
    wrong: list[str] = []
    for center in (federation.county, federation.towns[0], federation.villages[0]):
        director = sign_in(center, "director", width=width)
        pages = list(CASES)
        case = register(director, center, title=f"宽{width}", place=f"{width}号").removeprefix(center.url)
        pages += [case, f"{case}/accept", f"{case}/mediations", f"{case}/notes", f"{case}/joint"]
        if center.level != "county":
            pages.append(f"{case}/escalate")
        if center.level != "village":
            pages.append(f"{case}/assign")
        wrong += [one for page in pages for one in looked_at(director, center.url + page)]
        admin = sign_in(center, "admin", width=width)
        wrong += [one for page in ADMIN for one in looked_at(admin, center.url + page)]
    assert not wrong, "\n".join(wrong)


def test_an_open_dialog_has_nothing_serious_and_gives_the_focus_back(federation: Federation, sign_in: SignIn) -> None:
    center = federation.towns[0]
    page = sign_in(center, "director")
    register(page, center, title="对话框", place="对话框")
    button = page.locator("[href$='/accept']").first
    button.focus()
    page.keyboard.press("Enter")
    page.locator("dialog#sheet[open]").wait_for()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(FINDINGS) == []
    page.keyboard.press("Escape")
    page.locator("dialog#sheet:not([open])").wait_for(state="attached")
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith("/accept")


@pytest.mark.parametrize("page_", [*CASES, *ADMIN])
def test_english_is_english(federation: Federation, sign_in: SignIn, page_: str) -> None:
    center: Center = federation.towns[0]
    page = sign_in(center, "admin" if page_ in ADMIN else "director", language="en")
    page.goto(center.url + page_)
    assert page.locator("html").get_attribute("lang") == "en"
    words = " ".join(page.locator(LABELS).all_inner_texts())
    assert re.findall(r"[\u4e00-\u9fff]+", words) == []
