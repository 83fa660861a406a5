"""The speed of each page of a running stack, as the browser itself measured it.

python -m tests.web.figures --port 8080

First and largest paint, layout shift, the longest task and the bytes that came, cold and warm; at a desktop's
width, and at a phone's with a CPU four times as slow and Lighthouse's slow 4G. The table of docs/page.md is
written anew, with the time between frames of the live page; a page that cannot be measured has a line that
says why. The figures are of this machine; nothing is asserted.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from local.token import fetch_token
from tests.web import shifts
from tests.web.conftest import ARGUMENTS
from tests.web.frames import measured_frames
from tests.web.screenshots import chosen, pages
from tests.web.shown import prepare

_OBSERVE = """() => {
  const seen = (window.figures = { lcp: 0, task: 0 });
  const watch = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  watch("largest-contentful-paint", (entry) => (seen.lcp = entry.startTime));
  watch("longtask", (entry) => (seen.task = Math.max(seen.task, entry.duration)));
}"""
_READ = """() => {
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const assets = loaded.filter(({ name }) => !name.includes("/api/"));
  const bytes = assets.reduce((sum, { transferSize }) => sum + transferSize, 0);
  return { fcp: first ? first.startTime : 0, bytes, ...window.figures };
}"""


@dataclass(frozen=True)
class Screen:
    """A size, and how many times slower than this machine's its CPU is. `is_slow`: over a slow network."""

    name: str
    width: int
    height: int
    slowdown: int = 1
    is_slow: bool = False


DOCS = Path(__file__).parents[2] / "docs" / "page.md"
#: What this program writes lies between these two.
PART = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)
HEAD = """| page | | first paint | largest paint | shift | longest task | KB |
|---|---|---|---|---|---|---|"""
RUNS, SECONDS = 50, 10.0
#: A page that is not there by then is not measured.
TIMEOUT_MS = 45_000
SCREENS = (Screen("desktop", 1280, 800), Screen("390 px", 390, 844, slowdown=4, is_slow=True))
#: Lighthouse's slow 4G: 150 ms, 1.6 Mbit/s down and 750 kbit/s up.
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--pages", default="", help="only these, separated by commas; the docs stay as they are"
    )
    given = parser.parse_args()
    url = f"http://localhost:{given.port}"
    headers = {"authorization": f"Bearer {fetch_token(url)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as api:
        addresses = chosen(pages(api, *prepare(api)), given.pages)
    print(HEAD)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        rows = [row for name, path in addresses.items() for row in rows_of(browser, url, name, path)]
        browser.close()
    if not given.pages:
        frames = measured_frames(RUNS, SECONDS)
        print(frames)
        DOCS.write_text(written(DOCS.read_text(), [frames, "", HEAD, *rows]))


def rows_of(browser: Browser, url: str, name: str, path: str) -> Iterator[str]:
    """The rows of a page, also printed as they come."""
    for screen in SCREENS:
        for row in rows_on(browser, url, name, path, screen):
            print(row, flush=True)
            yield row


def rows_on(browser: Browser, url: str, name: str, path: str, screen: Screen) -> Iterator[str]:
    try:
        for visit, seen in visits(browser, url, path, screen):
            yield line(name, f"{screen.name}, {visit}", seen)
    except (Error, AssertionError) as error:
        why = str(error).strip().splitlines()[0].replace("|", "/")
        yield f"| {name} | {screen.name} | not measured: {why} | | | | |"


def written(text: str, lines: list[str]) -> str:
    """The docs with these lines in the place of the earlier ones."""
    day = f"Measured on {datetime.now(UTC):%Y-%m-%d}."
    return PART.sub(lambda found: found[1] + "\n".join([day, "", *lines, found[2]]), text)


def visits(browser: Browser, url: str, path: str, screen: Screen) -> Iterator[tuple[str, dict[str, Any]]]:
    """A first visit of a signed-in user with an empty cache, and the next one."""
    signed_in = browser.new_context(base_url=url)
    enter(signed_in, path)
    context = browser.new_context(
        base_url=url,
        viewport={"width": screen.width, "height": screen.height},
        storage_state=signed_in.storage_state(),
    )
    signed_in.close()
    try:
        for visit in ("cold", "warm"):
            yield visit, measured(context, path, screen)
    finally:
        context.close()


def enter(context: BrowserContext, path: str) -> Page:
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(path)
    page.get_by_role("navigation", name="Pages").wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=TIMEOUT_MS)
    return page


def measured(context: BrowserContext, path: str, screen: Screen) -> dict[str, Any]:
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": screen.slowdown})
    if screen.is_slow:
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_4G)
    page.add_init_script(f"({_OBSERVE})()")
    page.add_init_script(shifts.OBSERVE)
    page.goto(path)
    page.get_by_role("navigation", name="Pages").wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=TIMEOUT_MS)
    page.wait_for_timeout(1000)
    seen: dict[str, Any] = page.evaluate(_READ)
    seen["cls"] = shifts.shift_of(page)
    if seen["cls"] > shifts.BOUND:
        print(shifts.moved(page))
    page.close()
    return seen


def line(name: str, visit: str, seen: dict[str, Any]) -> str:
    """A row of the table."""
    paints = f"{seen['fcp']:.0f} ms | {seen['lcp']:.0f} ms"
    rest = f"{seen['cls']:.3f} | {seen['task']:.0f} ms | {seen['bytes'] / 1e3:.0f}"
    return f"| {name} | {visit} | {paints} | {rest} |"


if __name__ == "__main__":
    main()
