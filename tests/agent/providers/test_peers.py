"""Our providers and the official clients read the same answer from the same bytes."""

from base64 import b64encode
from typing import Any

import boto3
import openai
import pytest

from millrace.agent.model import Delta, ThinkingBlock, ToolCall
from tests.agent.providers.asking import Ask, calls_of, finish_of, text_of, thoughts_of, user
from tests.agent.providers.test_anthropic import WHOLE as ANTHROPIC
from tests.agent.providers.test_bedrock import WHOLE as BEDROCK
from tests.agent.providers.test_openai import MIXED as OPENAI
from tests.fakes.model_server import REGION, ModelServer, Script

Answer = dict[str, Any]


def ours(deltas: list[Delta]) -> Answer:
    usage = finish_of(deltas).usage
    assert usage is not None
    return {
        "text": text_of(deltas),
        "thinking": thoughts_of(deltas),
        "kept": [delta.block["reasoningContent"] for delta in deltas if isinstance(delta, ThinkingBlock)],
        "calls": calls_of(deltas),
        "ids": [delta.id for delta in deltas if isinstance(delta, ToolCall)],
        "usage": (usage.input, usage.output, usage.cache_read, usage.cache_write),
    }


async def test_official_openai_client_agrees(ask: Ask, model_server: ModelServer) -> None:
    model_server.play(Script([OPENAI]), Script([OPENAI]))
    mine = ours(await ask("openai:m"))
    client = openai.AsyncOpenAI(base_url=f"{model_server.url}/v1", api_key="k", max_retries=0)
    async with (
        client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        completion = await stream.get_final_completion()
    message, usage = completion.choices[0].message, completion.usage
    assert usage is not None
    assert message.tool_calls is not None
    assert mine["text"] == message.content
    assert mine["thinking"] == (message.model_extra or {})["reasoning"]
    assert mine["ids"] == [call.id for call in message.tool_calls]
    assert [name for name, _ in mine["calls"]] == [call.function.name for call in message.tool_calls]
    assert mine["usage"] == (usage.prompt_tokens, usage.completion_tokens, 0, 0)


async def test_official_anthropic_client_agrees(ask: Ask, model_server: ModelServer) -> None:
    import anthropic  # a second of CPU, which each worker would give to collect this file

    model_server.play(Script([ANTHROPIC]), Script([ANTHROPIC]))
    mine = ours(await ask("anthropic:m"))
    client = anthropic.AsyncAnthropic(base_url=model_server.url, api_key="k", max_retries=0)
    messages: Any = [{"role": "user", "content": "Hi"}]
    async with client, client.messages.stream(model="m", max_tokens=5, messages=messages) as stream:
        message = await stream.get_final_message()
    thinking, redacted, text, call = message.content
    assert isinstance(thinking, anthropic.types.ThinkingBlock)
    assert isinstance(redacted, anthropic.types.RedactedThinkingBlock)
    assert isinstance(text, anthropic.types.TextBlock)
    assert isinstance(call, anthropic.types.ToolUseBlock)
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert mine == {
        "text": text.text,
        "thinking": thinking.thinking,
        "kept": [
            {"reasoningText": {"text": thinking.thinking, "signature": thinking.signature}},
            {"redactedContent": redacted.data},
        ],
        "calls": [(call.name, call.input)],
        "ids": [call.id],
        "usage": (usage.input_tokens + read + written, usage.output_tokens, read, written),
    }


async def test_official_bedrock_client_agrees_and_signs_the_same_path(
    ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([BEDROCK]), Script([BEDROCK]))
    model = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5-v1:0"
    mine = ours(await ask(f"bedrock:{model}", user("Hi")))
    client: Any = boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=model_server.url)
    body = model_server.exchanges[0].json
    events = list(client.converse_stream(modelId=model, **body)["stream"])
    client.close()
    assert mine == theirs(events)
    first, second = model_server.exchanges
    assert first.path == second.path
    assert first.json == second.json


def theirs(events: list[Any]) -> Answer:
    """boto3's events as one answer."""
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    thinking = "".join(thought.get("text", "") for thought in thoughts)
    signature = "".join(thought.get("signature", "") for thought in thoughts)
    redacted = b"".join(thought.get("redactedContent", b"") for thought in thoughts)
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    uses = [start["start"]["toolUse"] for start in starts]
    usage = next(event["metadata"]["usage"] for event in events if "metadata" in event)
    read, written = usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]
    return {
        "text": "".join(delta.get("text", "") for delta in deltas),
        "thinking": thinking,
        "kept": [
            {"reasoningText": {"text": thinking, "signature": signature}},
            {"redactedContent": b64encode(redacted).decode()},
        ],
        "calls": [(use["name"], {"city": "Paris"}) for use in uses],
        "ids": [use["toolUseId"] for use in uses],
        "usage": (usage["inputTokens"] + read + written, usage["outputTokens"], read, written),
    }


@pytest.mark.parametrize("model", ["a:b", "x/y", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"])
def test_fake_accepts_the_official_clients_signature(model: str, model_server: ModelServer) -> None:
    client: Any = boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=model_server.url)
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    assert list(client.converse_stream(modelId=model, messages=messages)["stream"])
    client.close()
