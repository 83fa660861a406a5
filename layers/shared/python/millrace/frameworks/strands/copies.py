"""Copies of Strands agents, since an agent can do only one thing at a time and keeps its messages."""

import copy
from collections.abc import Generator
from typing import Any

from strands import Agent
from strands.hooks import HookRegistry

_OWN = "strands."


def copy_of(given: Agent) -> Agent:
    """Return a copy for one run."""
    made = Agent(
        model=given.model,
        tools=list(given.tool_registry.registry.values()),
        system_prompt=given.system_prompt,
        structured_output_model=output_model_of(given),
        callback_handler=None,
        conversation_manager=copy.deepcopy(given.conversation_manager),
        trace_attributes=given.trace_attributes,
        agent_id=given.agent_id,
        name=given.name,
        description=given.description,
        state=copy.deepcopy(given.state.get()),
        tool_executor=given.tool_executor,
    )
    made.hooks = _Hooks(made.hooks, given.hooks)
    return made


def output_model_of(given: Agent) -> Any:
    """Return the type of an agent's answers, for which Strands has no public name. Raises `TypeError` for a
    version that keeps it elsewhere."""
    try:
        return given._default_structured_output_model
    except AttributeError:
        raise TypeError(
            "This version of Strands does not show the structured output of an agent, so it cannot be "
            "copied; give a function that makes one for each run: strands_agent(id, lambda ctx: Agent(...))."
        ) from None


class _Hooks(HookRegistry):
    """The hooks that a new agent has by itself, and those that users have added to the given one."""

    def __init__(self, own: HookRegistry, given: HookRegistry) -> None:
        super().__init__()
        self._own = own
        self._given = given

    def add_callback(self, *args: Any, **more: Any) -> None:
        """See `HookRegistry`."""
        self._own.add_callback(*args, **more)

    def has_callbacks(self) -> bool:
        """See `HookRegistry`."""
        return self._own.has_callbacks() or self._given.has_callbacks()

    def get_callbacks_for(self, event: Any) -> Generator[Any, None, None]:
        """See `HookRegistry`."""
        own = list(self._own.get_callbacks_for(event))
        added = [one for one in self._given.get_callbacks_for(event) if not _is_of_strands(one)]
        yield from [*added, *own] if event.should_reverse_callbacks else [*own, *added]


def _is_of_strands(callback: Any) -> bool:
    return str(getattr(callback, "__module__", "")).startswith(_OWN)
