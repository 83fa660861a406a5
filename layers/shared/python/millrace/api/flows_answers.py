"""A flow's run as one JSON document, for clients that do not stream."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.answers import is_over
from millrace.api.errors import error_response
from millrace.domain.events import Detail, LogEntry, error
from millrace.domain.projection import capped, project
from millrace.domain.runs import Run
from millrace.services.flows.executions import waiting_for

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
NOT_YET = "The flow continues, but this request has reached its time limit; GET its execution."


def flow_answer(request: Request, run: Run, events: list[LogEntry], detail: Detail) -> Response:
    """Return the result, the question that the flow waits for, or the error of the step that failed."""
    last = events[-1].event if is_over(events) else error(NOT_YET, "deadline", retryable=True)
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
        "state": _state(last),
        "finishReason": last.get("finishReason", "input_required"),
        "result": last.get("result"),
        "waitingFor": _waiting_for(shown),
        "answers": last.get("answers", []),
        "steps": [{"name": one["name"], "ok": one["ok"], "durationMs": one["durationMs"]} for one in done],
        "usage": last.get("usage"),
        "cost": last.get("cost"),
        "durationMs": last.get("durationMs"),
    }


def _state(last: dict[str, Any]) -> str:
    if last["type"] == "waiting":
        return "waiting"
    return "stopped" if last["finishReason"] in ("rejected", "expired", "stopped") else "completed"


def _waiting_for(shown: list[dict[str, Any]]) -> dict[str, Any] | None:
    if shown[-1]["type"] != "waiting":
        return None
    asked = [event for event in shown if event["type"] == "approval_requested"]
    return waiting_for(asked[-1]) if asked else None
