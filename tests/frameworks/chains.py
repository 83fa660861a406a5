"""Chains and agents from LangChain's documentation, and others, with a scripted model.

Imported by tests when they run: LangChain takes a second to import.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableConfig, RunnableGenerator, RunnableLambda

from millrace.frameworks.langchain import langchain_agent
from tests.frameworks.chat_models import FakeModel, call

__all__ = ["FakeModel", "langchain_agent"]


def joke(model: Any) -> Any:
    """The chain of LangChain's guide to streaming."""
    prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")
    parser = StrOutputParser()
    chain = prompt | model | parser
    return chain


def chat(model: Any) -> Any:
    """A chain with a placeholder for the conversation."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "You are a helpful assistant."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    return prompt | model


def loud(model: Any) -> Any:
    """A chain that changes what its model says."""

    async def raised(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        async for piece in pieces:
            yield piece.upper()

    return ChatPromptTemplate.from_template("{text}") | model | StrOutputParser() | RunnableGenerator(raised)


def typed(model: Any) -> Any:
    """A chain whose result is no text."""
    return ChatPromptTemplate.from_template("{question}") | model | JsonOutputParser()


def worker() -> Any:
    """A chain without a model, which calls a tool and tells about it."""

    @tool
    async def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    async def work(text: str, config: RunnableConfig) -> str:
        await adispatch_custom_event("progress", "Doubling", config=config)
        return str(await double.ainvoke({"number": int(text)}, config))

    return RunnableLambda(work)


def weather(model: Any) -> Any:
    """The quickstart of LangChain, as it is there but for the model."""

    def get_weather(city: str) -> str:
        """Get weather for a given city."""
        return f"It's always sunny in {city}!"

    agent = create_agent(
        model=model,
        tools=[get_weather],
        system_prompt="You are a helpful assistant",
    )
    return agent


def forecast(messages: Sequence[BaseMessage]) -> Any:
    """Calls the tool, then says its result."""
    last = messages[-1]
    return str(last.text) if last.type == "tool" else [call("get_weather", city="sf")]


def two_variables() -> Any:
    """A chain that nobody can fill in by itself."""
    return ChatPromptTemplate.from_template("{a} {b}")
