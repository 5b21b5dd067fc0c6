"""What goes wrong in an office: no network, a session that ends, two tabs, somebody who was faster. Nothing is lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import LIVE_MS, accept, escalate, fill_registration, open_sheet, register, send
from tests.browser.conftest import Federation, SignIn, Switch, give_password

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

BACK_MS = 90_000
"""Milliseconds for a center to start again and link, on a busy machine."""


def test_what_another_did_meanwhile_is_told_and_nothing_typed_is_lost(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    one = sign_in(village, "director")
    case = register(one, village, title="化粪池位置", place="五组")
    other = sign_in(village, "dispatcher")
    other.goto(f"{case}/escalate")
    other.fill("#reason", "这段话不能丢。")
    other.check("input[value=danger_to_life]")
    escalate(one)
    other.locator("form#act button[type=submit]").click()
    expect(other.locator(".err-sum")).to_be_focused()
    expect(other.locator("#reason")).to_have_value("这段话不能丢。")
    expect(other.locator(".banner", has_text="刚才有变化")).to_be_visible()


def test_two_tabs_of_one_person_agree(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    first = sign_in(village, "director")
    case = register(first, village, title="两个窗口", place="十二组")
    second = first.context.new_page()
    second.goto(case)
    open_sheet(second, "accept")  # stands open while the other tab does it
    first.goto(case)
    accept(first)
    expect(second.locator("#case-head")).to_contain_text("已受理", timeout=LIVE_MS)
    send(second)
    accepted = second.locator(".log .entry", has_text="签收")
    second.goto(case)
    expect(accepted).to_have_count(1)


def test_a_form_that_is_sent_twice_counts_once(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    fill_registration(page, "只登记一次", "十三组")
    page.locator(".savebar button.btn-primary").dblclick()
    page.wait_for_url("**/cases/*?done=register")
    page.goto(f"{village.url}/cases?q=只登记一次")
    expect(page.locator("#list tbody tr")).to_have_count(1)


def test_a_matter_that_may_be_there_already_is_shown_before_it_is_registered_twice(
    federation: Federation, sign_in: SignIn
) -> None:
    village = federation.villages[0]
    page = sign_in(village, "clerk")
    register(page, village, title="鱼塘放水", place="六组鱼塘")
    page.goto(f"{village.url}/cases/new")
    fill_registration(page, "鱼塘又放水", "六组鱼塘")
    page.locator("#place").press("Tab")
    expect(page.locator("#similar")).to_contain_text("鱼塘放水")


def test_a_draft_survives_a_reload_and_goes_when_it_was_sent(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    page.fill("#title", "写了一半")
    page.locator("[name=category][value=medical]").check()
    expect(page.locator("[data-draft-state]")).not_to_be_empty()
    page.reload()
    expect(page.locator("#title")).to_have_value("写了一半")
    expect(page.locator("[name=category][value=medical]")).to_be_checked()
    register(page, village, title="写完了", place="七组")
    page.goto(f"{village.url}/cases/new")
    expect(page.locator("#title")).to_have_value("")


def drafts(page: Page) -> list[str]:
    keys: list[str] = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft:'))")
    return keys


def test_a_session_that_ended_in_mid_form_loses_nothing(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    page = sign_in(village, "clerk")
    page.goto(f"{village.url}/cases/new")
    page.fill("#title", "登录过期也在")
    expect(page.locator("[data-draft-state]")).not_to_be_empty()
    page.context.clear_cookies()
    page.reload()
    page.wait_for_url(lambda url: "/login" in url)
    give_password(page, village, "clerk")
    page.wait_for_url(f"{village.url}/cases/new")
    expect(page.locator("#title")).to_have_value("登录过期也在")
    case = register(page, village, title="登录过期", place="十五组")
    assert drafts(page) == []
    open_sheet(page, "notes")
    page.fill("dialog #text", "对话框里的字也在")
    for _ in range(LIVE_MS // 100):
        if drafts(page):
            break
        page.wait_for_timeout(100)
    page.context.clear_cookies()
    page.locator("dialog button[type=submit]").click()
    give_password(page, village, "clerk")
    expect(page.locator("form.unsent")).to_contain_text("对话框里的字也在")
    assert drafts(page) != [], "it is not saved yet"
    page.locator("form.unsent button").click()
    page.wait_for_url(re.compile(re.escape(case)))
    expect(page.locator("main")).to_contain_text("对话框里的字也在")
    assert drafts(page) == [], "it is saved"


def test_a_sign_in_elsewhere_can_be_ended(federation: Federation, sign_in: SignIn) -> None:
    village = federation.villages[0]
    there = sign_in(village, "mediator", anew=True)
    here = sign_in(village, "mediator", anew=True)
    here.goto(f"{village.url}/account")
    while here.locator("[action='/account/sessions/end'] button").count():
        here.locator("[action='/account/sessions/end'] button").first.click()
        expect(here.locator(".banner.good")).to_be_visible()
    there.reload()
    expect(there.locator("main.login")).to_be_visible()


def test_without_the_township_work_goes_on_and_what_waits_goes_out_by_itself(
    federation: Federation, sign_in: SignIn, power: Switch
) -> None:
    village = federation.villages[1]
    clerk = sign_in(village, "clerk")
    clerk.goto(f"{village.url}/today")
    power.off()
    banner = clerk.locator("#link-banner .banner")
    expect(banner).to_contain_text("与上级断开", timeout=LIVE_MS)
    expect(banner).to_have_attribute("role", "status")  # calm, no alarm
    case = register(clerk, village, title="断网也要登记", place="十四组")
    open_sheet(clerk, "escalate")
    expect(clerk.locator("dialog .banner.warn")).to_be_visible()  # says before sending that it will wait
    clerk.keyboard.press("Escape")
    escalate(clerk)
    expect(clerk.locator("#delivery .wait")).to_have_count(1)
    clerk.goto(f"{village.url}/today")
    expect(clerk.locator("#outbox")).to_contain_text("断网也要登记")
    power.on()
    expect(clerk.locator("#link-banner .banner")).to_have_count(0, timeout=BACK_MS)
    clerk.goto(case)
    expect(clerk.locator("#delivery .done")).to_have_count(2, timeout=LIVE_MS)
