"""Every page on the running stack: accessibility by axe, keyboard operation, runs and the live page."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.e2e.browsing import DESKTOP, make_user, signed_in, signed_out, tab_to, violations
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium
from tests.web.shifts import BOUND, OBSERVE, forget_shifts, moved, shift_of
from tests.web.shown import FLOW

__all__ = ["browser", "chromium"]

PAGES = (
    "/chat",
    "/chat/{conversation}",
    "/live",
    "/runs",
    "/runs/{run}",
    "/agents",
    "/agents/echo",
    "/flows",
    "/pipelines",
    "/pipelines/{pipeline}",
    "/alerts",
    "/settings",
    "/settings#keys",
    "/settings#stops",
    "/settings#access",
    "/settings#audit",
    "/settings#data",
)
#: A name that nobody can break: the longest that an agent may have.
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftskasse"
LONG_FLOW = "a-flow-whose-name-is-as-long-as-names-of-flows-may-be"
WIDE_PAGES = ("/agents/wide", f"/flows/{LONG_FLOW}")
ORGANIZATION = "org-pages"
PHONE: ViewportSize = {"width": 390, "height": 844}
#: Those of axe that a theme can break.
RULES_OF_COLORS = ("color-contrast", "link-in-text-block")
#: Milliseconds that an answer takes, and no bound of bytes a second.
NETWORK = {"offline": False, "latency": 60, "downloadThroughput": -1, "uploadThroughput": -1}
PIPELINE = {
    "name": "Completed runs",
    "source": {"type": "agent_execution"},
    "destination": {"type": "webhook", "config": {"url": "https://hooks.example.com/runs"}},
}


def talk(api: httpx.Client, conversation: str, text: str, agent: str = "echo") -> dict[str, Any]:
    body = {"agentId": agent, "content": text}
    answer = api.post(f"/api/conversations/{conversation}/messages", json=body)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def places(stack: RunningStack) -> dict[str, str]:
    """An organization with something on each page, and the ids of it."""
    with httpx.Client(base_url=stack.url, headers=stack.headers(ORGANIZATION), timeout=90) as api:
        run = talk(api, "shown", "/echo tools=1 toolMs=20 think=1\n# Title\n\nSome **text** and `code`.")
        pipeline = api.post("/api/streaming/pipelines", json=PIPELINE)
        assert pipeline.status_code == 201, pipeline.text
        api.post("/api/keys", json={"name": "Backend", "scopes": ["chat"]}).raise_for_status()
        api.patch("/api/limits", json={"organization": {"tokensPerDay": 1000000}}).raise_for_status()
        api.post("/api/limits/stops", json={"agentId": "demo", "reason": "Not here."}).raise_for_status()
        wide = {"name": LONG, "model": "demo:", "description": LONG, "starters": [LONG]}
        api.put("/api/agents/wide", json=wide).raise_for_status()
        flow = {**FLOW, "description": LONG}
        api.put(f"/api/flows/{LONG_FLOW}", json=flow).raise_for_status()
        return {"conversation": "shown", "run": run["runId"], "pipeline": pipeline.json()["id"]}


@pytest.fixture(scope="module")
def page(stack: RunningStack, browser: Browser, places: dict[str, str]) -> Iterator[Page]:
    with signed_in(browser, stack, ORGANIZATION) as page:
        page.add_init_script(OBSERVE)
        yield page


@pytest.fixture
def phone(page: Page) -> Iterator[Page]:
    """The page as wide as a phone, over a network that brings one answer after the other."""
    page.set_viewport_size(PHONE)
    # Between addresses that differ after the # the document stays.
    forget_shifts(page)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", NETWORK)
    yield page
    network.detach()
    page.set_viewport_size(DESKTOP)


@pytest.mark.parametrize("path", PAGES + WIDE_PAGES)
def test_page_stands_still_fits_a_phone_and_is_accessible_in_either_theme(
    phone: Page, places: dict[str, str], path: str
) -> None:
    phone.goto(path.format(**places))
    expect(phone.locator("#main")).to_be_visible()
    expect(phone.locator(".loading")).to_have_count(0)
    assert shift_of(phone) <= BOUND, moved(phone)
    width = phone.evaluate("document.scrollingElement.scrollWidth")
    inner = phone.evaluate("document.querySelector('#main').scrollWidth")
    assert (width, inner) == (390, 390)
    phone.set_viewport_size(DESKTOP)
    phone.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert violations(phone) == []
    phone.emulate_media(color_scheme="dark")
    assert lasting_violations(phone) == []


def lasting_violations(page: Page) -> list[str]:
    """The findings about colors that stay: editors change theirs a moment after the page's own."""
    for _ in range(50):
        if not (found := violations(page, only=RULES_OF_COLORS)):
            return []
        page.wait_for_timeout(100)
    return found


def test_keyboard_alone_leads_from_sign_in_to_an_answered_approval(
    stack: RunningStack, browser: Browser, organization: str
) -> None:
    careful = {
        "id": "careful",
        "name": "Careful",
        "model": "echo:",
        "tools": [{"name": "echo_tool", "policy": "ask"}],
    }
    with httpx.Client(base_url=stack.url, headers=stack.headers(organization), timeout=90) as api:
        assert api.post("/api/agents", json=careful).status_code == 201
        asked = talk(api, "c1", "hello there", "careful")
        assert asked["finishReason"] == "waiting"
        user = make_user(stack, organization)
        with signed_out(browser, stack) as page:
            tab_to(page, "Sign in")
            page.keyboard.press("Enter")
            expect(page.get_by_label("User name")).to_be_focused()
            page.keyboard.type(user["username"])
            page.keyboard.press("Tab")
            page.keyboard.type(user["password"])
            page.keyboard.press("Enter")
            expect(page.get_by_role("textbox", name="Message")).to_be_focused()
            page.keyboard.press("Control+k")
            page.keyboard.type("hello")
            expect(page.get_by_role("option", name="hello there")).to_be_visible()
            page.keyboard.press("Enter")
            expect(page.get_by_role("button", name="Approve")).to_be_visible()
            tab_to(page, "Approve")
            page.keyboard.press("Enter")
            expect(page.locator(".prose").last).to_contain_text("hello there")
        assert api.get("/api/approvals").json()["items"] == []


def test_waterfall_adds_up_to_the_runs_duration(page: Page, places: dict[str, str]) -> None:
    page.goto(f"/runs/{places['run']}")
    bars = page.locator(".track-run .span-bar")
    expect(bars.first).to_be_visible()
    widths = bars.evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert sum(widths) == pytest.approx(100, abs=0.01)
    expect(page.get_by_role("list", name="Timeline")).to_contain_text("echo_tool")
    page.get_by_role("slider", name="Position").fill("0")
    expect(page.get_by_role("region", name="The run at this moment")).to_contain_text("Nothing has been said")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("region", name="The run at this moment")).to_contain_text("Some **text**")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("list", name="Raw events")).to_contain_text('"type":"tool_call"')


def test_runs_are_filtered_by_the_address_and_by_the_choices(page: Page, places: dict[str, str]) -> None:
    page.goto("/runs?state=failed")
    expect(page.get_by_text("No run matches the filters.")).to_be_visible()
    page.get_by_label("State").select_option("completed")
    page.get_by_role("link", name="Echo").first.click()
    expect(page).to_have_url(re.compile(r"/runs/run_"))


def test_palette_finds_runs_by_state_agent_and_id_and_does_things(page: Page, places: dict[str, str]) -> None:
    for typed in ("completed echo", places["run"]):
        page.goto("/agents")
        expect(page.get_by_role("heading", name="Agents")).to_be_visible()
        page.keyboard.press("Control+k")
        page.keyboard.type(typed)
        expect(page.get_by_role("option", name="Echo, completed").first).to_be_visible()
        page.get_by_role("option", name="Echo, completed").first.click()
        expect(page).to_have_url(re.compile(r"/runs/run_"))
    page.keyboard.press("Control+k")
    page.keyboard.type("dark theme")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Control+k")
    page.keyboard.type("system theme")
    page.keyboard.press("Enter")
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_live_page_follows_a_run_and_replays_it(stack: RunningStack, page: Page) -> None:
    page.goto("/live")
    expect(page.get_by_role("status").get_by_text("As it happens")).to_be_visible()
    begun = time.time()
    with httpx.Client(base_url=stack.url, headers=stack.headers(ORGANIZATION), timeout=90) as api:
        run = talk(api, "live", "/echo tools=1 toolMs=50\nwater")
    card = page.locator(f".run-card a[href='/runs/{run['runId']}']")
    expect(card).to_contain_text("completed")
    expect(page.get_by_role("group", name="Graph of agents, tools and pipelines")).to_be_visible()
    expect(page.locator(".graph-node", has_text="echo_tool")).to_be_visible()
    page.get_by_label("State", exact=True).select_option("failed")
    expect(card).to_have_count(0)
    page.get_by_label("State", exact=True).select_option("Any state")
    with page.expect_request(re.compile(r"/api/command-center/stream\?agentIds=demo$")):
        page.get_by_label("Agent", exact=True).select_option("demo")
    expect(card).to_have_count(0)
    page.get_by_label("Agent", exact=True).select_option("All agents")
    slider = page.get_by_role("slider", name="Time")
    ago = int((time.time() - begun) / 60) + 1
    slider.fill(str(-ago))
    slider.blur()
    page.get_by_label("Speed").select_option("600")
    expect(page.get_by_text("The replay has reached the present")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("status").get_by_text("As it happens")).to_be_visible()
