"""The outcome of a call of `transform`."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.pipelines.chunk import Chunk
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event, Payload
from millrace.pipelines.work import Work


class StepCount(Struct):
    """Counts of events in one step.

    received = passed (to the next) + dropped + failed + held (by a window or batch) + late, unless a step
    made several events of one. A late event sent to the dead letters does not also count as failed.
    """

    received: int = 0
    passed: int = 0
    dropped: int = 0
    failed: int = 0
    held: int = 0
    late: int = 0

    def as_json(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__struct_fields__}

    def add(self, other: "StepCount") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class FailedEvent(Struct, frozen=True):
    """An event that a step could not process, as it came to that step, and the reason."""

    event: Event
    payload: Payload
    step: int
    code: str
    message: str

    def as_json(self) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message}
        return {"step": self.step, "error": error, "meta": self.event.meta(), "payload": self.payload}


class Outcome(Struct):
    """The result of a pass.

    `counts` has one entry for each step of the definition, and `changes` is what `keep` has to write. `work`
    is the events' budget, and `events` their number.
    """

    counts: list[StepCount]
    outputs: list[Event] = field(default_factory=list)
    dead_letters: list[FailedEvent] = field(default_factory=list)
    changes: list["Change"] = field(default_factory=list)
    work: Work = field(default_factory=Work)
    events: int = 0

    def fail(self, step: int, on_error: str, payload: Payload, event: Event, error: EvaluationError) -> None:
        """Record an event that ends here because of an error."""
        self.counts[step].failed += 1
        if on_error != "drop":
            dead_letter = FailedEvent(event, event.whole(payload), step, error.code, error.message)
            self.dead_letters.append(dead_letter)

    def savepoint(self, step: int) -> "Savepoint":
        """Return the data that `roll_back` needs to undo everything that the step is about to add."""
        return Savepoint(replace(self.counts[step]), len(self.dead_letters), len(self.changes))

    def roll_back(self, step: int, savepoint: "Savepoint") -> None:
        """Undo what was added since the savepoint."""
        self.counts[step] = replace(savepoint.count)
        del self.dead_letters[savepoint.dead_letters :]
        del self.changes[savepoint.changes :]

    def unkept(self, change: "Change", on_error: str, error: EvaluationError) -> None:
        """Record that the events of a change end here, because it could not be written."""
        self.counts[change.step].held -= len(change.members)
        for event in change.of_members():
            self.fail(change.step, on_error, event.payload, event, error)

    def is_late(self, step: int, policy: str, payload: Payload, event: Event) -> None:
        """Record an event whose window is closed."""
        self.counts[step].late += 1
        if policy == "dlq":
            message = "The event came after the allowed lateness of its window."
            self.dead_letters.append(FailedEvent(event, event.whole(payload), step, "late", message))


class Savepoint(Struct, frozen=True):
    """The content of an outcome before a step ran."""

    count: StepCount
    dead_letters: int
    changes: int


class Change(Struct, frozen=True):
    """Events to keep in one bucket of a window or batch step.

    `members` are the positions of events in a chunk, whose rows or items are the `content`.
    """

    step: int
    bucket: int
    content: Any
    chunk: Chunk
    members: Sequence[int]

    def of_members(self) -> list[Event]:
        """Return the events as they came to the step."""
        return [self.chunk.events[at].with_payload(self.chunk.payloads[at]) for at in self.members]
