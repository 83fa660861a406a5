"""Execution of a session's loop to its end: by the agent, a limit, a stop, the deadline, or a failure.

The run never outlives this coroutine and never depends on its client.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from millrace.agent.suspension import Interrupted, Suspended
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.run_session import RunSession
from millrace.stores.lease_record import LeaseLost, Stopping
from millrace.telemetry import logs

log = logging.getLogger(__name__)
DEADLINE_MARGIN, DEADLINE_PART = 3.0, 0.2
"""Seconds before the function's end at which a run must have left it; under short limits a fraction of
them."""
HAND_OVER_MARGIN, HAND_OVER_PART = 60.0, 0.4
"""The same for the moment from which a run leaves at its next step, because no turn or tool would finish in
time."""
UNWIND_SECONDS = 1.0
BUS_SECONDS = 5.0


class RunLoop(Protocol):
    """The work of a run: an agent's loop, or a flow's steps.

    `agent.limits` bound it. `run` returns the finish reason.
    """

    agent: Agent

    async def run(self, history: Sequence[StoredMessage]) -> str: ...


async def no_history() -> Sequence[StoredMessage]:
    """Return an empty history, for a loop that needs none."""
    return []


async def execute(
    session: RunSession,
    loop: RunLoop,
    history: Awaitable[Sequence[StoredMessage]],
    deadline: float | None,
    stored: Awaitable[bool] | None = None,
) -> None:
    """Execute a run, and return when everything is stored and its event feed is closed.

    `history` may still be read when the run begins. `deadline` is the function's end on `time.monotonic()`'s
    scale; the run ends slightly before it. The beginning of the run may still be written, until `stored`
    tells whether it succeeded.
    """
    run = session.run
    logs.bind(organization=run.slot.organization, conversation_id=run.slot.conversation_id, run_id=run.id)
    work = asyncio.create_task(_work(loop, history))
    if stored is not None and not await _begins(session, work, stored):
        return session.event_feed.close()
    pump = asyncio.create_task(session.pump())
    publish = asyncio.create_task(session.publish())
    try:
        await _until_over(session, loop, work, deadline)
    except LeaseLost:
        log.warning("run %s was ended by another process", session.run.id)
        await session.cut_off()
    except Exception as error:
        log.exception("the end of run %s was not stored", session.run.id)
        await session.fail_to_end(error)
    finally:
        await _unwind(work)
        await _unwind(pump)
        await _unwind(publish)
        # After `publish` has ended: this flush waits for a call that it had under way.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BUS_SECONDS):
                await asyncio.gather(session.bus.flush(), session.spending.count(), return_exceptions=True)
        session.event_feed.close()
        log.debug("run %s is over", run.id)


async def _begins(session: RunSession, work: asyncio.Task[str], stored: Awaitable[bool]) -> bool:
    """Return whether the run was stored. Otherwise its work has ended, and its usage was counted."""
    async with session.writes_wait():
        if await asyncio.shield(stored):
            return True
        session.ended = True
        await _unwind(work)
    with contextlib.suppress(MillraceError):
        await session.spending.count()
    return False


async def _work(loop: RunLoop, history: Awaitable[Sequence[StoredMessage]]) -> str:
    try:
        return await loop.run(await history)
    except Interrupted as interrupted:
        raise interrupted.error from interrupted


async def _until_over(
    session: RunSession, loop: RunLoop, work: asyncio.Task[str], deadline: float | None
) -> None:
    own = loop.agent.limits.max_seconds - session.elapsed_seconds()
    left = _leave_in_time(session, deadline) if deadline else float("inf")
    over: set[asyncio.Future[Any]] = {work, session.stop_asked}
    await asyncio.wait(over, timeout=max(0, min(own, left)), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        return await _conclude(session, work)
    # Set before the work is canceled: events emitted while it unwinds belong to a step that the next process
    # repeats.
    session.abandoned = session.continuable and left < own and not session.stop_asked.done()
    await _unwind(work)
    if session.ended:
        return
    if session.stop_asked.done() and not session.abandoned:
        reason = session.stop_asked.result()
        if reason == "lost":
            raise session.broken or LeaseLost(session.run.id)
        await session.stop(reason)
    elif own <= left:
        await session.stop("max_seconds")
    elif session.abandoned:
        await _suspend(session, Suspended("handed_over"))
    else:
        await session.fail("The function's time is over; send the message again to go on.", "deadline", True)


def _leave_in_time(session: RunSession, deadline: float) -> float:
    """Return the seconds until the run must have left this process.

    From a moment before that on, another process takes over the run at its next step.
    """
    left = deadline - time.monotonic()
    session.hand_over_at = time.monotonic() + left - min(HAND_OVER_MARGIN, left * HAND_OVER_PART)
    return left - min(DEADLINE_MARGIN, left * DEADLINE_PART)


async def _suspend(session: RunSession, suspended: Suspended) -> None:
    try:
        await session.suspend(suspended)
    # The stop came after the last check of the lease. A parked run would continue elsewhere in spite of it.
    except Stopping as stop:
        await session.stop(stop.reason)


async def _conclude(session: RunSession, work: asyncio.Task[str]) -> None:
    try:
        reason = work.result()
        if not session.ended:
            await session.stop(reason)
    except Stopping as stop:
        await session.stop(stop.reason)
    except Suspended as suspended:
        await _suspend(session, suspended)
    except (LeaseLost, Unavailable):  # the store does not answer, so the lease expires
        raise
    except MillraceError as error:
        await session.fail(error.message, error.code, error.retryable)
    except Exception:
        log.exception("run %s failed", session.run.id)
        await session.fail("Something went wrong inside the agent.", "internal", False)


async def _unwind(task: asyncio.Task[str] | asyncio.Task[None]) -> None:
    """Cancel a task and wait briefly.

    A task that does not end is abandoned, because its run has ended anyway.
    """
    task.cancel()
    await asyncio.wait({task}, timeout=UNWIND_SECONDS)
    if task.done() and not task.cancelled():
        # Retrieved, because asyncio logs an unretrieved exception as an error of its own.
        task.exception()
