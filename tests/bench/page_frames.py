"""Frames of the chat page while an answer streams at 1,000 tokens a second, on a desk and on a slow phone."""

import shutil
import threading
import time

from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.backend import Backend, BackendThread, Run
from tests.web.conftest import ARGUMENTS

GOALS = {
    "desktop_p95_ms": "under 34",
    "phone_p95_ms": "under 60, at 390 px with a CPU four times slower",
    "desktop_lost_tokens": "0",
    "phone_lost_tokens": "0",
}
TOKENS_PER_SECOND, SECONDS = 1000, 5
BURST = 10
"""Tokens sent at once: a hundred times a second."""
WATCH = """() => {
  window.frames_ms = [];
  let last = performance.now();
  const tick = (now) => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def measure() -> dict[str, float]:
    """The 95th percentile of the time between two frames, in milliseconds, and the tokens not shown."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        figures = _measured(browser, "desktop", width=1200, slower=1)
        figures |= _measured(browser, "phone", width=390, slower=4)
        browser.close()
    return figures


def _measured(browser: Browser, name: str, *, width: int, slower: int) -> dict[str, float]:
    with BackendThread() as backend:
        page = browser.new_page(base_url=backend.url, viewport={"width": width, "height": 844})
        page.goto("/")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
        frames, shown = _stream(page, backend)
        page.close()
    at = sorted(frames)[int(len(frames) * 0.95)]
    return {f"{name}_p95_ms": at, f"{name}_lost_tokens": TOKENS_PER_SECOND * SECONDS - shown}


def _stream(page: Page, backend: Backend) -> tuple[list[float], int]:
    page.get_by_role("textbox", name="Message", exact=True).fill("How fast?")
    page.keyboard.press("Enter")
    run = backend.next_run()
    page.evaluate(WATCH)
    speaker = threading.Thread(target=_speak, args=(run,))
    speaker.start()
    # The event loop of Playwright must turn, or the page waits for its own backend.
    while speaker.is_alive():
        page.wait_for_timeout(100)
    page.locator(".answer[aria-busy=false]").wait_for(timeout=120_000)
    frames: list[float] = page.evaluate("window.frames_ms")
    text = page.locator(".answer .prose").inner_text()
    return frames, text.count("word")


def _speak(run: Run) -> None:
    """An answer with paragraphs, lists and code, as models write them."""
    began = time.monotonic()
    for sent in range(0, TOKENS_PER_SECOND * SECONDS, BURST):
        tokens = ["word" + (" " if n % 50 else "\n\n- ") for n in range(sent, sent + BURST)]
        run.say(*tokens)
        time.sleep(max(0.0, began + (sent + BURST) / TOKENS_PER_SECOND - time.monotonic()))
    run.done()
