"""Updates of a task as Server-Sent Events, in each of the bindings: LF only, one line of JSON each.

The `id` of an event is `<runId>.<seq>`, as on every stream of a run. An update behind which others of
the same event come has none: whoever is cut off there gets it again, and all of them repeat what they say.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from a2a.types.a2a_pb2 import Artifact, ListTasksResponse, StreamResponse
from google.protobuf.json_format import MessageToDict

from millrace.protocols.a2a.projection import TaskProjection, Update

Json = dict[str, Any]
Shape = Callable[[Update], Json]
"""Makes the JSON of one update in one binding."""


def rest(update: Update) -> Json:
    """The update as HTTP+JSON has it."""
    return to_json(update.response)


def rpc(request_id: str | int | float | None) -> Shape:
    """Return the shape of JSON-RPC: each update is a response to the request."""
    return lambda update: {"jsonrpc": "2.0", "id": request_id, "result": to_json(update.response)}


def typed(projection: TaskProjection) -> Shape:
    """Return the shape for clients that read `type`, and their fields beside the protocol's own: `status` in
    words, the `message` of it, the `chunk` of an artifact, and the whole artifact at its last chunk."""

    def shaped(update: Update) -> Json:
        body = to_json(update.response)
        (kind, found), *_ = body.items()
        if kind == "statusUpdate":
            status = found["status"]
            body |= {"status": word_of(status["state"]), "message": status.get("message")}
        if kind == "artifactUpdate":
            body |= _artifact(projection, update.response)
        return {"type": kind} | body

    return shaped


def encode(updates: Iterable[Update], run_id: str, shape: Shape) -> bytes:
    """The frames of these updates."""
    return b"".join([_frame(update, run_id, shape) for update in updates])


def list_json(found: ListTasksResponse) -> Json:
    """A page of tasks, with its empty fields: clients rely on them."""
    return {
        "tasks": [to_json(task) for task in found.tasks],
        "nextPageToken": found.next_page_token,
        "pageSize": found.page_size,
        "totalSize": found.total_size,
    }


def to_json(message: Any) -> Json:
    """A message of the protocol as its JSON."""
    found: Json = MessageToDict(message)
    return found


def word_of(state: str) -> str:
    """A state as people write it: `input-required`."""
    return state.removeprefix("TASK_STATE_").lower().replace("_", "-")


def _frame(update: Update, run_id: str, shape: Shape) -> bytes:
    data = orjson.dumps(shape(update))
    if not update.seq:
        return b"data: %b\n\n" % data
    return b"id: %b.%d\ndata: %b\n\n" % (run_id.encode(), update.seq, data)


def _artifact(projection: TaskProjection, response: StreamResponse) -> Json:
    event = response.artifact_update
    chunk = "".join(part.text for part in event.artifact.parts)
    shown: Artifact = event.artifact
    if event.last_chunk:
        shown = next(one for one in projection.task().artifacts if one.artifact_id == shown.artifact_id)
    return {"artifact": to_json(shown), "chunk": chunk, "append": event.append, "lastChunk": event.last_chunk}
