from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.backend import Backend, Run
from tests.web.test_chat import ask

pytestmark = pytest.mark.browser


def send_live_message(page: Page, text: str = "Only in metric units") -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


@pytest.fixture
def run(page: Page, backend: Backend) -> Run:
    """A run that has begun to answer."""
    run = ask(page, backend)
    run.say("First part.")
    expect(page.locator(".prose")).to_contain_text("First part.")
    return run


def test_live_message_is_accepted_then_seen_where_the_agent_read_it(
    page: Page, backend: Backend, run: Run
) -> None:
    send_live_message(page)
    live = page.locator(".question").last
    expect(live).to_have_attribute("data-delivery", "accepted")
    run.emit("injected", messageId="live1", content="Only in metric units", iteration=2)
    expect(live).to_have_attribute("data-delivery", "seen")
    run.say("Second part.")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    articles = page.get_by_role("article").evaluate_all("all => all.map(one => one.className)")
    assert articles == ["question", "answer", "question", "answer"]
    expect(page.locator(".prose")).to_have_text(["First part.", "Second part."])


def test_message_before_the_run_exists_is_sent_when_it_does(page: Page, backend: Backend) -> None:
    backend.has_start = False
    run = ask(page, backend)
    send_live_message(page)
    live = page.locator(".question").last
    expect(live).to_have_attribute("data-delivery", "sending")
    assert backend.sent("POST", "/inject") == []
    run.start()
    expect(live).to_have_attribute("data-delivery", "accepted")


def test_accepted_message_can_be_withdrawn(page: Page, backend: Backend, run: Run) -> None:
    send_live_message(page)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".question")).to_have_count(1)
    assert len(backend.sent("DELETE", "/inject/live1")) == 1


def test_waiting_messages_are_listed_and_withdrawable_after_a_reload(
    page: Page, backend: Backend, run: Run
) -> None:
    send_live_message(page, "Only in metric units")
    send_live_message(page, "And briefly")
    expect(page.locator("[data-delivery=accepted]")).to_have_count(2)
    page.reload()
    expect(page.locator("[data-delivery=accepted] .bubble")).to_have_text(
        ["Only in metric units", "And briefly"]
    )
    expect(page.locator(".prose")).to_contain_text("First part.")
    page.get_by_role("button", name="Withdraw").first.click()
    expect(page.locator("[data-delivery=accepted] .bubble")).to_have_text(["And briefly"])
    assert len(backend.sent("DELETE", "/inject/live1")) == 1
    backend.consume(run.conversation_id, "live2")
    run.emit("injected", messageId="live2", content="And briefly", iteration=2)
    run.say("Second part.")
    run.done()
    expect(page.get_by_text("Seen by the agent")).to_have_count(1)
    expect(page.locator(".question")).to_have_count(2)


def test_message_read_during_a_reload_is_shown_once(page: Page, backend: Backend, run: Run) -> None:
    """The list of what waits may be older than the run's events."""
    send_live_message(page, "And briefly")
    expect(page.locator("[data-delivery=accepted]")).to_have_count(1)
    run.emit("injected", messageId="live1", content="And briefly", iteration=2)
    page.reload()
    expect(page.locator("[data-delivery=seen] .bubble")).to_have_text(["And briefly"])
    expect(page.locator(".question")).to_have_count(2)


def test_message_that_waits_for_the_next_run_is_still_listed_after_a_reload(
    page: Page, backend: Backend, run: Run
) -> None:
    send_live_message(page, "And briefly")
    expect(page.locator("[data-delivery=accepted]")).to_have_count(1)
    run.done("stopped")
    backend.conversations[run.conversation_id]["activeRunId"] = None
    page.reload()
    expect(page.get_by_text("Waiting for the agent's next run")).to_be_visible()


def test_message_that_the_agent_already_has_cannot_be_withdrawn(
    page: Page, backend: Backend, run: Run
) -> None:
    backend.refuse("DELETE", "/inject/live1", 409, "already_delivered", "Too late.")
    send_live_message(page)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("Too late to withdraw")).to_be_visible()
    run.emit("injected", messageId="live1", content="Only in metric units", iteration=2)
    expect(page.get_by_text("Seen by the agent")).to_be_visible()


def test_message_too_late_for_the_run_becomes_the_next_question(
    page: Page, backend: Backend, run: Run
) -> None:
    backend.refuse("POST", "/inject", 409, "not_streaming", "No run is active.")
    send_live_message(page)
    expect(page.locator(".question").last).to_have_attribute("data-delivery", "queued")
    run.done()
    following = backend.next_run()
    following.say("In metres.")
    following.done()
    expect(page.locator(".prose").last).to_have_text("In metres.")
    assert [body["content"] for body in backend.sent("POST", "/messages")][1:] == ["Only in metric units"]
    expect(page.locator(".question")).to_have_count(2)


def test_backend_without_injection_keeps_the_message_until_the_end(
    page: Page, backend: Backend, run: Run
) -> None:
    backend.refuse("POST", "/inject", 404, "not_found", "No such route.")
    send_live_message(page)
    expect(page.get_by_text("does not accept messages while the agent answers")).to_be_visible()
    run.done()
    backend.next_run().say("Now I know.")
    expect(page.locator(".prose").last).to_have_text("Now I know.")


def test_held_message_can_be_withdrawn_and_is_never_sent(page: Page, backend: Backend, run: Run) -> None:
    backend.refuse("POST", "/inject", 404, "not_found", "No such route.")
    send_live_message(page)
    page.get_by_role("button", name="Withdraw").click()
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    expect(page.locator(".question")).to_have_count(1)
    assert len(backend.sent("POST", "/messages")) == 1


def test_expired_message_says_so_and_can_be_sent_again(page: Page, backend: Backend, run: Run) -> None:
    send_live_message(page)
    live = page.locator(".question").last
    expect(live).to_have_attribute("data-delivery", "accepted")
    backend.wait_until_sent("POST", "/inject")
    page.clock.install()
    send_live_message(page, "A second one")
    expect(page.locator(".question").last).to_have_attribute("data-delivery", "accepted")
    page.clock.fast_forward(600_000)
    expect(page.locator(".question").last).to_have_attribute("data-delivery", "expired")
    page.get_by_role("button", name="Send again").click()
    backend.wait_until_sent("POST", "/inject", 3)


def test_message_that_was_not_accepted_is_kept_and_can_be_repeated(
    page: Page, backend: Backend, run: Run
) -> None:
    for _ in range(3):
        backend.refuse("POST", "/inject", 429, "too_many_waiting", "Too many messages are waiting.")
    send_live_message(page)
    expect(page.get_by_text("Too many messages are waiting.")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".question").last).to_have_attribute("data-delivery", "accepted")


def test_server_that_contradicts_itself_ends_in_an_error_not_a_loop(
    page: Page, backend: Backend, run: Run
) -> None:
    run.done()
    backend.conversations[run.conversation_id]["activeRunId"] = None
    expect(page.locator(".answer-foot")).to_be_visible()
    for _ in range(20):
        backend.refuse("POST", "/messages", 409, "run_active", "A run is active.")
        backend.refuse("POST", "/inject", 409, "not_streaming", "No run is active.")
    send_live_message(page)
    expect(page.get_by_role("alert")).to_contain_text("A run is active.")
    assert len(backend.sent("POST", "/messages")) == 5


def test_run_of_another_tab_is_joined_and_gets_the_message(page: Page, backend: Backend, run: Run) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".prose")).to_contain_text("First part.")
    run.done()
    expect(other.locator(".answer-foot")).to_be_visible()
    second = ask(page, backend, "From the first tab")
    backend.refuse("POST", "/messages", 409, "run_active", "A run is active.")
    send_live_message(other, "From the second tab")
    backend.wait_until(lambda: backend.sent("POST", "/inject") == [{"content": "From the second tab"}])
    second.emit("injected", messageId="live1", content="From the second tab", iteration=2)
    second.say("Both of you.")
    second.done()
    expect(other.locator(".prose").last).to_have_text("Both of you.")
    expect(other.locator(".question")).to_have_text(
        ["How does a mill race work?", "From the first tab", "From the second tabSeen by the agent"]
    )
