"""Conversations with an agent whose tools ask people first, and a scripted model.

Test modules import the fixtures that they want. `queue` and `till` are then used by each of their tests.
"""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from millrace.agent.model import ToolCall
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import tool
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.approvals import GivenAnswer, WaitingCall
from millrace.domain.clock import now_ms
from millrace.domain.events import Event
from millrace.domain.runs import ANSWERED, ContinueRun, Run
from millrace.services.runs.answers import answer_call
from millrace.services.runs.continue_run import continue_run
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.services.scripted import Talk, results_of

AGENT = "clerk"
ASKING = {"name": "refund", "policy": "ask", "approvers": {"scope": "refunds:approve"}}


class Clock:
    """A clock that a test may put forward or stop, in milliseconds."""

    ahead = 0
    stopped = 0

    def __call__(self) -> int:
        return self.stopped or now_ms() + self.ahead

    def go_on(self) -> None:
        """Go on from where it was stopped."""
        self.ahead, self.stopped = self.stopped - now_ms(), 0


class Queue:
    """The run queue of a test: the emulator's own would have runs go on by themselves."""

    def __init__(self, talk: Talk) -> None:
        self.sent: list[tuple[str, str]] = []
        talk.stores.run_queue.enqueue = self._enqueue  # type: ignore[method-assign]

    async def _enqueue(self, organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        self.sent.append((run_id, reason))


class Till:
    """A tool `refund` that counts what it does."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, float]] = []

    def refund(self, order: str, amount: float) -> str:
        """Refunds an order.

        Args:
            order: The order's number.
            amount: US dollars.
        """
        self.paid.append((order, amount))
        return f"paid {amount:g} for {order}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def talk(settings: Settings, clock: Clock) -> AsyncIterator[Talk]:
    made = Talk(settings, Stores.connect(settings, clock=clock))
    yield made
    await made.platform.close()


@pytest.fixture(autouse=True)
def queue(talk: Talk) -> Queue:
    return Queue(talk)


@pytest.fixture(autouse=True)
def till(monkeypatch: pytest.MonkeyPatch) -> Till:
    made = Till()
    monkeypatch.setitem(BUILT_IN, "refund", tool(made.refund))
    return made


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """A call of a tool."""
    return ToolCall(f"call_{uuid.uuid4().hex[:8]}", tool, arguments)


async def hire(talk: Talk, *tools: Any, **settings: Any) -> Agent:
    """Make the agent with these tools."""
    made = Agent.model_validate({"id": AGENT, "name": "Clerk", "model": "echo:", "tools": tools} | settings)
    await talk.stores.agents.create(talk.slot.organization, made)
    return made


async def ask(talk: Talk, content: str = "Refund 7, please.") -> list[Event]:
    """Sends a message; the events of its stream."""
    return [one.event for one in await talk.say(content, agent_id=AGENT)]


async def waiting_calls(talk: Talk) -> list[WaitingCall]:
    """The calls of the conversation that wait."""
    return [one for one in await talk.stores.approvals.of_slot(talk.slot) if one.state == "waiting"]


async def run_of(talk: Talk) -> Run:
    """The conversation's latest run."""
    lease = await talk.stores.leases.peek(talk.slot)
    return await talk.stores.runs.get(talk.slot.organization, lease.newest() or "")


def types(events: list[Event]) -> list[str]:
    """The types of events."""
    return [event["type"] for event in events]


def boss(talk: Talk) -> Principal:
    """An approver."""
    return Principal(talk.slot.organization, "boss", frozenset({"chat", "refunds:approve"}))


async def give(
    talk: Talk, call_id: str, decision: Any, by: Principal | None = None, **more: Any
) -> WaitingCall:
    """Answers a call of the latest run."""
    run = await run_of(talk)
    return await answer_call(talk.stores, by or boss(talk), run.id, GivenAnswer(call_id, decision, **more))


async def go_on(talk: Talk, reason: str = ANSWERED) -> list[Event]:
    """Continues the latest run as the run queue does; the events of this process's part."""
    run = await run_of(talk)
    session = await continue_run(talk.platform, ContinueRun(talk.slot.organization, run.id, reason))
    if session is None:
        return []
    seen = [one.event async for batch in session.event_feed for one in batch]
    await session.over()
    return seen


async def tool_results(talk: Talk) -> list[str]:
    """The results that the model has read, in order."""
    return [text for message in await talk.messages() for text in results_of(message)]
