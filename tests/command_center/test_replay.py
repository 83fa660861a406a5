"""The last day of the command center from any time on, and a run's model calls."""

import time
from typing import Any

import httpx
import pytest

from millrace.domain.clock import iso
from millrace.domain.command_center import center_stream
from millrace.services.command_center.record import Recorder, record
from tests.api.talk import error_of
from tests.command_center.making import whole_run
from tests.tokens import Issuer

EVENTS = "/api/command-center/events"


def replayed(center: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """All pages of a replay."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = center.get(EVENTS, params=query | {"cursor": cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["nextCursor"]
    return found


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event is recorded a millisecond after the one before."""
    times = iter(range(1_795_262_400_000_000_000, 1_795_262_500_000_000_000, 1_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(times))


@pytest.mark.usefixtures("ticking")
async def test_replay_begins_at_any_time_and_ends_at_any_other(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    for number in range(4):
        await record(recorder, organization, whole_run(organization, f"run_{number}"))
    logged = await recorder.records.log.read(center_stream(organization))
    events = [entry.event for entry in logged]
    assert replayed(center, limit=5) == events
    for first in (0, 1, 8, 9, 17, len(events) - 1):
        since = iso(logged[first].at)
        assert replayed(center, **{"from": since}) == events[first:]
        until = iso(logged[min(first + 3, len(events) - 1)].at)
        assert replayed(center, **{"from": since, "until": until}) == events[first : first + 4]
    assert replayed(center, **{"from": iso(logged[-1].at + 1)}) == []


async def test_replay_is_filtered(recorder: Recorder, center: httpx.Client, organization: str) -> None:
    for number in range(2):
        await record(recorder, organization, whole_run(organization, f"run_{number}"))
    found = replayed(center, runIds="run_1", eventTypes="run:completed", limit=1)
    assert [(event["runId"], event["type"]) for event in found] == [("run_1", "run:completed")]


async def test_replay_of_another_organization_is_empty(
    recorder: Recorder, center_url: str, organization: str, issuer: Issuer
) -> None:
    await record(recorder, organization, whole_run(organization, "run_1"))
    with httpx.Client(base_url=center_url, headers=issuer.headers(f"{organization}-b")) as other:
        assert replayed(other) == []


@pytest.mark.parametrize("query", [{"from": "noon"}, {"cursor": "x"}, {"limit": "0"}, {"eventTypes": "no"}])
def test_bad_replays_are_refused(center: httpx.Client, query: dict[str, str]) -> None:
    assert error_of(center.get(EVENTS, params=query))[0] == 422


async def test_model_calls_of_a_run_are_found_among_all_events(recorder: Recorder, organization: str) -> None:
    for run in ("run_1", "run_2"):
        await record(recorder, organization, whole_run(organization, run))
    calls = await recorder.records.model_calls(organization, "run_2")
    assert [(call["runId"], call["type"], call["cost"]) for call in calls] == [("run_2", "run:llm_call", 0.5)]
    assert await recorder.records.model_calls(organization, "run_3") == []
