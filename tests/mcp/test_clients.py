"""The official clients of MCP, in Python and in JavaScript."""

from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from millrace.domain.agents import Agent
from millrace.services.runs.platform import Platform
from tests.clients import run_client
from tests.mcp.test_people import ASKS


async def hire(platform: Platform, organization: str) -> None:
    body = {"id": "clerk", "name": "Clerk", "model": "echo:", "tools": ASKS}
    await platform.stores.agents.create(organization, Agent.model_validate(body))


@asynccontextmanager
async def connected(address: str, headers: dict[str, str], mode: Any, **callbacks: Any) -> Any:
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(f"{address}/mcp", http_client=http)
        async with Client(transport, mode=mode, **callbacks) as client:
            yield client


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_python_client_lists_and_calls(address: str, headers: dict[str, str], mode: str) -> None:
    progress: list[str] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        progress.append(message or "")

    async with connected(address, headers, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("ask_echo", {"message": "one two"}, progress_callback=note)
    assert {"ask_demo", "ask_echo", "process", "metrics"} <= names
    assert not result.is_error
    assert result.structured_content["answer"] == "one two"
    assert "one two" in "".join(progress)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_python_client_asks_its_user(
    address: str, headers: dict[str, str], platform: Platform, organization: str, mode: str, action: Any
) -> None:
    await hire(platform, organization)
    questions: list[str] = []

    async def ask(context: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action=action, content={} if action == "accept" else None)

    async with connected(address, headers, mode, elicitation_callback=ask) as client:
        result = await client.call_tool("ask_clerk", {"message": "hi"})
    assert result.structured_content["answer"] == "hi"
    assert len(questions) == 1
    assert "echo_tool" in questions[0]


@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_javascript_client_lists_calls_and_asks(
    address: str, headers: dict[str, str], platform: Platform, organization: str, action: str
) -> None:
    await hire(platform, organization)
    token = headers["authorization"].removeprefix("Bearer ")
    found = await run_client("mcp_calls.mjs", f"{address}/mcp", token, action)
    assert {"ask_clerk", "ask_echo", "process"} <= set(found["tools"])
    assert found["answer"]["structuredContent"]["answer"] == "one two three"
    assert "one two three" in "".join(found["progress"])
    assert found["asked"]["structuredContent"]["answer"] == "hi"
    assert len(found["questions"]) == 1
