"""The speed of each page of a running stack, as the browser itself measured it.

python -m tests.web.figures --port 8080

First and largest paint, layout shift, the longest task and the bytes that came, cold and warm; at a desktop's
width, and at a phone's with a CPU four times as slow and Lighthouse's slow 4G. The figures are of this
machine; nothing is asserted.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from local.token import fetch_token
from tests.web.screenshots import chosen, pages
from tests.web.shown import prepare

_OBSERVE = """() => {
  const seen = (window.figures = { lcp: 0, cls: 0, task: 0 });
  const watch = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  watch("largest-contentful-paint", (entry) => (seen.lcp = entry.startTime));
  watch("layout-shift", (entry) => (seen.cls += entry.hadRecentInput ? 0 : entry.value));
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


SCREENS = (Screen("desktop", 1280, 800), Screen("390 px", 390, 844, slowdown=4, is_slow=True))
#: Lighthouse's slow 4G: 150 ms, 1.6 Mbit/s down and 750 kbit/s up.
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--pages", default="", help="only these, separated by commas")
    given = parser.parse_args()
    url = f"http://localhost:{given.port}"
    headers = {"authorization": f"Bearer {fetch_token(url)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as api:
        addresses = chosen(pages(api, *prepare(api)), given.pages)
    print(
        "| page | | first paint | largest paint | shift | longest task | KB |\n|---|---|---|---|---|---|---|"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, path in addresses.items():
            for screen in SCREENS:
                for visit, seen in visits(browser, url, path, screen):
                    print(line(name, f"{screen.name}, {visit}", seen), flush=True)
        browser.close()


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
    for visit in ("cold", "warm"):
        yield visit, measured(context, path, screen)
    context.close()


def enter(context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.goto(path)
    page.get_by_role("navigation", name="Pages").wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=60_000)
    return page


def measured(context: BrowserContext, path: str, screen: Screen) -> dict[str, Any]:
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": screen.slowdown})
    if screen.is_slow:
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_4G)
    page.add_init_script(f"({_OBSERVE})()")
    page.goto(path)
    page.get_by_role("navigation", name="Pages").wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(1000)
    seen: dict[str, Any] = page.evaluate(_READ)
    page.close()
    return seen


def line(name: str, visit: str, seen: dict[str, Any]) -> str:
    """A row of the table."""
    paints = f"{seen['fcp']:.0f} ms | {seen['lcp']:.0f} ms"
    rest = f"{seen['cls']:.3f} | {seen['task']:.0f} ms | {seen['bytes'] / 1e3:.0f}"
    return f"| {name} | {visit} | {paints} | {rest} |"


if __name__ == "__main__":
    main()
