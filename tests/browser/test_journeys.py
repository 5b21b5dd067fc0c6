"""One matter through the hands of village, township, neighbour and county, each at a screen that follows by itself.

In Debian's Chromium and in Chromium 109, which many offices still run.
"""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.acting import LIVE_MS, accept, assign, escalate, open_sheet, register, send
from tests.browser.axe import findings
from tests.browser.conftest import Desk, Federation

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

WHY_RETURNED = "对方在邻镇，本村叫不动。"


@dataclass(frozen=True)
class Screens:
    """The open pages of everybody, on one matter."""

    title: str
    clerk: Page
    dispatcher: Page
    head: Page
    partner: Page
    monitor: Page

    def counted(self, word: str) -> Locator:
        """A number of the county's board."""
        return self.monitor.locator("#kpis .flowbar div", has_text=word).locator("b")


def number(place: Locator) -> int:
    found = re.search(r"\d+", place.text_content() or "")
    assert found is not None, place
    return int(found[0])


def test_a_matter_goes_up_and_down_is_returned_mediated_jointly_and_closed(
    federation: Federation, desk_anywhere: Desk
) -> None:
    village, town, neighbour = federation.villages[0], *federation.towns
    screens = Screens(
        title=f"放水先后争执{desk_anywhere.version}",
        clerk=desk_anywhere.sign_in(village, "clerk"),
        dispatcher=desk_anywhere.sign_in(town, "dispatcher"),
        head=desk_anywhere.sign_in(village, "director"),
        partner=desk_anywhere.sign_in(neighbour, "dispatcher"),
        monitor=desk_anywhere.sign_in(federation.county, "monitor"),
    )
    registered, closed = screens.counted("登记"), screens.counted("办结")
    before = number(registered), number(closed)
    case = register(screens.clerk, village, title=screens.title, place=screens.title)
    expect(registered).to_have_text(str(before[0] + 1), timeout=LIVE_MS)
    case_id = case.rsplit("/", 1)[1]

    goes_up_and_is_accepted(screens)
    screens.dispatcher.goto(f"{town.url}/cases/{case_id}")
    screens.head.goto(f"{village.url}/today")
    is_assigned_down_and_returned(screens)
    screens.partner.goto(f"{neighbour.url}/inbox?queue=invited")
    is_joined_by_the_neighbour(screens, f"{neighbour.url}/cases/{case_id}")
    is_a_header_to_the_county(desk_anywhere.sign_in(federation.county, "director"), federation, case_id)
    is_agreed_and_countersigned(screens)
    screens.clerk.goto(case)
    is_closed(screens)

    expect(closed).to_have_text(str(before[1] + 1), timeout=LIVE_MS)
    assert number(registered) == before[0] + 1, "counted once"


def goes_up_and_is_accepted(screens: Screens) -> None:
    """The village escalates; the township sees it come and accepts with one key."""
    clerk, dispatcher = screens.clerk, screens.dispatcher
    open_sheet(clerk, "escalate")
    expect(clerk.locator("dialog .gate-sum")).to_contain_text("还不能上报")
    clerk.keyboard.press("Escape")
    escalate(clerk)
    arrived = dispatcher.locator("#items .item", has_text=screens.title)
    expect(arrived).to_be_visible(timeout=LIVE_MS)
    expect(clerk.locator("#delivery .done")).to_have_count(2, timeout=LIVE_MS)  # sent, delivered
    arrived.click()
    expect(dispatcher.locator("#detail .h-detail")).to_have_text(screens.title)
    arrived.focus()
    dispatcher.keyboard.press("s")
    dispatcher.locator("dialog#sheet[open]").wait_for()
    send(dispatcher)
    expect(clerk.locator("#case-side .deliver .done")).to_have_count(3, timeout=LIVE_MS)  # accepted by a person


def is_assigned_down_and_returned(screens: Screens) -> None:
    """The township assigns it with 四定; it appears in the village's day, which gives it back with a reason."""
    head, dispatcher = screens.head, screens.dispatcher
    assign(dispatcher)
    work = head.locator(".work-title", has_text=screens.title)
    expect(work).to_be_visible(timeout=LIVE_MS)
    work.click()
    open_sheet(head, "return")
    head.fill("dialog #reason", WHY_RETURNED)
    send(head)
    expect(dispatcher.locator("#case-head .stop.now")).to_contain_text("镇", timeout=LIVE_MS)
    expect(dispatcher.locator("#case-body")).to_contain_text(WHY_RETURNED, timeout=LIVE_MS)


def is_joined_by_the_neighbour(screens: Screens, case_at_partner: str) -> None:
    """The township leads, the neighbour is invited, sees no parties, joins, and then reads everything."""
    dispatcher, partner = screens.dispatcher, screens.partner
    accept(dispatcher)
    open_sheet(dispatcher, "joint")
    dispatcher.locator("dialog [name=partners]").first.check()
    dispatcher.fill("dialog #reason", "一方住在你镇。")
    dispatcher.fill("dialog #members", "杨某（组长）、施某某")
    send(dispatcher)
    expect(partner.locator("#items .item", has_text=screens.title)).to_be_visible(timeout=LIVE_MS)
    partner.goto(case_at_partner)
    expect(partner.locator("main")).not_to_contain_text("张某某")
    open_sheet(partner, "joint/accept")
    partner.fill("dialog #members", "普某（组长）")
    send(partner)
    expect(dispatcher.locator("#case-body .team", has_text="普某")).to_be_visible(timeout=LIVE_MS)
    expect(partner.locator("#case-body")).to_contain_text(WHY_RETURNED, timeout=LIVE_MS)


def is_a_header_to_the_county(county: Page, federation: Federation, case_id: str) -> None:
    """The county reads the header of a joint matter, no parties, and may say who leads."""
    for path in ("", "/joint/lead"):
        county.goto(f"{federation.county.url}/cases/{case_id}{path}")
        expect(county.locator("main h1, main h2").first).to_be_visible()
        expect(county.locator("main")).not_to_contain_text("张某某")
        assert findings(county) == []


def is_agreed_and_countersigned(screens: Screens) -> None:
    """A session, one agreement; the neighbour is shown what comes next and signs."""
    dispatcher, partner = screens.dispatcher, screens.partner
    open_sheet(dispatcher, "mediations")
    dispatcher.fill("dialog #place", "沟口现场")
    dispatcher.fill("dialog #mediators", "杨某、普某")
    dispatcher.fill("dialog #summary", "双方到沟口，议定单双日轮流放水。")
    send(dispatcher)
    open_sheet(dispatcher, "agree")
    dispatcher.fill("dialog #agreement", "一、单日上游放水；\n二、双日下游放水。")
    send(dispatcher)
    expect(dispatcher.locator(".why")).to_contain_text("会签")  # why it can't be closed yet
    sign = partner.locator("[href$='/joint/countersign']").first
    expect(sign).to_be_visible(timeout=LIVE_MS)
    expect(sign).to_have_class(re.compile("btn-primary"))
    open_sheet(partner, "joint/countersign")
    send(partner)
    expect(dispatcher.locator("#case-body .sign.done")).to_have_count(3, timeout=LIVE_MS)


def is_closed(screens: Screens) -> None:
    """The lead closes; village and neighbour see it."""
    open_sheet(screens.dispatcher, "close")
    send(screens.dispatcher)
    for page in (screens.dispatcher, screens.clerk, screens.partner):
        expect(page.locator("#case-head")).to_contain_text("已结案", timeout=LIVE_MS)
