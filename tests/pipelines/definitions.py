"""Shortcuts for definitions, plans and events."""

from typing import Any

from millrace.pipelines.definitions.definition import PipelineDefinition, parse_definition
from millrace.pipelines.event import Event
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.plan import Plan, compile_plan

WEBHOOK = {"type": "webhook", "config": {"url": "https://api.example.com/events"}}


def definition_json(*transforms: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole definition, as JSON."""
    base = {"name": "test", "source": {"type": "agent_execution"}, "destination": WEBHOOK}
    return {**base, "transforms": list(transforms), **more}


def definition(*transforms: dict[str, Any]) -> PipelineDefinition:
    return parse_definition(definition_json(*transforms))


def plan(*transforms: dict[str, Any]) -> Plan:
    return compile_plan(definition(*transforms), "tenant", "pipeline")


def step(kind: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "config": config, **more}


def events(*payloads: dict[str, Any]) -> list[Event]:
    """Ids e0, e1, ...; `t` in a payload is its time (ms)."""
    return [
        Event(payload, f"e{at}", "test", "unit", payload.get("t", 0), payload.get("t", 0))
        for at, payload in enumerate(payloads)
    ]


def run(transforms: list[dict[str, Any]], *payloads: dict[str, Any]) -> tuple[list[dict[str, Any]], LocalRun]:
    """All outputs' payloads, and the run for its counts and dead letters."""
    local = LocalRun(plan(*transforms))
    found = [*local.feed(events(*payloads)), *local.finish()]
    return [event.payload for event in found], local
