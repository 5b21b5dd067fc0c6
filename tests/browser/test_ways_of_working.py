"""The same work on a phone, with the keyboard alone, without scripts, in English, and on paper."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import LIVE_MS, escalate, fill_registration, open_sheet, register, send
from tests.browser.browsers import Browsers
from tests.browser.conftest import Center, Federation, SignIn, give_password

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

FINGER_PX = 44

SMALL = """(least) => [...document.querySelectorAll(".tabbar a, .btn, .savebar button, .opt-chip span")]
  .filter((one) => one.offsetParent && one.getBoundingClientRect().height < least - 0.5)
  .map((one) => one.textContent.trim())"""


def narrow(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_on_a_phone(federation: Federation, sign_in: SignIn) -> None:
    village, town = federation.villages[0], federation.towns[0]
    clerk = sign_in(village, "clerk", width=390, has_touch=True)
    clerk.locator(".tabbar a.add").tap()
    clerk.locator("#title").wait_for()
    assert narrow(clerk)
    assert clerk.evaluate(SMALL, FINGER_PX) == []
    fill_registration(clerk, "手机上登记的", "河边")
    clerk.locator(".savebar button.btn-primary").tap()
    clerk.wait_for_url("**/cases/*?done=register")
    assert narrow(clerk)
    assert clerk.evaluate(SMALL, FINGER_PX) == []
    escalate(clerk)
    dispatcher = sign_in(town, "dispatcher", width=390, has_touch=True)
    dispatcher.locator("#items .item", has_text="手机上登记的").tap(timeout=LIVE_MS)
    dispatcher.locator("#detail .h-detail").wait_for()
    assert narrow(dispatcher)
    open_sheet(dispatcher, "return")  # stands in the menu here
    dispatcher.fill("dialog #reason", "请村里先谈一次。")
    send(dispatcher)
    expect(clerk.locator("#case-head .stop.now")).to_contain_text("社区", timeout=LIVE_MS)


def test_with_the_keyboard_alone(federation: Federation, sign_in: SignIn) -> None:
    village, town = federation.villages[0], federation.towns[0]
    clerk = sign_in(village, "clerk")
    clerk.goto(f"{village.url}/cases/new")
    clerk.keyboard.press("Tab")
    expect(clerk.locator(".skip")).to_be_focused()
    clerk.locator("#title").focus()
    clerk.keyboard.type("键盘登记")
    clerk.keyboard.press("Tab")
    clerk.keyboard.press("ArrowRight")  # the second type: neighbours
    clerk.keyboard.press("Tab")
    clerk.keyboard.type("八组")
    clerk.locator("#party-1-name").focus()
    clerk.keyboard.type("李某")
    clerk.keyboard.press("Control+Enter")
    clerk.wait_for_url("**/cases/*?done=register")
    expect(clerk.locator("#case-head")).to_contain_text("邻里")
    clerk.locator("[href$='/escalate']").first.focus()
    clerk.keyboard.press("Enter")
    clerk.locator("dialog#sheet[open]").wait_for()
    expect(clerk.locator("dialog [name=triggers]").first).to_be_focused()
    clerk.keyboard.press("Space")
    clerk.locator("dialog #reason").focus()
    clerk.keyboard.type("请镇里来看。")
    with clerk.expect_navigation():
        clerk.keyboard.press("Control+Enter")
    dispatcher = sign_in(town, "dispatcher")
    item = dispatcher.locator("#items a.item", has_text="键盘登记")
    expect(item).to_be_visible(timeout=LIVE_MS)
    dispatcher.keyboard.press("/")
    expect(dispatcher.locator("input[type=search]").first).to_be_focused()
    first, second = (dispatcher.locator("#items a.item").nth(n) for n in (0, 1))
    first.focus()
    if second.count():
        dispatcher.keyboard.press("j")
        expect(second).to_be_focused()
        dispatcher.keyboard.press("k")
    expect(first).to_be_focused()
    item.focus()
    dispatcher.keyboard.press("Enter")
    expect(dispatcher.locator("#detail .h-detail")).to_have_text("键盘登记")
    item.focus()
    dispatcher.keyboard.press("r")
    dispatcher.locator("dialog#sheet[open]").wait_for()
    dispatcher.keyboard.press("Escape")
    dispatcher.locator("dialog#sheet:not([open])").wait_for(state="attached")
    item.focus()
    dispatcher.keyboard.press("s")
    dispatcher.locator("dialog#sheet[open]").wait_for()
    with dispatcher.expect_navigation():
        dispatcher.keyboard.press("Enter")


def test_without_scripts(federation: Federation, any_chromium: Browsers) -> None:
    village, town = federation.villages[1], federation.towns[1]
    title = f"没有脚本{any_chromium.version}"

    def sign_in(center: Center, role: str) -> Page:
        context = any_chromium.open(java_script_enabled=False, locale="zh-CN")
        page = context.new_page()
        page.goto(center.url)
        give_password(page, center, role)
        return page

    def act(page: Page, name: str) -> None:
        page.click(f"[href$='/{name}'] >> nth=0")
        page.click("main form#act button[type=submit]")

    head = sign_in(village, "director")
    case = register(head, village, title=title, place=title)
    head.click("[href$='/escalate'] >> nth=0")
    head.click("main form#act button[type=submit]")  # nothing typed: told beside the field and in the summary
    expect(head.locator(".err-sum a")).to_have_attribute("href", "#reason")
    head.check("input[value=danger_to_life]")
    head.fill("#reason", "有人持锄头到场。")
    head.click("main form#act button[type=submit]")
    expect(head.locator("#delivery")).to_contain_text("已发出")

    dispatcher = sign_in(town, "dispatcher")
    dispatcher.goto(case.replace(village.url, town.url))
    for _ in range(LIVE_MS // 200):
        if dispatcher.locator("[href$='/accept']").count():
            break
        dispatcher.wait_for_timeout(200)
        dispatcher.reload()
    act(dispatcher, "accept")
    expect(dispatcher.locator("#case-head")).to_contain_text("已受理")
    dispatcher.click("[href$='/assign'] >> nth=0")
    dispatcher.check(".pick input >> nth=0")
    for field, text in (("lead", "杨某"), ("department", "司法所"), ("handler", "施某某")):
        dispatcher.fill(f"#{field}", text)
    dispatcher.select_option("#working_days", "7")
    dispatcher.click("main form#act button[type=submit]")

    for _ in range(LIVE_MS // 200):
        head.goto(case)
        if head.locator("[href$='/accept']").count():
            break
        head.wait_for_timeout(200)
    act(head, "accept")
    head.click("[href$='/mediations'] >> nth=0")
    for field, text in (("place", "村调解室"), ("mediators", "杨某、施某某"), ("summary", "双方到场，先停手。")):
        head.fill(f"#{field}", text)
    head.click("main form#act button[type=submit]")
    head.click("[href$='/agree'] >> nth=0")
    head.fill("#agreement", "一、双方停手；二、十日内丈量。")
    head.click("main form#act button[type=submit]")
    act(head, "close")
    expect(head.locator("#case-head")).to_contain_text("已结案")
    expect(head.locator("#parties .reveal")).to_have_count(0)  # no telephone was given, nothing to show
    for page in (head, dispatcher):
        any_chromium.shut(page.context)


def test_in_english(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    page = sign_in(village, "clerk", language="en")
    page.goto(f"{village.url}/cases/new")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator(".err-sum")).to_be_focused()
    expect(page.locator(".err-sum li")).to_have_count(4)
    expect(page.locator("#title-err")).to_have_text("Fill in: In one sentence")
    assert page.title().startswith("Error: ")
    page.get_by_role("radio", name="Neighbours").check()
    page.fill("#title", "English")
    page.fill("#place", "Group 9")
    page.fill("#party-1-name", "Li")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.locator(".banner.good")).to_contain_text("Done: Register")
    page.goto(f"{village.url}/language/zh-CN?next=/today")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_a_telephone_number_is_masked_until_one_asks_for_it(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    fill_registration(page, "电话要遮住", "十组")
    page.fill("#party-1-phone", "13800001234")
    page.fill("#party-2-name", "李某")
    page.fill("#party-2-phone", "13900005678")
    page.locator(".savebar button.btn-primary").click()
    page.wait_for_url("**/cases/*?done=register")
    assert not re.search("13800001234|13900005678", page.content())
    page.locator("#parties .reveal button").first.click()
    expect(page.locator("#parties .shown")).to_have_text("13800001234")
    assert "13900005678" not in page.content()  # one at a time
    page.reload()
    expect(page.locator("#parties")).to_contain_text("138****1234")


def test_on_paper(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    page = sign_in(village, "director")
    register(page, village, title="打印", place="十一组")
    page.emulate_media(media="print")
    for hidden in (".topbar", ".tabbar", ".case-actions", ".reveal"):
        for one in page.locator(hidden).all():
            expect(one).to_be_hidden()
    expect(page.locator("#case-head h1")).to_be_visible()
    expect(page.locator(".log .entry").first).to_be_visible()
    page.goto(f"{village.url}/board")
    expect(page.locator("#kpis")).to_be_visible()
    expect(page.locator(".chart-data").first).to_be_visible()  # tables instead of pictures
