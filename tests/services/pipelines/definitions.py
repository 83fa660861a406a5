"""Definitions for the tests of this folder."""

from typing import Any

import httpx

WEBHOOK = {"type": "webhook", "config": {"url": "https://api.example.com/events"}}
REFERENCE: dict[str, Any] = {
    "name": "agent-events-to-analytics",
    "source": {"type": "agent_execution", "agentIds": ["agent-123", "agent-456"]},
    "transforms": [
        {"type": "filter", "config": {"field": "status", "operator": "eq", "value": "completed"}},
        {
            "type": "map",
            "config": {
                "expression": {
                    "event_type": '"agent_completion"',
                    "agent_id": "agentId",
                    "tokens": "tokenUsage.total",
                    "cost": "cost",
                    "timestamp": "completedAt",
                }
            },
        },
    ],
    "destination": WEBHOOK,
}


def pipeline(*transforms: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole definition, as JSON."""
    base = {"name": "test", "source": {"type": "agent_execution"}, "destination": WEBHOOK}
    return {**base, "transforms": list(transforms), **more}


def step(kind: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "config": config, **more}


def counted(size: int = 60_000) -> dict[str, Any]:
    """A window that counts per group `g`."""
    aggregations = [{"function": "count", "field": "*", "alias": "n"}]
    config = {"type": "tumbling", "size": size, "groupBy": ["g"], "aggregations": aggregations}
    return step("window", config)


def made(streaming: httpx.Client, *transforms: dict[str, Any], start: bool = True, **more: Any) -> str:
    """The id of a new pipeline, started unless told otherwise."""
    created = streaming.post("/pipelines", json=pipeline(*transforms, **more))
    assert created.status_code == 201, created.text
    id: str = created.json()["id"]
    if start:
        act(streaming, id, "start")
    return id


def act(streaming: httpx.Client, id: str, action: str) -> dict[str, Any]:
    answer = streaming.post(f"/pipelines/{id}/{action}")
    assert answer.status_code == 200, answer.text
    to_public: dict[str, Any] = answer.json()
    return to_public
