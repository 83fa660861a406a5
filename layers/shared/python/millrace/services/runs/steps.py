"""The steps of a run on their way into its messages, so that the history shows what the stream showed."""

from collections.abc import Iterable

from millrace.domain.events import Event
from millrace.domain.projection import kept_step


class StepLog:
    """Collects what a run shows between two of its messages."""

    def __init__(self) -> None:
        self._steps: list[Event] = []
        self._thought: list[str] = []
        self._thought_at: tuple[float, float] | None = None
        self._copied: dict[str, int] = {}

    def watch(self, event: Event, at: float | None = None) -> None:
        """Keep an event if it is a step.

        Pieces of one thought become one step, with its duration if it is watched live (`at`, in seconds).
        """
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
            self._thought_at = None if at is None else (at, at)
        elif at is not None and self._thought_at:
            self._thought_at = (self._thought_at[0], at)
        self._thought.append(step["text"])

    def _continues(self, step: Event) -> bool:
        last = self._steps[-1] if self._thought else None
        return last is not None and last | {"text": ""} == step | {"text": ""}

    def _close_thought(self) -> None:
        if self._thought:
            begin, end = self._thought_at or (0.0, 0.0)
            # A single piece does not show how long it took.
            lasted = {"durationMs": round((end - begin) * 1000)} if end > begin else {}
            self._steps[-1] = self._steps[-1] | {"text": "".join(self._thought)} | lasted
            self._thought = []

    def drain(self) -> list[Event]:
        """Return the steps since the last call, in order."""
        drained, self._steps = self.pending(), []
        return drained

    def copy_of(self, parent: str) -> list[Event]:
        """Return the steps of a sub-agent's work that were not copied yet.

        They also stay, for the result of the call for which it works.
        """
        self._close_thought()
        own = [step for step in self._steps if step.get("parent") == parent]
        copied, self._copied[parent] = self._copied.get(parent, 0), len(own)
        return own[copied:]

    def restore(self, steps: Iterable[Event]) -> None:
        """Restore the copies that an earlier process has stored."""
        for step in steps:
            self.watch(step)
        for parent in {step["parent"] for step in self._steps if "parent" in step}:
            self.copy_of(parent)

    def take_of(self, call_id: str) -> list[Event]:
        """Return the steps of one tool call: its result, and those of its sub-agent.

        The steps of other calls, which are still in progress, stay.
        """
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
        """Return the steps without removing them."""
        self._close_thought()
        return list(self._steps)
