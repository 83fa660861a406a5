"""The fields of a response around its output: ids, state, usage, errors."""

from collections.abc import Mapping
from typing import Any

from millrace.domain.clock import from_iso
from millrace.domain.events import Event
from millrace.domain.runs import Run
from millrace.errors import NotFound

MODEL = "agent:"
STOPS = frozenset({"stopped", "interrupted", "deleted"})
_INCOMPLETE = {
    "max_tokens": "max_output_tokens",
    "max_cost": "max_output_tokens",
    "max_iterations": "max_messages",
    "max_seconds": "max_messages",
    "refusal": "content_filter",
}
_ECHOED = ("instructions", "metadata", "text", "tools", "user", "previous_response_id", "background")
Json = dict[str, Any]


def model_of(run: Run) -> str:
    """Return the model that clients name, which is the agent."""
    return f"{MODEL}{run.agent_id}"


def response_id(run_id: str, after: int = 0) -> str:
    """Return the id of a response: a run, or the part of it that follows an answer to a call. `after` is the
    number of the event with which it waited."""
    name = run_id.removeprefix("run_")
    return f"resp_{name}.{after}" if after else f"resp_{name}"


def parse_response_id(text: str) -> tuple[str, int]:
    """Return the run of a response, and the event after which the response begins. Raises `NotFound`."""
    name, _, after = text.removeprefix("resp_").partition(".")
    known = text.startswith("resp_") and name and (after or "0").isascii() and (after or "0").isdigit()
    if not known or len(after) > 11:
        raise unknown_response(text)
    return f"run_{name}", int(after or 0)


def unknown_response(text: str) -> NotFound:
    """Return the error for an id of no response that the caller may see."""
    return NotFound(f"Response with id {text!r} not found.", code="response_not_found")


class Envelope:
    """A response without its output, from the run and the client's request."""

    def __init__(self, run: Run, after: int) -> None:
        self.id = response_id(run.id, after)
        echoed: Mapping[str, Any] = run.request
        self._fixed: Json = {
            "id": self.id,
            "object": "response",
            "created_at": from_iso(run.started_at) // 1000,
            "model": model_of(run),
            "conversation": {"id": run.slot.conversation_id},
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "store": True,
            "truncation": "auto",
            **{"instructions": None, "metadata": {}, "text": {"format": {"type": "text"}}, "tools": []},
            **{"previous_response_id": None, "background": False},
            **{name: echoed[name] for name in _ECHOED if name in echoed},
        }
        if after:
            self._fixed["previous_response_id"] = echoed.get("continued") or response_id(run.id)

    def to_json(self, status: str, output: list[Json], **more: Any) -> Json:
        """Return the whole object."""
        blank: Json = {"error": None, "incomplete_details": None, "usage": None}
        return self._fixed | {"status": status, "output": output} | blank | more


def ended(done: Event) -> tuple[str, Json]:
    """Return the status of a response whose run has ended, with the reason. A response that was cut off by a
    limit is incomplete."""
    reason = done["finishReason"]
    found: Json = {"usage": usage_of(done["usage"])}
    if reason in STOPS:
        return "cancelled", found
    if reason in _INCOMPLETE:
        return "incomplete", found | {"incomplete_details": {"reason": _INCOMPLETE[reason]}}
    return "completed", found


def failed(error: Event) -> Json:
    """Return `{error}` of a response whose run failed; `millrace_code` is our own code for it."""
    limited = error["code"] == "rate_limited"
    code = "rate_limit_exceeded" if limited else "server_error"
    return {"error": {"code": code, "message": error["message"], "millrace_code": error["code"]}}


def usage_of(usage: Mapping[str, int] | None) -> Json | None:
    """Return tokens in the form of the Responses API; None if they are not known."""
    if not usage:
        return None
    return {
        "input_tokens": usage["input"],
        "input_tokens_details": {
            "cached_tokens": usage.get("cacheRead", 0),
            "cache_write_tokens": usage.get("cacheWrite", 0),
        },
        "output_tokens": usage["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total"],
    }
