"""The events that a run puts on the bus: every type, in batches, beside the stream."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.clock import now_ms
from millrace.services.runs import execute, run_events, run_pump
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.launch import launch
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores

LONG = "/echo tools=0 tokens=100000 delayMs=10\nword"


class Recording(AwsClients):
    """AWS clients that keep what is put on the bus; `broken` makes the bus refuse, and it does not answer
    before `held` is set."""

    broken = False

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.held: asyncio.Event | None = None
        self.batches: list[list[dict[str, Any]]] = []

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_events":
            if self.broken:
                raise RuntimeError("no bus")
            self.batches.append([json.loads(entry["Detail"]) for entry in parameters["Entries"]])
            if self.held:
                await self.held.wait()
        return await super().call(service, operation, **parameters)

    @property
    def details(self) -> list[dict[str, Any]]:
        """The events in order."""
        return [detail for batch in self.batches for detail in batch]


@asynccontextmanager
async def running(aws: AwsClients, settings: Settings, content: str) -> AsyncIterator[RunSession]:
    """A run in a conversation of its own; it is over behind the block."""
    platform = Platform.make(settings, Stores.connect(settings, aws))
    caller = Principal(f"org-{uuid.uuid4().hex[:12]}", "user")
    started = await send(platform.stores, platform.models, caller, "c1", NewMessage(content, "echo"))
    assert isinstance(started, StartedRun)
    session = launch(platform, started, None)
    yield session
    await session.over()
    await platform.close()


async def run(recording: Recording, settings: Settings, content: str) -> list[str]:
    async with running(recording, settings, content) as session:
        return [event.type async for batch in session.event_feed for event in batch]


async def test_call_under_way_when_the_run_ends_is_not_made_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "FLUSH_SECONDS", 0)
    recording = Recording(settings.region)
    recording.held = held = asyncio.Event()
    flush, flushes = run_events.RunEvents.flush, 0

    async def counted(self: run_events.RunEvents) -> None:
        nonlocal flushes
        flushes += 1
        if flushes == 2:  # that of the end: the first one was canceled while the bus did not answer
            held.set()
        await flush(self)

    monkeypatch.setattr(run_events.RunEvents, "flush", counted)
    async with running(recording, settings, "/echo tools=0 tokens=40 delayMs=10\nword"):
        pass
    ids = [detail["id"] for detail in recording.details]
    assert len(recording.batches) == 2
    assert len(ids) == len(set(ids))
    assert recording.details[-1]["type"] == "run:completed"


async def test_run_tells_its_story_in_order_with_ids_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "FLUSH_SECONDS", 60)
    recording = Recording(settings.region)
    await run(recording, settings, "/echo tools=1\nhello")
    details = recording.details
    assert [detail["type"] for detail in details] == [
        "run:started", "run:tool_started", "run:llm_call", "run:tool_completed", "run:llm_call",
        "run:status_changed", "run:completed",
    ]  # fmt: skip
    assert len({detail["id"] for detail in details}) == len(details)
    assert all(len(batch) <= 10 for batch in recording.batches)
    assert len(recording.batches) <= 3
    completed = details[-1]
    assert completed["status"] == "completed"
    assert completed["result"] == "hello"
    assert completed["tokenUsage"]["total"] == completed["tokens"] > 0
    assert completed["cost"] == 0.0
    assert completed["completedAt"]
    assert completed["agentName"] == "Echo"
    call = next(detail for detail in details if detail["type"] == "run:llm_call")
    assert call["firstTokenMs"] is not None
    assert call["model"] == "echo:"


async def test_failed_run_tells_its_error(settings: Settings) -> None:
    recording = Recording(settings.region)
    await run(recording, settings, "/echo tools=0 failAfter=1\na b")
    last = recording.batches[-1][-1]
    assert last["type"] == "run:error"
    assert last["status"] == "failed"
    assert last["error"]["code"] == "echo_failed"


async def test_progress_is_told_now_and_then_not_per_token(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "PROGRESS_SECONDS", 0.3)
    recording = Recording(settings.region)
    await run(recording, settings, "/echo tools=0 tokens=60 delayMs=20\nword")
    details = recording.details
    progress = [detail for detail in details if detail["type"] == "run:progress"]
    assert progress
    moments = [datetime.fromisoformat(one["time"]) for one in progress]
    assert all(later - earlier >= timedelta(seconds=0.1) for earlier, later in pairwise(moments))
    assert [one["tokens"] for one in progress] == sorted(one["tokens"] for one in progress)


async def test_bus_that_is_down_costs_the_view_and_not_the_run(settings: Settings) -> None:
    recording = Recording(settings.region)
    recording.broken = True
    assert (await run(recording, settings, "hello"))[-1] == "done"


async def test_slow_bus_holds_up_neither_the_log_nor_a_stop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus does not answer; the stop is noticed by the log's own writer meanwhile."""
    monkeypatch.setattr(execute, "BUS_SECONDS", 0.3)
    hanging = Hanging(settings.region)
    last = ""
    async with running(hanging, settings, LONG) as session:
        async for batch in session.event_feed:
            if hanging.asked.is_set() and not session.stop_asked.done():
                await Stores.connect(settings, hanging).leases.request_stop(session.run.slot, "stopped")
            last = batch[-1].event.get("finishReason", "")
        assert last == "stopped"
        hanging.answer.set()


async def test_urgent_event_goes_on_the_bus_without_waiting_for_the_next_look(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pump, "PUBLISH_EVERY", 3_600)
    hanging = Hanging(settings.region)
    async with running(hanging, settings, LONG) as session:
        async with asyncio.timeout(60):
            await hanging.asked.wait()
        await Stores.connect(settings, hanging).leases.request_stop(session.run.slot, "stopped")
        hanging.answer.set()


class Hanging(AwsClients):
    """A bus that answers only when it is told to."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_events":
            self.asked.set()
            await self.answer.wait()
        return await super().call(service, operation, **parameters)


@pytest.mark.parametrize("lost", [False, True])
async def test_run_that_is_deleted_tells_what_it_has_used_and_nothing_that_was_said(
    settings: Settings, lost: bool
) -> None:
    recording = Recording(settings.region)
    later = 60_000 if lost else 0
    stores = Stores.connect(settings, recording, clock=lambda: now_ms() + later)
    deleting = False
    async with running(recording, settings, LONG.replace("word", "secret")) as session:
        async for batch in session.event_feed:
            if batch[-1].type == "token" and not deleting:
                deleting = True
                await delete_conversation(stores, session.run.slot)
            last = batch[-1].event
    assert last == events.deleted()
    reported = recording.details
    assert "secret" not in str(reported)
    assert [one["status"] for one in reported if one["type"] == "run:deleted"] == ["deleted"]
    by_runs_end = [one for one in reported if one["type"] in ("run:completed", "run:error")]
    assert {(one["status"], one["finishReason"]) for one in by_runs_end} == {("stopped", "deleted")}
    assert len(by_runs_end) == 1 + lost
    assert all(one["tokenUsage"]["estimated"] and one["tokens"] > 0 for one in by_runs_end)
