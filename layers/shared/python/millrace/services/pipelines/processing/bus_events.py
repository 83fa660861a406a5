"""Conversion of bus events to pipeline events, by source. Pure functions.

`agent_execution` pipelines get one event for each run, its end. `statuses` selects among `completed`,
`failed` and `stopped`, and can add `running`, the start of a run, and `deleted`, the deletion of a run with
its conversation.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from millrace.domain.clock import from_iso
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.sources import (
    AgentExecutionSource,
    AlertSource,
    ApiEventSource,
    ApprovalSource,
    DatabaseChangeSource,
    ExtensionSource,
    ScheduleSource,
    Source,
    WebhookSource,
)
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.times import instant
from millrace.services.pipelines.payloads import LONGEST_ID, check_payload

SOURCES = {
    "millrace.agent_execution": "agent_execution",
    "millrace.alert": "alert",
    "millrace.approval": "approval",
    "millrace.api_event": "api_event",
    "millrace.database_change": "database_change",
}
_ENDS = frozenset({"run:completed", "run:error"})
_CHOSEN = _ENDS | {"run:started", "run:deleted"}
"""The events among which `statuses` selects."""


def source_type(envelope: dict[str, Any]) -> str | None:
    """Return the source type of an EventBridge event, or None if no pipeline uses it."""
    return SOURCES.get(envelope["source"])


def bus_event(envelope: dict[str, Any], ingested: int) -> tuple[str, Event]:
    """Return the organization and the event of an EventBridge event. Raises `InvalidRequest`."""
    detail = envelope.get("detail")
    if not isinstance(detail, dict) or not isinstance(detail.get("organization"), str):
        raise InvalidRequest("The event's detail has no organization.", code="invalid_event")
    check_payload(detail)
    id = _identity(envelope, detail)[:LONGEST_ID]
    time = _time(detail.get("time"), envelope["time"])
    event = Event(detail, id, envelope["source"], envelope["detail-type"], time, ingested)
    if type(hops := detail.get("hops")) is int:
        event.hops = hops
    if isinstance(sequence := detail.get("sequence"), str) and sequence.isdecimal():
        event.sequence = sequence[:LONGEST_ID]
    return detail["organization"], event


def unreadable_event(envelope: dict[str, Any], ingested: int) -> Event:
    """Return an EventBridge event as far as it is readable, for a dead letter, dated by its arrival.

    Raises `InvalidRequest` if it has no detail.
    """
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        raise InvalidRequest("The event has no detail.", code="invalid_event")
    id, source, kind = (str(envelope.get(name, ""))[:LONGEST_ID] for name in ("id", "source", "detail-type"))
    return Event(detail, id, source, kind, ingested, ingested)


def _time(given: Any, published: str) -> int:
    """Return the time in the detail, in any format, or when the event was put on the bus.

    Raises `InvalidRequest`.
    """
    try:
        return from_iso(published) if given in (None, "") else instant(given)
    except EvaluationError as error:
        raise InvalidRequest(f"The detail's `time`: {error.message}", code="invalid_event") from error


def own_event(envelope: Any, ingested: int) -> Event:
    """Return the event of an EventBridge event from any source: its detail. Raises `InvalidRequest`."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get("detail"), dict):
        raise InvalidRequest("The event is not an EventBridge event.", code="invalid_event")
    check_payload(envelope["detail"])
    id, source, kind = (str(envelope[name])[:LONGEST_ID] for name in ("id", "source", "detail-type"))
    return Event(envelope["detail"], id, source, kind, from_iso(envelope["time"]), ingested)


def _identity(envelope: dict[str, Any], detail: Payload) -> str:
    """Return the id of an event.

    The end of a run is one event, whether its own process or another one reported it.
    """
    is_end = envelope["source"] == "millrace.agent_execution" and envelope["detail-type"] in _ENDS
    if is_end and detail.get("runId"):
        return f"{detail['runId']}:end"
    return str(detail.get("id") or envelope["id"])


def feeds(event: Event, source: Source | ExtensionSource) -> bool:
    """Return whether a pipeline with this source accepts an event of the source's type."""
    match source:
        case AgentExecutionSource():
            return _is_run(event, source)
        case ApiEventSource():
            return _is_call(event.payload, source)
        case DatabaseChangeSource():
            return _is_change(event.payload, source)
        case ApprovalSource():
            return _is_approval(event, source)
        case AlertSource():
            return _is_alert(event.payload, source)
        case WebhookSource() | ScheduleSource() | ExtensionSource():
            return False  # the bus does not feed these
        case _:
            assert_never(source)


def _is_run(event: Event, source: AgentExecutionSource) -> bool:
    status = event.payload.get("status")
    if source.agent_ids is not None and event.payload.get("agentId") not in source.agent_ids:
        return False
    if source.statuses is None:
        return event.type in _ENDS
    return status in source.statuses and event.type in _CHOSEN


def _is_call(payload: Payload, source: ApiEventSource) -> bool:
    method, path = str(payload.get("method", "")).upper(), str(payload.get("path", ""))
    if source.methods is not None and method not in map(str.upper, source.methods):
        return False
    if source.statuses is not None and payload.get("status") not in source.statuses:
        return False
    return source.paths is None or _any_path(path, source.paths)


def _any_path(path: str, wanted: Iterable[str]) -> bool:
    """Return whether a path is listed, or begins like a listed one that ends in `*`."""
    return any(path.startswith(one[:-1]) if one.endswith("*") else path == one for one in wanted)


def _is_change(payload: Payload, source: DatabaseChangeSource) -> bool:
    if payload.get("table") != source.table:
        return False
    return source.operations is None or payload.get("operation") in source.operations


def _is_approval(event: Event, source: ApprovalSource) -> bool:
    if source.agent_ids is not None and event.payload.get("agentId") not in source.agent_ids:
        return False
    return source.states is None or event.type.removeprefix("approval:") in source.states


def _is_alert(payload: Payload, source: AlertSource) -> bool:
    alert = payload.get("alert")
    if not isinstance(alert, dict):
        return False
    if source.rule_ids is not None and alert.get("ruleId") not in source.rule_ids:
        return False
    return source.states is None or alert.get("state") in source.states
