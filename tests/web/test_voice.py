"""Spoken answers: real audio in a real browser, sent by the test while the page plays."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web.backend import NOW, Backend, Run
from tests.web.sound import Sound
from tests.web.test_chat import ask

pytestmark = pytest.mark.browser

TOLERATED_TAIL_MS = 100


def voice(page: Page) -> Locator:
    """Return the voice settings that the header tells."""
    return page.locator(".voice")


def listen(page: Page) -> Locator:
    return page.get_by_role("button", name="Listen to the answer")


def stop_listening(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop listening")


def answered(page: Page, backend: Backend, text: str = "Water turns the wheel.") -> Run:
    run = ask(page, backend)
    run.say(text)
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    return run


def wait_until_loud(page: Page) -> None:
    """The tone itself was played, not its silence: its volume is 0.5."""
    expect(voice(page)).to_have_attribute("data-peak", re.compile(r"^0\.(49|5)"))


def started(page: Page, backend: Backend) -> Sound:
    """An answer that is heard, with a minute of sound still to come and the response open."""
    answered(page, backend)
    listen(page).click()
    sound = backend.next_sound()
    sound.tone(60_000)
    wait_until_loud(page)
    return sound


def speak_answers(page: Page) -> None:
    page.get_by_role("button", name="Speak answers").click()


def test_answer_is_heard_while_its_speech_still_arrives(page: Page, backend: Backend) -> None:
    answered(page, backend, "Water **turns** the `wheel`.\n\n```\ncode\n```")
    listen(page).click()
    sound = backend.next_sound()
    expect(voice(page)).to_have_attribute("data-phase", "waiting")
    sound.tone(300, cut_at=1001)
    wait_until_loud(page)
    expect(voice(page)).to_have_attribute("data-phase", "speaking")
    expect(voice(page)).to_have_attribute("data-played-ms", "300")
    assert sound.is_open
    sound.tone(200)
    sound.end()
    expect(listen(page)).to_be_visible()
    expect(voice(page)).to_have_attribute("data-played-ms", "500")
    assert backend.sent("POST", "/stop") == []  # nothing is left to stop
    assert backend.sent("POST", "/tts/stream") == [
        {"text": "Water turns the wheel.", "format": "pcm", "speed": 1}
    ]


def test_short_speech_is_heard_to_its_end_however_its_bytes_are_cut(page: Page, backend: Backend) -> None:
    answered(page, backend)
    listen(page).click()
    sound = backend.next_sound()
    for _ in range(5):
        sound.tone(10, cut_at=7)
    sound.end()
    expect(voice(page)).to_have_attribute("data-played-ms", "50")
    expect(voice(page)).to_have_attribute("data-phase", "silent")


@pytest.mark.parametrize("how", ["button", "escape", "leaving"])
def test_stopping_silences_within_a_tenth_of_a_second(page: Page, backend: Backend, how: str) -> None:
    sound = started(page, backend)
    match how:
        case "button":
            stop_listening(page).click()
        case "escape":
            page.keyboard.press("Escape")
        case _:
            page.get_by_role("button", name="New conversation").click()
    expect(voice(page)).to_have_attribute("data-phase", "silent")
    expect(voice(page)).to_have_attribute("data-tail-ms", re.compile(r"\d"))
    assert float(voice(page).get_attribute("data-tail-ms") or "") <= TOLERATED_TAIL_MS
    backend.wait_until(lambda: not sound.is_open)
    # A function URL does not notice that its client has left.
    backend.wait_until(lambda: backend.sent("POST", f"/voice/streams/{sound.id}/stop"))


def test_page_that_is_closed_stops_the_speech_on_the_server(page: Page, backend: Backend) -> None:
    sound = started(page, backend)
    page.goto("about:blank")
    backend.wait_until(lambda: backend.sent("POST", f"/voice/streams/{sound.id}/stop"))


def test_new_answer_is_spoken_while_it_streams(page: Page, backend: Backend) -> None:
    speak_answers(page)
    run = ask(page, backend)
    run.say("Water ")
    sound = backend.next_sound()
    assert backend.sent("POST", f"/voice/conversations/{run.id}/stream") == [{"format": "pcm", "speed": 1}]
    sound.tone(1000)
    wait_until_loud(page)
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    expect(stop_listening(page)).to_be_visible()
    run.say("turns the wheel.")
    run.done()
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "false")
    expect(stop_listening(page)).to_be_visible()
    sound.end()
    expect(listen(page)).to_be_visible()


def test_answer_that_was_there_already_is_not_spoken_by_itself(page: Page, backend: Backend) -> None:
    speak_answers(page)
    run = ask(page, backend)
    backend.next_sound().end()
    run.say("Before. ")
    expect(page.locator(".prose")).to_contain_text("Before.")
    run.cut()
    run.say("Between. ")
    expect(page.locator(".prose")).to_contain_text("Between.")
    page.reload()
    run.say("After.")
    run.done()
    expect(page.locator(".prose")).to_contain_text("After.")
    assert len(backend.sent("POST", f"/voice/conversations/{run.id}/stream")) == 1


def test_voice_plays_one_message_at_a_time(page: Page, backend: Backend) -> None:
    first = started(page, backend)
    run = ask(page, backend)
    run.say("Second.")
    run.done()
    expect(page.locator(".answer-foot")).to_have_count(2)
    listen(page).click()
    backend.next_sound().tone(1000)
    backend.wait_until(lambda: not first.is_open)
    wait_until_loud(page)
    expect(stop_listening(page)).to_have_count(1)


def test_escape_ends_the_speech_and_the_run(page: Page, backend: Backend) -> None:
    speak_answers(page)
    ask(page, backend).say("A long story. ")
    sound = backend.next_sound()
    sound.tone(60_000)
    wait_until_loud(page)
    page.keyboard.press("Escape")
    expect(page.locator(".answer-foot")).to_contain_text("Stopped")
    expect(voice(page)).to_have_attribute("data-phase", "silent")
    backend.wait_until(lambda: not sound.is_open)


def test_voice_and_speed_are_chosen_with_the_keyboard_and_remembered(page: Page, backend: Backend) -> None:
    page.get_by_role("button", name="Voice and speed").press("Enter")
    expect(page.get_by_role("option", name="Alloy (en)")).to_be_attached()
    page.get_by_role("combobox", name="Voice", exact=True).select_option("Nova")
    page.get_by_role("slider", name="Speed").press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Voice", exact=True)).to_be_hidden()
    speak_answers(page)
    page.reload()
    expect(page.get_by_role("button", name="Speak answers")).to_have_attribute("aria-pressed", "true")
    ask(page, backend)
    backend.next_sound().end()
    spoken = [body for _, path, body in backend.requests if path.startswith("/voice/conversations")]
    assert spoken == [{"format": "pcm", "voice": "nova", "speed": 1.1}]


def test_escape_in_the_voice_settings_closes_only_these(page: Page, backend: Backend) -> None:
    run = ask(page, backend)
    run.say("Going on. ")
    expect(page.locator(".prose")).to_contain_text("Going on.")
    page.get_by_role("button", name="Voice and speed").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Voice", exact=True)).to_be_hidden()
    run.done()
    expect(page.locator(".answer-foot")).to_be_visible()
    assert backend.sent("POST", "/stop") == []


def test_refusal_is_one_calm_line(page: Page, backend: Backend) -> None:
    backend.refuse("POST", "/tts/stream", 501, "engine_missing", "Install the extra voice.")
    answered(page, backend)
    listen(page).click()
    expect(page.get_by_text("Install the extra voice.")).to_be_visible()
    expect(listen(page)).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Install the extra voice.")).to_be_hidden()


def test_speech_that_breaks_off_is_heard_as_far_as_it_came(page: Page, backend: Backend) -> None:
    answered(page, backend)
    listen(page).click()
    sound = backend.next_sound()
    sound.tone(200)
    wait_until_loud(page)
    sound.break_off()
    expect(page.get_by_text("The speech ended too early.")).to_be_visible()
    expect(voice(page)).to_have_attribute("data-played-ms", "200")


def test_answer_of_code_alone_says_that_there_is_nothing_to_read(page: Page, backend: Backend) -> None:
    answered(page, backend, "```\ncode\n```")
    listen(page).click()
    expect(page.get_by_text("There is nothing to read aloud in this answer.")).to_be_visible()
    assert backend.sent("POST", "/tts/stream") == []


LISTEN_BY_ITSELF = """
new MutationObserver((_, observer) => {
  const button = document.querySelector('.listen');
  if (button) observer.disconnect(), button.click();
}).observe(document, {childList: true, subtree: true});
"""


def test_page_says_that_the_browser_wants_a_click_first(browser: Browser, backend: Backend) -> None:
    """A script's click is none of the user's. Whatever asks the page something counts as one to the browser,
    so nothing does until the page has its response."""
    backend.add_conversation("c_stored", "Stored")
    message = {
        "id": "1",
        "role": "assistant",
        "content": [{"text": "Water."}],
        "runId": "r",
        "createdAt": NOW,
    }
    backend.messages["c_stored"] = [message]
    context = browser.new_context(base_url=backend.url)
    page = context.new_page()
    page.add_init_script(LISTEN_BY_ITSELF)
    with page.expect_response("**/tts/stream"):
        page.goto("/#/c/c_stored")
    sound = backend.next_sound()
    sound.tone(1000)
    expect(page.get_by_text("plays sound only after a click")).to_be_visible()
    expect(voice(page)).to_have_attribute("data-played-ms", "0")
    page.get_by_role("button", name="Play").click()
    wait_until_loud(page)
    expect(page.get_by_text("plays sound only after a click")).to_be_hidden()
    context.close()
