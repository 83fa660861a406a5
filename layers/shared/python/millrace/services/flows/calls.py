"""Tool calls by a flow's steps."""

from millrace.agent.emitter import emit
from millrace.agent.loop import TOOL_SECONDS
from millrace.agent.model import ToolCall
from millrace.agent.providers.echo import echo_tool
from millrace.agent.tools.builtin import known_tools, made_of, own_rule
from millrace.agent.tools.tool import ToolResult, one_line
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain import events
from millrace.domain.approvals import ASK_USER
from millrace.domain.events import Detail
from millrace.errors import InvalidRequest, MillraceError
from millrace.services.runs.agent_run import AgentRunContext


class StepFailed(MillraceError):
    """A step failed.

    `reason` is only for those who may see the step's tools and results: it contains text of a tool, a model,
    or the data.
    """

    status = 422
    code = "step_failed"

    def __init__(self, message: str, *, code: str | None = None, reason: str = "") -> None:
        super().__init__(message, code=code)
        self.reason = reason

    def message_for(self, visibility: Detail) -> str:
        """Return the message for a run of this visibility."""
        if not self.reason or visibility == "answer":
            return self.message
        return f"{self.message} {self.reason if visibility == 'full' else one_line(self.reason)}"


def toolbox_of(name: str) -> Toolbox:
    """Return the tool of this name. Raises `InvalidRequest`."""
    if name == ASK_USER:
        raise InvalidRequest(
            "In a flow, use a wait_for_input step to ask; ask_user is for agents.", code="unknown_tool"
        )
    if own_rule(name):
        raise InvalidRequest(
            f"{name} requires an approval, which is not possible in a tool step; use an agent step with an "
            "agent that calls it.",
            code="unknown_tool",
        )
    return Toolbox([made_of(echo_tool)] if name == "echo_tool" else known_tools([name]))


async def call_tool(run_context: AgentRunContext, call: ToolCall) -> ToolResult:
    """Call a tool and emit its events. Raises `InvalidRequest` for an unknown name."""
    toolbox = toolbox_of(call.name)
    emit(events.tool_call(call.id, call.name, call.arguments))
    result = await toolbox.run(call, run_context.context, TOOL_SECONDS)
    emit(events.tool_result(call.id, call.name, result.ok, result.summary, result.full, result.duration_ms))
    return result
