"""The AWS calls of a run; no token waits for one."""

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from millrace.domain.access import Principal
from millrace.domain.events import LogEntry
from millrace.services.runs import run_pump
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.services.live import inject


@dataclass
class Call:
    operation: str
    began: float
    ended: float = float("inf")


@dataclass
class Counting(AwsClients):
    """AWS clients that keep a list of their calls; `delay` makes each one take longer."""

    delay: float = 0.0
    calls: list[Call] = field(default_factory=list)

    def __init__(self, region: str, delay: float = 0.0) -> None:
        super().__init__(region)
        self.delay = delay
        self.calls = []

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        call = Call(operation, time.monotonic())
        self.calls.append(call)
        await asyncio.sleep(self.delay)
        try:
            return await super().call(service, operation, **parameters)
        finally:
            call.ended = time.monotonic()

    def in_sequence_before(self, moment: float) -> int:
        """The longest chain of calls, each begun after the one before it had ended, all ended by then."""
        chain, last_end = 0, float("-inf")
        for call in sorted((c for c in self.calls if c.ended <= moment), key=lambda c: c.ended):
            if call.began >= last_end:
                chain, last_end = chain + 1, call.ended
        return chain


async def answer(platform: Platform, content: str) -> list[tuple[float, LogEntry]]:
    caller = Principal(f"org-{uuid.uuid4().hex[:12]}", "user")
    started = await send(platform.stores, platform.models, caller, "c1", NewMessage(content, "echo"))
    assert isinstance(started, StartedRun)
    session = launch(platform, started, None)
    seen: list[tuple[float, LogEntry]] = []
    async for batch in session.event_feed:
        seen += [(time.monotonic(), event) for event in batch]
    await session.over()
    return seen


async def test_long_answer_costs_at_most_forty_calls(
    settings: Settings,
) -> None:
    """Forty in the ten seconds that it takes; a busy machine takes longer, with a flush every half second."""
    counting = Counting(settings.region)
    platform = Platform.make(settings, Stores.connect(settings, counting))
    seen = await answer(platform, "/echo tools=0 think=0 tokens=500 delayMs=20\nword")
    assert [event.type for _, event in seen].count("token") == 500
    longer = max(1.0, (seen[-1][0] - seen[0][0]) / 10)
    assert len(counting.calls) <= 40 * longer, [call.operation for call in counting.calls]
    await platform.close()


async def test_tool_call_costs_two_writes_and_hardly_a_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the flushes of the log, which rest here: a slow machine has more of them."""
    for pace in ("FIRST_FLUSH", "CHECK_EVERY", "PUBLISH_EVERY"):
        monkeypatch.setattr(run_pump, pace, 3600.0)
    without = await operations(settings, "/echo tools=0 think=20 tokens=20 delayMs=0\nword")
    with_one = await operations(settings, "/echo tools=1 toolMs=0 think=20 tokens=20 delayMs=0\nword")
    more = with_one - without
    # With the turn that calls, and with the result.
    assert more.pop("transact_write_items") == 2
    # The pump may store the result before the loop does, which then has to look for live messages.
    assert more.pop("query", 0) <= 1
    # The bus, and the look for a stop of the agent, go by the clock.
    assert set(more) <= {"put_events", "get_item"}


async def operations(settings: Settings, content: str) -> Counter[str]:
    """Return how often a run that answers this calls which operation."""
    counting = Counting(settings.region)
    platform = Platform.make(settings, Stores.connect(settings, counting))
    seen = await answer(platform, content)
    assert [event.type for _, event in seen].count("tool_result") == content.count("tools=1")
    await platform.close()
    return Counter(call.operation for call in counting.calls)


async def test_first_token_waits_for_two_sequential_calls_and_later_ones_for_none(
    settings: Settings,
) -> None:
    """With calls of two seconds each, all tokens come before the first flush of the log has ended."""
    counting = Counting(settings.region, delay=2.0)
    platform = Platform.make(settings, Stores.connect(settings, counting))
    seen = await answer(platform, "/echo tools=0 think=0 tokens=50 delayMs=5\nword")
    first = next(moment for moment, event in seen if event.type == "token")
    assert counting.in_sequence_before(first) <= 2
    tokens = [moment for moment, event in seen if event.type == "token"]
    flushes = [call for call in counting.calls if call.operation == "transact_write_items"][1:]
    done = seen[-1][0]
    assert len(tokens) == 50
    assert flushes
    assert tokens[-1] < flushes[0].ended
    assert done >= flushes[-1].ended  # but the end waits for the log
    await platform.close()


async def test_injection_costs_its_sender_one_call_and_the_run_one_read_per_iteration(
    settings: Settings,
) -> None:
    counting, sender = Counting(settings.region), Counting(settings.region)
    platform = Platform.make(settings, Stores.connect(settings, counting))
    stores = Stores.connect(settings, sender)
    caller = Principal(f"org-{uuid.uuid4().hex[:12]}", "user")
    message = NewMessage("/echo tools=3 toolMs=1000\nword", "echo")
    started = await send(platform.stores, platform.models, caller, "c1", message)
    assert isinstance(started, StartedRun)
    session = launch(platform, started, None)
    iterations = 0
    async for batch in session.event_feed:
        kinds = [event.type for event in batch]
        iterations += kinds.count("tool_call")
        if "tool_call" in kinds and iterations == 1:
            await inject(stores, started.lease.run.slot, "by the way", look=Stores.connect(settings))
    await session.over()
    assert [call.operation for call in sender.calls] == ["transact_write_items"]
    queries = [call for call in counting.calls if call.operation == "query"]
    assert len(queries) <= 1 + iterations  # the first was the conversation itself
    await platform.close()
    sender.close()
