"""Runs whose process falls silent: the next one is called before the lease expires, and takes over after
that."""

import asyncio
from typing import Any

import pytest

from millrace.domain.runs import LEASE_MS, OVERDUE_MS, WATCHED_LEASE_MS, ContinueRun, LeaseRecord
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.follow import follow
from millrace.services.runs.lease_writer import RENEWALS
from millrace.services.runs.run_pump import CHECK_EVERY
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.sweep_lost import sweep_lost
from tests.services.asking import Clock, clock, talk
from tests.services.scripted import Talk, says, text_of
from tests.services.test_handover import begin, drain_viewer, queue

__all__ = ["clock", "queue", "talk"]
Queue = asyncio.Queue[tuple[ContinueRun, float]]
STALL_MS = 1_000
"""The least for which a living process must stall before the next one is called in vain."""


async def silent(talk: Talk, clock: Clock) -> tuple[RunSession, LeaseRecord]:
    """A watched run whose process lives, but has renewed its lease so long ago that it is overdue. The clock
    stands still then."""

    async def hang() -> None:
        await asyncio.Event().wait()

    talk.models.turns = [[*says("half "), hang], says("whole")]
    session = await begin(talk, "hello")
    async for batch in session.event_feed:
        if batch[-1].type == "token":
            break
    session.stop_asked.set_result("lost")  # ends the pump: nothing is renewed by itself
    assert session.task is not None
    session.task.cancel()
    await asyncio.wait({session.task})
    await session._flush()
    lease = await talk.stores.leases.peek(talk.slot)
    clock.stopped = lease.until_ms - OVERDUE_MS + 300
    return session, lease


@pytest.mark.parametrize("lease_ms", [WATCHED_LEASE_MS, LEASE_MS])
def test_living_process_renews_its_lease_long_before_it_is_overdue(lease_ms: int) -> None:
    renewed_after = lease_ms / RENEWALS + CHECK_EVERY * 1000
    assert renewed_after + STALL_MS <= lease_ms - OVERDUE_MS


async def test_viewer_calls_the_next_process_while_the_lease_still_lasts(
    talk: Talk, clock: Clock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says as well that it watches, so that the lease of the next process is short."""
    session, lease = await silent(talk, clock)
    watched = asyncio.Event()
    watch = talk.stores.takeovers.watch

    async def note(*given: Any) -> None:
        await watch(*given)
        watched.set()

    monkeypatch.setattr(talk.stores.takeovers, "watch", note)
    watching = asyncio.create_task(drain_viewer(follow(talk.stores, session.run, 0)))
    asked, delay = await queue.get()
    assert (asked.run_id, delay) == (session.run.id, 0)
    assert not lease.lost(clock())
    await watched.wait()
    clock.go_on()
    taken = await continue_run(talk.platform, asked)
    assert taken is not None
    assert taken.lease.lease_ms(clock()) == WATCHED_LEASE_MS
    await taken.over()
    seen = await watching
    assert [one.type for one in seen if one.type in ("rewind", "done")] == ["rewind", "done"]
    assert [text_of(message) for message in await talk.messages()] == ["hello", "whole"]


async def test_sweep_calls_the_next_process_while_the_lease_still_lasts(
    talk: Talk, clock: Clock, queue: Queue
) -> None:
    session, _ = await silent(talk, clock)
    await sweep_lost(talk.stores)
    assert session.run.id in {queue.get_nowait()[0].run_id for _ in range(queue.qsize())}


async def test_process_that_is_called_early_takes_the_run_once_the_lease_is_over(
    talk: Talk, clock: Clock, queue: Queue
) -> None:
    session, lease = await silent(talk, clock)
    clock.go_on()
    taken = await continue_run(
        talk.platform, ContinueRun(talk.slot.organization, session.run.id, "lost"), None
    )
    assert taken is not None
    assert lease.lost(clock())
    await taken.over()
    assert [text_of(message) for message in await talk.messages()] == ["hello", "whole"]


async def test_run_of_a_process_that_renews_after_all_is_left_alone(
    talk: Talk, clock: Clock, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, lease = await silent(talk, clock)
    looked = asyncio.Event()
    peek = talk.stores.leases.peek

    async def note(*given: Any) -> LeaseRecord:
        found = await peek(*given)
        looked.set()
        return found

    monkeypatch.setattr(talk.stores.leases, "peek", note)
    asked = ContinueRun(talk.slot.organization, session.run.id, "lost")
    waiting = asyncio.create_task(continue_run(talk.platform, asked))
    await looked.wait()
    await session._flush()
    assert await waiting is None
    after = await peek(talk.slot)
    assert after.holder == lease.holder
