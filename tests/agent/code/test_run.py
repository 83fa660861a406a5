"""Agents in code: what they say and call, live messages, and a takeover at each stored message."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson
import pytest

from millrace.agent.model import Delta, Finish, ModelRequest, Text, Thinking, Usage
from millrace.agent.tools.function import tool as made_of
from millrace.agent.tools.tool import Tool
from millrace.app import AgentContext, ToolError, agent, log, status, thought, token
from tests.agent.code.playing import Lost, Stage


async def search(query: str) -> dict[str, Any]:
    """Search."""
    return {"found": [f"{query} hotel"]}


async def broken() -> str:
    """Fail."""
    raise ToolError("The warehouse is closed.")


@agent("researcher", tools=["search"])
async def researcher(ctx: AgentContext) -> AsyncIterator[Any]:
    """Plans, searches and answers, as in the reference."""
    yield status("Planning tasks...")
    plan = await ctx.step("plan", lambda: ["Tokyo", "Kyoto"])
    for city in plan:
        yield status(f"Executing: {city}...")
        result = await ctx.call_tool("search", query=city)
        yield log(f"Tool output: {len(result)} bytes")
    yield thought("Enough.")
    yield token("Based")
    yield f" on {result.value['found'][0]}"


async def test_agent_says_and_calls_in_the_order_of_the_reference() -> None:
    stage = Stage(researcher, made_of(search))
    assert await stage.ask("A trip.") == "stop"
    kinds = [event["type"] for event in stage.events]
    assert kinds == [
        "status", "tool_call", "tool_result", "status", "tool_call", "tool_result", "status", "status",
        "tool_call", "tool_result", "status", "thinking", "token", "token",
    ]  # fmt: skip
    assert [event["name"] for event in stage.of("tool_call")] == ["step__plan", "search", "search"]
    assert stage.text == "Based on Kyoto hotel"


def counting(done: Counter[str]) -> Tool:
    async def counted(query: str) -> dict[str, Any]:
        """Search."""
        done[query] += 1
        return await search(query)

    return made_of(counted, name="search", repeat="safe")


async def test_process_that_is_lost_at_any_message_is_continued_to_the_same_history() -> None:
    whole = Stage(researcher, made_of(search))
    await whole.ask("A trip.")
    for dies in range(len(whole.messages) - 1):
        done: Counter[str] = Counter()
        stage = Stage(researcher, counting(done))
        stage.messages = whole.messages[:1]
        with pytest.raises(Lost):
            await stage.go_on(dies)
        stored = [city for city in ("Tokyo", "Kyoto") if f"{city} hotel" in str(stage.messages)]
        assert await stage.go_on() == "stop"
        assert [one.role for one in stage.messages] == [one.role for one in whole.messages]
        assert stage.text == whole.text
        assert all(done[city] == 1 for city in stored)
        assert sum(done.values()) <= 3


async def test_calls_that_are_made_together_run_together() -> None:
    met = asyncio.Barrier(2)

    async def meet(who: str) -> str:
        """Meet."""
        await met.wait()
        return who

    @agent("both", tools=["meet"])
    async def both(ctx: AgentContext) -> AsyncIterator[str]:
        found = await asyncio.gather(ctx.call_tool("meet", who="a"), ctx.call_tool("meet", who="b"))
        yield " ".join(found)

    stage = Stage(both, made_of(meet))
    await stage.ask("?")
    assert stage.text == "a b"
    assert len([one for one in stage.messages if one.role == "assistant"]) == 2


async def test_failed_tool_raises_its_words_and_the_agent_may_go_on() -> None:
    @agent("brave", tools=["broken"])
    async def brave(ctx: AgentContext) -> AsyncIterator[str]:
        try:
            await ctx.call_tool("broken")
        except ToolError as error:
            yield error.message

    stage = Stage(brave, made_of(broken))
    await stage.ask("?")
    assert stage.text == "The warehouse is closed."


async def test_failed_step_is_stored_and_its_error_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fetch() -> None:
        raise ValueError("password=hunter2")

    @agent("fetcher")
    async def fetcher(ctx: AgentContext) -> AsyncIterator[str]:
        try:
            await ctx.step("fetch", fetch)
        except ToolError as error:
            yield error.message

    stage = Stage(fetcher)
    await stage.ask("?")
    assert "ValueError" in stage.text
    assert "hunter2" not in str(stage.messages) + str(stage.events)
    assert "hunter2" in caplog.text


async def test_live_messages_come_at_the_next_look() -> None:
    stage: Stage

    @agent("listener")
    async def listener(ctx: AgentContext) -> AsyncIterator[str]:
        yield "One. "
        stage.live.append("and hurry")
        yield f"{await ctx.live_messages()} "
        yield f"{await ctx.live_messages()}"

    stage = Stage(listener)
    await stage.ask("?")
    assert stage.text == "One. ['and hurry'] []"


async def test_live_message_that_is_never_looked_for_is_a_message_of_its_own() -> None:
    stage: Stage
    asked: list[tuple[str, list[str]]] = []

    @agent("deaf")
    async def deaf(ctx: AgentContext) -> AsyncIterator[str]:
        asked.append((ctx.message, [one.text for one in ctx.history]))
        if len(asked) == 1:
            stage.live.append("and you?")
        yield f"I heard: {ctx.message}. "

    stage = Stage(deaf)
    assert await stage.ask("how are you?") == "stop"
    assert asked == [("how are you?", []), ("and you?", ["how are you?", "I heard: how are you?. "])]
    assert stage.text == "I heard: how are you?. I heard: and you?. "


async def test_text_before_a_look_is_not_said_again_after_a_takeover() -> None:
    stage: Stage
    plays = 0

    @agent("twice", tools=["search"])
    async def twice(ctx: AgentContext) -> AsyncIterator[str]:
        nonlocal plays
        plays += 1
        await ctx.live_messages()
        yield "One. "
        if plays == 1:
            stage.live.append("hurry")
        said = await ctx.live_messages()
        yield f"{said}. "
        await ctx.call_tool("search", query="x")
        yield "Done."

    stage = Stage(twice, made_of(search, repeat="safe"))
    await stage.ask("?")
    whole, kept = stage.text, stage.messages
    for at in range(1, len(kept)):
        if kept[at - 1].role == "user" and at > 1 and kept[at].injected:
            continue  # it is drained again from the queue, which this stage does not keep
        stage.messages = kept[:at]
        await stage.go_on()
        assert stage.text == whole or "hurry" not in str(kept[:at]), at


async def test_function_that_goes_another_way_ends_the_run_with_a_remedy() -> None:
    way = iter(["a", "b"])

    @agent("fickle", tools=["search"])
    async def fickle(ctx: AgentContext) -> AsyncIterator[str]:
        await ctx.call_tool("search", query=next(way))
        await ctx.step("last", lambda: 1)
        yield "done"

    stage = Stage(fickle, made_of(search))
    await stage.ask("?")
    stage.messages = stage.messages[:3]
    with pytest.raises(Exception, match=r"it called search; the history has search there.*ctx\.step"):
        await stage.go_on()


class Poet:
    """A model that says which call it is."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        yield Thinking("hm")
        yield Text(f"poem {len(self.requests)}")
        yield Finish("stop", Usage(3, 2))


@agent("author", tools=["search"], instructions="Rhyme.")
async def author(ctx: AgentContext) -> AsyncIterator[str]:
    """Writes."""
    title = await ctx.model.ask("A title.")
    async for text in ctx.model.stream(f"{title}!", system="Loud."):
        yield text
    await ctx.call_tool("search", query="rhymes")
    yield " end"


async def test_model_is_asked_streamed_and_counted() -> None:
    poet = Poet()
    stage = Stage(author, made_of(search), provider=poet)
    await stage.ask("?")
    assert stage.text == "poem 2 end"
    assert [one.system for one in poet.requests] == ["Rhyme.", "Loud."]
    assert poet.requests[1].messages == [{"role": "user", "content": [{"text": "poem 1!"}]}]
    assert (stage.budget.input, stage.budget.output) == (6, 4)
    assert [event["text"] for event in stage.of("thinking")] == ["hm"]


async def test_model_is_not_asked_again_for_what_is_stored() -> None:
    poet = Poet()
    stage = Stage(author, made_of(search, repeat="safe"), provider=poet)
    await stage.ask("?")
    kept, whole = stage.messages, stage.text
    for at in range(5, len(kept)):
        asked = len(poet.requests)
        stage.messages = kept[:at]
        await stage.go_on()
        assert stage.text == whole
        assert len(poet.requests) <= asked + (at == 5)


async def test_agent_that_never_waits_is_still_streamed_and_stopped() -> None:
    @agent("chatty")
    async def chatty(ctx: AgentContext) -> AsyncIterator[str]:
        while True:
            yield "x"

    stage = Stage(chatty)
    running = asyncio.create_task(stage.ask("?"))
    while len(stage.events) < 1000:  # noqa: ASYNC110 (a list of events is no asyncio.Event)
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(stage.text) >= 1000
    assert stage.messages[-1].interrupted


async def test_error_of_a_step_is_as_it_was_raised() -> None:
    def fail() -> None:
        raise ToolError("The shop is closed.")

    @agent("worker")
    async def worker(ctx: AgentContext) -> AsyncIterator[Any]:
        for repeat in ("safe", "never"):
            try:
                await ctx.step("open", fail, repeat=repeat)
            except ToolError as error:
                yield f"{error.message} "

    played = Stage(worker)
    assert await played.ask("Go on.") == "stop"
    assert played.text == "The shop is closed. The shop is closed. "


@agent("cutter")
async def cutter(ctx: AgentContext) -> AsyncIterator[Any]:
    """Says an emoji as some model servers send it: in two halves."""
    yield "so \ud83d"
    yield "\ude00"
    yield thought("\ud83d")
    yield status("\ud800")
    yield log("\ud800")


async def test_halves_of_characters_are_joined_or_replaced() -> None:
    stage = Stage(cutter)
    assert await stage.ask("Hi") == "stop"
    assert stage.text == "so \U0001f600"
    assert "\ufffd" in orjson.dumps(stage.events).decode()
