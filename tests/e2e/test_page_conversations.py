"""Branches and the list of conversations in the page on the running stack. A reload and a second tab show the
same."""

import uuid

from playwright.sync_api import Page, expect

from tests.e2e.browsing import page
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]
FAST = "/echo tools=0\n"


def begin(page: Page, text: str) -> None:
    """Ask a first question, which the echo agent answers."""
    page.goto("/")
    page.get_by_label("Agent").select_option("echo")
    ask(page, text)


def ask(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill(FAST + text)
    box.press("Enter")
    expect_texts(page, text, last=True)


def texts(page: Page) -> list[str]:
    """The questions and answers on the screen, without the options of the echo agent."""
    found = page.locator(".bubble, .answer .prose").all_inner_texts()
    return [one.removeprefix("/echo tools=0").strip() for one in found]


def expect_texts(page: Page, *expected: str, last: bool = False) -> None:
    """Wait until the page shows these questions, each with its echo, and nothing is being answered."""
    expect(page.locator(".answer .prose").last).to_have_text(expected[-1])
    expect(page.locator(".answer[aria-busy=true]")).to_have_count(0)
    if not last:
        assert texts(page) == [text for one in expected for text in (one, one)]


def edit(page: Page, number: int, text: str) -> None:
    question = page.locator(".question").nth(number)
    question.hover()
    question.get_by_role("button", name="Edit message").click()
    box = question.get_by_role("textbox", name="Edit message")
    box.fill(FAST + text)
    box.press("Enter")
    expect_texts(page, text, last=True)


def test_edited_question_is_a_branch_after_a_reload_and_in_another_tab(page: Page) -> None:
    begin(page, "one")
    ask(page, "two")
    edit(page, 1, "zwei")
    expect_texts(page, "one", "zwei")
    branches = page.get_by_role("group", name="Branches")
    expect(branches).to_have_text("2 / 2")
    page.reload()
    expect_texts(page, "one", "zwei")
    expect(branches).to_have_text("2 / 2")
    branches.get_by_role("button", name="Previous version").click()
    expect(branches).to_have_text("1 / 2")
    expect_texts(page, "one", "two")
    other = page.context.new_page()
    other.goto(page.url)
    expect_texts(other, "one", "two")
    expect(other.get_by_role("group", name="Branches")).to_have_text("1 / 2")
    ask(other, "three")
    expect_texts(other, "one", "two", "three")


def test_another_answer_stands_beside_the_first(page: Page) -> None:
    begin(page, "one")
    page.get_by_role("button", name="Regenerate").click()
    branches = page.get_by_role("group", name="Branches")
    expect(branches).to_have_text("2 / 2")
    expect_texts(page, "one")
    page.reload()
    expect(branches).to_have_text("2 / 2")
    branches.get_by_role("button", name="Previous version").click()
    expect(branches).to_have_text("1 / 2")
    expect_texts(page, "one")


def test_conversation_is_renamed_found_deleted_and_brought_back(page: Page) -> None:
    begin(page, "one")
    page.locator(".item[aria-current=page]").get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name="Rename").click()
    title = page.get_by_role("textbox", name="Title")
    title.fill("Übersicht der Mühlen")
    title.press("Enter")
    listed = page.locator(".item-title", has_text="Übersicht der Mühlen")
    expect(listed).to_be_visible()
    search = page.get_by_role("searchbox", name="Search conversations")
    search.fill("nothing like this")
    expect(page.get_by_text("No title contains these words.")).to_be_visible()
    search.fill("mühlen")
    expect(listed).to_be_visible()
    address = page.url
    page.get_by_role("button", name="Actions for Übersicht").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(listed).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(listed).to_be_visible()
    listed.click()
    expect(page).to_have_url(address)
    expect_texts(page, "one")


def test_message_is_found_by_its_words_and_shown_where_it_stands(page: Page) -> None:
    word = f"unicorn{uuid.uuid4().hex[:8]}"
    begin(page, f"Tell me about the {word}")
    lines = "  ".join(f"\n- line {number}" for number in range(80))
    ask_at_length(page, lines)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".bubble")).to_have_count(0)
    page.get_by_role("searchbox", name="Search conversations").fill(word.upper())
    found = page.get_by_role("region", name="In messages")
    expect(found.locator("mark").first).to_have_text(word)
    found.get_by_role("link").filter(has_text="You:").click()
    question = page.locator(".bubble", has_text=word)
    expect(question).to_be_in_viewport()
    expect(page.locator(".answer .prose").last).not_to_be_in_viewport()
    page.get_by_role("button", name="Jump to the latest").click()
    expect(page.locator(".answer .prose").last).to_be_in_viewport()


def ask_at_length(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message", exact=True)
    box.fill(FAST + text)
    box.press("Enter")
    expect(page.locator(".answer .prose").last).to_contain_text("line 79")
    expect(page.locator(".answer[aria-busy=true]")).to_have_count(0)
