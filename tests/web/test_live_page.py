"""The live page: the present, the past, and its state after the tab was hidden."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.web.backend import BackendThread, Json
from tests.web.center import CenterBackend, run_event, running_run
from tests.web.hiding import hide, show

pytestmark = pytest.mark.browser
HOUR = 3600
RUNS = 50
#: One begins every so many seconds, and takes so many.
EVERY, TAKES = 60, 300
#: How far apart the moments are that are looked at, and where the first page of the past is over.
STEP, PAGE_ENDS = 600, 2700
SPEED = 600


@pytest.fixture
def backend() -> Iterator[CenterBackend]:
    with BackendThread(CenterBackend) as backend:
        assert isinstance(backend, CenterBackend)
        yield backend


def cards(page: Page) -> list[str]:
    """The runs in sight that are under way."""
    links = page.locator(".run-card", has_text="running").locator("a").all()
    return sorted(str(link.get_attribute("href")).rpartition("/")[2] for link in links)


def test_hidden_tab_sleeps_and_wakes_without_a_gap(page: Page, backend: CenterBackend) -> None:
    now = time.time()
    backend.running = [running_run("before", now)]
    page.goto("/live")
    status = page.get_by_role("status").first
    expect(status).to_have_text("As it happens")
    expect(page.locator(".run-card")).to_have_count(1)
    hide(page)
    expect(status).to_have_text("Paused while the tab is hidden")
    for kind in ("started", "completed"):
        backend.log.add(run_event("missed", kind, now))
    backend.running = [running_run("during", now)]
    backend.between = [run_event("between", "started", now, status="running")]
    show(page)
    expect(status).to_have_text("As it happens")
    backend.log.add(run_event("after", "started", now, status="running"))
    expect(page.locator(".run-card")).to_have_count(3)
    assert cards(page) == ["after", "between", "during"]


def test_time_slider_replays_an_hour_of_runs(page: Page, backend: CenterBackend) -> None:
    """Fifty runs; at any moment exactly those that were under way then are shown as running."""
    page.clock.install()
    page.goto("/live")
    expect(page.get_by_role("status").first).to_have_text("As it happens")
    page.clock.pause_at(now := time.time() + HOUR)
    begins = {f"r{number:02}": 15 + number * EVERY for number in range(RUNS)}
    backend.past = hour_of(begins, now - HOUR)
    slider = page.get_by_role("slider", name="Time")
    slider.fill("-60")
    slider.blur()
    page.get_by_label("Speed").select_option(str(SPEED))
    expect(page.get_by_role("status").first).to_have_text("Replaying the past")
    for moment in range(STEP, PAGE_ENDS, STEP):
        page.clock.run_for(STEP * 1000 // SPEED)
        expected = [run for run, at in begins.items() if at <= moment < at + TAKES]
        backend.wait_until(partial(are_running, page, expected))
    backend.wait_until(partial(has_ended, page))


def are_running(page: Page, expected: list[str]) -> bool:
    return cards(page) == expected


def has_ended(page: Page) -> bool:
    """Let another while go by; return whether the replay has come to its end."""
    page.clock.run_for(1000)
    is_over = page.get_by_text("The replay has reached the present").is_visible()
    return is_over and cards(page) == []


def hour_of(begins: dict[str, int], since: float) -> list[Json]:
    """The events of runs that began so many seconds after a time."""
    events = [run_event(run, "started", since + at, status="running") for run, at in begins.items()]
    events += [
        run_event(run, "completed", since + at + TAKES, status="completed") for run, at in begins.items()
    ]
    return sorted(events, key=lambda event: str(event["time"]))
