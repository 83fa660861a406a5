"""The steps of a run on their way into its messages, so that the history shows what the stream showed."""

from millrace.domain.events import Event
from millrace.domain.projection import kept_step


class StepLog:
    """Collects what a run shows between two of its messages."""

    def __init__(self) -> None:
        self._steps: list[Event] = []
        self._thought: list[str] = []

    def watch(self, event: Event) -> None:
        """Keep an event if it is a step; pieces of one thought become one step."""
        step = kept_step(event)
        if step is None:
            return
        if step["type"] != "thinking":
            self._close_thought()
            self._steps.append(step)
            return
        if not self._continues(step):
            self._close_thought()
            self._steps.append(step)
        self._thought.append(step["text"])

    def _continues(self, step: Event) -> bool:
        last = self._steps[-1] if self._thought else None
        return last is not None and last | {"text": ""} == step | {"text": ""}

    def _close_thought(self) -> None:
        if self._thought:
            self._steps[-1] = self._steps[-1] | {"text": "".join(self._thought)}
            self._thought = []

    def drain(self) -> list[Event]:
        """The steps since the last call, in order."""
        drained, self._steps = self.pending(), []
        return drained

    def take_of(self, call_id: str) -> list[Event]:
        """The steps that belong to one call of a tool: its result, and what a sub-agent did for it. Those of
        other calls, which are still at work, stay."""
        self._close_thought()
        calls = {call_id}
        drained: list[Event] = []
        left: list[Event] = []
        for step in self._steps:
            own = (
                step.get("parent") in calls
                if "parent" in step
                else step.get("id", step.get("callId")) == call_id
            )
            if own and step["type"] == "tool_call":
                calls.add(step["id"])
            (drained if own else left).append(step)
        self._steps = left
        return drained

    def pending(self) -> list[Event]:
        """The same, and they stay."""
        self._close_thought()
        return list(self._steps)
