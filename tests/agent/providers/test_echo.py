import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from millrace.agent.model import Delta, Message, Text, Thinking, ToolCall, ToolSpec
from millrace.agent.providers.echo import EchoOptions, EchoProvider, echo_tool, echoed, parse_options
from millrace.domain.conversations import LIVE_MESSAGE_MARKER
from millrace.errors import ProviderError
from tests.agent.providers.asking import (
    assistant,
    called,
    calls_of,
    finish_of,
    request,
    result,
    text_of,
    user,
)

ECHO_TOOL = ToolSpec("echo_tool", "Gives its text back.", {"type": "object"})


def stream(*messages: Message, tools: bool = True) -> AsyncGenerator[Delta, None]:
    return EchoProvider().stream(request(*messages, tools=[ECHO_TOOL] if tools else []))


async def echo(*messages: Message, tools: bool = True) -> list[Delta]:
    return [delta async for delta in stream(*messages, tools=tools)]


async def whole_run(question: str, *live: str) -> list[Delta]:
    """Return what an executor would see: tool calls answered at once, `live` injected with the first
    results."""
    messages, seen, pending = [user(question)], [], list(live)
    for _ in range(20):
        turn = await echo(*messages)
        seen += turn
        calls = [delta for delta in turn if isinstance(delta, ToolCall)]
        if not calls:
            return seen
        messages.append(called(calls[0].id, "echo_tool", calls[0].arguments or {}))
        messages.append(result(calls[0].id, "ok", *(f"{LIVE_MESSAGE_MARKER}\n{text}" for text in pending)))
        pending = []
    raise AssertionError("no end")


async def test_echo_model_thinks_calls_its_tool_once_and_echoes() -> None:
    run = await whole_run("hello  streaming world")
    assert isinstance(run[0], Thinking)
    assert calls_of(run) == [("echo_tool", {"text": "hello  streaming world"})]
    assert text_of(run) == "hello  streaming world"


async def test_first_turn_asks_for_the_tool_and_the_second_streams_tokens() -> None:
    first = await echo(user("a b"))
    assert (finish_of(first).reason, text_of(first)) == ("tool_use", "")
    second = await echo(user("a b"), called("echo_1", "echo_tool", {}), result("echo_1", "ok"))
    assert [delta for delta in second if isinstance(delta, Text)] == [Text("a"), Text(" b")]
    assert finish_of(second).reason == "stop"


@pytest.mark.parametrize("rounds", [0, 1, 3])
async def test_tools_sets_the_rounds_and_tool_ms_how_long_they_sleep(rounds: int) -> None:
    run = await whole_run(f"/echo tools={rounds} toolMs=7\nhi")
    assert calls_of(run) == [("echo_tool", {"text": "hi", "ms": 7})] * rounds
    assert text_of(run) == "hi"


async def test_echo_model_without_its_tool_just_answers() -> None:
    assert text_of(await echo(user("hi"), tools=False)) == "hi"


@pytest.mark.parametrize(
    ("steer", "answer"),
    [
        ("tokens=0", []),
        ("tokens=2", ["a", " b"]),
        ("tokens=7", ["a", " b", " c ", "a", " b", " c ", "a"]),
        ("repeat=2", ["a", " b", " c\n", "a", " b", " c"]),
        ("repeat=2 tokens=4", ["a", " b", " c\n", "a"]),
    ],
)
async def test_tokens_and_repeat_set_the_length(steer: str, answer: list[str]) -> None:
    deltas = await echo(user(f"/echo tools=0 {steer}\na b c"))
    assert [delta.text for delta in deltas if isinstance(delta, Text)] == answer
    usage = finish_of(deltas).usage
    assert usage is not None
    assert usage.output == len(answer)


@pytest.mark.parametrize("pieces", [0, 3])
async def test_think_sets_the_pieces_of_thinking(pieces: int) -> None:
    deltas = await echo(user(f"/echo think={pieces} tools=0\nhi"))
    assert sum(isinstance(delta, Thinking) for delta in deltas) == pieces


@pytest.mark.parametrize("tokens", [2, 9])
async def test_fail_after_fails_after_that_many_tokens(tokens: int) -> None:
    seen: list[str] = []
    with pytest.raises(ProviderError) as caught:
        await consume(stream(user(f"/echo tools=0 failAfter=2 tokens={tokens}\nhi")), seen)
    assert (caught.value.code, caught.value.retryable, len(seen)) == ("echo_failed", False, 2)


async def consume(deltas: AsyncGenerator[Delta, None], seen: list[str]) -> None:
    async for delta in deltas:
        seen += [delta.text] if isinstance(delta, Text) else []


async def test_hang_streams_one_token_and_then_nothing_until_it_is_cancelled() -> None:
    deltas = stream(user("/echo tools=0 think=0 hang=1\na"))
    assert await anext(deltas) == Text("a")
    waiting = asyncio.ensure_future(anext(deltas))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    "steer", ["tokns=5", "tokens=x", "tokens=-1", "tokens=1000001", "hang=2", "tokens", "="]
)
async def test_steering_that_is_not_understood_says_what_is(steer: str) -> None:
    with pytest.raises(ProviderError, match=r"tokens=0\.\.1000000") as caught:
        await echo(user(f"/echo {steer}\nhi"))
    assert caught.value.code == "echo_steering"


@pytest.mark.parametrize("text", ["/echoes tokens=5", "say /echo tokens=5", "x\n/echo tokens=5"])
def test_only_a_first_line_that_begins_with_the_word_steers(text: str) -> None:
    assert parse_options(text) == (EchoOptions(), text)


async def test_live_messages_are_echoed_as_lines_whatever_tokens_says() -> None:
    run = await whole_run("/echo tokens=1 tools=2\nhello world", "wait, stop", "and this")
    assert text_of(run) == "hello\nwait, stop\nand this"


async def test_live_message_beside_the_question_is_echoed_too() -> None:
    run = await echo(user("/echo tools=0\nhi", f"{LIVE_MESSAGE_MARKER}\nalso this"))
    assert text_of(run) == "hi\nalso this"


async def test_live_message_after_the_answer_is_answered_without_tools() -> None:
    late = user(f"{LIVE_MESSAGE_MARKER}\none more")
    run = await echo(
        user("hi"), called("echo_1", "echo_tool", {}), result("echo_1", "ok"), assistant("hi"), late
    )
    assert text_of(run).strip() == "one more"
    assert calls_of(run) == []


async def test_question_after_a_failed_one_is_not_steered_by_it() -> None:
    assert text_of(await echo(user("/echo failAfter=0 tools=0\nold", "new"), tools=False)) == "new"


async def test_older_question_plays_no_part() -> None:
    older = [user("/echo tools=5\nold"), called("echo_1", "echo_tool", {}), result("echo_1", "ok")]
    run = await echo(*older, assistant("old"), user("new"))
    assert calls_of(run) == [("echo_tool", {"text": "new"})]


async def test_largest_echo_is_made_token_by_token() -> None:
    tokens = echoed("word " * 6000, EchoOptions(repeat=10_000, tokens=1_000_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in tokens) == 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


async def test_tool_gives_its_text_back() -> None:
    assert await echo_tool("hi") == "hi"
    assert await echo_tool("hi", ms=1) == "hi"


async def test_empty_answer_is_still_an_answer() -> None:
    empty: dict[str, Any] = {"role": "user", "content": [{"text": ""}]}
    assert finish_of(await echo(empty)).reason == "stop"
