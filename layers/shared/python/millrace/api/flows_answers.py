"""A flow's run as one JSON document, for clients that do not stream."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.errors import error_response
from millrace.domain.events import Detail, LogEntry, error
from millrace.domain.projection import capped, project
from millrace.domain.runs import Run
from millrace.services.runs.recover import RUN_LOST
from millrace.stores.event_log import is_last

_STATUS = {
    "not_waiting": 409,
    "rate_limited": 429,
    "internal": 500,
    "run_lost": 503,
    "deleted": 410,
    "deadline": 504,
}
_STEP_FAILED = 502
STEP_ERRORS = tuple(_STATUS)


def flow_answer(request: Request, run: Run, events: list[LogEntry], detail: Detail) -> Response:
    """The result, what the flow waits for, or the error of the step that failed."""
    ended = events and is_last(events[-1])
    last = events[-1].event if ended else error(RUN_LOST, "run_lost", retryable=True)
    if last["type"] == "error":
        return error_response(
            request,
            _STATUS.get(last["code"], _STEP_FAILED),
            last["code"],
            last["message"],
            retryable=last["retryable"],
            runId=run.id,
            step=last.get("step"),
            executionId=last.get("executionId", run.slot.conversation_id),
        )
    detail = capped(detail, run.visibility)
    return JSONResponse(_body(run, events, last, detail), headers={"x-run-id": run.id})


def _body(run: Run, events: list[LogEntry], last: dict[str, Any], detail: Detail) -> dict[str, Any]:
    shown = [event for logged in events if (event := project(logged.event, detail))]
    done = [event for event in shown if event["type"] == "flow_step_complete"]
    return {
        "runId": run.id,
        "executionId": run.slot.conversation_id,
        "state": "waiting" if last["finishReason"] == "input_required" else "completed",
        "finishReason": last["finishReason"],
        "result": last.get("result"),
        "waitingFor": last.get("waitingFor"),
        "steps": [{"name": one["name"], "ok": one["ok"], "durationMs": one["durationMs"]} for one in done],
        "usage": last["usage"],
        "cost": last["cost"],
        "durationMs": last["durationMs"],
    }
