"""The web page on the running stack in a real browser: automatic sign-in, and tokens as they arrive."""

import json
import uuid

from playwright.sync_api import Page, expect

from tests.e2e.browsing import page
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]


def test_page_signs_in_and_streams_an_answer_with_its_steps(page: Page) -> None:
    page.goto("/")
    box = page.get_by_role("textbox")
    box.fill("What is 12 * 34, and what time is it in Tokyo?")
    box.press("Enter")
    expect(page.get_by_text("12 * 34 = 408")).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_text("12 * 34 = 408")).to_be_visible(timeout=30_000)


def test_live_message_that_waits_is_there_after_a_reload_and_can_be_withdrawn(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Agent").select_option("echo")
    box = page.get_by_role("textbox", name="Message")
    box.fill("/echo toolMs=60000\nword")
    box.press("Enter")
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible(timeout=30_000)
    box.fill("make it blue")
    box.press("Enter")
    waiting = page.locator("[data-delivery=accepted] .bubble")
    expect(waiting).to_have_text("make it blue", timeout=30_000)
    page.reload()
    expect(waiting).to_have_text("make it blue", timeout=30_000)
    page.get_by_role("button", name="Withdraw").click()
    expect(waiting).to_have_count(0, timeout=30_000)
    stop.click()
    expect(page.locator(".answer-foot")).to_contain_text("Stopped", timeout=30_000)


def test_pool_without_a_page_of_its_own_has_its_users_choose_a_password(
    stack: RunningStack, page: Page
) -> None:
    """As on AWS: the page itself speaks to the user pool, here the emulated one."""
    outputs = stack.deployment["outputs"]
    email, given = f"{uuid.uuid4().hex}@example.com", "Temporary-12345"
    stack.client("cognito-idp").admin_create_user(
        UserPoolId=outputs["UserPoolId"],
        Username=email,
        TemporaryPassword=given,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "custom:organization", "Value": "acme"}],
        MessageAction="SUPPRESS",
    )
    auth = {"issuer": outputs["Issuer"], "clientId": outputs["UserPoolClientId"]}
    config = {"auth": auth | {"userPoolEndpoint": "/_local/sign-in"}, "devUser": None, "apiBase": {}}
    page.route("**/config.json", lambda route: route.fulfill(body=json.dumps(config)))
    page.goto("/")
    page.get_by_label("User name").fill(email)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Sign-in failed", timeout=30_000)
    page.get_by_label("Password").fill(given)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill("My-own-password-1")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Account").click()
    expect(page.get_by_role("menu")).to_contain_text("acme", timeout=30_000)
