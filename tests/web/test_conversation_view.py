"""The view of an answer event by event, and the drafts that the page keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.web.backend import Backend
from tests.web.hiding import hide, show
from tests.web.test_chat import ask

pytestmark = pytest.mark.browser
SENT = "/messages"


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def test_text_thinking_and_tools_stand_in_their_order(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.emit("thinking", text="First I look.")
    run.say("I look at the clock.")
    run.emit("tool_call", id="t1", name="clock", arguments={})
    run.emit("tool_result", id="t1", name="clock", ok=True, summary="nine", bytes=4, durationMs=12)
    run.say("It is nine.")
    run.done()
    expect(page.locator(".answer-foot")).to_contain_text("tokens")
    order = page.locator(".answer > :is(.steps, .prose)").evaluate_all("all => all.map(one => one.className)")
    assert order == ["steps", "prose", "steps", "prose"]
    assert page.locator(".prose").all_inner_texts() == ["I look at the clock.", "It is nine."]


def test_approval_of_a_sub_agent_is_shown_though_its_steps_are_closed(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.emit("tool_call", id="t1", name="ask_clerk", arguments={})
    asked = {"callId": "c1", "kind": "approval", "name": "refund", "arguments": {}}
    run.emit("approval_requested", **asked, parent="t1", expiresAt="2999-01-01T00:00:00Z")
    expect(page.get_by_text("Approve refund?")).to_be_visible()
    run.emit("approval_answered", callId="c1", decision="approve", parent="t1")
    expect(page.locator(".ask")).to_contain_text("Approved")


def test_chip_of_an_answer_leads_to_its_run(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Yes.")
    run.done()
    expect(page.get_by_role("link", name="tokens")).to_have_attribute("href", f"/runs/{run.id}")


def test_failed_request_is_repeated_under_its_key(page: Page, backend: Backend) -> None:
    backend.refuse("POST", SENT, 402, "limit_reached", "The budget is spent.")
    box(page).fill("Again?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Try again").click()
    backend.next_run().done()
    first, second = backend.sent("POST", SENT)
    assert first == second


def test_draft_stays_with_its_conversation(page: Page, backend: Backend) -> None:
    ask(page, backend).done()
    box(page).fill("a thought")
    page.get_by_role("button", name="New conversation").click()
    expect(box(page)).to_have_value("")
    page.go_back()
    expect(box(page)).to_have_value("a thought")
    page.reload()
    expect(box(page)).to_have_value("a thought")


def test_long_text_is_sent_whole_and_a_longer_one_is_not_cut(page: Page, backend: Backend) -> None:
    text = "x" * 40_000
    box(page).fill(text)
    page.keyboard.press("Enter")
    run = backend.next_run()
    assert backend.sent("POST", SENT)[0]["content"] == text
    box(page).fill(text)
    expect(page.get_by_text("must not exceed 32,768 bytes")).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    run.done()


def test_message_for_after_the_answer_waits_over_a_reload(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Well, ")
    page.get_by_text("Send after").click()
    box(page).fill("And then?")
    page.keyboard.press("Enter")
    queued = page.locator("[data-delivery=queued]")
    expect(queued).to_contain_text("It will be sent when the answer is finished.")
    page.reload()
    expect(queued).to_contain_text("And then?")
    assert backend.sent("POST", "/inject") == []
    backend.conversations[run.conversation_id]["activeRunId"] = None
    run.done()
    backend.next_run().done()
    assert backend.sent("POST", SENT)[1]["content"] == "And then?"
    expect(queued).to_have_count(0)


@pytest.mark.parametrize(
    ("open_layer", "layer"),
    [
        (lambda page: page.get_by_role("button", name="Actions for").click(), ".menu-list"),
        (lambda page: page.keyboard.press("Control+k"), "[role=dialog]"),
    ],
    ids=["menu", "palette"],
)
def test_escape_closes_what_is_in_front_and_stops_nothing(
    page: Page, backend: Backend, open_layer: Callable[[Page], None], layer: str
) -> None:
    run = ask(page, backend)
    run.say("Well, ")
    expect(page.locator(".prose")).to_contain_text("Well")
    open_layer(page)
    expect(page.locator(layer)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(layer)).to_have_count(0)
    assert backend.sent("POST", "/stop") == []
    page.keyboard.press("Escape")
    backend.wait_until_sent("POST", "/stop")


def test_starter_is_sent_as_it_is(page: Page, backend: Backend) -> None:
    page.get_by_role("button", name="What is a weir?").click()
    backend.next_run().done()
    assert backend.sent("POST", SENT)[0]["content"] == "What is a weir?"


def test_code_and_formulas_are_drawn_and_directions_follow_the_text(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("مرحبا &copy; \\(x^2\\)\n\n- [x] done\n\n```python\ndef mill(): return 1\n```\n")
    run.done()
    prose = page.locator(".prose")
    expect(prose.locator(".katex").first).to_be_visible()
    expect(prose.locator(".token", has_text="def")).to_be_visible()
    expect(prose).to_contain_text("©")
    paragraph = prose.locator("p").first
    assert paragraph.evaluate("one => getComputedStyle(one).direction") == "rtl"
    assert prose.locator("li").evaluate("one => getComputedStyle(one).listStyleType") == "none"
    keyword = prose.locator(".token", has_text="def")
    assert keyword.evaluate("one => getComputedStyle(one).color") != prose.evaluate(
        "one => getComputedStyle(one).color"
    )


def test_page_works_where_the_browser_refuses_storage(page: Page, backend: Backend) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})"
    page.add_init_script(refuse)
    page.reload()
    run = ask(page, backend)
    run.say("Yes.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Yes.")


def test_ten_tabs_show_one_run_and_any_stops_it(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Water ")
    context: BrowserContext = page.context
    tabs = [context.new_page() for _ in range(9)]
    for tab in tabs:
        tab.goto(page.url)
        expect(tab.locator(".prose")).to_contain_text("Water")
    run.say("turns.")
    for tab in [page, *tabs]:
        expect(tab.locator(".prose")).to_have_text("Water turns.")
    every = [page, *tabs]
    # Each one's Stop gets through; the last is the one that the server heeds.
    backend.answers["POST", "/stop"] = [run.stopped() for _ in tabs]
    for number, tab in enumerate(every, 1):
        tab.get_by_role("button", name="Stop").click()
        backend.wait_until_sent("POST", "/stop", number)
    for tab in every:
        expect(tab.locator(".answer[aria-busy=true]")).to_have_count(0)


def test_tab_that_comes_back_shows_what_another_has_done_meanwhile(page: Page, backend: Backend) -> None:
    page.clock.install()
    first = ask(page, backend)
    first.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    backend.settle(first)
    hide(page)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".question")).to_have_count(1)
    for answers, text in enumerate(("And then?", "And after that?"), 2):
        run = ask(other, backend, text)
        run.say(text.upper())
        run.done()
        expect(other.locator(".answer-foot")).to_have_count(answers)
    running = ask(other, backend, "Go on.")
    running.say("It goes ")
    page.clock.fast_forward(15_000)
    show(page)
    running.say("on.")
    expect(page.locator(".question")).to_have_count(4)
    expect(page.locator(".prose").last).to_have_text("It goes on.")
    assert page.locator(".prose").all_inner_texts() == ["AND THEN?", "AND AFTER THAT?", "It goes on."]


def test_conversation_that_does_not_exist_is_no_place_to_write(page: Page, backend: Backend) -> None:
    page.goto(f"{backend.url}/chat/gone")
    expect(page.get_by_text("There is no such conversation.")).to_be_visible()
    expect(box(page)).to_have_count(0)
    page.get_by_role("link", name="New conversation").click()
    expect(box(page)).to_be_focused()
