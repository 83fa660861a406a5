from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from millrace.agent.model import Delta, Finish, Text, Thinking, ThinkingBlock, ToolCall, Usage
from millrace.agent.providers.bedrock import ConverseReader, converse_request
from millrace.agent.providers.connection import model_client
from millrace.agent.providers.registry import ProviderRegistry
from millrace.errors import ProviderError
from tests.agent.providers.asking import (
    SERVER,
    WEATHER,
    Ask,
    called,
    cuts,
    finish_of,
    read,
    request,
    result,
    settings_for,
    user,
)
from tests.fakes.aws_signature import API_KEY
from tests.fakes.model_bytes import (
    bedrock_answer,
    bedrock_delta,
    bedrock_end,
    bedrock_event,
    bedrock_exception,
    bedrock_stop,
    frame,
)
from tests.fakes.model_server import ModelServer, Script

CACHE_POINT = {"cachePoint": {"type": "default"}}
SECRET_THOUGHT = b"\x00\x01encrypted\xff"
WHOLE = b"".join(
    [
        bedrock_event("messageStart", {"role": "assistant"}),
        bedrock_delta(0, reasoningContent={"text": "Let me "}),
        bedrock_delta(0, reasoningContent={"text": "see."}),
        bedrock_delta(0, reasoningContent={"signature": "sig"}),
        bedrock_stop(0),
        bedrock_delta(1, reasoningContent={"redactedContent": b64encode(SECRET_THOUGHT[:4]).decode()}),
        bedrock_delta(1, reasoningContent={"redactedContent": b64encode(SECRET_THOUGHT[4:]).decode()}),
        bedrock_stop(1),
        bedrock_delta(2, text="Hé"),
        bedrock_delta(2, text="llo"),
        bedrock_stop(2),
        bedrock_event(
            "contentBlockStart",
            {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}},
        ),
        bedrock_delta(3, toolUse={"input": '{"city": "Pa'}),
        bedrock_delta(3, toolUse={"input": 'ris"}'}),
        bedrock_stop(3),
        *bedrock_end("tool_use", cacheReadInputTokens=100, cacheWriteInputTokens=20),
    ]
)
DELTAS: list[Delta] = [
    Thinking("Let me "),
    Thinking("see."),
    ThinkingBlock({"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "sig"}}}),
    ThinkingBlock({"reasoningContent": {"redactedContent": b64encode(SECRET_THOUGHT).decode()}}),
    Text("Hé"),
    Text("llo"),
    ToolCall("tooluse_1", "weather", {"city": "Paris"}, '{"city": "Paris"}'),
    Finish("tool_use", Usage(131, 3, 100, 20)),
]


def deltas(*chunks: bytes) -> list[Delta]:
    return list(read(ConverseReader(SERVER), chunks))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (
            "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
            "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0",
        ),
        ("odd name+~(1)", "odd%20name%2B~%281%29"),
    ],
)
async def test_ids_with_colons_and_slashes_sign_right(
    model: str, path: str, ask: Ask, model_server: ModelServer
) -> None:
    answer = await ask(f"bedrock:{model}", user("Hi"))
    assert finish_of(answer) == Finish("stop", Usage(11, 10))
    assert model_server.exchanges[0].path == f"/model/{path}/converse-stream"


async def test_session_token_is_signed_with_the_rest(
    ask: Ask, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token+of/a/session==")
    await ask("bedrock:m")
    headers = model_server.exchanges[0].headers
    assert headers["x-amz-security-token"] == "token+of/a/session=="
    assert "x-amz-security-token" in headers["authorization"]


async def test_api_key_takes_the_place_of_the_signature(
    model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with model_client(read_timeout=20) as client:
        settings = replace(settings_for(model_server), aws_bearer_token_bedrock=API_KEY)
        ask = Ask(ProviderRegistry(settings, lambda: client))
        assert finish_of(await ask("bedrock:m")) == Finish("stop", Usage(11, 10))
        headers = model_server.exchanges[0].headers
        assert not any(name.startswith("x-amz") for name in headers)
        wrong = replace(settings, aws_bearer_token_bedrock="an expired key")
        _, failure = await Ask(ProviderRegistry(wrong, lambda: client)).failing("bedrock:m")
    assert (failure.code, failure.http_status) == ("provider_auth", 403)
    assert "AWS_BEARER_TOKEN_BEDROCK" in failure.message
    assert "an expired key" not in failure.message


async def test_wrong_secret_is_refused_and_says_what_to_check(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    seen, failure = await ask.failing("bedrock:m")
    assert (seen, failure.code, failure.http_status) == ([], "provider_auth", 403)
    assert "bedrock:InvokeModelWithResponseStream" in failure.message


async def test_missing_credentials_are_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _, failure = await ask.failing("bedrock:m")
    assert failure.code == "provider_auth"
    assert "No AWS credentials" in failure.message


def test_every_kind_of_block_is_read() -> None:
    assert deltas(WHOLE) == DELTAS


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cutting_of_the_bytes_gives_the_same_deltas(positions: list[int]) -> None:
    assert deltas(*cuts(WHOLE, positions)) == DELTAS


async def test_single_bytes_from_a_real_socket_give_the_same_deltas(
    ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([WHOLE[position : position + 1] for position in range(len(WHOLE))]))
    assert await ask("bedrock:m") == DELTAS


def test_request_is_converses_own_shape() -> None:
    turn = called("t1", "weather", {"city": "Paris"})
    messages = [user("Hi"), turn, result("t1", "sunny", "and Rome")]
    body = converse_request(
        request(*messages, tools=[WEATHER], system="Be brief.", model="amazon.nova-lite-v1:0")
    )
    spec = {
        "name": "weather",
        "description": WEATHER.description,
        "inputSchema": {"json": WEATHER.parameters},
    }
    assert body == {
        "messages": messages,
        "inferenceConfig": {"maxTokens": 4096},
        "system": [{"text": "Be brief."}],
        "toolConfig": {"tools": [{"toolSpec": spec}]},
    }


def test_tool_that_said_nothing_is_told_so() -> None:
    messages = [user("Hi"), called("t1", "weather", {}), result("t1", " ")]
    body = converse_request(request(*messages, tools=[WEATHER]))
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [{"text": "(no output)"}]
    assert messages[2] == result("t1", " ")


@pytest.mark.parametrize(
    ("model", "has_cache_points"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("anthropic.claude-opus-5-5", True),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", True),
        ("anthropic.claude-3-haiku-20240307-v1:0", False),
        ("amazon.nova-lite-v1:0", False),
        ("arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc", False),
    ],
)
def test_only_models_known_to_have_a_cache_get_cache_points(model: str, has_cache_points: bool) -> None:
    messages = [user("Hi")]
    body = converse_request(request(*messages, tools=[WEATHER], system="Be brief.", model=model))
    ends = [body["system"][-1], body["toolConfig"]["tools"][-1], body["messages"][-1]["content"][-1]]
    assert [end == CACHE_POINT for end in ends] == [has_cache_points] * 3
    assert messages == [user("Hi")]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("guardrail_intervened", "refusal"),
        ("content_filtered", "refusal"),
        ("model_context_window_exceeded", "max_tokens"),
    ],
)
def test_stop_reasons_are_mapped(stop: str, reason: str) -> None:
    assert finish_of(deltas(*bedrock_end(stop))).reason == reason


def test_tool_call_cut_by_max_tokens_has_no_arguments() -> None:
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "weather"}}}
    cut = bedrock_delta(0, toolUse={"input": '{"ci'})
    answer = deltas(bedrock_event("contentBlockStart", start), cut, *bedrock_end("max_tokens"))
    assert answer[0] == ToolCall("t", "weather", None, '{"ci')


def test_missing_usage_is_no_error_but_a_missing_message_stop_is() -> None:
    answer = bedrock_answer(["x"])
    assert deltas(*answer[:-1]) == [Text("x"), Finish("stop", None)]
    with pytest.raises(ProviderError) as caught:
        deltas(*answer[:-2])
    assert (caught.value.code, caught.value.retryable) == ("incomplete_response", True)


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("throttlingException", "rate_limited", True),
        ("modelStreamErrorException", "provider_unavailable", True),
        ("internalServerException", "provider_unavailable", True),
        ("serviceUnavailableException", "provider_unavailable", True),
        ("modelTimeoutException", "provider_unavailable", True),
        ("validationException", "provider_rejected", False),
        ("accessDeniedException", "provider_auth", False),
    ],
)
async def test_exception_in_mid_stream_is_raised_after_what_came_before(
    kind: str, code: str, retryable: bool, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([bedrock_delta(0, text="x") + bedrock_exception(kind, "Too busy")]))
    seen, failure = await ask.failing("bedrock:m")
    assert (failure.code, failure.retryable) == (code, retryable)
    assert f"{kind}: Too busy" in failure.message
    assert seen == [Text("x")]


def test_unmodelled_error_message_is_raised() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "oh"}
    with pytest.raises(ProviderError, match="InternalError: oh"):
        deltas(frame(headers, b""))


@pytest.mark.parametrize("position", [0, 5, 9, 40, -1])
async def test_damaged_frame_is_unreadable(position: int, ask: Ask, model_server: ModelServer) -> None:
    damaged = bytearray(bedrock_delta(0, text="x"))
    damaged[position] ^= 0x55
    model_server.play(Script([bytes(damaged) + b"".join(bedrock_answer(["x"]))]))
    seen, failure = await ask.failing("bedrock:m")
    assert (seen, failure.code) == ([], "unreadable_response")


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "The provided model identifier is invalid.", "unknown_model"),
        (400, "Input is too long for requested model.", "context_exceeded"),
        (403, "You don't have access to the model with the specified model ID.", "provider_auth"),
        (404, "Could not resolve the foundation model", "unknown_model"),
        (429, "Too many tokens, please wait before trying again.", "rate_limited"),
        (503, "Bedrock is unable to process your request.", "provider_unavailable"),
    ],
)
async def test_refusals_before_the_stream_have_their_code(
    status: int, message: str, code: str, ask: Ask, model_server: ModelServer
) -> None:
    body = f'{{"message": "{message}"}}'.encode()
    model_server.play(Script([body], status, {"content-type": "application/json"}))
    _, failure = await ask.failing("bedrock:m")
    assert failure.code == code
    assert message in failure.message
