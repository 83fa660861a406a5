"""A task's updates as push notifications: every status, and each artifact once it is complete."""

from collections.abc import Iterable

import orjson
from a2a.types.a2a_pb2 import StreamResponse, TaskArtifactUpdateEvent

from millrace.domain.events import LogEntry
from millrace.domain.runs import Run
from millrace.protocols.a2a.encoding import to_json
from millrace.protocols.a2a.projection import TaskProjection


def notifications(run: Run, entries: Iterable[LogEntry]) -> list[tuple[int, list[bytes]]]:
    """Return the notifications of each event of a run, from the first on, with the number of the event.
    Pieces of an artifact are left out, since a request for each would be too many."""
    projection = TaskProjection(run)
    found: list[tuple[int, list[bytes]]] = []
    for entry in entries:
        wholes = [_whole(projection, update.response) for update in projection.apply([entry])]
        if bodies := [orjson.dumps(to_json(whole)) for whole in wholes if whole]:
            found.append((entry.seq, bodies))
    return found


def _whole(projection: TaskProjection, response: StreamResponse) -> StreamResponse | None:
    if response.WhichOneof("payload") != "artifact_update":
        return response
    event = response.artifact_update
    if not event.last_chunk:
        return None
    id = event.artifact.artifact_id
    artifact = next(one for one in projection.task().artifacts if one.artifact_id == id)
    return StreamResponse(
        artifact_update=TaskArtifactUpdateEvent(
            task_id=event.task_id, context_id=event.context_id, artifact=artifact, last_chunk=True
        )
    )
