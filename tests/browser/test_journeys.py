"""One matter through the hands of three kinds of people, each at a screen that follows without a reload."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.acting import TITLE, accept, open_sheet, register, send
from tests.browser.conftest import Federation, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

LIVE_S = 8.0
"""Seconds for a change to cross the federation and reach another center's open page, on a busy machine."""


def number(text: str | None) -> int:
    found = re.search(r"\d+", text or "")
    assert found is not None, text
    return int(found[0])


def test_a_matter_goes_up_is_assigned_down_and_everybody_sees_it_come(federation: Federation, sign_in: SignIn) -> None:
    village, town, county = federation.villages[0], federation.towns[0], federation.county
    board = sign_in(county, "monitor")
    registered = board.locator("#kpis .flowbar .big b")
    before = number(registered.text_content())

    clerk = sign_in(village, "clerk")
    case = register(clerk, village)
    assert "1号" in (clerk.locator(".crumbs .case-no").text_content() or "")
    expect(registered).to_have_text(str(before + 1), timeout=LIVE_S * 1000)

    dispatcher = sign_in(town, "dispatcher")
    expect(dispatcher.locator("#items .item")).to_have_count(0)

    open_sheet(clerk, "escalate")
    expect(clerk.locator("dialog .gate-sum")).to_contain_text("还不能上报")
    clerk.locator("dialog label.tick", has_text="跨村").click()
    clerk.fill("dialog #reason", "双方住两村，请镇里协调。")
    send(clerk)
    expect(dispatcher.locator("#items .item-title")).to_have_text(TITLE, timeout=LIVE_S * 1000)
    expect(clerk.locator("#delivery .done")).to_have_count(2, timeout=LIVE_S * 1000)  # sent, delivered
    expect(clerk.locator("#case-head .stop.now")).to_contain_text("镇")

    dispatcher.locator("#items a.item").first.click()
    dispatcher.locator("#items a.item").first.focus()
    dispatcher.keyboard.press("s")
    dispatcher.locator("dialog#sheet[open]").wait_for()
    send(dispatcher)
    expect(clerk.locator("#case-side .deliver .done")).to_have_count(3, timeout=LIVE_S * 1000)  # accepted by a person

    dispatcher.goto(f"{town.url}/inbox?queue=held")
    open_sheet(dispatcher, "assign")
    dispatcher.locator("dialog .pick input").first.check()
    for field, text in (("lead", "杨某"), ("department", "司法所"), ("handler", "施某某")):
        dispatcher.fill(f"dialog #{field}", text)
    send(dispatcher)
    clerk.goto(f"{village.url}/today")
    expect(clerk.locator(".work-title", has_text=TITLE)).to_be_visible(timeout=LIVE_S * 1000)
    clerk.goto(case)
    accept(clerk)
    expect(clerk.locator("#case-head")).to_contain_text("已受理")
    assert len(clerk.locator("#case-head .stop").all()) == 3


def test_the_same_without_scripts(federation: Federation, chromium: Browser) -> None:
    village = federation.villages[1]
    context = chromium.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(village.url)
    page.fill("input[name=username]", "director")
    page.fill("input[name=password]", village.passwords["director"])
    page.click("main button[type=submit]")
    case = register(page, village, title="院墙界限", place="二组")
    page.click("[href$='/accept']")
    page.click("main form#act button[type=submit]")
    expect(page.locator("#case-head")).to_contain_text("已受理")
    page.goto(f"{case}/escalate")
    page.check("input[value=danger_to_life]")
    page.fill("#reason", "有人持锄头到场。")
    page.click("main form#act button[type=submit]")
    expect(page.locator("#delivery")).to_contain_text("已发出")
    context.close()


def test_what_another_did_meanwhile_is_told_and_nothing_typed_is_lost(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    one = sign_in(village, "director")
    case = register(one, village, title="化粪池位置", place="五组")
    other = sign_in(village, "dispatcher")
    other.goto(f"{case}/escalate")
    other.fill("#reason", "这段话不能丢。")
    other.check("input[value=danger_to_life]")
    open_sheet(one, "escalate")
    one.locator("dialog label.tick", has_text="危及").click()
    one.fill("dialog #reason", "先发了。")
    send(one)
    other.locator("form#act button[type=submit]").click()
    expect(other.locator(".err-sum")).to_be_focused()
    expect(other.locator("#reason")).to_have_value("这段话不能丢。")
    expect(other.locator(".banner", has_text="刚才有变化")).to_be_visible()


def test_a_matter_that_may_be_there_already_is_shown_before_it_is_registered_twice(
    federation: Federation, sign_in: SignIn
) -> None:
    village = federation.villages[1]
    page = sign_in(village, "clerk")
    register(page, village, title="鱼塘放水", place="六组鱼塘")
    page.goto(f"{village.url}/cases/new")
    page.fill("#title", "鱼塘又放水")
    page.get_by_role("radio", name="邻里").check()
    page.fill("#place", "六组鱼塘")
    page.locator("#place").press("Tab")
    expect(page.locator("#similar")).to_contain_text("鱼塘放水")


def test_a_draft_survives_a_reload_and_goes_when_it_was_sent(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    page.fill("#title", "写了一半")
    expect(page.locator("[data-draft-state]")).not_to_be_empty()
    page.reload()
    expect(page.locator("#title")).to_have_value("写了一半")
    register(page, village, title="写完了", place="七组")
    page.goto(f"{village.url}/cases/new")
    expect(page.locator("#title")).to_have_value("")


def test_a_session_that_ended_in_mid_form_loses_nothing(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[1]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    page.fill("#title", "登录过期也在")
    expect(page.locator("[data-draft-state]")).not_to_be_empty()
    page.context.clear_cookies()
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url(lambda url: "/login" in url)
    page.fill("input[name=username]", "clerk")
    page.fill("input[name=password]", village.passwords["clerk"])
    page.click("main button[type=submit]")
    page.goto(f"{village.url}/cases/new")
    expect(page.locator("#title")).to_have_value("登录过期也在")
