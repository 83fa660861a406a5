"""Run events as the bus delivers them."""

from typing import Any

import orjson
from msgspec.structs import replace

from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.events import Event
from millrace.domain.runs import Run
from millrace.services.command_center.record import Recorder
from millrace.services.command_center.record_check import check
from millrace.services.runs.run_events import ended_facts
from tests.command_center.conftest import NOON


def run_event(
    organization: str, run_id: str, number: int, kind: str, at: int = NOON, agent: str = "echo", **data: Any
) -> Event:
    """The event of a run with this number; `at` in milliseconds."""
    return {
        "id": f"{run_id}:{number}",
        "type": f"run:{kind}",
        "time": iso(at),
        "organization": organization,
        "runId": run_id,
        "agentId": agent,
        "agentName": agent.title(),
        "conversationId": f"c-{run_id}",
    } | data


async def checked(recorder: Recorder, organization: str) -> list[Event]:
    """Return the events that the check of an organization records."""
    return await check(recorder, organization, await recorder.records.live(organization))


def started(organization: str, run: str, at: int = NOON, agent: str = "echo") -> Event:
    view = a_run(organization, run, at, agent).to_wire()
    return run_event(organization, run, 1, "started", at, agent, run=view, status="running")


def a_run(organization: str, run: str, at: int = NOON, agent: str = "echo") -> Run:
    """A run that has begun."""
    slot = Slot(organization, f"c-{run}")
    return Run(run, slot, agent, "running", iso(at), "m", agent_name=agent.title(), model="echo:")


def ended(
    organization: str,
    run: str,
    at: int = NOON,
    agent: str = "echo",
    *,
    number: int = 9,
    failed: bool = False,
    ms: int = 1000,
    tokens: int = 10,
) -> Event:
    facts = ended_facts(replace(a_run(organization, run, at, agent), state="completed", ended_at=iso(at)))
    data: dict[str, Any] = facts | {"result": "done", "durationMs": ms, "tokens": tokens}
    if failed:
        error = {"message": "broken", "code": "broken", "retryable": False}
        data |= {"status": "failed", "error": error}
    return run_event(organization, run, number, "error" if failed else "completed", at, agent, **data)


def whole_run(organization: str, run: str, at: int = NOON, agent: str = "echo", **end: Any) -> list[Event]:
    """A run from start to end: nine events, one a second."""
    call = {"estimated": False, "latencyMs": 9, "firstTokenMs": 3, "error": None}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("llm_call", {"model": "echo:", "tokens": {"input": 3, "output": 7}, "cost": 0.5, **call}),
        ("tool_started", {"tool": "echo_tool", "callId": "1"}),
        ("tool_completed", {"tool": "echo_tool", "callId": "1", "ok": True, "durationMs": 1, "bytes": 2}),
        ("progress", {"tokens": 4, "cost": 0.25}),
        ("memory_op", {"op": "inject", "messageId": "m"}),
        ("progress", {"tokens": 8, "cost": 0.5}),
        ("status_changed", {"from": "running", "to": "failed" if end.get("failed") else "completed"}),
    ]
    middle = [
        run_event(organization, run, number, kind, at + number * 1000, agent, **data)
        for number, (kind, data) in enumerate(kinds, 2)
    ]
    return [started(organization, run, at, agent), *middle, ended(organization, run, at + 9000, agent, **end)]


def message(event: Any, number: int = 1) -> dict[str, Any]:
    """An SQS record with an EventBridge event whose detail this is."""
    kind = event.get("type", "") if isinstance(event, dict) else ""
    envelope = {"source": "millrace.agent_execution", "detail-type": kind, "detail": event}
    return {"messageId": f"message-{number}", "body": orjson.dumps(envelope).decode()}
