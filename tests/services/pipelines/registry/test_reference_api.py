"""Every endpoint in the reference document's "Data Streaming Pipelines", called as documented."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import REFERENCE

DESTINATIONS: list[dict[str, Any]] = [
    {
        "type": "webhook",
        "config": {
            "url": "https://api.example.com/events",
            "method": "POST",
            "headers": {"Authorization": "Bearer ${secrets.API_KEY}"},
            "retryPolicy": {"maxRetries": 3, "backoffMs": 1000},
        },
    },
    {
        "type": "database",
        "config": {"table": "agent_metrics", "operation": "upsert", "conflictFields": ["agent_id", "date"]},
    },
    {"type": "analytics", "config": {"provider": "segment", "writeKey": "${secrets.SEGMENT_KEY}"}},
    {
        "type": "notification",
        "config": {
            "channel": "slack",
            "webhook": "${secrets.SLACK_WEBHOOK}",
            "template": "Agent {{agentName}} completed with {{tokens}} tokens",
        },
    },
]
SECRETS = ("MIXPANEL_TOKEN", "API_KEY", "SEGMENT_KEY", "SLACK_WEBHOOK", "DATABASE_URL")


@pytest.fixture(autouse=True)
def secrets(streaming: httpx.Client) -> None:
    for name in SECRETS:
        stored = streaming.put(
            f"/secrets/{name}", json={"value": "a-value-of-it", "hosts": ["api.example.com"]}
        )
        assert stored.status_code == 200, stored.text


@pytest.fixture
def id(streaming: httpx.Client) -> str:
    """The document's pipeline."""
    created = streaming.post("/pipelines", json=REFERENCE)
    assert created.status_code == 201, created.text
    made = created.json()
    assert {name: made[name] for name in REFERENCE} == REFERENCE
    assert made["state"] == "created"
    found: str = made["id"]
    return found


@pytest.mark.parametrize("destination", DESTINATIONS, ids=lambda one: one["type"])
def test_each_destination_of_the_document_is_taken(
    streaming: httpx.Client, destination: dict[str, Any]
) -> None:
    created = streaming.post("/pipelines", json=REFERENCE | {"destination": destination})
    assert created.status_code == 201, created.text
    assert created.json()["destination"] == destination


def test_pipelines_are_listed_and_read(streaming: httpx.Client, id: str) -> None:
    """listPipelines(), getPipeline(id)."""
    listed = streaming.get("/pipelines").json()
    assert [one["id"] for one in listed["items"]] == [id]
    assert streaming.get(f"/pipelines/{id}").json() == listed["items"][0]
    assert error_of(streaming.get("/pipelines/pipeline-123")) == (404, "pipeline_not_found")


def test_pipeline_is_started_paused_resumed_and_stopped(streaming: httpx.Client, id: str) -> None:
    """startPipeline, pausePipeline, resumePipeline, stopPipeline, in the document's order."""
    for action, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
    ):
        answer = streaming.post(f"/pipelines/{id}/{action}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)


def test_items_are_pushed_and_the_metrics_have_the_fields_of_the_document(
    streaming: httpx.Client, plant: Plant, id: str
) -> None:
    """process, batch; getPipelineMetrics."""
    streaming.post(f"/pipelines/{id}/start")
    completed = {"status": "completed", "agentId": "agent-123", "tokenUsage": {"total": 42}, "cost": 0.5}
    assert streaming.post(f"/pipelines/{id}/process", json=completed).json()["accepted"] == 1
    batch = streaming.post(f"/pipelines/{id}/batch", json=[completed, completed | {"status": "failed"}])
    assert batch.json()["accepted"] == 2
    plant.transform()
    (first, second) = plant.payloads()
    assert first == second
    assert (first["event_type"], first["agent_id"], first["tokens"]) == ("agent_completion", "agent-123", 42)
    metrics = streaming.get(f"/pipelines/{id}/metrics").json()
    assert (metrics["itemsProcessed"], metrics["itemsFailed"], metrics["itemsFiltered"]) == (3, 0, 1)
    assert metrics["throughput"] > 0
    assert metrics["latency"].keys() == {"avg", "p50", "p95", "p99"}
    assert 0 <= metrics["backpressure"] <= 1


def test_checkpoint_health_and_stats(streaming: httpx.Client, id: str) -> None:
    """createCheckpoint, getPipelineHealth, GET /stats."""
    checkpoint = streaming.post(f"/pipelines/{id}/checkpoints")
    assert checkpoint.status_code == 201
    assert checkpoint.json().keys() == {"id", "time", "version", "createdAt"}
    assert streaming.get(f"/pipelines/{id}/health").json()["status"] == "healthy"
    stats = streaming.get("/stats").json()
    assert stats["pipelines"] == {"total": 1, "created": 1}
    assert {"itemsProcessed", "itemsFailed", "throughput", "latency"} <= stats.keys()
