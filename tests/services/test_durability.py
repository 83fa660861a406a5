"""Runs under every death: a process is killed before and after each write, in turn and at random, with
outages in between and planned hand-overs. One history, equal to the uninterrupted one; no completed tool
runs twice; a live message is read once; every client ends with the same view."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, ToolCall, Usage
from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import repeatable, tool
from millrace.agent.tools.tool import ToolContext
from millrace.domain.agents import Agent
from millrace.domain.clock import now_ms
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import LEASE_MS, ContinueRun, Run
from millrace.errors import MillraceError
from millrace.services.runs import lease_writer, run_pump
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.inject import inject
from millrace.services.runs.models import Models
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from millrace.stores.run_queue import RunQueue
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.mortal import Blow, Failure, Killed, Mortal
from tests.services.scripted import Talk, results_of, text_of

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", effort(6, 2000)))
AGENT = "worker"
SAID = ["I check first. ", "One more thing. ", "That is all. "]
CALLS = [[("check_stock", "stock-1"), ("pay", "pay-1")], [("pay", "pay-2")], []]
LIVE = "And hurry."
ROUNDS = 40


class Worker(Models):
    """A model whose turn follows from the history alone, so that one that is asked again says the same."""

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return self, "worker"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        number = sum(message["role"] == "assistant" for message in request.messages)
        number = min(number, len(SAID) - 1)
        for word in SAID[number].split():
            await asyncio.sleep(0.002)  # time for the log to be written in mid-turn
            yield Text(f"{word} ")
        for name, call_id in CALLS[number]:
            yield ToolCall(call_id, name, {})
        yield Finish("tool_use" if CALLS[number] else "stop", Usage(10, 5))


@dataclass
class World:
    """One run, its tools, its client and whoever takes it over."""

    environment: Settings
    aws: Mortal
    leaving: list[bool] = field(default_factory=list)
    now: int = field(default_factory=now_ms)
    live: int = 0
    paid: Counter[str] = field(default_factory=Counter)
    seen: list[LogEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.talk = Talk(self.environment, Stores.connect(self.environment, self.aws, clock=lambda: self.now))
        self.talk.platform.models = Worker(self.environment, lambda: None)  # type: ignore[arg-type,return-value]
        self.talk.models = self.talk.platform.models  # type: ignore[assignment]
        self.others = Stores.connect(self.environment, clock=lambda: self.now)

    def tools(self) -> dict[str, Any]:
        """Two tools: one that only reads, and one that must not be repeated."""

        @repeatable
        async def check_stock() -> str:
            """Check the stock."""
            await asyncio.sleep(0.004)
            return "seen"

        async def pay(context: ToolContext) -> str:
            """Pays, while the user has something to add."""
            if self.aws.dead:
                raise Killed
            self.paid[context.call_id] += 1
            if context.call_id == "pay-1":
                await inject(self.others, self.talk.slot, LIVE, "live", author="user")
                self.live = 1
            return "paid"

        return {"check_stock": tool(check_stock), "pay": tool(pay)}

    async def process(self, work: Awaitable[RunSession | None]) -> None:
        """A process that begins or continues the run, and may die of it; its client sees all that it says."""
        leaves = self.leaving.pop(0) if self.leaving else False
        session: RunSession | None = None
        try:
            session = await work
            if session is not None and session.task is not None:
                session.hand_over_at = 0.0 if leaves else session.hand_over_at
                await asyncio.wait({session.task})
        except (Killed, MillraceError):
            pass
        if session is not None:
            self.seen += session.event_feed._events
            await self._settle(session)
        if self.aws.dead or (session and not session.ended):
            self.now += LEASE_MS + 1000  # nobody renews the lease
        self.aws.next_process()

    async def _settle(self, session: RunSession) -> None:
        assert session.task is not None
        if session.task.done() and not session.task.cancelled():
            session.task.exception()

    async def begin(self) -> RunSession:
        return await self.talk.start("Pay.", agent_id=AGENT, idempotency_key="k")

    async def run(self) -> Run | None:
        lease = await self.others.leases.peek(self.talk.slot)
        newest = lease.newest()
        return await self.others.runs.get(self.talk.slot.organization, newest) if newest else None

    async def play(self) -> Run:
        """The whole story."""
        while (run := await self.run()) is None:
            await self.process(self.begin())
        for _ in range(ROUNDS):
            if run.ended_at:
                return run
            asked = ContinueRun(run.slot.organization, run.id, "lost")
            await self.process(continue_run(self.talk.platform, asked))
            run = await self.others.runs.get(run.slot.organization, run.id)
        raise AssertionError("the run does not end")

    async def log(self, run: Run) -> list[LogEntry]:
        return await self.others.log.read(stream_of(run.slot.organization, run.id))


async def hire(environment: Settings, organization: str) -> None:
    agent = Agent.model_validate(
        {"id": AGENT, "name": "Worker", "model": "echo:", "tools": ["check_stock", "pay"]}
    )
    await Stores.connect(environment).agents.create(organization, agent)


async def play_and_check(
    environment: Settings,
    monkeypatch: pytest.MonkeyPatch,
    blows: list[list[Blow]],
    leaving: list[bool] | None = None,
) -> Mortal:
    """Plays a story with these blows, and checks it."""
    aws = Mortal(environment.region, [list(one) for one in blows])
    world = World(environment, aws, list(leaving or []))
    for name, made in world.tools().items():
        monkeypatch.setitem(BUILT_IN, name, made)
    await hire(environment, world.talk.slot.organization)
    run = await world.play()
    await check_run(world, run)
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(world.others.aws.close)
    return aws


async def check_run(world: World, run: Run) -> None:
    history = await Talk.messages(world.talk)
    log = await world.log(run)
    check_views(world, log)
    check_history(world, run, history)
    if run.state == "failed":  # three processes died in one step
        assert world.aws.deaths >= 3
        assert run.error is not None
        assert run.error["code"] == "step_keeps_failing"
        return
    assert run.state == "completed"
    said = [text_of(one) for one in history if one.role == "assistant"]
    assert said == SAID
    assert run.usage is not None
    assert run.usage["output"] >= 15
    view = settled(log)
    shown = "".join(one.event["token"] for one in view if one.type == "token")
    assert shown == "".join(SAID)
    expected = {"start": 1, "tool_call": 3, "tool_result": 3, "injected": world.live, "done": 1}
    assert expected.items() <= Counter(one.type for one in view).items() | {("injected", 0)}
    assert len([one for one in history if one.injected]) == world.live


def check_history(world: World, run: Run, history: list[StoredMessage]) -> None:
    calls = [
        block["toolUse"]["toolUseId"]
        for message in history
        for block in message.content
        if "toolUse" in block
    ]
    assert len(calls) == len(set(calls))
    results: dict[str, str] = {}
    for message in history:
        for block in message.content:
            if "toolResult" in block:
                call_id = block["toolResult"]["toolUseId"]
                assert call_id not in results
                results[call_id] = block["toolResult"]["content"][0]["text"]
    assert all(count == 1 for count in world.paid.values()), world.paid
    for call_id, text in results.items():
        if call_id.startswith("pay"):
            assert text == "paid" or "nobody knows" in text or "stopped before" in text
            assert text != "paid" or world.paid[call_id] == 1
    live = [text_of(message) for message in history if message.injected]
    assert live == [LIVE][: len(live)]
    steps = [step["id"] for one in history for step in one.steps if step["type"] == "tool_result"]
    assert len(steps) == len(set(steps))
    assert len([one for one in history if results_of(one)]) <= len(results)


def check_views(world: World, log: list[LogEntry]) -> None:
    """A client that was there all the time, and resumed with its last id, ends with the view of one that
    came late; and no number was given twice."""
    numbers = [one.seq for one in log]
    assert numbers == sorted(set(numbers))
    assert is_last(log[-1])
    by_number: dict[int, Any] = {}
    client: list[LogEntry] = []
    for one in world.seen:
        if one.seq and one.seq not in by_number:
            by_number[one.seq] = one.event
            client.append(one)
        assert not one.seq or by_number[one.seq] == one.event
    for one in log:
        assert by_number.get(one.seq, one.event) == one.event
    last = 0
    received: list[LogEntry] = []
    for one in sorted(
        [*client, *(entry for entry in log if entry.seq not in by_number)], key=lambda e: e.seq
    ):
        if one.seq > last:
            received.append(one)
            last = one.seq
    assert settled(received) == settled(log)


async def silent(bus: EventBus, events: list[BusEvent]) -> None:
    """A bus that nobody listens to."""


async def nowhere(queue: RunQueue, *given: Any, **more: Any) -> None:
    """The story itself asks for the run to be continued: the emulator's function would interfere."""


@pytest.fixture
def environment(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(EventBus, "put", silent)
    monkeypatch.setattr(RunQueue, "enqueue", nowhere)
    monkeypatch.setattr(run_pump, "FIRST_FLUSH", 0.001)
    monkeypatch.setattr(run_pump, "SLOWEST_FLUSH", 0.004)
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    return Settings.from_environment(aws_environment.environment("ConversationFunction"))


async def test_uninterrupted_run_is_as_the_others_must_be(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = await play_and_check(environment, monkeypatch, [])
    assert aws.deaths == 0


@soak
@pytest.mark.timeout(0 if EXAMPLES > 100 else 300)
@pytest.mark.parametrize("failure", ["kill before", "kill after"])
async def test_run_survives_a_death_at_each_of_its_writes(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    """In turn at each write of the first process; in the short form at every third."""
    whole = (await play_and_check(environment, monkeypatch, [])).writes[0]
    step = 1 if EXAMPLES > 100 else 3
    for write in range(1, whole + 1, step):
        await play_and_check(environment, monkeypatch, [[Blow(write, failure)]])


BLOWS = st.builds(
    Blow,
    st.integers(1, 14),
    st.sampled_from(["kill before", "kill after", "fault before", "fault after"]),
)


@soak
@pytest.mark.timeout(0 if EXAMPLES > 100 else 300)
def test_run_survives_any_deaths_outages_and_hand_overs(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        blows=st.lists(st.lists(BLOWS, max_size=2), max_size=4),
        leaving=st.lists(st.booleans(), max_size=4),
    )
    def run(blows: list[list[Blow]], leaving: list[bool]) -> None:
        asyncio.run(play_and_check(environment, monkeypatch, blows, leaving))

    run()


async def test_step_that_ends_three_processes_fails_the_run(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process begins the run with its first write; the others take it over with theirs."""
    blows = [[Blow(2, "kill before")] for _ in range(3)]
    aws = Mortal(environment.region, blows)
    world = World(environment, aws)
    for name, made in world.tools().items():
        monkeypatch.setitem(BUILT_IN, name, made)
    await hire(environment, world.talk.slot.organization)
    run = await world.play()
    assert (run.state, run.error and run.error["code"]) == ("failed", "step_keeps_failing")
    assert run.error is not None
    assert run.error["step"] == "model echo:"
    assert run.error["retryable"] is False
    assert aws.deaths == 3
    check_views(world, await world.log(run))
