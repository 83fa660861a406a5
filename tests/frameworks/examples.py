"""Official examples of frameworks as agents of ours, as they stand in their documentation but for the model's
address. The frameworks are imported when an example is made."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Example(NamedTuple):
    """`made` makes the agent of a model server's address; `calls` are what its model gives the tool."""

    made: Callable[[str], Any]
    tool: str
    calls: dict[str, Any]


def openai_agents_example(url: str) -> Any:
    """docs/agents.md of openai/openai-agents-python, "Basic configuration"."""
    from agents import (
        Agent,
        set_default_openai_api,
        set_default_openai_client,
        set_tracing_disabled,
    )
    from agents.decorators import tool
    from openai import AsyncOpenAI

    from millrace.frameworks.openai_agents import openai_agent

    set_default_openai_client(AsyncOpenAI(base_url=url, api_key="key", max_retries=0), use_for_tracing=False)
    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)

    @tool
    def get_weather(city: str) -> str:
        """returns weather info for the specified city."""
        return f"The weather in {city} is sunny"

    agent = Agent(
        name="Haiku agent",
        instructions="Always respond in haiku form",
        model="gpt-5-nano",
        tools=[get_weather],
    )
    return openai_agent("example", agent)


def strands_example(url: str) -> Any:
    """docs/user-guide/quickstart/python.md of strands-agents/docs, with the provider for OpenAI; its other
    tools are in another package."""
    from strands import Agent, tool
    from strands.models.openai import OpenAIModel

    from millrace.frameworks.strands import strands_agent

    @tool
    def letter_counter(word: str, letter: str) -> int:
        """
        Count occurrences of a specific letter in a word.

        Args:
            word (str): The input word to search in
            letter (str): The specific letter to count

        Returns:
            int: The number of occurrences of the letter in the word
        """
        if not isinstance(word, str) or not isinstance(letter, str):
            return 0  # type: ignore[unreachable]
        if len(letter) != 1:
            raise ValueError("The 'letter' parameter must be a single character")
        return word.lower().count(letter.lower())

    model = OpenAIModel(client_args={"api_key": "key", "base_url": url, "max_retries": 0}, model_id="gpt-4o")
    agent = Agent(model=model, tools=[letter_counter])
    return strands_agent("example", agent)


def pydantic_ai_example(url: str) -> Any:
    """docs/tools.md of pydantic/pydantic-ai, dice_game.py."""
    import random

    from openai import AsyncOpenAI
    from pydantic_ai import Agent, RunContext
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    from millrace.frameworks.pydantic_ai import pydantic_ai_agent

    client = AsyncOpenAI(base_url=url, api_key="key", max_retries=0)
    agent = Agent(
        OpenAIChatModel("gpt-5", provider=OpenAIProvider(openai_client=client)),
        deps_type=str,
        instructions=(
            "You're a dice game, you should roll the die and see if the number "
            "you get back matches the user's guess. If so, tell them they're a winner. "
            "Use the player's name in the response."
        ),
    )

    @agent.tool_plain
    def roll_dice() -> str:
        """Roll a six-sided die and return the result."""
        return str(random.randint(1, 6))

    @agent.tool
    def get_player_name(ctx: RunContext[str]) -> str:
        """Get the player's name."""
        return ctx.deps

    return pydantic_ai_agent("example", agent, deps=lambda ctx: ctx.user.id)


def langchain_example(url: str) -> Any:
    """src/oss/langchain/overview.mdx of langchain-ai/docs, whose agent is a graph of LangGraph."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    from millrace.frameworks.langchain import langchain_agent

    def get_weather(city: str) -> str:
        """Get weather for a given city."""
        return f"It's always sunny in {city}!"

    agent = create_agent(
        model=ChatOpenAI(model="gpt-5", base_url=url, api_key=lambda: "key", max_retries=0),
        tools=[get_weather],
        system_prompt="You are a helpful assistant",
    )
    return langchain_agent("example", agent)


EXAMPLES = {
    "agents": Example(openai_agents_example, "get_weather", {"city": "Tokyo"}),
    "strands": Example(strands_example, "letter_counter", {"word": "strawberry", "letter": "r"}),
    "langchain": Example(langchain_example, "get_weather", {"city": "sf"}),
    "pydantic_ai": Example(pydantic_ai_example, "roll_dice", {}),
}
"""By the packages that they need."""
