"""Pictures of every page of a running stack, in both themes and at a phone's width.

python -m tests.web.screenshots --port 8080 --out docs/images/page

`tests/web/shown.py` first makes what the pages show.
"""

import argparse
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.token import fetch_token
from tests.web.shown import keep_asking, prepare

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
LOOKS: tuple[tuple[str, Literal["light", "dark"]], ...] = (
    ("desktop", "light"),
    ("desktop", "dark"),
    ("phone", "dark"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--out", type=Path, default=Path("docs/images/page"))
    parser.add_argument("--pages", default="", help="only these, separated by commas")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    url = f"http://localhost:{given.port}"
    headers = {"authorization": f"Bearer {fetch_token(url)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as api:
        run_id, conversation_id = prepare(api)
        over = threading.Event()
        work = [threading.Thread(target=keep_asking, args=(api, over, name)) for name in ("a", "b")]
        for thread in work:
            thread.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for name, path in chosen(pages(api, run_id, conversation_id), given.pages).items():
                take_all(browser, url, name, path, given.out)
            browser.close()
        over.set()
        for thread in work:
            thread.join()


def pages(api: httpx.Client, run_id: str, conversation_id: str) -> dict[str, str]:
    """The name of each picture, and the address that it shows."""
    found = {
        "chat": f"/chat/{conversation_id}",
        "live": "/live",
        "runs": "/runs",
        "run": f"/runs/{run_id}",
        "agents": "/agents",
        "agent": "/agents/refunds",
        "flow": "/flows/offer",
        "pipelines": "/pipelines",
        "alerts": "/alerts",
        "settings": "/settings",
    }
    pipelines = api.get("/api/streaming/pipelines").json()["items"]
    return found | ({"pipeline": f"/pipelines/{pipelines[0]['id']}"} if pipelines else {})


def chosen(found: dict[str, str], names: str) -> dict[str, str]:
    """Those of the names, all where there are none."""
    return {name: path for name, path in found.items() if not names or name in names.split(",")}


def take_all(browser: Browser, url: str, name: str, path: str, out: Path) -> None:
    for size, theme, page in at_rest(browser, url, path):
        page.screenshot(path=out / f"{name}-{size}-{theme}.png")


def at_rest(browser: Browser, url: str, path: str) -> Iterator[tuple[str, str, Page]]:
    """The page in each size and theme, when it has come to rest."""
    for size, theme in LOOKS:
        width, height = SIZES[size]
        context = browser.new_context(
            base_url=url, viewport={"width": width, "height": height}, color_scheme=theme
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(path)
        page.get_by_role("navigation", name="Pages").wait_for()
        expect(page.locator(".loading")).to_have_count(0, timeout=60_000)
        if path.startswith("/chat/"):
            expect(page.locator(".prose").last).to_be_visible(timeout=60_000)
        if path.startswith("/flows/"):
            show_execution(page)
        if path == "/live":
            expect(page.get_by_text("As it happens")).to_be_visible(timeout=60_000)
            expect(page.locator(".graph-node", has_text="calculator")).to_be_visible(timeout=60_000)
        page.wait_for_timeout(4000 if path == "/live" else 1000)
        yield size, theme, page
        context.close()


def show_execution(page: Page) -> None:
    """The latest execution of a flow, in the graph, with the form that it waits with."""
    executions = page.get_by_role("table", name="Executions, the latest first")
    executions.get_by_role("button").first.click()
    page.get_by_role("region", name="Input for").wait_for()
    page.mouse.move(0, 0)


if __name__ == "__main__":
    main()
