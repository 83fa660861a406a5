"""Tasks as projections of all kinds of logs: a client assembles the same task, wherever the stream was
cut."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest
from a2a.types.a2a_pb2 import Artifact, SendMessageRequest, StreamResponse, Task
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given

from millrace.domain.conversations import Slot
from millrace.domain.events import LogEntry
from millrace.domain.runs import Run
from millrace.protocols.a2a.messages import read_message
from millrace.protocols.a2a.projection import TERMINAL, TaskProjection
from millrace.stores.event_log import encode
from tests.protocols.generated_runs import GeneratedRun, ended_runs, runs


def put_together(responses: Iterable[StreamResponse], task: Task | None = None) -> Task:
    """The task as a client has it after these updates, by the rules of the specification."""
    found = Task()
    if task:
        found.CopyFrom(task)
    for response in responses:
        kind = response.WhichOneof("payload")
        if kind == "task":
            found.CopyFrom(response.task)
        elif kind == "status_update":
            assert found.status.state not in TERMINAL
            found.status.CopyFrom(response.status_update.status)
        elif kind == "artifact_update":
            _apply(found, response.artifact_update.artifact, append=response.artifact_update.append)
    return found


def _apply(task: Task, artifact: Artifact, *, append: bool) -> None:
    known = next((one for one in task.artifacts if one.artifact_id == artifact.artifact_id), None)
    if known is None:
        assert not append
        task.artifacts.append(artifact)
    elif append:
        known.parts[0].text += artifact.parts[0].text
    else:
        known.CopyFrom(artifact)


def sent(run: Run, entries: Sequence[LogEntry]) -> list[tuple[int, StreamResponse]]:
    projection = TaskProjection(run)
    return [(one.seq, one.response) for entry in entries for one in projection.apply([entry])]


@given(runs())
def test_client_that_sees_all_has_the_task(generated: GeneratedRun) -> None:
    run, entries = generated.run, generated.entries
    projection = TaskProjection(run)
    updates = projection.apply(entries)
    assert put_together(one.response for one in updates) == projection.task()
    alone = sent(run, entries)
    assert put_together(response for _, response in alone) == projection.task()


@given(runs())
def test_client_that_was_cut_anywhere_resumes_without_loss(generated: GeneratedRun) -> None:
    run, entries = generated.run, generated.entries
    whole = TaskProjection(run)
    whole.apply(entries)
    updates = sent(run, entries)
    for cut in range(len(updates)):
        seen = max((seq for seq, _ in updates[: cut + 1]), default=0)
        resumed = TaskProjection(run)
        resumed.apply([entry for entry in entries if entry.seq <= seen])
        first = [resumed.snapshot()] if seen else []
        rest = resumed.apply([entry for entry in entries if entry.seq > seen])
        # With the snapshot, as a subscription has it; and without, as our own stream goes on.
        assert put_together([*first, *(one.response for one in rest)]) == whole.task()
        before = put_together(response for _, response in updates[: cut + 1])
        if not any(seq == 0 for seq, _ in updates[: cut + 1]) or seen:
            assert put_together((one.response for one in rest), before).artifacts == whole.task().artifacts


@given(ended_runs())
def test_ended_run_is_a_task_that_has_ended(generated: GeneratedRun) -> None:
    projection = TaskProjection(generated.run)
    updates = projection.apply(generated.entries)
    assert projection.over
    assert updates[-1].response.status_update.status.state in TERMINAL


@pytest.mark.parametrize("depth", [1, 28, 29, 30, 31, 34, 45, 200])
def test_output_of_any_depth_reaches_clients(depth: int) -> None:
    run = Run("run_1", Slot("org", "c1"), "agent", "running", "2026-01-02T03:04:05.678Z", "msg_1")
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    projection = TaskProjection(run)
    done = {"type": "done", "finishReason": "stop", "output": value}
    updates = projection.apply([encode(1, done)])
    shown = [ParseDict(MessageToDict(one.response), StreamResponse()) for one in updates]
    (part,) = put_together(shown, Task()).artifacts[0].parts
    assert (orjson.loads(part.text) if part.text else MessageToDict(part.data)) == value


def test_integers_in_data_are_read_as_integers() -> None:
    answer = {"decision": "approve", "arguments": {"count": 5, "share": 0.5, "of": [1, {"all": -3}]}}
    parts = [{"data": answer}, {"data": {"count": 5}}]
    given = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": parts}}
    message = read_message(ParseDict(given, SendMessageRequest()))
    sorted_keys = orjson.OPT_SORT_KEYS
    assert orjson.dumps(message.answers[0], None, sorted_keys) == orjson.dumps(answer, None, sorted_keys)
    assert message.text == '{"count":5}'
