"""Updates of A2A's tasks in our own stream of them."""

from typing import Any, Literal

from millrace.api.schemas.base import JsonObject, Shape


class TaskEvent(Shape):
    """An update of a task. The field of its `type` is A2A's own; the other fields are set if they apply.

    `status` is the state in words (`submitted`, `working`, `input-required`, `completed`, `failed`,
    `canceled` or `rejected`) with its `message`. For an artifact, `chunk` is the new text and `artifact` the
    text so far, which is complete at the `lastChunk`.
    """

    type: Literal["task", "message", "statusUpdate", "artifactUpdate"]
    task: JsonObject | None = None
    message: Any = None
    status_update: JsonObject | None = None
    artifact_update: JsonObject | None = None
    status: str | None = None
    artifact: JsonObject | None = None
    chunk: str | None = None
    append: bool | None = None
    last_chunk: bool | None = None
