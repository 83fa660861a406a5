from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, Text, ToolCall, Usage
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS
from millrace.agent.providers.registry import ProviderRegistry
from millrace.agent.providers.tool_calls import ARGUMENTS_LIMIT
from millrace.errors import ProviderError
from millrace.settings import Settings
from tests.agent.providers.asking import (
    SERVER,
    WEATHER,
    Ask,
    assistant,
    called,
    calls_of,
    cuts,
    finish_of,
    read,
    request,
    result,
    text_of,
    thoughts_of,
    user,
)
from tests.fakes.model_bytes import (
    OPENAI_DONE,
    openai_answer,
    openai_chunk,
    openai_event,
    openai_usage,
)
from tests.fakes.model_server import ModelServer, Script

PARIS = {"city": "Paris"}
GENERIC = DIALECTS["generic"]


def deltas(*chunks: bytes) -> list[Delta]:
    return list(read(ChatReader(SERVER), chunks))


def piece(**fields: Any) -> dict[str, Any]:
    """A piece of a tool call; `name` and `arguments` belong to its function."""
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return fields | {"function": function}


def tools(*pieces: dict[str, Any]) -> bytes:
    return openai_chunk({"tool_calls": list(pieces)})


def end(reason: str = "tool_calls") -> bytes:
    return openai_chunk({}, reason) + OPENAI_DONE


async def test_answer_streams_from_a_real_server(ask: Ask, model_server: ModelServer) -> None:
    model_server.play(Script([*openai_answer(["Hel", "lo", " wörld"])]))
    answer = await ask("openai:gpt-5", user("Hi"), system="Be brief.", max_tokens=77)
    assert answer == [Text("Hel"), Text("lo"), Text(" wörld"), Finish("stop", Usage(11, 3, 3))]
    exchange = model_server.exchanges[0]
    assert exchange.path == "/v1/chat/completions"
    assert exchange.headers["authorization"] == "Bearer sk-openai-secret"
    assert exchange.json == {
        "model": "gpt-5",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 77,
    }


def test_history_becomes_chat_messages() -> None:
    thinking = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    turn = called("c1", "weather", PARIS)
    turn["content"] = [thinking, {"text": "Looking."}, *turn["content"]]
    messages = [
        user("Hi"),
        assistant("Hello"),
        user("Paris?"),
        turn,
        result("c1", "no", "and Rome", status="error"),
    ]
    body = chat_request(request(*messages, tools=[WEATHER]), GENERIC, "s")
    function = {"name": "weather", "arguments": '{"city":"Paris"}'}
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Paris?"},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Error: no"},
        {"role": "user", "content": "and Rome"},
    ]
    offered = {"name": "weather", "description": WEATHER.description, "parameters": WEATHER.parameters}
    assert body["tools"] == [{"type": "function", "function": offered}]


def test_history_with_tools_that_are_no_longer_offered_still_names_them() -> None:
    body = chat_request(
        request(user("Hi"), called("c1", "weather", PARIS), result("c1", "sunny")), GENERIC, "s"
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                tools(piece(index=0, id="c1", name="weather", arguments="")),
                tools(piece(index=0, arguments='{"city": ')),
                tools(piece(index=0, arguments='"Paris"}')),
            ],
            id="as OpenAI sends it",
        ),
        pytest.param([tools(piece(index=0, name="weather", arguments='{"city":"Paris"}'))], id="without id"),
        pytest.param(
            [tools(piece(id="c1", name="weather", arguments='{"city":"Paris"}'))], id="without index"
        ),
        pytest.param([tools(piece(name="weather", arguments='{"city":"Paris"}'))], id="whole, without both"),
        pytest.param([tools(piece(name="weather", arguments=PARIS))], id="arguments as an object"),
        pytest.param(
            [
                tools(piece(name="weather")),
                tools(piece(arguments='{"city":')),
                tools(piece(arguments='"Paris"}')),
            ],
            id="in pieces without index and id",
        ),
        pytest.param(
            [
                tools(piece(index=0, id="c1", name="weather", arguments='{"city":')),
                tools(piece(index=0, id="c1", name="weather", arguments='"Paris"}')),
            ],
            id="id and name repeated",
        ),
        pytest.param(
            [tools(piece(index=None, id="", name="weather", arguments='{"city":"Paris"}'))], id="nulls"
        ),
    ],
)
def test_tool_call_is_understood_however_it_comes(chunks: list[bytes]) -> None:
    answer = deltas(*chunks, end())
    assert calls_of(answer) == [("weather", PARIS)]
    call = next(delta for delta in answer if isinstance(delta, ToolCall))
    assert call.id
    assert finish_of(answer).reason == "tool_use"


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(index=0, id="a", name="weather", arguments="{}"), piece(index=1, id="b", name="time")],
        [piece(index=0, id="a", name="weather", arguments="{}"), piece(index=0, id="b", name="time")],
        [piece(id="a", name="weather", arguments="{}"), piece(id="b", name="time")],
        [piece(name="weather", arguments="{}"), piece(name="time")],
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_two_tool_calls_stay_two(pieces: list[dict[str, Any]], together: bool) -> None:
    chunks = [tools(*pieces)] if together else [tools(each) for each in pieces]
    answer = deltas(*chunks, end())
    assert calls_of(answer) == [("weather", {}), ("time", {})]
    assert len({delta.id for delta in answer if isinstance(delta, ToolCall)}) == 2


def test_pieces_of_two_calls_may_be_interleaved() -> None:
    answer = deltas(
        tools(piece(index=0, id="a", name="weather"), piece(index=1, id="b", name="time")),
        tools(piece(index=1, arguments='{"zone":')),
        tools(piece(index=0, arguments='{"city":"Paris"}'), piece(index=1, arguments='"UTC"}')),
        end(),
    )
    assert calls_of(answer) == [("weather", PARIS), ("time", {"zone": "UTC"})]


def test_tool_calls_that_finish_with_stop_are_tool_calls() -> None:
    assert finish_of(deltas(tools(piece(name="weather", arguments="{}")), end("stop"))).reason == "tool_use"


@pytest.mark.parametrize("arguments", ['{"city": "Par', "", "[1]", "not json"])
def test_arguments_that_were_cut_or_are_no_object_come_as_none(arguments: str) -> None:
    answer = deltas(tools(piece(index=0, id="a", name="weather", arguments=arguments)), end("length"))
    assert answer == [ToolCall("a", "weather", None, arguments), Finish("max_tokens", None)]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "Hmm"},
        {"reasoning_content": "Hmm"},
        {"reasoning_content": "Hmm", "reasoning": "Hmm", "content": None},
        {"content": "", "reasoning": "Hmm", "role": "assistant"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm"}]}]},
    ],
)
def test_reasoning_is_thinking_under_any_name(delta: dict[str, Any]) -> None:
    answer = deltas(openai_chunk(delta), openai_chunk({"content": "Yes"}), end("stop"))
    assert (thoughts_of(answer), text_of(answer)) == ("Hmm", "Yes")


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([openai_chunk({"content": "x"}, usage=None), end("stop")], None),
        ([openai_chunk({"content": "x"}), openai_chunk({}, "stop"), openai_usage(9, 1, 4)], Usage(9, 1, 4)),
        (
            [openai_chunk({"content": "x"}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 1})],
            Usage(9, 1),
        ),
        (
            [
                openai_chunk({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": 1}),
                openai_chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 2}),
            ],
            Usage(9, 2),
        ),
        (
            [
                openai_chunk({"content": "x"}),
                openai_chunk({}, "stop", choices=None, usage={"prompt_tokens": "9", "completion_tokens": -1}),
                OPENAI_DONE,
            ],
            None,
        ),
    ],
)
def test_usage_is_taken_wherever_it_comes(chunks: list[bytes], usage: Usage | None) -> None:
    answer = deltas(*chunks)
    assert (text_of(answer), finish_of(answer).usage) == ("x", usage)


@pytest.mark.parametrize(
    "last", [openai_chunk({}, "stop"), OPENAI_DONE, b"data: [DONE]", end("stop") + b"junk"]
)
def test_finish_reason_or_done_is_the_end_of_message(last: bytes) -> None:
    assert text_of(deltas(openai_chunk({"content": "x"}), last)) == "x"


def test_stream_without_either_is_incomplete() -> None:
    with pytest.raises(ProviderError) as caught:
        deltas(openai_chunk({"content": "x"}))
    assert (caught.value.code, caught.value.retryable) == ("incomplete_response", True)


def test_refusal_is_shown_and_named() -> None:
    assert deltas(openai_chunk({"refusal": "I can't."}), end("stop")) == [
        Text("I can't."),
        Finish("refusal", None),
    ]
    assert finish_of(deltas(end("content_filter"))).reason == "refusal"


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (
            {"error": {"message": "overloaded", "type": "server_error", "code": None}},
            "provider_unavailable",
            True,
        ),
        ({"error": {"message": "slow down", "code": 429}}, "rate_limited", True),
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "rate_limited", True),
        ({"error": {"message": "pay", "type": "insufficient_quota"}}, "rate_limited", False),
        (
            {"error": {"message": "too long", "type": "BadRequestError", "code": 400}},
            "provider_rejected",
            False,
        ),
        ({"object": "error", "message": "no", "code": "404"}, "unknown_model", False),
        ({"error": "the runner crashed"}, "provider_unavailable", True),
        (
            {"error": {"message": "x", "code": 502}, "choices": [{"finish_reason": "error"}]},
            "provider_unavailable",
            True,
        ),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, "provider_unavailable", True),
    ],
)
async def test_error_in_mid_stream_is_raised_after_what_came_before(
    error: dict[str, Any], code: str, retryable: bool, ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([openai_chunk({"content": "x"}) + openai_event(error)]))
    seen, failure = await ask.failing("openai:m")
    assert (failure.code, failure.retryable) == (code, retryable)
    assert seen == [Text("x")]


@pytest.mark.parametrize(
    "junk", [b"data: {nope\n\n", b"data: 7\n\n", b'data: {"choices": "x"}\n\n', b"data: \xff\n\n"]
)
async def test_invalid_chunk_is_unreadable(junk: bytes, ask: Ask, model_server: ModelServer) -> None:
    model_server.play(Script([junk]))
    with pytest.raises(ProviderError) as caught:
        await ask("openai:m")
    assert caught.value.code == "unreadable_response"


async def test_arguments_without_end_are_refused(ask: Ask, model_server: ModelServer) -> None:
    piece_of = tools(piece(index=0, id="a", name="weather", arguments="x" * 1_000_000))
    model_server.play(Script([piece_of] * (ARGUMENTS_LIMIT // 1_000_000 + 1)))
    with pytest.raises(ProviderError, match="more than"):
        await ask("openai:m")


MIXED = b"".join(
    [
        b": OPENROUTER PROCESSING\r\n\r\n",
        openai_chunk({"role": "assistant", "content": ""}),
        openai_chunk({"reasoning": "Hm, ünïcode"}).replace(b"\n", b"\r\n"),
        *(openai_chunk({"content": token}) for token in ("Hé", "llo", " 🎉")),
        tools(piece(index=0, id="a", name="weather", arguments='{"city":')),
        tools(piece(index=0, arguments='"Paris"}')),
        openai_chunk({}, "tool_calls"),
        openai_usage(5, 6),
        OPENAI_DONE,
    ]
)


@given(st.lists(st.integers(0, len(MIXED))))
def test_any_cutting_of_the_bytes_gives_the_same_deltas(positions: list[int]) -> None:
    assert deltas(*cuts(MIXED, positions)) == deltas(MIXED)


async def test_single_bytes_from_a_real_socket_give_the_same_deltas(
    ask: Ask, model_server: ModelServer
) -> None:
    model_server.play(Script([MIXED[position : position + 1] for position in range(len(MIXED))]))
    key = model_server.url.removeprefix("http://")
    assert await ask("openai:m") == list(read(ChatReader(SERVER, key), [MIXED]))


@pytest.mark.parametrize(
    ("base", "key"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://team.openai.azure.com/openai/v1/", "max_completion_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
        ("https://openrouter.ai/api/v1", "max_tokens"),
    ],
)
async def test_name_of_the_limit_follows_the_host(base: str, key: str) -> None:
    sent: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(401)

    settings = Settings("r", openai_base_url=base, openai_api_key="k")
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        _, failure = await Ask(ProviderRegistry(settings, lambda: client)).failing("openai:m", max_tokens=5)
    assert failure.code == "provider_auth"
    assert str(sent[0].url) == base.rstrip("/") + "/chat/completions"
    body = orjson.loads(sent[0].content)
    assert {name: body[name] for name in body if name.startswith("max_")} == {key: 5}
