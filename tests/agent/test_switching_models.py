"""A conversation continues with any other model: each server gets a history that it accepts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from millrace.agent.history import open_calls
from millrace.agent.model import Provider
from millrace.agent.providers.registry import ProviderRegistry
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from tests.agent.looping import Conversation
from tests.fakes.strict_models import ROUNDS, Fake, servers


async def look_up(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    return ToolResult(True, f"found {arguments['n']}", "found")


LOOKUP = Tool(
    "lookup", "Look something up.", {"type": "object", "properties": {"n": {"type": "integer"}}}, look_up
)


@asynccontextmanager
async def provider_of(server: Fake) -> AsyncIterator[tuple[Provider, str]]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        yield ProviderRegistry(server.settings(), lambda: client).provider_for(server.model)


async def ask(conversation: Conversation, server: Fake) -> None:
    asked = len(server.asked)
    async with provider_of(server) as (provider, model):
        reason = await conversation.ask("Look it up.", provider, model, thinking_tokens=server.thinking)
    assert (reason, conversation.text()) == ("stop", "All is found.")
    assert len(server.asked) - asked == ROUNDS + 1
    results = [event for event in conversation.events if event["type"] == "tool_result"]
    assert len(results) == ROUNDS + 1
    assert all(event["ok"] for event in results)


NAMES = list(servers())


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
async def test_five_rounds_of_tools_then_another_server_and_back(number: int) -> None:
    """Each pair of servers meets in both directions, in the test of the one that stands first."""
    every = servers()
    first, *others = NAMES[number:]
    conversation = Conversation(LOOKUP)
    await ask(conversation, every[first])
    for name in others:
        await ask(conversation, every[name])
        await ask(conversation, every[first])
    calls = [call for message in conversation.history for call in open_calls(message.content)]
    assert len(calls) == len(set(calls))
