"""Runs that leave their process in time, wait for a model, or are stopped or deleted while no process works
on them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from millrace.agent.model import Delta, Finish, ModelRequest, Provider, Text, Usage
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import LEASE_MS, WATCHED_LEASE_MS, ContinueRun
from millrace.errors import ProviderError
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.follow import follow
from millrace.services.runs.launch import launch
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.services.runs.stop import stop_run
from millrace.settings import Settings
from millrace.stores.event_log import is_last
from tests.services.asking import Clock, clock, talk
from tests.services.live import inject
from tests.services.scripted import Talk, says, text_of

__all__ = ["clock", "talk"]

LIMIT = 1.5
"""Seconds that a function may take in these tests."""


@pytest.fixture
def queue(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[tuple[ContinueRun, float]]":
    """The run queue of the test; the emulator's own would have runs go on by themselves."""
    found: asyncio.Queue[tuple[ContinueRun, float]] = asyncio.Queue()

    async def enqueue(organization: str, run_id: str, delay: float = 0, reason: str = "lost") -> None:
        found.put_nowait((ContinueRun(organization, run_id, reason), delay))

    monkeypatch.setattr(talk.stores.run_queue, "enqueue", enqueue)
    return found


async def begin(talk: Talk, content: str, seconds: float | None = None) -> RunSession:
    caller = Principal(talk.slot.organization, "user")
    started = await send(talk.stores, talk.platform.models, caller, "c1", NewMessage(content, "echo"))
    assert isinstance(started, StartedRun)
    return launch(talk.platform, started, time.monotonic() + seconds if seconds else None)


async def go_on(talk: Talk, asked: ContinueRun, seconds: float | None = None) -> RunSession | None:
    session = await continue_run(talk.platform, asked, time.monotonic() + seconds if seconds else None)
    if session is not None:
        await session.over()
    return session


async def test_long_run_under_a_small_limit_finishes_and_its_client_sees_each_event_once(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]"
) -> None:
    """Many steps of tools, each shorter than a function's time; then an answer that fits as well."""
    talk.platform.models = Models(talk.settings, lambda: None)  # type: ignore[arg-type,return-value]
    session = await begin(talk, "/echo tools=12 toolMs=300 tokens=20 delayMs=10\nword", LIMIT)
    run = session.run
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()

    async def functions() -> int:
        taken = 0
        while True:
            asked, delay = await queue.get()
            assert delay == 0
            taken += 1
            left = await go_on(talk, asked, LIMIT)
            assert left is not None
            if left.run.ended_at:
                return taken

    working = asyncio.create_task(functions())
    seen += [event async for batch in follow(talk.stores, run, seen[-1].seq) for event in batch]
    assert await working >= 3
    numbers = [event.seq for event in seen]
    assert numbers == sorted(set(numbers))
    view = settled(seen)
    assert [event.type for event in view].count("tool_result") == 12
    assert [event.type for event in view].count("start") == 1
    assert "".join(event.event["token"] for event in view if event.type == "token").split() == ["word"] * 20
    assert view[-1].event["finishReason"] == "stop"
    assert 3600 <= view[-1].event["firstTokenMs"] <= view[-1].event["durationMs"]  # over all processes
    late = [event async for batch in follow(talk.stores, run, 0) for event in batch]
    assert settled(late) == view


async def test_stop_keeps_what_was_said_although_the_function_would_end_before_the_run(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]"
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    talk.models.turns = [[*says("It begins."), hang]]
    session = await begin(talk, "hello", 300)
    assert session.budget.limits.max_seconds > 300
    seen: list[LogEntry] = []
    async for batch in session.event_feed:
        seen += batch
        if batch[-1].type == "token":
            await talk.stores.leases.request_stop(talk.slot, "stopped")
    await session.over()
    assert [event.type for event in seen] == ["start", "token", "done"]
    assert seen[-1].event["finishReason"] == "stopped"
    assert [text_of(one) for one in await talk.messages()] == ["hello", "It begins."]
    assert queue.empty()


async def test_turn_that_outlasts_its_function_is_taken_back_and_asked_again(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]"
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    talk.models.turns = [[*says("It begins "), hang], says("It ", "ends.")]
    session = await begin(talk, "hello", 1.0)
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert [event.type for event in seen] == ["start", "token", "rewind"]
    asked, _ = queue.get_nowait()
    assert await go_on(talk, asked) is not None
    assert [text_of(message) for message in await talk.messages()] == ["hello", "It ends."]
    rest = [event async for batch in follow(talk.stores, session.run, seen[-1].seq) for event in batch]
    assert [event.type for event in rest] == ["token", "token", "done"]


class Throttled(Models):
    """A model whose server is busy for a while."""

    def __init__(self, settings: Settings, refusals: int) -> None:
        super().__init__(settings, lambda: None)  # type: ignore[arg-type,return-value]
        self.refusals = refusals

    def provider_for(self, agent: Agent) -> tuple[Provider, str]:
        return self, "throttled"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        self.refusals -= 1
        if self.refusals >= 0:
            raise ProviderError("The model is overloaded.", code="rate_limited", retryable=True)
        yield Text("At last.")
        yield Finish("stop", Usage(1, 1))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.agent.loop.LONGEST_WAIT", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_run_whose_model_is_down_is_queued_and_goes_on_later(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]", clock: Clock
) -> None:
    talk.platform.models = Throttled(talk.settings, refusals=6)
    session = await begin(talk, "hello")
    seen = [event async for batch in session.event_feed for event in batch]
    await session.over()
    assert seen[-1].event["message"] == "The model is overloaded. Trying again in 15 s."
    run = await talk.stores.runs.get(talk.slot.organization, session.run.id)
    assert (run.state, run.ended_at) == ("queued", None)
    asked, delay = queue.get_nowait()
    assert delay == 15
    assert await go_on(talk, asked) is None  # too early: it is put on the queue again
    _, rest = queue.get_nowait()
    assert 0 < rest <= 15
    await inject(talk.stores, talk.slot, "Still there?")
    clock.ahead += 16_000
    assert await go_on(talk, asked) is not None  # and once more: twice as long
    asked, delay = queue.get_nowait()
    assert delay == 30
    clock.ahead += 31_000
    assert await go_on(talk, asked) is not None
    run = await talk.stores.runs.get(talk.slot.organization, run.id)
    assert run.state == "completed"
    texts = [text_of(message) for message in await talk.messages()]
    assert texts == ["hello", "Still there?", "At last."]


@pytest.mark.usefixtures("impatient")
async def test_run_whose_model_stays_down_fails_when_its_time_is_over(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]", clock: Clock
) -> None:
    talk.platform.models = Throttled(talk.settings, refusals=10_000)
    session = await begin(talk, "hello")
    await session.over()
    for _ in range(20):
        if queue.empty():
            break
        asked, delay = queue.get_nowait()
        clock.ahead += round(1000 * delay) + 1000
        await go_on(talk, asked)
    run = await talk.stores.runs.get(talk.slot.organization, session.run.id)
    assert run.state == "failed"
    assert run.error == {"message": "The model is overloaded.", "code": "rate_limited", "retryable": True}


async def lost(talk: Talk, clock: Clock) -> tuple[RunSession, list[LogEntry]]:
    """A run whose process has died in the middle of its answer."""

    async def hang() -> None:
        await asyncio.Event().wait()

    talk.models.turns = [[*says("half "), hang]]
    session = await begin(talk, "hello")
    seen: list[LogEntry] = []
    async for batch in session.event_feed:
        seen += batch
        if seen[-1].type == "token":
            break
    await session._flush()
    assert session.task is not None
    session.task.cancel()
    await asyncio.wait({session.task})
    clock.ahead += LEASE_MS + 1000
    return session, seen


async def test_lost_run_is_stopped_without_a_process(talk: Talk, clock: Clock) -> None:
    session, _ = await lost(talk, clock)
    assert await stop_run(talk.stores, talk.slot, "stopped") == session.run.id
    run = await talk.stores.runs.get(talk.slot.organization, session.run.id)
    assert (run.state, run.finish_reason) == ("stopped", "stopped")
    assert run.usage is not None
    assert run.usage["estimated"]
    assert [text_of(message) for message in await talk.messages()] == ["hello", "half "]
    events = [event async for batch in follow(talk.stores, run, 0) for event in batch]
    assert is_last(events[-1])
    assert not await go_on(talk, ContinueRun(talk.slot.organization, run.id, "lost"))


async def test_live_message_to_a_lost_run_is_accepted_and_read_by_the_next_process(
    talk: Talk, queue: "asyncio.Queue[tuple[ContinueRun, float]]", clock: Clock
) -> None:
    session, seen = await lost(talk, clock)
    await inject(talk.stores, talk.slot, "Go on.")
    asked, _ = queue.get_nowait()
    assert asked.run_id == session.run.id
    assert await go_on(talk, asked) is not None
    assert [text_of(message) for message in await talk.messages()] == ["hello", "Go on.", "ok"]
    rest = [event async for batch in follow(talk.stores, session.run, seen[-1].seq) for event in batch]
    assert [event.type for event in rest] == ["rewind", "injected", "token", "done"]


async def test_lost_run_of_a_deleted_conversation_is_not_continued(talk: Talk, clock: Clock) -> None:
    session, _ = await lost(talk, clock)
    await delete_conversation(talk.stores, talk.slot)
    assert not await go_on(talk, ContinueRun(talk.slot.organization, session.run.id, "lost"))
    definition = await talk.stores.run_definitions.get(talk.slot, session.run.id)
    assert definition is None


async def test_edited_agent_does_not_change_a_run_in_mid_flight(talk: Talk, clock: Clock) -> None:
    made = Agent.model_validate({"id": "mine", "name": "Mine", "model": "echo:", "instructions": "Old."})
    await talk.stores.agents.create(talk.slot.organization, made)
    caller = Principal(talk.slot.organization, "user", frozenset({"chat"}), claims={"tier": "gold"})
    started = await send(talk.stores, talk.models, caller, "c1", NewMessage("hello", "mine"))
    assert isinstance(started, StartedRun)
    await talk.stores.agents.replace(
        talk.slot.organization,
        made.model_copy(update={"instructions": "New.", "updated_at": "later"}),
        made.updated_at,
    )
    clock.ahead += LEASE_MS + 1000
    run = started.lease.run
    assert await go_on(talk, ContinueRun(talk.slot.organization, run.id, "lost")) is not None
    assert talk.models.requests[-1].system == "Old."
    assert (await talk.stores.runs.get(talk.slot.organization, run.id)).state == "completed"


async def test_viewer_shortens_the_lease_of_the_run_it_watches(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder learns of it by its next write, and renews for less: a lost run is noticed sooner."""
    going, noted = asyncio.Event(), asyncio.Event()
    watch = talk.stores.takeovers.watch

    async def note(*given: Any) -> None:
        await watch(*given)
        noted.set()

    monkeypatch.setattr(talk.stores.takeovers, "watch", note)
    talk.models.turns = [[*says("half "), going.wait]]  # type: ignore[list-item]
    session = await begin(talk, "hello")
    session.leave()  # the client that began it has gone
    await session._flush()
    lease = await talk.stores.leases.peek(talk.slot)
    assert lease.until_ms - talk.stores.clock() > WATCHED_LEASE_MS
    viewer = follow(talk.stores, session.run, 0)
    watching = asyncio.create_task(drain_viewer(viewer))
    await noted.wait()
    await session._flush()
    lease = await talk.stores.leases.peek(talk.slot)
    assert lease.until_ms - talk.stores.clock() <= WATCHED_LEASE_MS
    going.set()
    await session.over()
    assert (await watching)[-1].type == "done"


async def drain_viewer(viewer: AsyncGenerator[list[LogEntry], None]) -> list[LogEntry]:
    return [event async for batch in viewer for event in batch]


async def test_run_of_a_hidden_conversation_asks_no_model_until_it_is_restored(
    talk: Talk, clock: Clock, queue: "asyncio.Queue[tuple[ContinueRun, float]]"
) -> None:
    """It began just before the deletion that can be taken back, so nothing has stopped it."""

    async def hide() -> None:
        await talk.stores.deletions.begin_restorable(talk.slot, clock() + 600_000)

    talk.models.turns = [[hide, *says("lost")], says("found")]
    session = await begin(talk, "Hello")
    await session.over()
    clock.ahead += 2 * LEASE_MS
    asked = ContinueRun(talk.slot.organization, session.run.id, "lost")
    for _ in range(3):
        assert await go_on(talk, asked) is None
    assert len(talk.models.requests) == 1
    assert await talk.stores.deletions.restore(talk.slot)
    assert await go_on(talk, asked)
    assert [text_of(one) for one in await talk.messages()] == ["Hello", "found"]


async def test_interrupted_run_whose_process_dies_before_it_stops_makes_room(
    talk: Talk, clock: Clock, queue: "asyncio.Queue[tuple[ContinueRun, float]]"
) -> None:
    lost = await send(talk.stores, talk.models, talk.caller, "c1", NewMessage("The first", "echo"))
    assert isinstance(lost, StartedRun)
    late = asyncio.create_task(talk.start("The second", if_busy="interrupt"))
    for _ in range(6000):
        if (await talk.stores.leases.peek(talk.slot)).stop:
            break
        await asyncio.sleep(0.01)
    clock.ahead = LEASE_MS + WATCHED_LEASE_MS
    session = await late
    await session.over()
    ended = await talk.stores.runs.get(talk.slot.organization, lost.lease.run.id)
    assert (ended.state, session.run.state) == ("stopped", "completed")
