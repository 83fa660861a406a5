"""Copies of agents of the OpenAI Agents SDK whose models and tools store their answers."""

import copy
from typing import Any

import orjson
from agents import Agent, FunctionTool, Handoff, Model, ModelProvider
from agents.tool_context import ToolContext
from pydantic_core import PydanticSerializationError, to_json

from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext
from millrace.frameworks.common.live import Live
from millrace.frameworks.common.steps import step_name
from millrace.frameworks.openai_agents.model import StoredModel, name_of


class Copies:
    """Copies of agents for one run, whose models and tools store their answers. The user's own agents are not
    changed, since many runs use them at once."""

    def __init__(self, ctx: AgentContext, once: frozenset[str], provider: ModelProvider) -> None:
        self._ctx = ctx
        self._once = once
        self._provider = provider
        self._live: Live | None = None
        self.name = ""
        """The model that is asked first, with its provider."""
        self._made: dict[int, Agent[Any]] = {}

    def agent(self, original: Agent[Any]) -> Agent[Any]:
        """Return the copy of an agent, and of those that it hands over to."""
        if id(original) in self._made:
            return self._made[id(original)]
        tools = [self._tool(one) for one in original.tools]
        made = original.clone(model=self.model(original.model), tools=tools, handoffs=[])
        self._made[id(original)] = made
        made.model_settings = original.model_settings  # those of its model, which a wrapped one lacks
        made.handoffs = [self._handoff(one) for one in original.handoffs]
        self._wrap_mcp(original, made)
        return made

    def model(self, given: str | Model | None) -> "StoredModel":
        """Return a model that stores its answers."""
        wrapped = given if isinstance(given, Model) else self._provider.get_model(given)
        # One for all agents: each of them sends the messages of the earlier ones.
        if self._live is None:
            self.name = name_of(wrapped)
            self._live = Live(self._ctx, self.name)
        return StoredModel(wrapped, self._ctx, self._live)

    def _wrap_mcp(self, original: Agent[Any], made: Agent[Any]) -> None:
        async def get_mcp_tools(run_context: Any) -> list[Any]:
            return [self._tool(one) for one in await original.get_mcp_tools(run_context)]

        if original.mcp_servers:
            made.get_mcp_tools = get_mcp_tools  # type: ignore[method-assign]

    def _handoff(self, given: Any) -> Any:
        if isinstance(given, Agent):
            return self.agent(given)
        made: Handoff[Any, Any] = copy.copy(given)
        hand_over = given.on_invoke_handoff

        async def on_invoke_handoff(context: Any, arguments: str) -> Any:
            return self.agent(await hand_over(context, arguments))

        made.on_invoke_handoff = on_invoke_handoff
        return made

    def _tool(self, given: Any) -> Any:
        """Return a function tool that stores its results. Other tools run at the model's server."""
        if not isinstance(given, FunctionTool):
            return given
        made, invoke = copy.copy(given), given.on_invoke_tool
        repeat: Repeat = "never" if given.name in self._once else "safe"

        async def on_invoke_tool(context: ToolContext[Any], arguments: str) -> Any:
            async def called(given: Any) -> Any:
                return _plain(await invoke(context, arguments))

            return await self._ctx.step(step_name(made.name), called, _read(arguments), repeat=repeat)

        made.on_invoke_tool = on_invoke_tool
        return made


def _read(arguments: str) -> Any:
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments


def _plain(result: Any) -> Any:
    """Return a result in a form that JSON has; for anything else its text, which is what the SDK sends to the
    model."""
    try:
        to_json(result)
    except PydanticSerializationError:
        return str(result)
    return result
