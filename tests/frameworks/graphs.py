"""Graphs from LangGraph's and LangChain's documentation, and others, with a scripted model.

Imported by tests when they run: LangGraph takes a second to import.
"""

import asyncio
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain.tools import tool
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from millrace.frameworks.langgraph import Checkpoints, langgraph_agent
from tests.frameworks.chat_models import FakeModel, call

__all__ = ["FakeModel", "create_agent", "langgraph_agent"]

done: Counter[str] = Counter()


def calculator(model: Any) -> Any:
    """src/oss/langgraph/quickstart.mdx of langchain-ai/docs, but for the model and the counts."""

    # Define tools
    @tool
    def multiply(a: int, b: int) -> int:
        """Multiply `a` and `b`.

        Args:
            a: First int
            b: Second int
        """
        done["multiply"] += 1
        return a * b

    @tool
    def add(a: int, b: int) -> int:
        """Adds `a` and `b`.

        Args:
            a: First int
            b: Second int
        """
        done["add"] += 1
        return a + b

    @tool
    def divide(a: int, b: int) -> float:
        """Divide `a` and `b`.

        Args:
            a: First int
            b: Second int
        """
        return a / b

    # Augment the LLM with tools
    tools = [add, multiply, divide]
    tools_by_name = {tool.name: tool for tool in tools}
    model_with_tools = model.bind_tools(tools)

    class MessagesState(TypedDict):
        messages: Annotated[list[AnyMessage], operator.add]
        llm_calls: int

    def llm_call(state: dict[str, Any]) -> Any:
        """LLM decides whether to call a tool or not"""
        return {
            "messages": [
                model_with_tools.invoke(
                    [
                        SystemMessage(
                            content="You are a helpful assistant tasked with performing arithmetic on a set "
                            "of inputs."
                        )
                    ]
                    + state["messages"]
                )
            ],
            "llm_calls": state.get("llm_calls", 0) + 1,
        }

    def tool_node(state: dict[str, Any]) -> Any:
        """Performs the tool call"""
        result = []
        for tool_call in state["messages"][-1].tool_calls:
            tool = tools_by_name[tool_call["name"]]
            observation = tool.invoke(tool_call["args"])
            result.append(ToolMessage(content=observation, tool_call_id=tool_call["id"]))
        return {"messages": result}

    def should_continue(state: MessagesState) -> Literal["tool_node", "__end__"]:
        """Decide if we should continue the loop or stop based upon whether the LLM made a tool call"""
        messages = state["messages"]
        last_message = messages[-1]
        # If the LLM makes a tool call, then perform an action
        if last_message.tool_calls:  # type: ignore[union-attr]
            return "tool_node"
        # Otherwise, we stop (reply to the user)
        return END  # type: ignore[return-value]

    # Build workflow
    agent_builder = StateGraph(MessagesState)
    # Add nodes
    agent_builder.add_node("llm_call", llm_call)  # type: ignore[type-var, unused-ignore]
    agent_builder.add_node("tool_node", tool_node)  # type: ignore[type-var, unused-ignore]
    # Add edges to connect nodes
    agent_builder.add_edge(START, "llm_call")
    agent_builder.add_conditional_edges("llm_call", should_continue, ["tool_node", END])
    agent_builder.add_edge("tool_node", "llm_call")
    # Compile the agent
    return agent_builder.compile()


def sums(messages: Sequence[BaseMessage]) -> Any:
    """Adds, multiplies, then says what came of it."""
    done["model"] += 1
    results = [one for one in messages if one.type == "tool"]
    if not results:
        return [call("add", a=3, b=4)]
    if len(results) == 1:
        return [call("multiply", a=7, b=2)]
    return f"The result is {results[-1].text}."


def speakers() -> Any:
    """Two nodes side by side and one behind them, each of which says something."""
    model = FakeModel(answer=lambda messages: f"I heard {messages[-1].text}")

    async def left(state: MessagesState) -> Any:
        get_stream_writer()("Left")
        return {"messages": [await model.ainvoke("left.")]}

    async def right(state: MessagesState) -> Any:
        get_stream_writer()({"found": 3})
        return {"messages": [await model.ainvoke("right.")]}

    async def last(state: MessagesState) -> Any:
        get_stream_writer()({"type": "thinking", "text": "hm"})
        return {"messages": [await model.ainvoke("both.")]}

    builder = StateGraph(MessagesState)
    builder.add_node("left", left)
    builder.add_node("right", right)
    builder.add_node("last", last)
    builder.add_edge(START, "left")
    builder.add_edge("left", "right")
    builder.add_edge("right", "last")
    builder.add_edge("last", END)
    return builder.compile()


def approval() -> Any:
    """The approval workflow of LangGraph's documentation."""

    class ApprovalState(TypedDict):
        action_details: str
        status: Literal["pending", "approved", "rejected"] | None

    def approval_node(state: ApprovalState) -> Command[Literal["proceed", "cancel"]]:
        # Expose details so the caller can render them in a UI
        decision = interrupt(
            {
                "question": "Approve this action?",
                "details": state["action_details"],
            }
        )

        # Route to the appropriate node after resume
        return Command(goto="proceed" if decision else "cancel")

    def proceed_node(state: ApprovalState) -> Any:
        return {"status": "approved"}

    def cancel_node(state: ApprovalState) -> Any:
        return {"status": "rejected"}

    builder = StateGraph(ApprovalState)
    builder.add_node("approval", approval_node)
    builder.add_node("proceed", proceed_node)
    builder.add_node("cancel", cancel_node)
    builder.add_edge(START, "approval")
    builder.add_edge("proceed", END)
    builder.add_edge("cancel", END)

    # Use a more durable checkpointer in production
    checkpointer = InMemorySaver()
    return builder.compile(checkpointer=checkpointer)


def payer(paid: list[int]) -> Any:
    """An agent of LangChain whose calls people review."""

    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    def answer(messages: Sequence[BaseMessage]) -> Any:
        return "Done." if messages[-1].type == "tool" else [call("pay", amount=5), call("pay", "b", amount=6)]

    middleware = HumanInTheLoopMiddleware(interrupt_on={"pay": True})
    return create_agent(FakeModel(answer=answer), tools=[pay], middleware=[middleware])


def configured() -> Any:
    """A graph that says what its configuration tells."""

    def node(state: MessagesState, config: RunnableConfig) -> Any:
        given = config["configurable"]
        return {"messages": [HumanMessage(f"{given['user_id']} {given['conversation_id']} {given['more']}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile()


async def conformance(store: Any) -> Any:
    """The report of the official suite about our checkpointer."""

    @checkpointer_test(name="millrace")
    async def checkpointer() -> Any:
        yield Checkpoints(store())

    return await validate(checkpointer)


def side_by_side() -> Any:
    """Two calls of tools in one turn, each of which ends when both have begun, and a tool that calls one."""

    began: list[str] = []
    both = asyncio.Event()

    @tool
    async def inner(word: str) -> str:
        """Say a word."""
        return word

    @tool
    async def wait(word: str, config: RunnableConfig) -> str:
        """Wait for the other one, then have a tool say a word."""
        began.append(word)
        if len(began) == 2:
            both.set()
        await both.wait()
        return str(await inner.ainvoke({"word": word}, config))

    def answer(messages: Sequence[BaseMessage]) -> Any:
        results = [one.text for one in messages if one.type == "tool"]
        return " ".join(results) or [call("wait", "1", word="left"), call("wait", "2", word="right")]

    return create_agent(FakeModel(answer=answer), tools=[wait])


def nested() -> Any:
    """A graph inside a graph, each with two nodes that speak."""
    model = FakeModel(answer=lambda messages: f"I am {messages[-1].text}")

    def speaker(name: str) -> Any:
        async def speak(state: MessagesState) -> Any:
            return {"messages": [await model.ainvoke(f"{name}.")]}

        return speak

    inside = StateGraph(MessagesState)
    inside.add_node("first", speaker("first"))
    inside.add_node("second", speaker("second"))
    inside.add_edge(START, "first")
    inside.add_edge("first", "second")
    outside = StateGraph(MessagesState)
    outside.add_node("inside", inside.compile())
    outside.add_node("third", speaker("third"))
    outside.add_edge(START, "inside")
    outside.add_edge("inside", "third")
    return outside.compile()


def guide_in_a_tool() -> Any:
    """An agent whose tool runs a graph that speaks."""
    guide = speakers()

    @tool
    async def ask(config: RunnableConfig) -> str:
        """Ask the guide."""
        state = await guide.ainvoke({"messages": [HumanMessage("Speak.")]}, config)
        return str(state["messages"][-1].text)

    def answer(messages: Sequence[BaseMessage]) -> Any:
        return "That is all." if messages[-1].type == "tool" else [call("ask")]

    return create_agent(FakeModel(answer=answer), tools=[ask])
