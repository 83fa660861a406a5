from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from starlette.responses import JSONResponse, Response

from tests.web.backend import Backend, Silence
from tests.web.test_chat import answer, ask

pytestmark = pytest.mark.browser
#: After which the page gives up a stream that is silent, one that does not open, and a command.
SILENCE_MS, OPENING_MS, ANSWER_MS = 15_000, 30_000, 60_000


def test_cut_connection_loses_and_doubles_nothing(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    expected = ""
    for part in range(3):
        words = [f"{part}-{word} " for word in range(20)]
        expected += "".join(words)
        run.say(*words)
        expect(page.locator(".prose")).to_contain_text(words[-1].strip())
        run.cut()
        expect(page.get_by_text("Reconnecting")).to_be_visible()
        run.say(f"missed-{part} ")
        expected += f"missed-{part} "
        expect(page.locator(".prose")).to_contain_text(f"missed-{part}")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    assert answer(page) == expected.strip()
    assert run.connections == 4
    assert len(backend.sent("POST", "/messages")) == 1


def test_black_hole_in_mid_answer_loses_and_doubles_nothing(page: Page, backend: Backend) -> None:
    page.clock.install()
    run = ask(page, backend)
    run.say("Before. ")
    expect(page.locator(".prose")).to_have_text("Before.")
    run.swallow()
    run.say("Swallowed. ")
    backend.answers["GET", "/stream"] = [Silence()]
    page.clock.fast_forward(SILENCE_MS)
    backend.wait_until_sent("GET", "/stream")
    assert answer(page) == "Before."
    page.clock.fast_forward(OPENING_MS)
    expect(page.locator(".prose")).to_have_text("Before. Swallowed.")
    run.say("After.")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    assert answer(page) == "Before. Swallowed. After."
    assert (run.connections, len(backend.sent("POST", "/messages"))) == (2, 1)


def test_message_into_a_black_hole_is_repeated_under_its_key(page: Page, backend: Backend) -> None:
    page.clock.install()
    backend.answers["POST", "/messages"] = [Silence()]
    page.get_by_role("textbox", name="Message").fill("Is anybody there?")
    page.keyboard.press("Enter")
    backend.wait_until_sent("POST", "/messages")
    page.clock.fast_forward(OPENING_MS)
    run = backend.next_run()
    run.say("Yes.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Yes.")
    first, second = backend.sent("POST", "/messages")
    assert first == second
    expect(page.locator(".question")).to_have_count(1)


def test_stop_into_a_black_hole_is_repeated(page: Page, backend: Backend) -> None:
    page.clock.install()
    ask(page, backend).say("On and on")
    expect(page.locator(".prose")).to_have_text("On and on")
    backend.answers["POST", "/stop"] = [Silence()]
    page.get_by_role("button", name="Stop").click()
    backend.wait_until_sent("POST", "/stop")
    page.clock.fast_forward(ANSWER_MS)
    expect(page.locator(".answer-foot")).to_contain_text("Stopped")
    assert len(backend.sent("POST", "/stop")) == 2


def test_takeover_in_mid_answer_takes_back_what_the_next_process_says_anew(
    page: Page, backend: Backend
) -> None:
    run = ask(page, backend)
    run.say("It is ", "twelve, ", "I thi")
    kept = f"{run.id}.2"  # its start and its first token
    expect(page.locator(".prose")).to_have_text("It is twelve, I thi")
    run.cut()
    run.emit("rewind", after=kept)
    run.say("nine.")
    expect(page.locator(".prose")).to_have_text("It is nine.")
    page.reload()
    expect(page.locator(".prose")).to_have_text("It is nine.")
    run.emit("rewind", after=kept)
    run.say("ten.")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    assert answer(page) == "It is ten."


def test_connection_cut_before_the_first_event_starts_no_second_run(page: Page, backend: Backend) -> None:
    backend.refuse("POST", "/messages", 503, "unavailable", "Too busy.")
    run = ask(page, backend)
    run.say("Once.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Once.")
    first, second = backend.sent("POST", "/messages")
    assert first["idempotencyKey"] == second["idempotencyKey"]


def test_reconnecting_is_left_to_the_user_after_many_attempts(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Before. ")
    expect(page.locator(".prose")).to_contain_text("Before.")
    page.clock.install()
    attempts = 8
    for _ in range(attempts):
        backend.refuse("GET", "/stream", 503, "unavailable", "Too busy.")
    backend.answers["GET", "/stream"].append(Response(status_code=502))
    run.cut()
    for attempt in range(attempts):
        expect(page.get_by_text("Reconnecting")).to_be_visible()
        page.clock.fast_forward(30_000)
        backend.wait_until_sent("GET", "/stream", attempt + 1)
    page.get_by_role("button", name="Reconnect").click()
    run.say("After.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Before. After.")


def test_reload_goes_on_with_the_running_answer(page: Page, backend: Backend) -> None:
    run = ask(page, backend, "A long story, please")
    run.emit("tool_call", id="t1", name="search", arguments={})
    run.say("Once upon ")
    expect(page.locator(".prose")).to_contain_text("Once upon")
    page.reload()
    expect(page.locator(".question")).to_have_text("A long story, please")
    expect(page.locator(".prose")).to_contain_text("Once upon")
    run.say("a time.")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    assert answer(page) == "Once upon a time."
    expect(page.locator(".answer")).to_have_count(1)
    assert len(backend.sent("POST", "/messages")) == 1


def test_finished_conversation_comes_back_from_its_messages(page: Page, backend: Backend) -> None:
    name = "c_stored"
    backend.add_conversation(name, "Stored")
    call = {"toolUse": {"toolUseId": "t", "name": "calculator", "input": {"expression": "6*7"}}}
    result = {"toolResult": {"toolUseId": "t", "content": [{"text": "42"}], "status": "success"}}
    stamps = {"runId": "r", "createdAt": "2026-03-02T09:00:00Z"}
    backend.messages[name] = [
        {"id": "1", "role": "user", "content": [{"text": "Six times seven?"}], **stamps},
        {"id": "2", "role": "assistant", "content": [{"text": "Let me see."}, call], **stamps},
        {"id": "3", "role": "user", "content": [result], **stamps},
        {"id": "4", "role": "assistant", "content": [{"text": "It is 42."}], **stamps},
    ]
    page.goto(f"/#/c/{name}")
    expect(page.locator(".question")).to_have_count(1)
    expect(page.locator(".prose p")).to_have_text(["Let me see.", "It is 42."])
    page.locator(".steps summary").click()
    expect(page.locator(".tool-summary")).to_have_text("42")


@pytest.mark.parametrize("status", [204, 404])
def test_expired_log_shows_the_stored_answer(page: Page, backend: Backend, status: int) -> None:
    unavailable = Response(status_code=status)
    run = ask(page, backend)
    run.say("All of it.")
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    backend.answers["GET", "/stream"] = [unavailable]
    page.reload()
    expect(page.locator(".prose")).to_have_text("All of it.")
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")


def test_old_conversation_keeps_its_agent(page: Page, backend: Backend) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.add_conversation("c_old", "Old", agent_id="a2")
    backend.answers["GET", "/conversations"] = [JSONResponse({"items": [], "nextCursor": None})]
    page.goto("/#/c/c_old")
    page.reload()
    expect(page.get_by_role("heading", name="Analyst")).to_be_visible()
    ask(page, backend).done()
    assert backend.sent("POST", "/messages")[0]["agentId"] == "a2"


def test_unknown_conversation_says_so(page: Page, backend: Backend) -> None:
    page.goto("/#/c/c_of_somebody_else")
    expect(page.get_by_text("There is no such conversation.")).to_be_visible()


def test_refused_token_is_renewed_once_and_the_user_notices_nothing(page: Page, backend: Backend) -> None:
    expect(page.get_by_label("Agent")).to_be_visible()
    backend.revoke_tokens()
    run = ask(page, backend)
    run.say("Still here.")
    run.done()
    expect(page.locator(".prose")).to_have_text("Still here.")
    assert len(backend.sent("POST", "/oidc/refresh")) == 1
