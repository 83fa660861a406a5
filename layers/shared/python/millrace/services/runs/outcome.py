"""The outcome of a run, as its last message keeps it for the history."""

from typing import Any

from msgspec.structs import replace

from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event
from millrace.domain.runs import Run


def with_outcome(
    messages: list[StoredMessage], run: Run, steps: list[Event] | None = None
) -> list[StoredMessage]:
    """The last messages of an ended run. The last answer gets the id that `start` announced, tells how the
    run ended, and keeps the `steps` that belong to no message yet; a run that said nothing at its end has an
    empty one, so that a reader sees its end all the same."""
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
