"""Speech of an answer in a real browser on the running stack, while the agent is still writing."""

import re

import pytest
from playwright.sync_api import Page, Response, expect

from tests.e2e.browsing import page
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]

pytestmark = pytest.mark.timeout(400)

#: Speech is computed while others want the machine, too.
TIMEOUT_MS = 200_000
#: Hundreds of sentences, two words a second: the answer takes minutes, its first sentence seconds.
LONG_AND_SLOW = "/echo tools=0 repeat=300 delayMs=150\nThe water turns the wheel."


def test_answer_is_heard_before_it_is_written(page: Page) -> None:
    problems: list[str] = []

    def check(response: Response) -> None:
        if response.status >= 400:
            problems.append(f"{response.status} {response.url}")

    page.on("response", check)
    page.goto("/")
    page.get_by_label("Agent").select_option("echo", timeout=TIMEOUT_MS)
    page.get_by_role("button", name="Speak answers").click()
    page.get_by_role("textbox", name="Message").fill(LONG_AND_SLOW)
    page.keyboard.press("Enter")
    voice = page.locator(".voice")
    expect(voice).to_have_attribute("data-phase", re.compile("waiting|speaking"), timeout=TIMEOUT_MS)
    expect(voice).not_to_have_attribute("data-phase", "waiting", timeout=TIMEOUT_MS)
    assert problems == []
    expect(voice).to_have_attribute("data-phase", "speaking")
    expect(voice).to_have_attribute("data-peak", re.compile(r"^0\.[1-9]|^1"))
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Escape")
    expect(voice).to_have_attribute("data-tail-ms", re.compile(r"\d"))
    assert float(voice.get_attribute("data-tail-ms") or "") <= 100
    expect(page.locator(".answer-foot")).to_contain_text("Stopped", timeout=TIMEOUT_MS)
    assert problems == []


def test_stored_answer_is_read_in_a_chosen_voice(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Agent").select_option("echo", timeout=TIMEOUT_MS)
    page.get_by_role("textbox", name="Message").fill("/echo tools=0\nThe **water** turns the wheel.")
    page.keyboard.press("Enter")
    expect(page.locator(".answer-foot")).to_be_visible(timeout=TIMEOUT_MS)
    page.reload()
    page.get_by_role("button", name="Voice and speed").click()
    voices = page.get_by_role("combobox", name="Voice", exact=True)
    expect(voices.locator("option[value=nova]")).to_be_attached(timeout=TIMEOUT_MS)
    voices.select_option("nova")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Listen to the answer").click()
    voice = page.locator(".voice")
    expect(voice).to_have_attribute("data-peak", re.compile(r"^0\.[1-9]|^1"), timeout=TIMEOUT_MS)
    expect(voice).to_have_attribute("data-phase", "silent", timeout=TIMEOUT_MS)
    assert int(voice.get_attribute("data-played-ms") or "") > 500
