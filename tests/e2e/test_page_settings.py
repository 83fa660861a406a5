"""Settings on the running stack: usage, limits, API keys and stops, and who sees which."""

import re

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import signed_in
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]


def test_key_is_made_shown_once_rotated_and_revoked(
    stack: RunningStack, browser: Browser, organization: str
) -> None:
    with signed_in(browser, stack, organization, path="/settings#keys") as page:
        expect(page.get_by_text("No API keys yet.")).to_be_visible()
        page.get_by_role("button", name="New key").click()
        dialog = page.get_by_role("dialog", name="New API key")
        dialog.get_by_label("Name").fill("Backend")
        dialog.get_by_role("button", name="Create").click()
        first = secret_of(page, "Backend")
        assert httpx.get(f"{stack.url}/api/conversations", headers=bearer(first)).status_code == 200
        row = page.get_by_role("row", name=re.compile("Backend"))
        expect(row).to_contain_text(first[:8])
        page.reload()
        expect(row).to_be_visible()
        expect(page.get_by_text(first)).to_have_count(0)
        row.get_by_role("button", name="Actions for Backend").click()
        page.get_by_role("menuitem", name="Rotate…").click()
        page.get_by_role("dialog", name="Rotate Backend").get_by_role("button", name="Rotate").click()
        second = secret_of(page, "Backend")
        expect(row).to_contain_text(f"{first[:8]}… until")
        row.get_by_role("button", name="Actions for Backend").click()
        page.get_by_role("menuitem", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("No API keys yet.")).to_be_visible()
    # Functions remember keys for a moment: those that were never used are refused at once.
    assert first != second
    assert httpx.get(f"{stack.url}/api/conversations", headers=bearer(second)).status_code == 401


def secret_of(page: Page, name: str) -> str:
    """The secret that is shown, which is closed."""
    dialog = page.get_by_role("dialog", name=f"Secret of {name}")
    secret = dialog.locator("code").inner_text()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def test_limits_are_set_and_an_agent_is_stopped(
    stack: RunningStack, browser: Browser, organization: str
) -> None:
    with signed_in(browser, stack, organization, path="/settings") as page:
        organization_limits = page.get_by_role("group", name="The whole organization")
        organization_limits.get_by_label("US dollars").fill("12.5")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("list", name="Usage")).to_contain_text("$0 of $12.50")
        page.get_by_role("tab", name="Stops").click()
        page.get_by_role("button", name="Stop…").click()
        dialog = page.get_by_role("dialog", name="Stop")
        dialog.get_by_label("Agent", exact=True).select_option("echo")
        dialog.get_by_label("Reason").fill("It talks too much.")
        dialog.get_by_role("button", name="Stop the agent").click()
        row = page.get_by_role("row", name=re.compile("echo"))
        expect(row).to_contain_text("It talks too much.")
        with httpx.Client(base_url=stack.url, headers=stack.headers(organization), timeout=90) as api:
            assert api.get("/api/limits").json()["organization"]["costPerDay"] == 12.5
            assert [one["agentId"] for one in api.get("/api/limits/stops").json()["items"]] == ["echo"]
        row.get_by_role("button", name="Lift").click()
        page.get_by_role("dialog").get_by_role("button", name="Lift").click()
        expect(page.get_by_text("Nothing is stopped.")).to_be_visible()


def test_customer_sees_the_own_usage_alone(stack: RunningStack, browser: Browser, organization: str) -> None:
    with signed_in(browser, stack, organization, "customer", path="/settings") as page:
        expect(page.get_by_role("list", name="Usage").get_by_role("listitem")).to_have_count(1)
        expect(page.get_by_role("form", name="Limits")).to_have_count(0)
        page.get_by_role("tab", name="API keys").click()
        expect(page.get_by_text("API keys are for admins.")).to_be_visible()
        expect(page.get_by_role("button", name="New key")).to_have_count(0)
