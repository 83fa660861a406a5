"""Tasks of A2A: a task is a run, and its context is the conversation."""

import hashlib
from dataclasses import dataclass
from typing import Any

from millrace.domain.access import Principal

CLIENT = "a2a"
"""The name under which a message keeps what its client called it."""


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message of an A2A client. `id` is the client's own, and its idempotency key; `answers` are those of
    its parts that answer a call. Without a `task_id` it begins a task, without a `context_id` in a context of
    its own."""

    id: str
    text: str
    answers: tuple[dict[str, Any], ...] = ()
    task_id: str = ""
    context_id: str = ""


def new_context(caller: Principal, agent_id: str, message_id: str) -> str:
    """The context of a message that names none. The same message sent again gets the same one, so that it
    meets what it began."""
    parts = "\0".join((caller.id, agent_id, message_id))
    return f"ctx_{hashlib.sha256(parts.encode(errors='surrogatepass')).hexdigest()[:32]}"
