"""LangGraph graphs whose models fail temporarily. Tests import it as `graphs` when they run."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from langchain.tools import tool
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from millrace.frameworks.langchain import langchain_agent
from millrace.frameworks.langgraph import langgraph_agent
from tests.frameworks.chains import joke
from tests.frameworks.chat_models import FakeModel

__all__ = ["Busy", "joke", "langchain_agent", "langgraph_agent"]


class Throttled(Exception):
    """The refusal of a model's server."""

    status_code = 429


class Busy:
    """Fails so often, then says a word; `done` counts what was done."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.done: Counter[str] = Counter()

    def model(self, word: str) -> FakeModel:
        def answer(messages: Any) -> str:
            self.done[word] += 1
            if self.failures and word == "late":
                self.failures -= 1
                raise Throttled("Slow down.")
            return word

        return FakeModel(answer=answer)


def graph_of(start: list[str], edges: list[tuple[str, str]], **nodes: Callable[..., Any]) -> Any:
    builder = StateGraph(MessagesState)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for name in start:
        builder.add_edge(START, name)
    for one, two in edges:
        builder.add_edge(one, two)
    return builder.compile()


def speaker(model: FakeModel) -> Any:
    async def speak(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke("Speak.")]}

    return speak


def in_a_row(busy: Busy) -> Any:
    """A node that speaks, and one whose model is late."""
    edges = [("early", "late"), ("late", END)]
    return graph_of(["early"], edges, early=speaker(busy.model("early")), late=speaker(busy.model("late")))


def at_once(busy: Busy) -> Any:
    """A node that speaks with two models, the second of which is late."""
    early, late = busy.model("early"), busy.model("late")

    async def both(state: MessagesState) -> Any:
        await early.ainvoke("Speak.")
        return {"messages": [await late.ainvoke("Speak.")]}

    return graph_of(["both"], [("both", END)], both=both)


def own_service(state: MessagesState) -> Any:
    raise Throttled("The shop's own service is busy.")


def without_a_model() -> Any:
    """A graph whose own code fails as models do."""
    return graph_of(["node"], [("node", END)], node=own_service)


def beside_a_tool() -> Any:
    """A node that fails while a tool of another one is at work."""
    at_work = asyncio.Event()

    @tool
    async def wait(word: str) -> str:
        """Wait for ever."""
        at_work.set()
        await asyncio.Event().wait()
        return word

    async def call(state: MessagesState, config: RunnableConfig) -> Any:
        return {"messages": [AIMessage(await wait.ainvoke({"word": "x"}, config))]}

    async def fail(state: MessagesState) -> Any:
        await at_work.wait()
        raise LookupError("There is no such thing.")

    return graph_of(["call", "fail"], [], call=call, fail=fail)


def payer(busy: Busy) -> Any:
    """A node that pays by a tool, and then asks a model that is late."""
    late = busy.model("late")

    @tool
    async def pay(amount: int) -> str:
        """Pay."""
        busy.done["pay"] += 1
        return "paid"

    async def both(state: MessagesState, config: RunnableConfig) -> Any:
        await pay.ainvoke({"amount": 5}, config)
        return {"messages": [await late.ainvoke("Speak.")]}

    return graph_of(["both"], [("both", END)], both=both)


def asker(busy: Busy) -> Any:
    """A node that asks the user, and then a model that is late."""
    late = busy.model("late")

    async def both(state: MessagesState) -> Any:
        busy.done[str(interrupt("Shall I?"))] += 1
        return {"messages": [await late.ainvoke("Speak.")]}

    return graph_of(["both"], [("both", END)], both=both)
