from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.backend import Backend, Run

pytestmark = pytest.mark.browser


def ask(page: Page, backend: Backend, text: str = "How does a mill race work?") -> Run:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")
    return backend.next_run()


def answer(page: Page) -> str:
    return page.locator(".answer .prose").last.inner_text()


def test_tokens_appear_while_the_answer_streams(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    for token in ("Water ", "turns ", "the ", "wheel."):
        run.say(token)
        expect(page.locator(".prose")).to_contain_text(token.strip())
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    run.done()
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")
    assert answer(page) == "Water turns the wheel."


def test_skeleton_stands_until_the_first_token(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    expect(page.get_by_label("The agent is working")).to_be_visible()
    run.say("Hello")
    expect(page.get_by_label("The agent is working")).to_have_count(0)


def test_answer_is_announced_politely_in_a_log(page: Page, backend: Backend) -> None:
    log = page.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("aria-live", "polite")
    ask(page, backend).say("Hello")
    expect(log).to_contain_text("Hello")


def test_steps_are_closed_and_tell_everything_when_opened(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.emit("thinking", text="I should measure the drop.")
    run.emit("tool_call", id="t1", name="calculator", arguments={"expression": "9.81 * 3"})
    expect(page.locator(".steps summary")).to_contain_text("Using calculator")
    expect(page.get_by_text("I should measure the drop.")).to_be_hidden()
    page.locator(".steps summary").click()
    expect(page.get_by_text("I should measure the drop.")).to_be_visible()
    expect(page.locator(".arguments")).to_contain_text('"expression": "9.81 * 3"')
    expect(page.get_by_label("running")).to_be_visible()
    run.emit("tool_result", id="t1", name="calculator", ok=True, summary="29.43", bytes=5, durationMs=12)
    expect(page.locator(".tool")).to_contain_text("29.43")
    expect(page.locator(".tool")).to_contain_text("12 ms")
    run.say("About 29.")
    run.done()
    expect(page.locator(".steps summary")).to_contain_text("Thought, used 1 tool")


def test_usage_cost_and_time_stand_under_a_finished_answer(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Yes.")
    run.done()
    foot = page.locator(".answer-foot")
    for fact in ("1,540 tokens", "$0.0042", "3.2 s"):
        expect(foot).to_contain_text(fact)


def test_cost_that_is_not_known_is_not_shown(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Yes.")
    run.done(cost=None)
    expect(page.locator(".answer-foot")).to_contain_text("tokens")
    expect(page.locator(".answer-foot")).not_to_contain_text("$")


@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_keeps_the_partial_answer(page: Page, backend: Backend, how: str) -> None:
    run = ask(page, backend)
    run.say("Half an ans")
    expect(page.locator(".prose")).to_contain_text("Half an ans")
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    expect(page.locator(".answer-foot")).to_contain_text("Stopped")
    assert answer(page) == "Half an ans"
    assert len(backend.sent("POST", "/stop")) == 1


def test_stop_before_the_run_exists_reaches_it_when_it_begins(page: Page, backend: Backend) -> None:
    backend.has_start = False
    run = ask(page, backend)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    assert backend.sent("POST", "/stop") == []
    run.start()
    expect(page.locator(".answer-foot")).to_contain_text("Stopped")
    assert len(backend.sent("POST", "/stop")) == 1


def test_stop_that_fails_is_named_and_can_be_repeated(page: Page, backend: Backend) -> None:
    backend.refuse("POST", "/stop", 403, "forbidden", "You must not stop it.")
    ask(page, backend).say("On and on")
    expect(page.locator(".prose")).to_contain_text("On and on")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The answer could not be stopped: You must not stop it.")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".answer-foot")).to_contain_text("Stopped")


def test_error_event_offers_a_new_try(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Well")
    run.emit("error", message="The model is overloaded.", code="overloaded", retryable=True)
    expect(page.get_by_role("alert")).to_contain_text("The model is overloaded.")
    page.get_by_role("button", name="Try again").click()
    again = backend.next_run()
    again.say("Better now.")
    again.done()
    expect(page.locator(".prose")).to_have_text("Better now.")
    # The server keeps the question and the answer that failed: it is asked for another one.
    assert len(backend.sent("POST", "/messages")) == 1
    assert backend.sent("POST", "/regenerate")[0]["messageId"] == "m"
    expect(page.locator(".bubble")).to_have_count(1)


def test_refused_message_says_why_and_can_be_repeated_under_its_own_key(page: Page, backend: Backend) -> None:
    backend.refuse("POST", "/messages", 402, "limit_reached", "The budget is spent.")
    page.get_by_role("textbox", name="Message").fill("Hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The budget is spent. (request req-1)")
    page.get_by_role("button", name="Try again").click()
    run = backend.next_run()
    run.say("Hi.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Hi.")
    expect(page.locator(".question")).to_have_count(1)
    first, second = backend.sent("POST", "/messages")
    assert first == second


def test_only_the_last_answer_can_be_asked_for_again(page: Page, backend: Backend) -> None:
    backend.refuse("POST", "/messages", 402, "limit_reached", "The budget is spent.")
    page.get_by_role("textbox", name="Message").fill("Hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    ask(page, backend, "Hello again").say("Hi.")
    expect(page.locator(".prose")).to_have_text("Hi.")
    expect(page.get_by_role("alert")).to_contain_text("The budget is spent.")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_stopping_a_message_that_is_then_refused_does_not_stop_the_next_one(
    page: Page, backend: Backend
) -> None:
    backend.refuse("POST", "/messages", 503, "unavailable", "Too busy.")
    backend.refuse("POST", "/messages", 402, "limit_reached", "The budget is spent.")
    page.get_by_role("textbox", name="Message").fill("Hello")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert")).to_contain_text("The budget is spent.")
    run = ask(page, backend, "Hello again")
    run.say("Hi.")
    run.done()
    expect(page.locator(".answer-foot")).to_contain_text("1,540 tokens")
    assert backend.sent("POST", "/stop") == []


def test_markdown_is_drawn_and_html_stays_text(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("# Title\n\n**bold** <img src=x onerror=alert(1)> [bad](javascript:alert(1)) ")
    run.say("[good](https://example.com) ![pixel](https://example.com/p.png)\n\n```python\nprint(1)\n```\n")
    run.say("\n<script>alert(1)</script>\n")
    run.done()
    prose = page.locator(".prose")
    expect(prose.get_by_role("heading", name="Title")).to_be_visible()
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose).to_contain_text("<img src=x onerror=alert(1)>")
    expect(prose).to_contain_text("<script>alert(1)</script>")
    expect(prose.locator("pre")).to_contain_text("print(1)")
    assert prose.locator("a").evaluate_all("links => links.map(link => link.href)") == [
        "https://example.com/",
        "https://example.com/p.png",
    ]
    assert prose.locator("img, script, iframe").count() == 0


def test_open_bold_is_already_bold_while_it_streams(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("This is **very imp")
    expect(page.locator(".prose strong")).to_have_text("very imp")


def test_list_shows_what_runs_and_leads_to_other_conversations(page: Page, backend: Backend) -> None:
    run = ask(page, backend, "First question")
    expect(page.get_by_role("link", name="First question")).to_be_visible()
    expect(page.get_by_label("Answering")).to_be_visible()
    run.say("First answer")
    run.done()
    backend.conversations[run.conversation_id]["activeRunId"] = None
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".answer")).to_have_count(0)
    second = ask(page, backend, "Second question")
    second.done()
    page.get_by_role("link", name="First question").click()
    expect(page.locator(".prose")).to_have_text("First answer")
    expect(page).to_have_url(f"{backend.url}/chat/{run.conversation_id}")


def test_conversation_is_deleted_from_its_menu(page: Page, backend: Backend) -> None:
    ask(page, backend, "Forget this").done()
    page.get_by_role("button", name="Actions for Forget this").click()
    assert backend.sent("DELETE", "") == []
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_role("link", name="Forget this")).to_have_count(0)
    expect(page.locator(".question")).to_have_count(0)


def test_picked_agent_gets_the_message(page: Page, backend: Backend) -> None:
    page.get_by_label("Agent").select_option("a2")
    ask(page, backend).done()
    assert backend.sent("POST", "/messages")[0]["agentId"] == "a2"


def test_shift_enter_writes_a_second_line(page: Page, backend: Backend) -> None:
    box = page.get_by_role("textbox", name="Message")
    box.press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    box.press_sequentially("two")
    page.keyboard.press("Enter")
    backend.next_run()
    assert backend.sent("POST", "/messages")[0]["content"] == "one\ntwo"
    expect(box).to_have_value("")
    expect(box).to_be_focused()


def test_view_follows_the_answer_until_the_reader_scrolls_away(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    scroller = page.locator(".scroller")
    run.say(*(f"Line {number}\n\n" for number in range(60)))
    expect(page.get_by_text("Line 59")).to_be_in_viewport()
    scroller.evaluate("element => element.scrollTo(0, 0)")
    expect(page.get_by_role("button", name="Jump to the latest")).to_be_visible()
    run.say("The end.\n\n")
    expect(page.get_by_text("The end.")).to_be_attached()
    expect(page.get_by_text("The end.")).not_to_be_in_viewport()
    page.get_by_role("button", name="Jump to the latest").click()
    expect(page.get_by_text("The end.")).to_be_in_viewport()
