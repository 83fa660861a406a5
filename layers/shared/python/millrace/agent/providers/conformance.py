"""The `conformance:` model: does what the scenarios of A2A's official conformance kit expect of the agent
under test. The prefix of a message's id names the scenario. Uses no network, and exists only if
`CONFORMANCE_AGENT` is set."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from millrace.agent.model import Delta, Finish, Message, ModelRequest, Text, ToolCall, Usage
from millrace.agent.providers.history import blocks, rounds, since_question
from millrace.agent.tools.function import repeatable
from millrace.domain.approvals import ASK_USER
from millrace.errors import ProviderError

LONG_SECONDS = 6.0
"""The time that the task of the resubscription scenario takes: three times as long as the kit waits."""
_FILE = {"filename": "output.txt", "mediaType": "text/plain"}
_ARTIFACTS: dict[str, dict[str, Any]] = {
    "tck-artifact-file-url": {"url": "https://example.com/output.txt"} | _FILE,
    "tck-artifact-file": {"raw": "VENLIGZpbGU="} | _FILE,
    "tck-artifact-data": {"data": {"key": "value", "count": 42}},
    "tck-stream-artifact-file": {"raw": "VENLIGZpbGU="} | _FILE,
}
_TEXTS = {
    "tck-artifact-text": ["Generated text content"],
    "tck-stream-001": ["Stream hello from TCK"],
    "tck-stream-003": ["Stream task lifecycle"],
    "tck-stream-ordering-001": ["Ordered output"],
    "tck-stream-artifact-text": ["Streamed text content"],
    "tck-stream-artifact-chunked": ["chunk-1 ", "chunk-2"],
}


@repeatable
async def conformance_artifact(part: str) -> str:
    """Gives a part of an artifact back, as JSON of the protocol."""
    return part


@repeatable
async def conformance_message(text: str) -> str:
    """Gives the text of a direct message back."""
    return text


class ConformanceProvider:
    """A `Provider` without a model."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""
        scenario = _scenario(request.messages)
        _, done, live = rounds(request.messages)
        call = None if done or live else _call(scenario)
        if call:
            yield call
            yield Finish("tool_use", Usage())
            return
        if scenario.startswith("tck-reject-task"):
            raise ProviderError("rejected", code="rejected")
        if scenario.startswith("test-resubscribe-message-id"):
            yield Text("Still at work. ")
            await asyncio.sleep(LONG_SECONDS)
        for text in [] if _has_artifact(request.messages) else _texts(scenario):
            yield Text(text)
        yield Finish("stop", Usage())


def _has_artifact(messages: list[Message]) -> bool:
    """Return whether the run has made an artifact, which is then the whole answer."""
    calls = (block["toolUse"] for block in blocks(since_question(messages)) if "toolUse" in block)
    return any(call["name"] != ASK_USER for call in calls)


def _scenario(messages: list[Message]) -> str:
    """Return the id of the message that began the run, as its client gave it."""
    question = since_question(messages)[:1]
    ids = [block.get("providerData", {}).get("a2a", {}).get("messageId", "") for block in blocks(question)]
    return next((id for id in ids if id), "")


def _call(scenario: str) -> ToolCall | None:
    if scenario.startswith("tck-input-required"):
        return ToolCall("ask_1", ASK_USER, {"question": "What is the input?"})
    if scenario.startswith("tck-message-response"):
        return ToolCall("message_1", conformance_message.__name__, {"text": "Direct message response"})
    part = next((part for prefix, part in _ARTIFACTS.items() if scenario.startswith(prefix)), None)
    if part is None:
        return None
    return ToolCall("artifact_1", conformance_artifact.__name__, {"part": orjson.dumps(part).decode()})


def _texts(scenario: str) -> list[str]:
    return next(
        (texts for prefix, texts in _TEXTS.items() if scenario.startswith(prefix)), ["Hello from TCK"]
    )
