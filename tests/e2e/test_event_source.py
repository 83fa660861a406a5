"""The reference's EventSource snippets, as they stand there, in a real browser on the running stack, through
a proxy that cuts the connection at every event in turn. The URL is that of a ticket: browsers ignore the
snippets' `headers`."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.api.talk import say, until_ends
from tests.sse import Sent, answer
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium
from tests.web.cutting import CuttingProxy, cutting

__all__ = ["browser", "chromium"]

pytestmark = pytest.mark.timeout(300)

#: A cut of a subscription costs a cold start, of which a test has a dozen: seconds each on a busy machine.
TIMEOUT_MS = 200_000
RETRY_MS = 500
POLL_MS = 100
"""Playwright itself would ask with every frame, sixty times a second."""
RUN = "/echo tools=1 tokens=3\nword"
"""start, thinking, a tool's call and result, thinking, three tokens, done."""
SHORT_RUN = "/echo tools=1 tokens=1\nword"

BASIC = """
(url) => {
  const token = 'unused';
  window.text = ''; window.calls = []; window.ids = []; window.ends = [];
  const appendToResponse = (token) => { window.text += token; };
  const showToolCall = (name, args) => window.calls.push([name, args]);

  const eventSource = new EventSource(
    url,
    { headers: { Authorization: `Bearer ${token}` } }
  );

  eventSource.onmessage = (event) => {
    const data = JSON.parse(event.data);
    if (data.type !== 'heartbeat') window.ids.push(event.lastEventId);

    switch (data.type) {
      case 'token':
        // Append token to response
        appendToResponse(data.token);
        break;
      case 'tool_call':
        // Agent is using a tool
        showToolCall(data.name, data.arguments);
        break;
      case 'done':
        // Response complete
        window.ends.push(data.usage.total);
        eventSource.close();
        break;
      case 'error':
        window.ends.push(data.message);
        eventSource.close();
        break;
    }
  };
}
"""

COMMAND_CENTER = """
(url) => {
  const token = 'unused';
  window.shown = []; window.ids = [];
  const addRunToLiveView = (run) => window.shown.push(['started', run.id]);
  const updateRunProgress = (runId, tokens, cost) => {};
  const showToolExecution = (runId, tool) => window.shown.push(['tool', runId, tool]);
  const markRunComplete = (runId, result) => window.shown.push(['completed', runId, result]);
  const showAlert = (alert) => {};

  const eventSource = new EventSource(
    url,
    { headers: { Authorization: `Bearer ${token}` } }
  );

  eventSource.onmessage = (event) => {
    const data = JSON.parse(event.data);
    if (data.type !== 'heartbeat') window.ids.push(event.lastEventId);

    switch (data.type) {
      case 'run:started':
        addRunToLiveView(data.run);
        break;
      case 'run:progress':
        updateRunProgress(data.runId, data.tokens, data.cost);
        break;
      case 'run:tool_started':
        showToolExecution(data.runId, data.tool);
        break;
      case 'run:completed':
        markRunComplete(data.runId, data.result);
        break;
      case 'alert:triggered':
        showAlert(data.alert);
        break;
    }
  };
}
"""

WATCHED = """
() => {
  const Native = EventSource;
  window.sources = {};
  window.EventSource = class extends Native {
    constructor(url) {
      super(url);
      const seen = [];
      (window.sources[url] ??= []).push(seen);
      this.addEventListener('message', (event) => {
        const data = JSON.parse(event.data);
        if (data.type !== 'heartbeat') seen.push({ id: event.lastEventId, data });
      });
    }
  };
}
"""
"""What makes every EventSource of the page visible to the test."""

HEARING = """
() => {
  const Native = EventSource;
  window.heard = {};
  window.EventSource = class extends Native {
    constructor(url, options) {
      super(url, options);
      const { pathname } = new URL(url, location.href);
      this.addEventListener('message', () => { window.heard[pathname] = true; });
    }
  };
}
"""
"""What tells the test that a page has read the beginning of a stream, whose id it reconnects with."""

RECONNECTING = """
(url) => {
  function createReconnectingEventSource(url) {
    let eventSource;
    let reconnectAttempts = 0;
    const maxReconnectAttempts = 5;

    function connect() {
      eventSource = new EventSource(url);

      eventSource.onopen = () => {
        reconnectAttempts = 0;
      };

      eventSource.onerror = () => {
        eventSource.close();

        if (reconnectAttempts < maxReconnectAttempts) {
          reconnectAttempts++;
          const delay = Math.min(1000 * Math.pow(2, reconnectAttempts), 30000);
          setTimeout(connect, delay);
        }
      };

      return eventSource;
    }

    return connect();
  }
  createReconnectingEventSource(url);
}
"""


@pytest.fixture
def proxy(stack: RunningStack) -> Iterator[CuttingProxy]:
    with cutting(stack.url) as proxy:
        proxy.retry_ms = RETRY_MS
        yield proxy


@pytest.fixture
def page(browser: Browser, proxy: CuttingProxy) -> Iterator[Page]:
    context = browser.new_context(base_url=proxy.url)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto("/config.json")
    page.evaluate(HEARING)
    yield page
    context.close()


def ticket(chat: httpx.Client, path: str) -> str:
    made = chat.post("/api/stream-tickets", json={"path": path})
    assert made.status_code == 201, made.text
    return str(made.json()["url"])


def ids(events: list[Sent]) -> list[str | None]:
    return [event.id for event in events if event.data["type"] != "heartbeat"]


def wait_until_connected(page: Page, path: str) -> None:
    """The page has read where the stream begins: what happens from now on is for it. That the proxy has sent
    it is not enough, since a reset may overtake it."""
    page.wait_for_function("(path) => window.heard[path]", arg=path, polling=POLL_MS)


def test_basic_streaming_through_a_cut_after_every_event(
    chat: httpx.Client, proxy: CuttingProxy, page: Page
) -> None:
    """The page is there before the first message, and each of its connections brings one event."""
    path = f"/api/conversations/{uuid.uuid4().hex}/messages"
    proxy.plans[path] = [0, *[1] * 20]
    page.evaluate(BASIC, ticket(chat, path) + "&stream=true")
    wait_until_connected(page, path)
    sent = say(chat, RUN, path.split("/")[3])
    page.wait_for_function("window.ends.length > 0", polling=POLL_MS)
    assert page.evaluate("window.ids") == ids(sent)
    assert page.evaluate("window.text") == answer(sent)
    assert page.evaluate("window.ends") == [sent[-1].data["usage"]["total"]]
    assert page.evaluate("window.calls") == [["echo_tool", {}]]
    assert proxy.cuts >= len(ids(sent)) - 1


def test_basic_streaming_of_two_runs_through_a_subscription(
    chat: httpx.Client, proxy: CuttingProxy, page: Page
) -> None:
    """A second run begins and ends while the page still collects the first, event by event: each connection
    holds an execution environment until it ends by itself, so a cut costs a cold start."""
    conversation = uuid.uuid4().hex
    path = f"/api/conversations/{conversation}/stream"
    proxy.plans[path] = [0, *[1] * 40]
    page.evaluate(BASIC.replace("eventSource.close();", ""), ticket(chat, path) + "&stream=true")
    wait_until_connected(page, path)
    sent = [*say(chat, SHORT_RUN, conversation), *say(chat, "/echo tools=0\nho", conversation)]
    page.wait_for_function("window.ends.length == 2", polling=POLL_MS)
    assert page.evaluate("window.ids") == ids(sent)
    assert page.evaluate("window.text") == answer(sent)
    assert page.evaluate("window.ends") == [
        event.data["usage"]["total"] for event in sent if "usage" in event.data
    ]
    assert page.evaluate("window.calls") == [["echo_tool", {}]]
    assert proxy.cuts >= len(ids(sent)) - 1


def test_command_center_through_a_cut_after_every_event(
    chat: httpx.Client, proxy: CuttingProxy, page: Page
) -> None:
    path = "/api/command-center/stream"
    proxy.plans[path] = [0, *[1] * 40]
    page.evaluate(COMMAND_CENTER, ticket(chat, path))
    wait_until_connected(page, path)
    run_id = say(chat, RUN)[0].data["runId"]
    page.wait_for_function("window.shown.some(([what]) => what === 'completed')", polling=POLL_MS)
    shown: list[list[Any]] = page.evaluate("window.shown")
    assert shown[0] == ["started", run_id]
    assert shown.count(["tool", run_id, "echo_tool"]) == 1
    assert [one[:2] for one in shown].count(["completed", run_id]) == 1
    numbers = [int(number) for number in page.evaluate("window.ids")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert proxy.cuts >= len(numbers) - 1


def test_reconnecting_event_source_through_a_cut_at_every_event(
    chat: httpx.Client, proxy: CuttingProxy, page: Page
) -> None:
    """Each new EventSource tells the whole run, which has ended meanwhile, under the same ids; and it is not
    told for ever: a client that has been sent the end twice is at its end."""
    page.evaluate(WATCHED)
    sent: dict[int, list[Sent]] = {}
    urls: dict[int, str] = {}
    for cut_after in range(6):  # a browser has six connections to one host
        path = f"/api/conversations/cut-{uuid.uuid4().hex}/messages"
        proxy.plans[path] = [cut_after]
        urls[cut_after] = ticket(chat, path) + "&stream=true"
        page.evaluate(RECONNECTING, urls[cut_after])
        wait_until_connected(page, path)
        sent[cut_after] = say(chat, "/echo tools=0 tokens=3\nword", path.split("/")[3])
    for cut_after, url in urls.items():
        page.wait_for_function("(url) => window.sources[url].length >= 2", arg=url, polling=POLL_MS)
        page.wait_for_function(
            "(url) => window.sources[url][1].at(-1)?.data.type === 'done'", arg=url, polling=POLL_MS
        )
        first, second = page.evaluate("(url) => window.sources[url].slice(0, 2)", url)
        whole = ids(sent[cut_after])
        assert len(whole) == 6
        # A reset may overtake what the browser had not read: the first may have seen less than was passed.
        seen = [event["id"] for event in first]
        assert seen == whole[: min(len(seen), cut_after)]
        assert [event["id"] for event in second] == whole
        page.wait_for_function("(url) => window.sources[url].length >= 4", arg=url, polling=POLL_MS)
        later = page.evaluate("(url) => window.sources[url].slice(3)", url)
        assert all(one == [] for one in later)


def test_ticket_of_a_page_is_no_use_to_anybody_else(chat: httpx.Client, page: Page) -> None:
    sent = say(chat, RUN, conversation := uuid.uuid4().hex)
    path = f"/api/conversations/{conversation}/stream"
    url = ticket(chat, path)
    page.evaluate(BASIC, url + f"&after={sent[0].id}")
    page.wait_for_function("window.ends.length > 0", polling=POLL_MS)
    stranger = httpx.get(str(chat.base_url) + url, headers={"accept": "text/event-stream"}, timeout=60)
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, "ticket_invalid")
    assert page.evaluate("window.ids") == ids(sent)[1:]
    assert until_ends(chat, path, 1, **{"last-event-id": str(sent[0].id)}) == sent[1:]
