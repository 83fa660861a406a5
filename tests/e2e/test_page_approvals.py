"""Approvals in the page, on the running stack: shown where the agent asks, after a reload and in another tab,
and answered from any of them."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]
AGENT_ID = "page-careful"
AGENT = {"name": "Careful", "model": "echo:", "tools": [{"name": "echo_tool", "policy": "ask"}]}


@pytest.fixture
def context(stack: RunningStack, browser: Browser) -> Iterator[BrowserContext]:
    url = f"{stack.url}/api/agents/{AGENT_ID}"
    httpx.put(url, json=AGENT, headers=stack.headers(), timeout=30).raise_for_status()
    context = browser.new_context(base_url=stack.url, viewport={"width": 1200, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    context.close()


def ask(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Agent").select_option(AGENT_ID)
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill("Say it.")
    box.press("Enter")
    expect(page.get_by_text("Approve echo_tool?")).to_be_visible()
    return page


def test_approval_is_answered_in_another_tab_after_a_reload(context: BrowserContext) -> None:
    page = ask(context)
    page.reload()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    other = context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Approve").click()
    for tab in (other, page):
        expect(tab.locator(".ask")).to_contain_text("Approved")
        expect(tab.locator(".answer .prose").last).to_have_text("Say it.")
    page.reload()
    expect(page.locator(".ask")).to_contain_text("Approved")
    expect(page.locator(".answer .prose").last).to_have_text("Say it.")


def test_refused_approval_runs_nothing_and_stays_refused(context: BrowserContext) -> None:
    page = ask(context)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".answer[aria-busy=true]")).to_have_count(0)
    for _ in range(2):
        expect(page.locator(".ask")).to_contain_text("Rejected")
        page.reload()
