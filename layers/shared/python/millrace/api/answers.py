"""A run's answer as one JSON document, for clients that do not stream."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.errors import error_response
from millrace.domain.events import Detail, LogEntry, error
from millrace.domain.projection import capped, project, settled
from millrace.domain.runs import Run
from millrace.stores.event_log import is_last

GOES_ON = (
    "The run continues, but this request has reached its time limit; read GET /api/runs/{id} "
    "or follow its stream."
)
_STATUS = {
    "rate_limited": 429,
    "deadline": 504,
    "provider_unavailable": 503,
    "run_lost": 503,
    "run_continues": 504,
    "step_keeps_failing": 500,
    "deleted": 410,
    "internal": 500,
    "provider_rejected": 502,
}
RUN_ERRORS = tuple(_STATUS)


def is_over(events: list[LogEntry]) -> bool:
    """Return whether these events end with the end of the run, or with calls that wait."""
    return bool(events) and (is_last(events[-1]) or events[-1].type == "waiting")


def answer_of(request: Request, run: Run, events: list[LogEntry], detail: Detail) -> Response:
    """Return the agent's answer, or the error that ended its run."""
    if events and events[-1].type == "waiting":
        return _waiting(run, events, capped(detail, run.visibility))
    if not is_over(events) or events[-1].type == "error":
        return error_of(request, run, events)
    return JSONResponse(
        _body(run, events, events[-1].event, capped(detail, run.visibility)), headers={"x-run-id": run.id}
    )


def error_of(request: Request, run: Run, events: list[LogEntry]) -> Response:
    """Return the error that ended a run, or one that says that the run continues in another process."""
    ended = events and is_last(events[-1])
    last = events[-1].event if ended else error(GOES_ON, "run_continues", retryable=True)
    return error_response(
        request,
        _STATUS.get(last["code"], 502),
        last["code"],
        last["message"],
        retryable=last["retryable"],
        runId=run.id,
    )


def _waiting(run: Run, events: list[LogEntry], detail: Detail) -> Response:
    """Return the agent's answer so far, and the calls for which the run waits."""
    last = project(events[-1].event, detail) or {}
    unknown = {"usage": None, "cost": None, "finishReason": "waiting", "durationMs": None}
    body = _body(run, events, unknown, detail)
    return JSONResponse(
        body | {"waiting": {"calls": last["calls"], "expiresAt": last["expiresAt"]}},
        202,
        {"x-run-id": run.id},
    )


def _body(run: Run, events: list[LogEntry], last: dict[str, Any], detail: Detail) -> dict[str, Any]:
    shown = [event for logged in settled(events) if (event := project(logged.event, detail))]
    own = [event for event in shown if "parent" not in event]
    content = "".join(event["token"] for event in own if event["type"] == "token")
    calls = [event for event in own if event["type"] == "tool_result"]
    return {
        "runId": run.id,
        "conversationId": run.slot.conversation_id,
        "messageId": run.message_id,
        "role": "assistant",
        "content": content,
        "toolCalls": [
            {"id": c["id"], "name": c["name"], "ok": c["ok"], "summary": c["summary"]} for c in calls
        ],
        "usage": last["usage"],
        "cost": last["cost"],
        "finishReason": last["finishReason"],
        "durationMs": last["durationMs"],
    } | ({"output": last["output"]} if "output" in last else {})
