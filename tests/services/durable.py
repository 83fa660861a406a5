"""A run whose processes die, hand over or meet outages, and what must be true of it in any case.

A test module makes a `World` of its own and plays it with blows (`Story`); `environment` is a fixture that it
imports.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from millrace.agent.tools.builtin import BUILT_IN
from millrace.agent.tools.function import repeatable, tool
from millrace.agent.tools.tool import ToolContext
from millrace.domain.clock import now_ms
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import LEASE_MS, ContinueRun, Run
from millrace.errors import MillraceError
from millrace.services.runs import lease_writer, run_pump
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.models import Models
from millrace.services.runs.run_session import RunSession
from millrace.settings import Settings
from millrace.stores.bus import BusEvent, EventBus
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from millrace.stores.run_queue import RunQueue
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.effort import effort
from tests.services.live import inject
from tests.services.mortal import Blow, Failure, Killed, Mortal
from tests.services.scripted import Talk

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", effort(6, 2000)))
LONG = 0 if EXAMPLES > 100 else 300
"""Seconds that the tests of this kind may take; 0 in their long form."""
AGENT = "worker"
LIVE = "And hurry."
ROUNDS = 40


@dataclass
class World:
    """One run, its tools, its client and whoever takes it over.

    A subclass says who works (`models`, `hire`) and what must be true in the end (`check`).
    """

    models: ClassVar[type[Models]]
    environment: Settings
    aws: Mortal
    leaving: list[bool] = field(default_factory=list)
    now: int = field(default_factory=now_ms)
    live: int = 0
    paid: Counter[str] = field(default_factory=Counter)
    seen: list[LogEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.talk = Talk(self.environment, Stores.connect(self.environment, self.aws, clock=lambda: self.now))
        self.talk.platform.models = self.models(self.environment, lambda: None)  # type: ignore[arg-type,return-value]
        self.talk.models = self.talk.platform.models  # type: ignore[assignment]
        self.others = Stores.connect(self.environment, clock=lambda: self.now)

    async def hire(self) -> None:
        """Make the agents."""
        raise NotImplementedError

    async def check(self, run: Run, log: list[LogEntry], history: list[StoredMessage]) -> None:
        """Check what is true of a run of this kind that has completed, and of one that has failed."""
        raise NotImplementedError

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

    async def play(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """The whole story."""
        for name, made in self.tools().items():
            monkeypatch.setitem(BUILT_IN, name, made)
        await self.hire()
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


@dataclass(frozen=True)
class Story:
    """The same work again and again, each time with other blows."""

    kind: type[World]
    environment: Settings
    monkeypatch: pytest.MonkeyPatch

    async def play(self, blows: list[list[Blow]], leaving: list[bool] | None = None) -> Mortal:
        """Play it once, and check it."""
        aws = Mortal(self.environment.region, [list(one) for one in blows])
        world = self.kind(self.environment, aws, list(leaving or []))
        await check_run(world, await world.play(self.monkeypatch))
        await asyncio.to_thread(aws.close)
        await asyncio.to_thread(world.others.aws.close)
        return aws

    async def play_with_a_death_at_each_write(self, failure: Failure, step: int) -> None:
        """A death at every `step`th write of the first process, one a time."""
        whole = (await self.play([])).writes[0]
        for write in range(1, whole + 1, step):
            await self.play([[Blow(write, failure)]])

    def play_with_anything(self, last_write: int) -> None:
        """Deaths, outages and hand-overs as hypothesis has them, up to a write of each process."""
        blow = st.builds(
            Blow,
            st.integers(1, last_write),
            st.sampled_from(["kill before", "kill after", "fault before", "fault after"]),
        )

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            blows=st.lists(st.lists(blow, max_size=2), max_size=4),
            leaving=st.lists(st.booleans(), max_size=4),
        )
        def run(blows: list[list[Blow]], leaving: list[bool]) -> None:
            asyncio.run(self.play(blows, leaving))

        run()


async def check_run(world: World, run: Run) -> None:
    log = await world.log(run)
    history = await Talk.messages(world.talk)
    check_views(world, log)
    assert all(count == 1 for count in world.paid.values()), world.paid
    await world.check(run, log, history)
    if run.state == "failed":  # three processes died in one step
        assert world.aws.deaths >= 3
        assert run.error is not None
        assert run.error["code"] == "step_keeps_failing"
    else:
        assert run.state == "completed"


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
