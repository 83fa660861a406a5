"""Runs whose model server asks them to wait."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter
from millrace.agent.loop import AgentLoop
from millrace.agent.model import Delta, ModelRequest, Text
from millrace.agent.retries import LONGEST_WAIT, TRIES, retry_notice, wait_before_retry
from millrace.agent.suspension import Suspended
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.agents import Agent
from millrace.errors import ProviderError
from tests.agent.control import LoopControl
from tests.agent.tools.contexts import context


@given(st.none() | st.floats(0, 86_400), st.integers(1, TRIES))
def test_wait_is_what_the_server_asks_for_within_bounds(asked: float | None, attempt: int) -> None:
    wait = wait_before_retry(ProviderError("Busy.", retry_after=asked), attempt)
    assert min(asked or 0.0, LONGEST_WAIT) <= wait <= LONGEST_WAIT
    assert wait <= max(asked or 0.0, 0.5 * 2**attempt)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (7.0, "Trying again in 7 s."),
        (30.0, "Trying again in 30 s."),
        (3600.0, "The server asks for 3,600 s; trying again in 30 s."),
    ],
)
def test_notice_says_how_long_the_run_waits(asked: float, words: str) -> None:
    error = ProviderError("Busy.", retry_after=asked)
    assert retry_notice(error, wait_before_retry(error, 1)) == words


class SlotChanged:
    """A provider that always asks for an hour."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        if request.messages:
            raise ProviderError("Too many requests.", retryable=True, retry_after=3600)
        yield Text("unasked")


async def test_run_waits_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("millrace.agent.loop.asyncio.sleep", sleep)
    reported: list[dict[str, Any]] = []

    @asynccontextmanager
    async def no_tools() -> AsyncIterator[Toolbox]:
        yield Toolbox([])

    agent = Agent(id="a", name="A", model="openai:m")
    budget = Budget(agent.limits)
    nested = LoopControl("run")
    loop = AgentLoop(
        agent,
        SlotChanged(),
        "m",
        no_tools,
        context(),
        Emitter(reported.append),
        nested,
        budget,
        lambda *_: None,
    )
    with pytest.raises(ProviderError):
        await loop.run([nested.question("hi")])
    assert waited == [LONGEST_WAIT] * (TRIES - 1)
    assert [event["message"] for event in reported] == [
        "Too many requests. The server asks for 3,600 s; trying again in 30 s."
    ] * (TRIES - 1)


class Queue(LoopControl):
    """A control whose runs may be continued later."""

    def postpone(self, error: ProviderError) -> None:
        raise Suspended("queued", error.retry_after or 0.0)


async def test_longer_wait_than_a_person_has_goes_to_the_queue_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def sleep(seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")

    monkeypatch.setattr("millrace.agent.loop.asyncio.sleep", sleep)

    @asynccontextmanager
    async def no_tools() -> AsyncIterator[Toolbox]:
        yield Toolbox([])

    agent, control = Agent(id="a", name="A", model="openai:m"), Queue("run")
    emitter, budget = Emitter(lambda event: None), Budget(agent.limits)
    loop = AgentLoop(
        agent, SlotChanged(), "m", no_tools, context(), emitter, control, budget, lambda *_: None
    )
    with pytest.raises(Suspended) as caught:
        await loop.run([control.question("hi")])
    assert (caught.value.reason, caught.value.delay) == ("queued", 3600)
