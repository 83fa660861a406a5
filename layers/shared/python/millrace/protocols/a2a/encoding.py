"""Encodes updates of a task as Server-Sent Events, for each of the bindings: LF only, one line of JSON each.

The `id` of an event is `<runId>.<seq>`, as on every stream of a run. If an event leads to several updates,
only the last one has an id: a client that is cut off before it receives all of them again, and they state the
same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from a2a.types.a2a_pb2 import Artifact, ListTasksResponse, StreamResponse
from google.protobuf.json_format import MessageToDict

from millrace.protocols.a2a.projection import TaskProjection, Update

Json = dict[str, Any]
Shape = Callable[[Update], Json]
"""Returns the JSON of one update in one binding."""


def rest(update: Update) -> Json:
    """Return the update in the form of HTTP+JSON."""
    return to_json(update.response)


def rpc(request_id: str | int | float | None) -> Shape:
    """Return the form of JSON-RPC, in which each update is a response to the request."""
    return lambda update: {"jsonrpc": "2.0", "id": request_id, "result": to_json(update.response)}


def typed(projection: TaskProjection) -> Shape:
    """Return the form for clients that read `type` and further fields: `status` in words, its `message`, the
    `chunk` of an artifact, and the whole artifact with its last chunk."""

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
    """Return the frames of these updates."""
    return b"".join([_frame(update, run_id, shape) for update in updates])


def list_json(found: ListTasksResponse) -> Json:
    """Return a page of tasks, including empty fields, on which clients rely."""
    return {
        "tasks": [to_json(task) for task in found.tasks],
        "nextPageToken": found.next_page_token,
        "pageSize": found.page_size,
        "totalSize": found.total_size,
    }


def to_json(message: Any) -> Json:
    """Return a message of the protocol as JSON."""
    found: Json = MessageToDict(message)
    return found


def word_of(state: str) -> str:
    """Return a state in words: `input-required`."""
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
