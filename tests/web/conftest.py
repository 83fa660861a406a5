"""A real Chromium and a fresh backend for every test of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.missing import missing
from tests.web.backend import DIST, Backend, BackendThread

#: How long a page may take for anything on a busy machine; Playwright's own five seconds are for idle ones.
TIMEOUT_MS = 30_000
expect.set_options(timeout=TIMEOUT_MS)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's browser: the one without windows where it is there, since a page costs it half of the CPU.
    Without either these tests are skipped; where CI is set they fail."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path:
        return path
    missing("Chromium is missing: apt-get install -y chromium-headless-shell")


_started: list[Browser] = []


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """The one of this process: other folders import this fixture, and Playwright does not start twice."""
    if _started:
        yield _started[0]
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        _started.append(browser)
        yield browser
        _started.clear()
        browser.close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    if not (DIST / "index.html").exists():
        pytest.fail("The page is not built: make web/dist/index.html")
    with BackendThread() as backend:
        yield backend


@pytest.fixture
def page(browser: Browser, backend: Backend) -> Iterator[Page]:
    """The page, open and signed in. An uncaught script error fails the test."""
    context = browser.new_context(base_url=backend.url, viewport={"width": 1200, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_default_timeout(TIMEOUT_MS)
    page.goto("/")
    yield page
    context.close()
    assert problems == []
