"""A graph of LangGraph as an agent of the deployment."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from millrace.app import AgentContext, agent
from millrace.domain.approvals import ASK_USER
from millrace.frameworks.langgraph.run import GraphOptions, GraphRun, takes_messages


def langgraph_agent(
    id: str,
    graph: Pregel[Any, Any, Any, Any],
    /,
    *,
    input: Callable[[AgentContext], Any] | None = None,
    output: Callable[[Any], Any] | None = None,
    config: Callable[[AgentContext], RunnableConfig] | None = None,
    context: Callable[[AgentContext], Any] | None = None,
    answer_nodes: Collection[str] = (),
    once: Collection[str] = (),
    **settings: Any,
) -> Any:
    """Make a compiled graph an agent of the deployment.

    Args:
        id: The agent's id.
        graph: The graph.
        input: Returns the graph's input from the context, possibly as a coroutine; by default the message
            goes to `messages`.
        output: Returns the answer from the final state, for a graph whose models do not say it.
        config: Returns additional configuration: `configurable`, `recursion_limit`, `tags` ...
        context: Returns the graph's runtime context (`context_schema`).
        answer_nodes: Names of the nodes whose models say the answer; by default all.
        once: Names of tools whose interrupted calls must not be repeated, since nobody knows whether they
            took effect: the run ends with an error instead.
        settings: As for `@agent`.

    Raises `ValueError` for a graph that needs an `input`.
    """
    if input is None and not takes_messages(graph):
        raise ValueError(
            f"The state of the graph {id!r} has no `messages`; specify its input: "
            "langgraph_agent(..., input=lambda ctx: {'question': ctx.message})."
        )
    options = GraphOptions(input, output, config, context, frozenset(answer_nodes), frozenset(once))
    tools = [*settings.pop("tools", ()), ASK_USER]

    @agent(id, **{"description": _description(graph), **settings}, tools=tools, replay=False)
    async def play(ctx: AgentContext) -> AsyncIterator[Any]:
        async for event in GraphRun(graph, ctx, options).events():
            yield event

    return play


def _description(graph: Pregel[Any, Any, Any, Any]) -> str:
    return "" if graph.name == "LangGraph" else f"The graph {graph.name}."
