"""Approvals in the page on the running stack: shown in place, after a reload and in another tab, and answered
in any of them."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import page
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]
AGENT_ID = "page-careful"
AGENT = {"name": "Careful", "model": "echo:", "tools": [{"name": "echo_tool", "policy": "ask"}]}


@pytest.fixture
def careful(stack: RunningStack) -> None:
    url = f"{stack.url}/api/agents/{AGENT_ID}"
    httpx.put(url, json=AGENT, headers=stack.headers(), timeout=30).raise_for_status()


def ask(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Agent").select_option(AGENT_ID)
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill("Say it.")
    box.press("Enter")
    expect(page.get_by_text("Approve echo_tool?")).to_be_visible()


@pytest.mark.usefixtures("careful")
def test_approval_is_answered_in_another_tab_after_a_reload(page: Page) -> None:
    ask(page)
    page.reload()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Approve").click()
    for tab in (other, page):
        expect(tab.locator(".ask")).to_contain_text("Approved")
        expect(tab.locator(".answer .prose").last).to_have_text("Say it.")
    page.reload()
    expect(page.locator(".ask")).to_contain_text("Approved")
    expect(page.locator(".answer .prose").last).to_have_text("Say it.")


@pytest.mark.usefixtures("careful")
def test_refused_approval_runs_nothing_and_stays_refused(page: Page) -> None:
    ask(page)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".answer[aria-busy=true]")).to_have_count(0)
    for _ in range(2):
        expect(page.locator(".ask")).to_contain_text("Rejected")
        page.reload()
