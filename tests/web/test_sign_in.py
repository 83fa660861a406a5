"""Sign-in by the code flow with PKCE against a local provider, sessions that end, and refused storage."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web.backend import Backend
from tests.web.test_chat import ask

pytestmark = pytest.mark.browser


@pytest.fixture
def strangers_page(backend: Backend, page: Page) -> Page:
    """The page of somebody who is not signed in."""
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.has_dev_user = False
    page.evaluate("localStorage.clear()")
    page.goto("/runs?state=failed")
    return page


def fill_form(page: Page, password: str) -> None:
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_code_flow_comes_back_to_the_address_that_was_asked_for(
    strangers_page: Page, backend: Backend
) -> None:
    page = strangers_page
    page.get_by_role("button", name="Sign in").click()
    fill_form(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    fill_form(page, "right")
    expect(page).to_have_url(f"{backend.url}/runs?state=failed")
    page.get_by_role("button", name="Account").click()
    expect(page.get_by_role("menu")).to_contain_text("acme")
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_answer_of_a_provider_that_the_page_did_not_ask_for_signs_nobody_in(
    strangers_page: Page, backend: Backend
) -> None:
    page = strangers_page
    page.goto("/auth/callback?code=stolen&state=made-up")
    expect(page.get_by_role("alert")).to_contain_text("Sign-in failed")
    expect(page).to_have_url(f"{backend.url}/")


def sign_in_again(page: Page, dialog: Locator) -> None:
    with page.expect_popup() as opened:
        dialog.get_by_role("button", name="Sign in again").click()
    fill_form(opened.value, "right")


def revoke(backend: Backend) -> None:
    """The tokens count no more, and the provider renews none."""
    backend.revoke_tokens()
    backend.is_renewing = False


def ended(page: Page) -> Locator:
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    return dialog


def send_into_dead_session(page: Page, backend: Backend) -> Locator:
    revoke(backend)
    page.get_by_role("textbox", name="Message").fill("A long thought")
    page.keyboard.press("Enter")
    return ended(page)


def test_dead_session_keeps_what_was_typed_and_sends_it_after_the_next_sign_in(
    page: Page, backend: Backend
) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.has_dev_user = False
    page.reload()
    expect(page.get_by_label("Agent")).to_be_visible()
    dialog = send_into_dead_session(page, backend)
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    sign_in_again(page, dialog)
    run = backend.next_run()
    run.say("Still here.")
    run.done()
    expect(dialog).to_have_count(0)
    expect(page.locator(".prose")).to_have_text("Still here.")
    expect(page.locator(".question")).to_have_count(1)
    expect(page.locator(".bubble")).to_have_text("A long thought")


def die(page: Page, backend: Backend, search: str = "weir") -> Locator:
    """The dialog of a session that the provider renews no more."""
    revoke(backend)
    page.get_by_role("searchbox", name="Search conversations").fill(search)
    return ended(page)


def test_dead_session_keeps_a_draft_through_either_way_to_sign_in_again(page: Page, backend: Backend) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.has_dev_user = False
    run = ask(page, backend)
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    backend.settle(run)
    page.reload()
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill("A long thought")
    dialog = die(page, backend)
    sign_in_again(page, dialog)
    expect(dialog).to_have_count(0)
    expect(box).to_have_value("A long thought")
    box.fill("A longer thought")
    die(page, backend, "mill").get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    fill_form(page, "right")
    expect(box).to_have_value("A longer thought")
    box.press("Enter")
    backend.next_run().done()
    assert backend.sent("POST", "/messages")[-1]["content"] == "A longer thought"


def test_message_of_a_dead_session_waits_for_as_long_as_its_user_is_away(
    page: Page, backend: Backend
) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.has_dev_user = False
    page.reload()
    expect(page.get_by_label("Agent")).to_be_visible()
    page.clock.install()
    dialog = send_into_dead_session(page, backend)
    for _ in range(60):
        page.clock.run_for(30_000)
    sign_in_again(page, dialog)
    run = backend.next_run()
    run.say("Still here.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Still here.")
    expect(page.locator(".bubble")).to_have_text("A long thought")


def test_tabs_share_a_session(page: Page, backend: Backend) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.has_dev_user = False
    second = page.context.new_page()
    second.goto("/")
    expect(second.get_by_label("Agent")).to_be_visible()
    assert len(backend.sent("POST", "/oidc/password")) == 1
    second.get_by_role("button", name="Account").click()
    second.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_storage_that_is_refused_leaves_no_blank_page(browser: Browser, backend: Backend) -> None:
    context = browser.new_context(base_url=backend.url)
    page = context.new_page()
    refusal = "{ get() { throw new DOMException('Refused.', 'SecurityError') } }"
    for name in ("localStorage", "sessionStorage"):
        page.add_init_script(f"Object.defineProperty(window, '{name}', {refusal})")
    page.goto("/")
    run = ask(page, backend)
    run.say("It works.")
    run.done()
    expect(page.locator(".prose")).to_have_text("It works.")
    context.close()
