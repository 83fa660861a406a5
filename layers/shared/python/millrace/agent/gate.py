"""The decision on each tool call before it begins: it runs, has an answer already, or waits for people."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from millrace.agent.model import ToolCall
from millrace.agent.suspension import Suspended
from millrace.agent.tools.tool import ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.approvals import WaitingCall


class Waiting(Struct, frozen=True):
    """The call waits for people, for `seconds` from now at most, as `call`."""

    seconds: float
    call: WaitingCall | None = None


Decision = ToolCall | ToolResult | Waiting
"""The call itself runs, perhaps with other arguments; a result answers it without running it."""


class Gate(Protocol):
    """Decides on the calls of an agent before they run. A call is asked about until it has a result: also
    again, by another process. `toolbox` is set when the agent's tools are open."""

    toolbox: Toolbox

    async def decide(self, call: ToolCall) -> Decision: ...

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        """The end of this process's part of a run that waits for these calls."""
        ...

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """The result of a call that was run, with what the model should know of how it was run."""
        ...


class OpenGate:
    """Every call runs."""

    toolbox: Toolbox

    async def decide(self, call: ToolCall) -> Decision:
        return call

    def suspended(self, waiting: Sequence[tuple[ToolCall, Waiting]]) -> Suspended:
        return Suspended("waiting", max(one.seconds for _, one in waiting))

    def noted(self, call: ToolCall, result: ToolResult) -> ToolResult:
        return result
