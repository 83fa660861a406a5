"""The decision on each tool call before it begins: it runs, has an answer already, or waits for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace.agent.model import ToolCall
from millrace.agent.tools.tool import ToolResult
from millrace.domain.events import Event


@dataclass(frozen=True, slots=True)
class Waiting:
    """The call waits for people, for `seconds` from now at most."""

    seconds: float


Decision = ToolCall | ToolResult | Waiting
"""The call itself runs, perhaps with other arguments; a result answers it without running it."""


class Gate(Protocol):
    """Decides on the calls of an agent. A call is asked about until it has begun: also again, by another
    process, so what a gate stores for a call it stores once."""

    async def decide(self, call: ToolCall) -> Decision: ...

    def last_event(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Event | None:
        """The event with which the streams of a run end that waits for these calls."""
        ...


class OpenGate:
    """Every call runs."""

    async def decide(self, call: ToolCall) -> Decision:
        return call

    def last_event(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Event | None:
        return None
