"""Images and files in the page: chosen, dropped and pasted, uploaded directly to S3, shown after a reload."""

import os
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.api.test_files import png
from tests.e2e.browsing import page
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]

_GIVE = """([kind, type, name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector(".composer textarea").dispatchEvent(event);
}"""


CAT = png(side=96)


def give(page: Page, kind: str, media_type: str, name: str, base64: str) -> None:
    page.evaluate(_GIVE, [kind, media_type, name, base64])


def shot(page: Page, name: str) -> None:
    """A screenshot, where somebody wants to look at it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_files_are_added_removed_sent_and_shown_after_a_reload(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/")
    page.get_by_label("Agent").select_option("echo")
    chosen = [
        {"name": "cat.png", "mimeType": "image/png", "buffer": CAT},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"},
    ]
    page.get_by_label("Files", exact=True).set_input_files(chosen)  # type: ignore[arg-type]
    give(page, "drop", "text/csv", "dropped.csv", "YSxiCg==")
    give(page, "paste", "text/html", "evil.html", "PHNjcmlwdD4=")
    uploads = page.get_by_role("list", name="Files to send").get_by_role("listitem")
    expect(uploads).to_have_count(4)
    expect(uploads.nth(3).get_by_role("alert")).to_contain_text("Only images")
    send = page.get_by_role("button", name="Send")
    page.get_by_role("textbox", name="Message").fill("hello")
    expect(send).to_be_disabled()
    shot(page, "files-to-send-390")
    page.get_by_role("button", name="Remove evil.html").click()
    page.get_by_role("button", name="Remove notes.txt").click()
    expect(uploads).to_have_count(2)
    expect(send).to_be_enabled()
    send.click()
    seen = page.get_by_text(f"hello [image: cat.png] image/png {len(CAT)} bytes", exact=True).last
    expect(seen).to_be_visible()
    expect(uploads).to_have_count(0)
    page.reload()
    sent = page.get_by_role("list", name="Attachments")
    image = sent.get_by_role("img", name="cat.png")
    expect(image).to_be_visible()
    page.wait_for_function("() => document.querySelector('.attachments img')?.complete")
    assert image.evaluate("(one) => one.complete && one.naturalWidth") == 96
    link = sent.get_by_role("link", name="dropped.csv").get_attribute("href")
    assert link
    assert httpx.get(link).text == "a,b\n"
    shot(page, "files-sent-390")
    page.set_viewport_size({"width": 1200, "height": 800})
    page.emulate_media(color_scheme="dark")
    shot(page, "files-sent-dark")
