"""Tokens of model calls whose server does not report them: estimated and marked, never zero."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter
from millrace.agent.estimate import tokens_in
from millrace.agent.loop import AgentLoop
from millrace.agent.model import Delta, Finish, ModelRequest, PromptUsage, Text, Thinking, Usage
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.agents import Agent, AgentLimits
from millrace.domain.conversations import StoredMessage
from millrace.errors import ProviderError
from tests.agent.control import LoopControl
from tests.agent.tools.contexts import context

MODEL = "anthropic:claude-sonnet-4-5"
SECONDS = 20


class Saying:
    """A provider that says what it is told and then ends, fails, or falls silent."""

    def __init__(self, *deltas: Delta, error: ProviderError | None = None, silent: bool = False) -> None:
        self.deltas = deltas
        self.error = error
        self.silent = silent
        self.said = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        for delta in self.deltas:
            yield delta
        self.said.set()
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error


@asynccontextmanager
async def no_tools() -> Any:
    yield Toolbox([])


def loop_of(provider: Saying, reports: list[dict[str, Any]], **limits: Any) -> AgentLoop:
    agent = Agent(id="a", name="A", model=MODEL, limits=AgentLimits(**limits))
    budget = Budget(agent.limits)
    nested: Any = LoopControl("run_1")
    emitter = Emitter(lambda event: None)
    return AgentLoop(
        agent,
        provider,
        "m",
        no_tools,
        context(),
        emitter,
        nested,
        budget,
        lambda kind, data: reports.append(data),
    )


def question(text: str) -> Sequence[StoredMessage]:
    return [StoredMessage("m", "user", [{"text": text}], "now")]


async def stopped(provider: Saying, text: str = "x" * 4000) -> tuple[Budget, dict[str, Any]]:
    """The budget and the report of a run that was stopped when the provider had said everything."""
    reports: list[dict[str, Any]] = []
    loop = loop_of(provider, reports)
    task = asyncio.create_task(loop.run(question(text)))
    async with asyncio.timeout(SECONDS):
        await provider.said.wait()
    task.cancel()
    await asyncio.wait({task})
    return loop.budget, reports[-1]


async def test_stopped_call_is_estimated_from_what_was_sent_and_received() -> None:
    budget, report = await stopped(Saying(Thinking("t" * 400), Text("a" * 200), silent=True))
    usage = budget.usage()
    assert 1000 <= usage["input"] < 1100
    assert 150 <= usage["output"] < 160
    assert usage["estimated"] is True
    assert budget.cost is not None
    assert budget.cost > 0
    assert (report["error"], report["estimated"]) == ("stopped", True)
    assert report["tokens"] == {"input": usage["input"], "output": usage["output"]}


async def test_prompt_that_the_server_has_counted_is_not_estimated() -> None:
    budget, _ = await stopped(
        Saying(PromptUsage(Usage(input=777, cache_read=700)), Text("abcd"), silent=True)
    )
    assert (budget.input, budget.output, budget.estimated) == (777, 1, True)


async def test_stop_before_the_first_token_counts_the_prompt() -> None:
    budget, _ = await stopped(Saying(silent=True))
    assert budget.input >= 1000
    assert budget.output == 0


async def test_answer_that_breaks_off_is_estimated() -> None:
    broken = ProviderError("broke off", code="incomplete_response")
    loop = loop_of(Saying(Text("a" * 40), error=broken), [])
    with pytest.raises(ProviderError):
        await loop.run(question("hello"))
    assert loop.budget.output == 10
    assert loop.budget.usage()["estimated"] is True


async def test_call_that_was_refused_has_used_nothing() -> None:
    reports: list[dict[str, Any]] = []
    loop = loop_of(Saying(error=ProviderError("no", code="provider_auth", http_status=401)), reports)
    with pytest.raises(ProviderError):
        await loop.run(question("hello"))
    assert loop.budget.usage() == {"input": 0, "output": 0, "total": 0}
    assert (loop.budget.cost, reports[-1]["cost"]) == (0.0, 0.0)


async def test_server_that_tells_no_usage_is_estimated_so_that_limits_hold() -> None:
    loop = loop_of(Saying(Text("a" * 400), Finish("stop", None)), [], max_cost=0.000001)
    await loop.run(question("hello"))
    assert loop.budget.usage()["estimated"] is True
    assert loop.budget.exhausted() == "max_cost"


async def test_told_usage_is_not_marked() -> None:
    loop = loop_of(Saying(Text("hi"), Finish("stop", Usage(3, 4))), [])
    await loop.run(question("hello"))
    assert loop.budget.usage() == {"input": 3, "output": 4, "total": 7}


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcde", 2), ("漢字漢字", 3), ("\ud800", 1)]
)
def test_estimate_counts_bytes_rounded_up(text: str, tokens: int) -> None:
    assert tokens_in(text) == tokens
