"""The outcome of a run, which its last message stores for the history."""

from typing import Any

from msgspec.structs import replace

from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event
from millrace.domain.runs import Run


def with_outcome(
    messages: list[StoredMessage], run: Run, steps: list[Event] | None = None
) -> list[StoredMessage]:
    """Return the last messages of an ended run.

    The last answer gets the id announced by `start`, the outcome of the run, and the `steps` that belong to
    no message yet. If the run did not end with an answer, an empty one is added, so that readers see the end.
    """
    *before, last = messages or [_empty(run)]
    if last.role != "assistant":
        before, last = messages, _empty(run)
    kept = replace(last, id=run.message_id, extra=_outcome(run), visibility=run.visibility)
    return [*before, replace(kept, steps=kept.steps + (steps or []))]


def _empty(run: Run) -> StoredMessage:
    return StoredMessage(
        id=run.message_id,
        role="assistant",
        content=[],
        created_at=run.ended_at or run.started_at,
        run_id=run.id,
        interrupted=run.state in ("stopped", "failed"),
    )


def _outcome(run: Run) -> dict[str, Any]:
    outcome = {
        "usage": run.usage,
        "cost": run.cost,
        "finishReason": run.finish_reason,
        "durationMs": run.duration_ms,
    }
    if run.first_token_ms is not None:
        outcome["firstTokenMs"] = run.first_token_ms
    return outcome | {"error": run.error} if run.error else outcome
