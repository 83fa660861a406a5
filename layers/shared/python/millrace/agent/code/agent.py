"""`@agent`: makes an async generator of the deployment an agent.

from millrace.app import AgentContext, agent, status


@agent("researcher", tools=["http_fetch"])
async def researcher(ctx: AgentContext):
    '''Answers from the pages that it has read.'''
    yield status("Reading ...")
    page = await ctx.call_tool("http_fetch", url="https://example.com")
    async for text in ctx.model.stream(f"{ctx.message}\\n\\n{page}"):
        yield text
"""

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from pydantic import ValidationError

from millrace.agent.tools.own import tool_of
from millrace.domain.agents import CODE, Agent
from millrace.domain.ids import valid_id

if TYPE_CHECKING:
    from millrace.agent.code.context import AgentContext

Play = Callable[["AgentContext"], AsyncIterator[Any]]
MARK = "__millrace_agent__"
MOST_STEPS = 200
"""The maximum iterations of a run (`AgentLimits.max_iterations`): high, as an agent in code decides itself
when it is done."""


class InvalidAgent(TypeError):
    """A function that cannot be an agent. The message says what to write instead."""


class CodeAgent(Struct, frozen=True):
    """An agent in code. `model` is the default model of `ctx.model`; if empty, the deployment's default. With
    `replay`, a process that takes over a run plays the function from its start with the stored results."""

    id: str
    play: Play
    settings: dict[str, Any]
    model: str = ""
    replay: bool = True

    def record(self) -> Agent:
        """Return the agent as it is listed and run."""
        return Agent.model_validate(
            self.settings | {"id": self.id, "model": f"{CODE}{self.id}", "builtin": True}
        )


CODE_AGENTS: dict[str, CodeAgent] = {}
"""The agents in code of this process (see `millrace.agent.own`)."""


def agent(
    id: str,
    *,
    name: str = "",
    description: str = "",
    model: str = "",
    tools: Sequence[Any] = (),
    replay: bool = True,
    **settings: Any,
) -> Callable[[Play], Play]:
    """Make an async generator an agent of every organization.

    Args:
        id: The id by which messages name the agent.
        name: The displayed name; by default the id, capitalized.
        description: The displayed description; by default the docstring's first paragraph.
        model: The model that `ctx.model` asks, as `provider:model`; if empty, the deployment's default.
        tools: The tools that `ctx.call_tool` may call: names, functions with `@tool`, or rules as
            `{"name": "refund", "policy": "ask"}`.
        replay: True if a process that takes over a run plays the function from its start (see
            docs/agents.md); False for a function that keeps its own state.
        settings: Any other setting of an agent: `instructions`, `visibility`, `limits`, `starters`,
            `on_expired`, `expose_a2a`.

    Raises `InvalidAgent`.
    """

    def marked(function: Play) -> Play:
        given = settings | {
            "name": name or id.replace("-", " ").replace("_", " ").capitalize(),
            "description": description or (inspect.getdoc(function) or "").split("\n\n")[0],
            "tools": [_tool_use(one) for one in tools],
        }
        limits = {"maxIterations": MOST_STEPS} | dict(given.get("limits") or {})
        setattr(function, MARK, _code_agent(id, function, given | {"limits": limits}, model, replay))
        return function

    return marked


def agent_of(value: Any) -> CodeAgent | None:
    """Return the agent that `@agent` made from a function; None for anything else."""
    found = getattr(value, MARK, None)
    return found if isinstance(found, CodeAgent) else None


def _tool_use(given: Any) -> Any:
    found = tool_of(given)
    return found.name if found else given


def _code_agent(id: str, function: Any, settings: dict[str, Any], model: str, replay: bool) -> CodeAgent:
    where = f"The agent {id!r} ({getattr(function, '__module__', '?')})"
    if not inspect.isasyncgenfunction(function):
        raise InvalidAgent(
            f"{where} must be an async generator: `async def {getattr(function, '__name__', 'answer')}(ctx: "
            "AgentContext):` with at least one `yield`."
        )
    if len(inspect.signature(function).parameters) != 1:
        raise InvalidAgent(f"{where} must take one argument, its context: (ctx: AgentContext).")
    if not valid_id(id):
        raise InvalidAgent(
            f"{where}: an id has 1 to 128 of A-Z a-z 0-9 _ . : ~ - and begins with a letter or digit."
        )
    made = CodeAgent(id, function, settings, model, replay)
    try:
        made.record()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise InvalidAgent(f"{where}: {path}: {first['msg']}") from error
    return made
