"""The decision on each tool call before it starts: run it, answer it from what is known, or wait for
people."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from millrace.agent.model import ToolCall
from millrace.agent.suspension import Suspended
from millrace.agent.tools.tool import ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.approvals import WaitingCall


class Waiting(Struct, frozen=True):
    """The call, as `call`, waits for people for at most `seconds` from now."""

    seconds: float
    call: WaitingCall | None = None


Decision = ToolCall | ToolResult | Waiting
"""A call to run, perhaps with other arguments, or a result that answers it without running."""


class Gate(Protocol):
    """Decides on the tool calls of an agent before they run. A call is decided on until it has a result,
    possibly more than once and by another process. `toolbox` is set once the agent's tools are open."""

    toolbox: Toolbox

    async def decide(self, call: ToolCall) -> Decision: ...

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        """Return what ends this process's part of a run that waits for these calls."""
        ...

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """Return the result of a call, with what the model should know about how it was run."""
        ...


class OpenGate:
    """Lets every call run."""

    toolbox: Toolbox

    async def decide(self, call: ToolCall) -> Decision:
        return call

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        return Suspended("waiting", max(one.seconds for _, one in waiting))

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        return result
