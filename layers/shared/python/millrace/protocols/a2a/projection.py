"""Projects a run's events to an A2A task and its updates.

This is a pure fold: the same events give the same task, in any process and any number of times. If an event
leads to several updates, only the last one may add to earlier content; the others replace it. So a client
that is cut off between them, and continues after the previous event, loses and duplicates nothing.
"""

from collections.abc import Iterable
from typing import Any

from a2a.types.a2a_pb2 import (
    Artifact,
    Message,
    Part,
    Role,
    StreamResponse,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import Struct, field

from millrace.domain.clock import from_iso
from millrace.domain.events import Detail, Event, LogEntry
from millrace.domain.projection import capped, project, rewound_to
from millrace.domain.runs import Run
from millrace.protocols.a2a.conformance import AGENT_ID, direct_message, scripted_artifact
from millrace.protocols.a2a.parts import data_part, question_parts

TERMINAL = frozenset(
    {
        TaskState.TASK_STATE_COMPLETED,
        TaskState.TASK_STATE_FAILED,
        TaskState.TASK_STATE_CANCELED,
        TaskState.TASK_STATE_REJECTED,
    }
)
OUTPUT = "output"
"""The name of the artifact with an answer that matches the agent's `responseSchema`."""
_STOPPED = frozenset({"stopped", "interrupted"})


class Update(Struct, frozen=True):
    """An update to send, with the number of the event that the client has seen after it; 0 if more updates of
    the same event follow."""

    seq: int
    response: StreamResponse
    text: str = ""


class TaskProjection(Struct):
    """A task, built from the events so far. `texts` are the pieces of the answer with their numbers."""

    run: Run
    detail: Detail = "steps"
    state: TaskState = TaskState.TASK_STATE_SUBMITTED
    message: Message | None = None
    texts: list[tuple[int, str]] = field(default_factory=list)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    direct: Message | None = None
    asked: dict[str, Event] = field(default_factory=dict)
    ended_ms: int = 0
    begun: bool = False

    @property
    def over(self) -> bool:
        """True once the task has ended."""
        return self.state in TERMINAL

    def apply(self, batch: Iterable[LogEntry]) -> list[Update]:
        """Apply events and return the updates that they lead to, with adjacent pieces of the answer
        joined."""
        updates: list[Update] = []
        for entry in batch:
            for update in self._apply(entry):
                if updates and (joined := _joined(updates[-1], update)):
                    updates[-1] = joined
                else:
                    updates.append(update)
        return updates

    def task(self) -> Task:
        """Return the current state of the task, without its history."""
        artifacts = [self._answer([self.answer])] if self.begun else []
        return Task(
            id=self.run.id,
            context_id=self.run.slot.conversation_id,
            status=self._status(),
            artifacts=[*artifacts, *self.artifacts.values()],
        )

    def snapshot(self) -> StreamResponse:
        """Return the current state of the task as the first item of a stream."""
        return StreamResponse(task=self.task())

    @property
    def answer(self) -> str:
        """Return the text of the answer so far."""
        return "".join(text for _, text in self.texts)

    def set_answer(self, text: str) -> None:
        """Set the answer from another source, because the log has expired."""
        self.texts, self.begun = [(0, text)], bool(text)

    def _apply(self, entry: LogEntry) -> list[Update]:
        event = project(entry.event, capped(self.detail, self.run.visibility))
        if event is None:
            return []
        found = [*self._resumed(event), *self._responses_to(entry, event)]
        return [
            Update(entry.seq if response is found[-1] else 0, response, _text_of(event, response))
            for response in found
        ]

    def _resumed(self, event: Event) -> list[StreamResponse]:
        """Return the update for a task that continues its work."""
        quiet = ("start", "status", "waiting", "done", "error", "rewind", "approval_requested")
        if event["type"] in quiet or self.state == TaskState.TASK_STATE_WORKING:
            return []
        if event["type"] == "approval_answered" and len(self.asked) > 1:
            return []
        return [self._now(TaskState.TASK_STATE_WORKING)]

    def _responses_to(self, entry: LogEntry, event: Event) -> list[StreamResponse]:
        kind = event["type"]
        if kind == "start":
            return [self.snapshot()]
        if kind == "token" and "parent" not in event:
            return [self._answer_piece(entry.seq, event["token"])]
        if kind == "status":
            return [
                self._now(
                    TaskState.TASK_STATE_WORKING,
                    self._agent_message(entry.seq, [Part(text=event["message"])]),
                )
            ]
        if kind == "approval_requested":
            self.asked[event["callId"]] = event
        elif kind == "approval_answered":
            self.asked.pop(event["callId"], None)
        elif kind == "waiting":
            message = self._agent_message(entry.seq, question_parts(list(self.asked.values())))
            return [self._now(TaskState.TASK_STATE_INPUT_REQUIRED, message)]
        elif kind == "rewind":
            return self._rewound(rewound_to(entry))
        elif kind == "tool_result" and self.run.agent_id == AGENT_ID:
            return self._scripted(entry)
        elif kind in ("done", "error"):
            return self._ended(entry.seq, event)
        return []

    def _answer_piece(self, seq: int, text: str) -> StreamResponse:
        append, self.begun = self.begun, True
        self.texts.append((seq, text))
        return self._artifact(self._answer([text]), append=append)

    def _rewound(self, after: int) -> list[StreamResponse]:
        kept = [(seq, text) for seq, text in self.texts if seq <= after]
        if len(kept) == len(self.texts):
            return []
        self.texts = kept
        return [self._artifact(self._answer([self.answer]))]

    def _scripted(self, entry: LogEntry) -> list[StreamResponse]:
        if message := direct_message(self.run, entry):
            self.direct = message
        elif artifact := scripted_artifact(entry):
            self.artifacts[artifact.artifact_id] = artifact
            return [self._artifact(artifact, last=True)]
        return []

    def _ended(self, seq: int, event: Event) -> list[StreamResponse]:
        # An empty last piece may be sent twice without effect.
        found = [self._artifact(self._answer([""]), append=True, last=True)] if self.begun else []
        if self.direct:
            self.state = TaskState.TASK_STATE_COMPLETED
            return [StreamResponse(message=self.direct)]
        if "output" in event:
            parts = [data_part(event["output"], "application/json")]
            self.artifacts[OUTPUT] = Artifact(artifact_id=OUTPUT, name=OUTPUT, parts=parts)
            found.append(self._artifact(self.artifacts[OUTPUT], last=True))
        if event.get("durationMs") is not None:
            self.ended_ms = from_iso(self.run.started_at) + event["durationMs"]
        return [*found, self._now(_end_of(event), self._reason(seq, event))]

    def _reason(self, seq: int, event: Event) -> Message | None:
        return self._agent_message(seq, [Part(text=event["message"])]) if event["type"] == "error" else None

    def _now(self, state: TaskState, message: Message | None = None) -> StreamResponse:
        self.state, self.message = state, message
        return StreamResponse(
            status_update=TaskStatusUpdateEvent(
                task_id=self.run.id, context_id=self.run.slot.conversation_id, status=self._status()
            )
        )

    def _artifact(self, artifact: Artifact, *, append: bool = False, last: bool = False) -> StreamResponse:
        return StreamResponse(
            artifact_update=TaskArtifactUpdateEvent(
                task_id=self.run.id,
                context_id=self.run.slot.conversation_id,
                artifact=artifact,
                append=append,
                last_chunk=last,
            )
        )

    def _answer(self, texts: list[str]) -> Artifact:
        parts = [Part(text=text) for text in texts]
        return Artifact(artifact_id=self.run.message_id, name="answer", parts=parts)

    def _agent_message(self, seq: int, parts: list[Part]) -> Message:
        return Message(
            message_id=f"{self.run.id}.{seq}",
            context_id=self.run.slot.conversation_id,
            task_id=self.run.id,
            role=Role.ROLE_AGENT,
            parts=parts,
        )

    def _status(self) -> TaskStatus:
        return TaskStatus(state=self.state, message=self.message, timestamp=self._time())

    def _time(self) -> Timestamp | None:
        """The time of the status if the run has it; the events have no times."""
        if self.over:
            ended = from_iso(self.run.ended_at) if self.run.ended_at else self.ended_ms
            return timestamp(ended) if ended else None
        begun = self.state != TaskState.TASK_STATE_INPUT_REQUIRED
        return timestamp(from_iso(self.run.started_at)) if begun else None


def timestamp(ms: int) -> Timestamp:
    """Return a time in milliseconds in the form of the protocol."""
    found = Timestamp()
    found.FromMilliseconds(ms)
    return found


def _end_of(event: Event) -> TaskState:
    if event["type"] == "error":
        rejected = event["code"] == "rejected"
        return TaskState.TASK_STATE_REJECTED if rejected else TaskState.TASK_STATE_FAILED
    stopped = event.get("finishReason") in _STOPPED
    return TaskState.TASK_STATE_CANCELED if stopped else TaskState.TASK_STATE_COMPLETED


def _text_of(event: Event, response: StreamResponse) -> str:
    is_piece = event["type"] == "token" and response.WhichOneof("payload") == "artifact_update"
    return str(event["token"]) if is_piece else ""


def _joined(before: Update, update: Update) -> Update | None:
    """Join two consecutive pieces of the answer into one update; None for other updates."""
    if not (before.text and update.text):
        return None
    text = before.text + update.text
    response = StreamResponse()
    response.CopyFrom(before.response)
    response.artifact_update.artifact.parts[0].text = text
    return Update(update.seq, response, text)


def state_of(run: Run) -> TaskState:
    """Return the state of a task from its run alone."""
    error: dict[str, Any] = run.error or {}
    match run.state:
        case "completed":
            return TaskState.TASK_STATE_COMPLETED
        case "stopped":
            return _end_of({"type": "done", "finishReason": run.finish_reason})
        case "failed":
            return _end_of({"type": "error", "code": error.get("code")})
        case "waiting":
            return TaskState.TASK_STATE_INPUT_REQUIRED
    return TaskState.TASK_STATE_WORKING
