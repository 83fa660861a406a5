"""The tools of a pydantic-ai agent, which store their results."""

from dataclasses import dataclass
from typing import Any

from pydantic_ai import ModelRetry
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext
from millrace.frameworks.common.steps import step_name

RETRY = "millrace:retry"
"""The key of a stored request of a tool to be called again with other arguments."""


@dataclass
class StoredTools(WrapperToolset[Any]):
    """Tools whose results are stored with the run."""

    context: AgentContext
    once: frozenset[str]

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        async def called(arguments: dict[str, Any]) -> Any:
            try:
                return await self.wrapped.call_tool(name, arguments, ctx, tool)
            except ModelRetry as error:  # it is for the model, and not a failure
                return {RETRY: error.message}

        repeat: Repeat = "never" if name in self.once else "safe"
        result = await self.context.step(step_name(name), called, tool_args, repeat=repeat)
        if isinstance(result, dict) and result.keys() == {RETRY}:
            raise ModelRetry(result[RETRY])
        return result
