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
    """A compiled graph as an agent of the deployment, under this id.

    Args:
        input: Makes the graph's input of the context, also as a coroutine; without it the message goes to
            `messages`.
        output: Makes the answer of the final state, for a graph whose models say nothing.
        config: Makes more of its configuration: `configurable`, `recursion_limit`, `tags` ...
        context: Makes its runtime context (`context_schema`).
        answer_nodes: Names of the nodes whose models say the answer; without it all do.
        once: Names of tools that must not be called again where a call was interrupted: it is then an error
            that the run ends with, since nobody knows whether it took effect.
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
