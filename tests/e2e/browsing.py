"""A browser that is signed in to the running stack as a user of any organization."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.stack import RunningStack

TIMEOUT_MS = 30_000
DESKTOP: ViewportSize = {"width": 1200, "height": 800}
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: Without it the page signs the dev user in by itself.
NO_DEV_USER = "if (!sessionStorage.length) sessionStorage.setItem('millrace.signedOut', '1')"
SERIOUS = ("serious", "critical")
_FOCUSED = """() => {
  const element = document.activeElement;
  const label = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent;
  return (label ?? element.textContent).trim();
}"""
_RUN_AXE = """async (options) =>
  (await axe.run(document, { resultTypes: ["violations"], ...options })).violations"""


@contextmanager
def opened(browser: Browser, stack: RunningStack) -> Iterator[Page]:
    """A page of a context of its own. An uncaught script error fails the test."""
    context = browser.new_context(base_url=stack.url, viewport=DESKTOP)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert problems == []


@pytest.fixture
def page(stack: RunningStack, browser: Browser) -> Iterator[Page]:
    """The dev user's, whom the page signs in by itself."""
    with opened(browser, stack) as page:
        yield page


@contextmanager
def signed_out(browser: Browser, stack: RunningStack, path: str = "/") -> Iterator[Page]:
    """The page before sign-in."""
    with opened(browser, stack) as page:
        page.add_init_script(NO_DEV_USER)
        page.goto(path)
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        yield page


@contextmanager
def signed_in(
    browser: Browser, stack: RunningStack, organization: str, role: str | None = None, path: str = "/"
) -> Iterator[Page]:
    """The page of a user of the organization, at an address that is asked for before sign-in: one load less
    than going there afterwards."""
    user = make_user(stack, organization, role)
    with signed_out(browser, stack, path) as page:
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_label("User name").fill(user["username"])
        page.get_by_label("Password").fill(user["password"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
        yield page


def make_user(stack: RunningStack, organization: str, role: str | None = None) -> dict[str, str]:
    """The name and the password of a user of the organization: the one as whom `stack.headers` calls."""
    wanted = {"username": f"someone@{organization}.example", "organization": organization, "role": role}
    made: dict[str, str] = httpx.post(f"{stack.url}/_local/users", json=wanted).raise_for_status().json()
    return made


def violations(page: Page, only: Sequence[str] = ()) -> list[str]:
    """The findings of axe that are serious or critical; `only` those of some rules. axe is put into
    the page by the debugger, since the page's policy refuses foreign scripts."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(_RUN_AXE, {"runOnly": {"type": "rule", "values": only}} if only else {})
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]} {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until the field of this label, or the button or link of this text, has the focus."""
    for _ in range(most):
        if page.evaluate(_FOCUSED) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name!r}")
