"""Updates of A2A's tasks, as our own stream of them has them."""

from typing import Any, Literal

from millrace.api.schemas.base import JsonObject, Shape


class TaskEvent(Shape):
    """An update of a task: the field of its `type` is A2A's own, and others stand beside it where they fit.

    `status` is the state in words (`submitted`, `working`, `input-required`, `completed`, `failed`,
    `canceled` or `rejected`) with its `message`. Of an artifact, `chunk` is the text that comes now, and
    `artifact` is what has come, all of it at the `lastChunk`."""

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
