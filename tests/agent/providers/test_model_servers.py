"""Streams of real servers are parsed correctly, however the network splits them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, Text, ThinkingBlock, ToolCall
from millrace.agent.providers.anthropic import MessageReader
from millrace.agent.providers.bedrock import ConverseReader
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.registry import ProviderRegistry
from millrace.errors import ProviderError
from millrace.settings import Settings
from tests.agent.providers.asking import SERVER, Ask, calls_of, cuts, finish_of, read, text_of, thoughts_of
from tests.agent.providers.streams import CHAT_STREAMS, END, HI, STOP, Stream, tool, tools
from tests.fakes.model_bytes import (
    anthropic_end,
    anthropic_event,
    anthropic_start,
    bedrock_delta,
    bedrock_end,
    bedrock_event,
    bedrock_stop,
    openai_chunk,
    raw_bedrock_event,
)
from tests.fakes.model_server import ModelServer, Script

EVERY = pytest.mark.parametrize("stream", CHAT_STREAMS.values(), ids=CHAT_STREAMS)


async def answer_to(*chunks: bytes) -> tuple[list[Delta], ProviderError | None]:
    """The deltas that the provider finds in a body, and the failure that ends them."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    settings = Settings("r", openai_base_url="http://10.0.0.7/v1", openai_api_key="sk-openai-secret")
    seen: list[Delta] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        try:
            async for delta in Ask(ProviderRegistry(settings, lambda: client)).stream("openai:m"):
                seen.append(delta)
        except ProviderError as error:
            return seen, error
    return seen, None


@EVERY
async def test_stream_of_a_real_server_is_understood(stream: Stream) -> None:
    answer, error = await answer_to(stream.body)
    assert (text_of(answer), thoughts_of(answer)) == (stream.text, stream.thinking)
    assert tuple(calls_of(answer)) == stream.calls
    if stream.error:
        assert error is not None
        assert error.code == stream.error
        assert stream.words in error.message
    else:
        assert error is None
        assert finish_of(answer) == Finish(stream.reason, stream.usage)  # type: ignore[arg-type]


@EVERY
def test_deltas_can_be_encoded(stream: Stream) -> None:
    """A half of a character would pass until something is written with it."""
    deltas, _ = read_cut(stream.body, [])
    assert orjson.dumps([str(delta) for delta in deltas])


def read_cut(body: bytes, positions: list[int]) -> tuple[list[Delta], str]:
    """The deltas without ids that are made up, and the failure."""
    seen: list[Delta] = []
    try:
        for delta in read(ChatReader(SERVER, "s"), cuts(body, positions)):
            seen.append(
                delta if not isinstance(delta, ToolCall) else ToolCall("", delta.name, delta.arguments)
            )
    except (ProviderError, ValueError) as error:
        return seen, str(error)
    return seen, ""


@settings(max_examples=150)
@given(st.sampled_from(list(CHAT_STREAMS.values())), st.lists(st.integers(0, 4000), max_size=12))
def test_any_cut_of_the_bytes_gives_the_same_answer(stream: Stream, positions: list[int]) -> None:
    assert read_cut(stream.body, positions) == read_cut(stream.body, [])


@EVERY
def test_single_bytes_give_the_same_answer(stream: Stream) -> None:
    assert read_cut(stream.body, list(range(len(stream.body)))) == read_cut(stream.body, [])


SDK = {name: stream for name, stream in CHAT_STREAMS.items() if stream.sdk and not stream.error}


async def test_official_client_reads_the_same_where_it_can(model_server: ModelServer) -> None:
    messages: Any = [{"role": "user", "content": "Hi"}]
    model_server.play(*[Script([stream.body]) for stream in SDK.values()])
    async with openai.AsyncOpenAI(base_url=f"{model_server.url}/v1", api_key="k", max_retries=0) as client:
        for name, stream in SDK.items():
            chunks = await client.chat.completions.create(model="m", messages=messages, stream=True)
            deltas = [choice.delta async for chunk in chunks for choice in chunk.choices[:1] if choice.delta]
            assert "".join(delta.content or "" for delta in deltas) == stream.text, name
            pieces = [piece for delta in deltas for piece in delta.tool_calls or ()]
            named: dict[int, str] = {}
            for piece in pieces:
                part = (piece.function and piece.function.name) or ""
                named[piece.index] = named.get(piece.index, "") + part
            assert list(named.values()) == [call[0] for call in stream.calls], name


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
async def test_server_that_does_not_stream_is_read(kind: str, ask: Ask, model_server: ModelServer) -> None:
    whole = {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
    }
    body = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    model_server.play(Script([body[:30], body[30:]], 200, {"content-type": kind}))
    answer = await ask("openai:m")
    assert answer == [Text("Hi"), ToolCall("c1", "time", {}, "{}"), Finish("tool_use", None)]


async def test_error_with_status_200_keeps_its_reason(ask: Ask, model_server: ModelServer) -> None:
    body = b'{"error": {"message": "no such plan", "code": 404}}'
    model_server.play(*[Script([body], 200, {"content-type": "application/json"})] * 2)
    _, error = await ask.failing("openai:m")
    assert (error.code, error.http_status) == ("unknown_model", 404)
    _, error = await ask.failing("anthropic:m")
    assert "no such plan" in error.message


async def test_words_of_an_unreadable_answer_hide_the_key() -> None:
    _, error = await answer_to(b"data: bad key sk-openai-secret\n\n")
    assert error is not None
    assert "bad key ***" in error.message


def kept(*chunks: bytes) -> tuple[list[dict[str, Any]], list[ToolCall]]:
    deltas = list(read(ChatReader(SERVER, "s"), chunks))
    blocks = [delta.block for delta in deltas if isinstance(delta, ThinkingBlock)]
    return blocks, [delta for delta in deltas if isinstance(delta, ToolCall)]


def test_reasoning_is_kept_with_the_calls_that_it_led_to() -> None:
    call = tools(tool("{}", "time", index=0, id="c1"))
    thoughts = [openai_chunk({"reasoning_content": piece}) for piece in ("Let me", " see")]
    blocks, _ = kept(*thoughts, call, END)
    assert blocks == [
        {
            "reasoningContent": {"reasoningText": {"text": "Let me see"}},
            "providerData": {"s": {"field": "reasoning_content"}},
        }
    ]
    assert kept(*thoughts, HI, END) == ([], [])


def test_reasoning_details_are_kept_in_one_piece_each() -> None:
    def details(**detail: Any) -> bytes:
        return openai_chunk({"reasoning_details": [detail]})

    blocks, _ = kept(
        details(type="reasoning.text", index=0, text="Let me"),
        details(type="reasoning.text", index=0, text=" see", signature="sig"),
        details(type="reasoning.encrypted", index=1, id="rs_1", data="AAAA"),
        tools(tool("{}", "time", index=0, id="c1")),
        END,
    )
    assert blocks[0]["providerData"]["s"]["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "Let me see", "signature": "sig"},
        {"type": "reasoning.encrypted", "index": 1, "id": "rs_1", "data": "AAAA"},
    ]


def test_signature_of_a_call_is_kept_beside_it() -> None:
    signed = {"google": {"thought_signature": "CoYB"}}
    _, calls = kept(tools(tool("{}", "time", index=0, id="c1", extra_content=signed)), STOP)
    assert calls[0].provider_data == {"s": {"extra_content": signed}}


ODD_MESSAGES = b"".join(
    [
        b"\xef\xbb\xbf",
        anthropic_start(),
        b"data:\n\n",
        b"event: ping\ndata: null\n\n",
        anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"so \\ud83d"}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"\\ude00"}}\n\n',
        anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": " good"}),
        anthropic_event("content_block_stop", index=0),
        # thinking without its start, a block of a type that nobody knows, a call without an id
        anthropic_event("content_block_delta", index=1, delta={"type": "thinking_delta", "thinking": "hm"}),
        anthropic_event("content_block_stop", index=1),
        anthropic_event("content_block_start", index=2, content_block={"type": "hologram"}),
        anthropic_event("content_block_delta", index=2, delta={"type": "hologram_delta", "data": 1}),
        anthropic_event("content_block_stop", index=2),
        anthropic_event("content_block_start", index=3, content_block={"type": "tool_use", "name": "time"}),
        anthropic_event(
            "content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": None}
        ),
        anthropic_event("content_block_stop", index=3),
        anthropic_event("message_delta", delta={"stop_reason": "tool_use"}, usage=None),
        anthropic_event("message_stop"),
    ]
)
ODD_CONVERSE = b"".join(
    [
        bedrock_event("messageStart", {"role": "assistant"}),
        raw_bedrock_event(
            "contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"so \\ud83d"},"p":"ab"}'
        ),
        raw_bedrock_event(
            "contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"\\ude00"},"p":"ab"}'
        ),
        bedrock_delta(0, text=" good"),
        bedrock_stop(0),
        bedrock_delta(1, reasoningContent={"text": "hm"}),
        bedrock_stop(1),
        bedrock_event("contentBlockStart", {"contentBlockIndex": 2, "start": {"hologram": {}}}),
        bedrock_event("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"name": "time"}}}),
        bedrock_delta(3, toolUse={"input": None}),
        bedrock_stop(3),
        bedrock_event("messageStop", {"stopReason": "tool_use"}),
        bedrock_event("metadata", {"metrics": {"latencyMs": 12}}),
    ]
)


@settings(max_examples=60)
@given(
    st.sampled_from([(MessageReader, ODD_MESSAGES), (ConverseReader, ODD_CONVERSE)]),
    st.lists(st.integers(0, 4000), max_size=12),
)
def test_other_protocols_are_read_with_the_same_care(case: Any, positions: list[int]) -> None:
    make_reader, body = case
    deltas = list(read(make_reader(SERVER), cuts(body, positions)))
    assert (text_of(deltas), thoughts_of(deltas)) == ("so \U0001f600 good", "hm")
    assert calls_of(deltas) == [("time", {})]
    assert finish_of(deltas) == Finish("tool_use", None)


@pytest.mark.parametrize(
    ("event", "code", "words"),
    [
        (b'event: error\ndata: {"message":"the proxy died"}\n\n', "provider_unavailable", "the proxy died"),
        (b'data: {"detail":"not found"}\n\n', "provider_unavailable", "not found"),
        (
            b'data: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
            "provider_unavailable",
            "busy",
        ),
        (b"data: <html>bad gateway</html>\n\n", "unreadable_response", "bad gateway"),
    ],
)
async def test_errors_inside_an_anthropic_stream_keep_their_reason(
    event: bytes, code: str, words: str, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([anthropic_start() + event]))
    _, error = await ask.failing("anthropic:m")
    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize(
    ("word", "reason"), [("end_turn", "stop"), ("pause_turn", "other"), ("refusal", "refusal")]
)
def test_reasons_mean_the_same_in_every_protocol(word: str, reason: str) -> None:
    messages = read(MessageReader(SERVER), [anthropic_start(), *anthropic_end(word, 1)])
    converse = read(ConverseReader(SERVER), bedrock_end(word))
    chat = read(ChatReader(SERVER), [openai_chunk({}, word)])
    assert [finish_of(list(deltas)).reason for deltas in (messages, converse, chat)] == [reason] * 3
