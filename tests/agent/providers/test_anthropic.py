import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, PromptUsage, Text, Thinking, ThinkingBlock, ToolCall, Usage
from millrace.agent.providers.anthropic import MessageReader, messages_request
from millrace.domain.conversations import LIVE_MESSAGE_MARKER
from millrace.errors import ProviderError
from tests.agent.providers.asking import (
    SERVER,
    WEATHER,
    Ask,
    assistant,
    called,
    cuts,
    finish_of,
    read,
    request,
    result,
    user,
)
from tests.fakes.model_bytes import (
    anthropic_answer,
    anthropic_block,
    anthropic_end,
    anthropic_event,
    anthropic_start,
    anthropic_text,
)
from tests.fakes.model_server import ModelServer, Script

CACHED = {"cache_control": {"type": "ephemeral"}}
THOUGHT = anthropic_block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Let me "},
    {"type": "thinking_delta", "thinking": "see."},
    {"type": "signature_delta", "signature": "sig"},
)
KEPT = {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "sig"}}}
REDACTED = anthropic_block(1, {"type": "redacted_thinking", "data": "ZW5j"})
CALL = anthropic_block(
    3,
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    {"type": "input_json_delta", "partial_json": ""},
    {"type": "input_json_delta", "partial_json": '{"city": "Pa'},
    {"type": "input_json_delta", "partial_json": 'ris"}'},
)
WHOLE = b"".join(
    [
        anthropic_start(cache_read_input_tokens=100, cache_creation_input_tokens=20),
        anthropic_event("ping"),
        *THOUGHT,
        *REDACTED,
        *anthropic_text(2, ["Hé", "llo"]),
        *CALL,
        anthropic_event("something_new", index=9),
        *anthropic_end("tool_use", 42),
    ]
)
PROMPT = PromptUsage(Usage(11))
DELTAS: list[Delta] = [
    PromptUsage(Usage(131, 0, 100, 20)),
    Thinking("Let me "),
    Thinking("see."),
    ThinkingBlock(KEPT),
    ThinkingBlock({"reasoningContent": {"redactedContent": "ZW5j"}}),
    Text("Hé"),
    Text("llo"),
    ToolCall("toolu_1", "weather", {"city": "Paris"}, '{"city": "Paris"}'),
    Finish("tool_use", Usage(131, 42, 100, 20)),
]


def deltas(*chunks: bytes) -> list[Delta]:
    """Return the deltas after the count of the prompt."""
    prompt, *rest = read(MessageReader(SERVER), chunks)
    assert isinstance(prompt, PromptUsage)
    return rest


def test_prompt_that_is_not_counted_is_not_told() -> None:
    uncounted = anthropic_start(input_tokens=None)
    assert list(read(MessageReader(SERVER), [uncounted, *anthropic_end("end_turn", 7)])) == [
        Finish("stop", None)
    ]


async def test_answer_streams_from_a_real_server(ask: Ask, model_server: ModelServer) -> None:
    model_server.play(Script([*anthropic_answer(["Hel", "lo"])]))
    answer = await ask("anthropic:claude-sonnet-5", user("Hi"), max_tokens=77)
    assert answer == [PROMPT, Text("Hel"), Text("lo"), Finish("stop", Usage(11, 2))]
    exchange = model_server.exchanges[0]
    assert exchange.path == "/v1/messages"
    assert exchange.headers["x-api-key"] == "sk-ant-secret"
    assert exchange.headers["anthropic-version"] == "2023-06-01"
    assert exchange.json == {
        "model": "claude-sonnet-5",
        "max_tokens": 77,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"} | CACHED]}],
        "stream": True,
    }


def test_thinking_tools_and_cached_tokens_are_read() -> None:
    assert list(read(MessageReader(SERVER), [WHOLE])) == DELTAS


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cutting_of_the_bytes_gives_the_same_deltas(positions: list[int]) -> None:
    assert list(read(MessageReader(SERVER), cuts(WHOLE, positions))) == DELTAS


async def test_single_bytes_from_a_real_socket_give_the_same_deltas(
    ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([WHOLE[position : position + 1] for position in range(len(WHOLE))]))
    assert await ask("anthropic:m") == DELTAS


def test_history_is_replayed_with_the_repeated_prefix_marked_for_the_cache() -> None:
    turn = called("toolu_1", "weather", {"city": "Paris"})
    unsigned = {"reasoningContent": {"reasoningText": {"text": "unsigned"}}}
    redacted = {"reasoningContent": {"redactedContent": "ZW5j"}}
    turn["content"] = [KEPT, redacted, unsigned, {"text": "Looking."}, {"text": " "}, *turn["content"]]
    live = f"{LIVE_MESSAGE_MARKER}\nand Rome"
    last = result("toolu_1", "no", live, status="error")
    body = messages_request(request(user("Hi"), turn, last, tools=[WEATHER], system="Be brief."))
    assert body["system"] == [{"type": "text", "text": "Be brief."} | CACHED]
    assert body["tools"] == [
        {"name": "weather", "description": WEATHER.description, "input_schema": WEATHER.parameters} | CACHED
    ]
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me see.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "ZW5j"},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "no"}],
                    "is_error": True,
                },
                {"type": "text", "text": live} | CACHED,
            ],
        },
    ]


def test_turns_that_lost_their_content_leave_alternating_roles() -> None:
    body = messages_request(request(user("One"), assistant(" \n"), user("Two")))
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["One", "Two"]


def test_making_a_request_leaves_the_history_as_it_was() -> None:
    messages = [user("One"), user("Two")]
    messages_request(request(*messages, tools=[WEATHER]))
    assert messages == [user("One"), user("Two")]


@pytest.mark.parametrize("pieces", [['{"city": "Pa'], [""], []])
def test_tool_call_cut_by_max_tokens_has_no_arguments(pieces: list[str]) -> None:
    parts = [{"type": "input_json_delta", "partial_json": part} for part in pieces]
    call = anthropic_block(0, {"type": "tool_use", "id": "t", "name": "weather", "input": {}}, *parts)
    answer = deltas(anthropic_start(), *call[:-1], *anthropic_end("max_tokens", 9))
    assert answer == [ToolCall("t", "weather", None, "".join(pieces)), Finish("max_tokens", Usage(11, 9))]


def test_tool_call_without_pieces_has_empty_arguments_and_a_whole_one_its_own() -> None:
    empty = anthropic_block(0, {"type": "tool_use", "id": "a", "name": "now", "input": {}})
    whole = anthropic_block(1, {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Rome"}})
    answer = deltas(anthropic_start(), *empty, *whole, *anthropic_end("tool_use", 9))
    assert answer[:2] == [
        ToolCall("a", "now", {}),
        ToolCall("b", "weather", {"city": "Rome"}, '{"city":"Rome"}'),
    ]


def test_signature_without_shown_thinking_is_kept() -> None:
    signed = anthropic_block(
        0, {"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "sig"}
    )
    kept = {"reasoningContent": {"reasoningText": {"text": "", "signature": "sig"}}}
    assert deltas(anthropic_start(), *signed, *anthropic_end("end_turn", 1))[0] == ThinkingBlock(kept)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "other"),
        ("model_context_window_exceeded", "max_tokens"),
        ("refusal", "refusal"),
    ],
)
def test_stop_reasons_are_mapped(stop: str, reason: str) -> None:
    assert finish_of(deltas(anthropic_start(), *anthropic_end(stop, 1))).reason == reason


def test_later_counts_replace_earlier_ones_but_null_does_not() -> None:
    end = anthropic_end("end_turn", 7, input_tokens=12, cache_read_input_tokens=None)
    usage = finish_of(deltas(anthropic_start(cache_read_input_tokens=5), *end)).usage
    assert usage == Usage(17, 7, 5)


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("overloaded_error", "provider_unavailable", True),
        ("api_error", "provider_unavailable", True),
        ("rate_limit_error", "rate_limited", True),
        ("invalid_request_error", "provider_rejected", False),
        ("authentication_error", "provider_auth", False),
        ("not_found_error", "unknown_model", False),
        ("request_too_large", "request_too_large", False),
        ("unheard_of", "provider_unavailable", True),
    ],
)
async def test_error_event_ends_the_stream(
    kind: str, code: str, retryable: bool, ask: Ask, model_server: ModelServer
) -> None:
    error = anthropic_event("error", error={"type": kind, "message": "Overloaded"})
    model_server.play(Script([anthropic_start() + anthropic_text(0, ["x"])[1] + error]))
    seen, failure = await ask.failing("anthropic:m")
    assert (failure.code, failure.retryable) == (code, retryable)
    assert "Overloaded" in failure.message
    assert seen == [PROMPT, Text("x")]


@pytest.mark.parametrize("whole_events", [0, 1, 4, 12])
async def test_stream_without_its_message_stop_is_incomplete(
    whole_events: int, ask: Ask, model_server: ModelServer
) -> None:
    events = WHOLE.split(b"\n\n")[:whole_events]
    model_server.play(Script([event + b"\n\n" for event in events], cut=bool(whole_events % 2)))
    with pytest.raises(ProviderError) as caught:
        await ask("anthropic:m")
    assert (caught.value.code, caught.value.retryable) == ("incomplete_response", True)
