"""The calls of a turn: concurrent, independent, limited, and canceled at once."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.model import ToolCall
from millrace.agent.tools.function import tool
from millrace.agent.tools.tool import ToolResult
from millrace.agent.tools.toolbox import FULL_LIMIT, PARALLEL_LIMIT, RESULT_LIMIT, Toolbox, cut
from millrace.errors import Unavailable
from tests.agent.tools.contexts import call, context


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


async def test_results_come_in_the_order_of_the_calls_and_each_is_told_as_it_comes() -> None:
    first_may_end = asyncio.Event()

    async def slow() -> str:
        await first_may_end.wait()
        return "slow"

    async def quick() -> str:
        first_may_end.set()
        return "quick"

    reported: list[tuple[str, str]] = []
    results = await Toolbox([tool(slow), tool(quick)]).run_all(
        [call("slow"), call("quick")],
        context(),
        5.0,
        lambda one, result: reported.append((one.name, result.text)),
    )
    assert [result.text for result in results] == ["slow", "quick"]
    assert reported == [("quick", "quick"), ("slow", "slow")]
    assert all(result.full == result.text for result in results)


async def test_failing_tool_does_not_stop_others() -> None:
    def broken() -> str:
        raise ZeroDivisionError("division by zero")

    async def quitting() -> str:
        raise SystemExit(3)

    async def giving_up() -> str:
        raise asyncio.CancelledError

    async def unavailable() -> str:
        raise Unavailable("The service sleeps.")

    async def own_timeout() -> str:
        raise TimeoutError("its own")

    tools = [tool(function) for function in (add, broken, quitting, giving_up, unavailable, own_timeout)]
    calls = [call(one.name) for one in tools[1:]]
    results = await Toolbox(tools).run_all([*calls, call("add", {"a": 1, "b": 2})], context(), 5.0)
    assert [result.ok for result in results] == [False] * 5 + [True]
    assert results[0].text == "broken failed: ZeroDivisionError: division by zero"
    assert results[3].text == "unavailable failed: The service sleeps."
    assert results[4].text == "own_timeout failed: TimeoutError: its own"
    assert results[5].text == "3"


async def test_calls_that_make_no_sense_tell_the_model_what_to_do() -> None:
    calls = [
        call("subtract"),
        call("add", {"a": 1}),
        call("add", None, raw='{"a": 1, "b'),
        call("add", {"a": "x", "b": 1}),
    ]
    results = await Toolbox([tool(add)]).run_all(calls, context(), 5.0)
    assert not any(result.ok for result in results)
    assert results[0].text == "There is no tool 'subtract'. The tools are: add."
    assert "b: Field required" in results[1].text
    assert '{"a": 1, "b' in results[2].text
    assert "complete JSON object" in results[2].text
    assert "a: Input should be a valid integer" in results[3].text
    assert all(len(result.summary) <= 120 for result in results)


async def test_call_that_takes_too_long_is_given_up_and_says_so() -> None:
    release = threading.Event()

    def sleeping() -> None:
        release.wait(30)

    async def waiting() -> None:
        await asyncio.Event().wait()

    try:
        toolbox = Toolbox([tool(sleeping), tool(waiting), tool(add)])
        calls = [call("sleeping"), call("waiting"), call("add", {"a": 1, "b": 1})]
        results = await toolbox.run_all(calls, context(), 1.0)
    finally:
        release.set()
    assert [result.ok for result in results] == [False, False, True]
    assert "did not finish within 1 s" in results[0].text
    assert "did not finish within 1 s" in results[1].text


async def test_cancelling_the_whole_ends_every_call_at_once_even_one_that_blocks_a_thread() -> None:
    blocked, release, ended = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    def blocking() -> None:
        loop.call_soon_threadsafe(blocked.set)
        release.wait(60)
        ended.append("blocking")

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("hides its cancellation") from None
        return ""

    tools = [tool(function) for function in (waiting, stubborn, blocking)]
    running = asyncio.create_task(Toolbox(tools).run_all([call(one.name) for one in tools], context(), 60.0))
    try:
        await blocked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended == ["waiting"]
    finally:
        release.set()


async def test_concurrent_calls_are_bounded() -> None:
    running, most = 0, 0

    async def counting() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1

    results = await Toolbox([tool(counting)]).run_all([call("counting")] * 100, context(), 5.0)
    assert len(results) == 100
    assert most == PARALLEL_LIMIT


async def test_long_result_is_cut_for_the_model_and_kept_whole_beside() -> None:
    def long(size: int) -> str:
        return "é" * size

    small, large, huge = await Toolbox([tool(long)]).run_all(
        [call("long", {"size": size}) for size in (16_384, 100_000, 1_000_000)], context(), 5.0
    )
    assert small.text == small.full == "é" * 16_384
    assert len(large.text.encode()) <= RESULT_LIMIT
    assert "the whole has 200000 bytes" in large.text
    assert large.full == "é" * 100_000
    assert FULL_LIMIT - 100 < len(huge.full.encode()) <= FULL_LIMIT


@given(st.text(max_size=200), st.integers(0, 400))
def test_cut_never_exceeds_its_limit_nor_breaks_a_character(text: str, limit: int) -> None:
    shown = cut(text, limit)
    if len(text.encode(errors="replace")) <= limit:
        assert shown == text
    else:
        kept, _, note = shown.partition("\n[cut here")
        assert len(kept.encode(errors="replace")) <= limit
        assert text.startswith(kept) or "\n[cut here" in text
        assert note


async def test_broken_listener_ends_the_turn_rather_than_hiding() -> None:
    def broken(one: ToolCall, result: ToolResult) -> None:
        raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        await Toolbox([tool(add)]).run_all([call("add", {"a": 1, "b": 1})], context(), 5.0, broken)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="add"):
        Toolbox([tool(add), tool(add)])
    assert [spec.name for spec in Toolbox([tool(add)]).specs()] == ["add"]


async def test_result_can_be_stored_whatever_a_tool_returns() -> None:
    def name() -> str:
        """Read the name of a file that is no UTF-8."""
        return b"caf\xe9".decode(errors="surrogateescape")

    [result] = await Toolbox([tool(name)]).run_all([call("name")], context(), 5.0)
    assert (result.text, result.full, result.summary) == ("caf\ufffd",) * 3
