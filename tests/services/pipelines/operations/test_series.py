"""A pipeline's metrics over time."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.domain.clock import from_iso, iso
from millrace.services.pipelines.backpressure import Backpressure, report_backpressure
from millrace.services.pipelines.operations.series import MOST_POINTS, Span, points, span_of
from millrace.stores.bus import EventBus
from millrace.stores.pipeline_metrics import MINUTE_MS, Minute
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import made, step

KEPT = step("filter", {"field": "n", "operator": "gt", "value": 0})
START = 1_795_262_400_000


def read(streaming: httpx.Client, id: str, **query: Any) -> list[dict[str, Any]]:
    answer = streaming.get(f"/pipelines/{id}/metrics/series", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["points"]
    return found


def test_series_has_a_point_for_each_minute(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming, KEPT)
    for number in (1, 0, 3):
        streaming.post(f"/pipelines/{id}/batch", json=[{"n": number}, {"n": number}])
        plant.transform()
        plant.clock.pass_time(MINUTE_MS)
    found = read(streaming, id, **{"from": iso(plant.clock.now - 3 * MINUTE_MS), "step": 60})
    assert [one["itemsProcessed"] for one in found] == [2, 2, 2]
    assert [one["itemsFiltered"] for one in found] == [0, 2, 0]
    assert [one["throughput"] for one in found] == [0.033, 0.033, 0.033]
    assert [from_iso(one["time"]) for one in found] == [
        plant.clock.now - minutes * MINUTE_MS for minutes in (3, 2, 1)
    ]


def test_series_is_of_the_last_hour(plant: Plant, streaming: httpx.Client) -> None:
    found = read(streaming, made(streaming))
    assert len(found) == 60
    assert {one["itemsProcessed"] for one in found} == {0}
    assert {one["backpressure"] for one in found} == {None}
    assert {one["latency"]["p95"] for one in found} == {None}


def test_series_shows_what_waits(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": 1}])
    plant.clock.pass_time(MINUTE_MS)
    assert read(streaming, id)[-1]["queueDepth"] == 1
    plant.transform()
    plant.clock.pass_time(MINUTE_MS)
    # Its message is received, and its delivery waits now.
    assert [one["queueDepth"] for one in read(streaming, id)[-3:]] == [0, 1, 1]


def test_series_keeps_the_backpressure_of_each_minute(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming)
    streaming.post(f"/pipelines/{id}/batch", json=[{"n": 1}])
    plant.transform()
    context = plant.context
    asyncio.run(report_backpressure(context, Backpressure(context), EventBus(context.aws, "default")))
    plant.clock.pass_time(MINUTE_MS)
    level = read(streaming, id)[-1]["backpressure"]
    assert level is not None
    assert 0 <= level <= 1


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "2026-11-21T12:00:00Z", "to": "2026-11-21T11:00:00Z"},
        {"from": "2026-11-01T12:00:00Z", "to": "2026-11-21T11:00:00Z"},
        {"from": "2999-01-01T00:00:00Z"},
    ],
)
def test_series_refuses_times_that_make_no_sense(streaming: httpx.Client, query: dict[str, str]) -> None:
    answer = streaming.get(f"/pipelines/{made(streaming)}/metrics/series", params=query)
    assert error_of(answer) == (422, "invalid_time")


@pytest.mark.parametrize("step", [1, 0, -60, 61])
def test_series_refuses_steps_that_it_does_not_have(streaming: httpx.Client, step: int) -> None:
    answer = streaming.get(f"/pipelines/{made(streaming)}/metrics/series", params={"step": step})
    assert error_of(answer) == (422, "invalid_query")


def test_series_of_an_unknown_pipeline_is_not_found(streaming: httpx.Client) -> None:
    answer = streaming.get("/pipelines/pipeline_none/metrics/series")
    assert error_of(answer) == (404, "pipeline_not_found")


MINUTES = st.dictionaries(
    st.integers(0, 59), st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30
).map(
    lambda found: [
        Minute(
            START + minute * MINUTE_MS,
            {"itemsProcessed": took, "messagesAccepted": took + left, "messagesReceived": took},
            0.5,
        )
        for minute, (took, left) in sorted(found.items())
    ]
)


@given(MINUTES, st.sampled_from([60_000, 300_000, 900_000, 3_600_000]))
@settings(max_examples=60, deadline=None)
def test_series_counts_every_event_once_in_any_step(minutes: list[Minute], step: int) -> None:
    found = points(Span(START, START + 3_600_000, step), minutes)
    assert len(found) == 3_600_000 // step
    taken = sum(one.counters["itemsProcessed"] for one in minutes)
    assert sum(one["itemsProcessed"] for one in found) == taken
    late = [one for one in minutes if one.start >= START + 45 * MINUTE_MS]
    left = sum(one.counters["messagesAccepted"] - one.counters["messagesReceived"] for one in late)
    assert found[-1]["queueDepth"] == left


@given(st.integers(1, 7 * 86_400_000))
def test_usual_steps_make_charts_that_can_be_read(length: int) -> None:
    span = span_of(iso(START - length), iso(START), None, START)
    assert 1 <= len(span.starts()) <= MOST_POINTS
