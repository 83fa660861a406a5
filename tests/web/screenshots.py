"""Pictures of every page of a running stack, in both themes and at a phone's width.

python -m tests.web.screenshots --port 8080 --out docs/images/pages

Runs of the demo and the echo agent are made first, so that the pages have something to show.
"""

import argparse
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.token import fetch_token

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
QUESTIONS = [
    ("demo", "What is 12 * 34, and what time is it in Tokyo?"),
    ("demo", "Compare 17 % of 2,480 with 23 % of 1,910."),
    ("echo", "/echo tools=2 toolMs=400 think=3 delayMs=20\nThe wheel turns while water runs."),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--out", type=Path, default=Path("docs/images/pages"))
    parser.add_argument("--pages", default="", help="only these, separated by commas")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    url = f"http://localhost:{given.port}"
    headers = {"authorization": f"Bearer {fetch_token(url)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as api:
        run_id, conversation_id = talk(api)
        over = threading.Event()
        work = threading.Thread(target=keep_talking, args=(api, over))
        work.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for name, path in pages(api, run_id, conversation_id).items():
                if not given.pages or name in given.pages.split(","):
                    take_all(browser, url, name, path, given.out)
            browser.close()
        over.set()
        work.join()


def talk(api: httpx.Client) -> tuple[str, str]:
    """Make runs; the ids of the richest and of its conversation."""
    for number, (agent, question) in enumerate(QUESTIONS):
        ask(api, f"shown-{number}", agent, question)
    run = api.get("/api/runs", params={"conversationId": "shown-2"}).json()["items"][0]
    return run["id"], "shown-0"


def keep_talking(api: httpx.Client, over: threading.Event) -> None:
    """Runs for the live page, until it is over."""
    for number in itertools.count():
        if over.is_set():
            return
        ask(api, f"live-{number % 5}", *QUESTIONS[number % len(QUESTIONS)])


def ask(api: httpx.Client, conversation: str, agent: str, question: str) -> None:
    """Ask and wait for the answer."""
    body = {"agentId": agent, "content": question}
    answer = api.post(f"/api/conversations/{conversation}/messages", json=body)
    answer.raise_for_status()


def pages(api: httpx.Client, run_id: str, conversation_id: str) -> dict[str, str]:
    """The name of each picture, and the address that it shows."""
    found = {
        "chat": f"/chat/{conversation_id}",
        "live": "/live",
        "runs": "/runs",
        "run": f"/runs/{run_id}",
        "agents": "/agents",
        "agent": "/agents/demo",
        "flows": "/flows",
        "pipelines": "/pipelines",
        "alerts": "/alerts",
    }
    pipelines = api.get("/api/streaming/pipelines").json()["items"]
    return found | ({"pipeline": f"/pipelines/{pipelines[0]['id']}"} if pipelines else {})


def take_all(browser: Browser, url: str, name: str, path: str, out: Path) -> None:
    for size, theme, page in at_rest(browser, url, path):
        page.screenshot(path=out / f"{name}-{size}-{theme}.png")


def at_rest(browser: Browser, url: str, path: str) -> Iterator[tuple[str, str, Page]]:
    """The page in each size and theme, when it has come to rest."""
    for size, (width, height) in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                base_url=url,
                viewport={"width": width, "height": height},
                color_scheme=theme,
            )
            page = context.new_page()
            page.goto(path)
            page.get_by_role("navigation", name="Pages").wait_for()
            expect(page.locator(".loading")).to_have_count(0, timeout=30_000)
            if path.startswith("/chat/"):
                expect(page.locator(".prose").last).to_be_visible(timeout=30_000)
            page.wait_for_timeout(3000 if path == "/live" else 1000)
            yield size, theme, page
            context.close()


if __name__ == "__main__":
    main()
