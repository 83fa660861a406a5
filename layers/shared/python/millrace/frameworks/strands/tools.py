"""The tools of a Strands agent, which store their results."""

from contextlib import aclosing
from typing import Any

from strands import Agent
from strands.interrupt import Interrupt
from strands.types._events import ToolInterruptEvent, ToolResultEvent
from strands.types.tools import AgentTool

from millrace.agent.tools.tool import Repeat
from millrace.app import AgentContext, ToolError
from millrace.frameworks.common.steps import from_plain, step_name, to_plain
from millrace.frameworks.strands.model import StoredModel

INTERRUPTS = "millrace:interrupts"
"""The key of stored interrupts, in place of a tool's result."""


class Recorded:
    """Makes an agent's model and tools store their answers, for one run."""

    def __init__(self, ctx: AgentContext, agent: Agent, once: frozenset[str]) -> None:
        self.ctx = ctx
        self._agent = agent
        self._failure: ToolError | None = None
        agent.model = self.model = StoredModel(agent.model, ctx)
        for known in (agent.tool_registry.registry, agent.tool_registry.dynamic_tools):
            for name, tool in known.items():
                known[name] = StoredTool(tool, self, "never" if name in once else "safe")

    def fail(self, error: ToolError) -> None:
        """End the run with an error, which Strands would otherwise report to the model."""
        self._failure = error
        self._agent.cancel()

    def check(self) -> None:
        """Raise the error with which the run is to end, if there is one."""
        if self._failure is not None:
            raise self._failure


class StoredTool(AgentTool):
    """A tool whose results are stored with the run."""

    def __init__(self, wrapped: AgentTool, recorded: Recorded, repeat: Repeat) -> None:
        super().__init__()
        self._wrapped = wrapped
        self._recorded = recorded
        self._repeat = repeat

    @property
    def tool_name(self) -> str:
        """See `AgentTool`."""
        return self._wrapped.tool_name

    @property
    def tool_spec(self) -> Any:
        """See `AgentTool`."""
        return self._wrapped.tool_spec

    @tool_spec.setter
    def tool_spec(self, value: Any) -> None:
        self._wrapped.tool_spec = value  # type: ignore[misc]

    @property
    def tool_type(self) -> str:
        """See `AgentTool`."""
        return self._wrapped.tool_type

    async def stream(self, tool_use: Any, invocation_state: dict[str, Any], **kwargs: Any) -> Any:
        """See `AgentTool`."""

        async def called(given: Any) -> Any:
            events = self._wrapped.stream(tool_use, invocation_state, **kwargs)
            async with aclosing(events):
                found = [event async for event in events]
            return to_plain(_kept(found[-1]))

        ctx, name = self._recorded.ctx, step_name(self.tool_name)
        try:
            kept = from_plain(await ctx.step(name, called, tool_use["input"], repeat=self._repeat))
        except ToolError as error:
            self._recorded.fail(error)
            raise
        if INTERRUPTS in kept:
            yield ToolInterruptEvent(tool_use, [Interrupt(**one) for one in kept[INTERRUPTS]])
        else:
            yield ToolResultEvent(kept | {"toolUseId": tool_use["toolUseId"]})


def _kept(last: Any) -> Any:
    if isinstance(last, ToolInterruptEvent):
        return {INTERRUPTS: [one.to_dict() for one in last.interrupts]}
    return last.tool_result if isinstance(last, ToolResultEvent) else last
