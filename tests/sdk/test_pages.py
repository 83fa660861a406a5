"""Several pages of one real browser on the running stack: one connection for what they share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.sdk import bundle
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]

PROBE = """
import { createRoot } from "react-dom/client";
import { createElement } from "react";
import { Millrace, textOf } from "@millrace/client";
import { useConversation } from "@millrace/client/react";

function Probe({ client, conversationId }) {
  const { status, parts, send } = useConversation(client, { conversationId, agentId: "echo" });
  globalThis.send = send;
  return [createElement("output", { key: 1 }, status), createElement("p", { key: 2 }, textOf(parts))];
}

globalThis.show = ({ token, conversationId }) => {
  const client = new Millrace({ token });
  const place = document.body.appendChild(document.createElement("main"));
  createRoot(place).render(createElement(Probe, { client, conversationId }));
};
"""
WORDS = " ".join(f"word{number}" for number in range(60))
SLOW = f"/echo delayMs=50\n{WORDS}"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def open_page(context: BrowserContext, stack: RunningStack, conversation_id: str, script: str) -> Page:
    page = context.new_page()
    page.goto(f"{stack.url}/api/health")
    page.evaluate(script)
    given = {"token": stack.token("sdk-pages"), "conversationId": conversation_id}
    page.evaluate("(given) => show(given)", given)
    expect(page.locator("output")).to_have_text("ready")
    return page


def test_pages_share_a_connection_and_another_one_goes_on_when_the_reading_page_is_closed(
    stack: RunningStack, context: BrowserContext
) -> None:
    streams: list[Request] = []
    context.on("request", lambda request: streams.append(request) if "/stream" in request.url else None)
    script = bundle(PROBE, ".jsx")
    asking, *others = [open_page(context, stack, "shared-pages", script) for _ in range(3)]
    asking.evaluate("(text) => void send(text)", SLOW)
    for page in others:
        expect(page.locator("p")).to_contain_text("word2")
    assert len(streams) == 1
    reading = streams[0].frame.page
    reading.close()
    (left,) = [page for page in others if page is not reading]
    for page in (asking, left):
        expect(page.locator("output")).to_have_text("ready")
        expect(page.locator("p")).to_have_text(WORDS)
    assert len(streams) == 2
