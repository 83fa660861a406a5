"""Continuation of runs whose process died or has run out of time."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from millrace.agent.emitter import Emitter
from millrace.domain import events
from millrace.domain.agents import CODE
from millrace.domain.conversations import StoredMessage
from millrace.domain.hops import set_hops
from millrace.domain.run_definitions import Kind
from millrace.domain.runs import ANSWERED, MAX_ATTEMPTS, ContinueRun, LeaseRecord, Run
from millrace.domain.traces import set_traceparent
from millrace.errors import MillraceError, NotFound
from millrace.services.runs.execute import RunLoop
from millrace.services.runs.launch import agent_run, start
from millrace.services.runs.model_history import whole_run
from millrace.services.runs.platform import Platform
from millrace.services.runs.recover import end_run, give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.stop import end_stopped
from millrace.services.runs.take_over import Stored, load_stored, take_over
from millrace.services.runs.tool_rules import asked_by
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)

MakeLoop = Callable[[Platform, RunSession, Stored], RunLoop]
"""Creates the loop that continues from the stored state; its `run` gets the stored history."""


def agent_loop(platform: Platform, session: RunSession, stored: Stored) -> RunLoop:
    """Return the loop of a conversation's agent."""
    agent, tools = stored.definition.agent, stored.definition.client_tools
    run_context = agent_run(platform, session, stored.definition.user, stored)
    run_context.agents.take_along(asked_by(agent))
    not_begun = session.lease.progress.not_begun
    return run_context.loop(agent, Emitter(session.emit), session, not_begun, tools)


def flow_loop(platform: Platform, session: RunSession, stored: Stored) -> RunLoop:
    """Return the loop of a flow's steps."""
    # Imported here, because only runs of flows need the expression engine and the modules of their steps.
    from millrace.services.flows.manage import Flows

    definition = stored.definition
    execution_id = definition.work["executionId"]
    run_context = agent_run(platform, session, definition.user, stored)
    return Flows.connect(platform).loop(session, run_context, execution_id, definition.agent)


LOOPS: Mapping[Kind, MakeLoop] = {"agent": agent_loop, "flow": flow_loop}


async def continue_run(
    platform: Platform,
    asked: ContinueRun,
    deadline: float | None = None,
    loops: Mapping[Kind, MakeLoop] = LOOPS,
) -> RunSession | None:
    """Continue a run if it is due and no process works on it, and return its session, whose task runs here.

    Return None if there is nothing to continue. Raises `Unavailable` if the message has to be received again.
    """
    stores = platform.stores
    try:
        run = await stores.runs.get(asked.organization, asked.run_id)
    except NotFound:  # it was deleted
        return None
    lease = await _lease_to_take(stores, run)
    if run.ended_at or lease.run_id != run.id or not await _is_due(stores, run, lease, asked):
        return None
    definition, hidden = await asyncio.gather(
        stores.run_definitions.get(run.slot, run.id), stores.deletions.is_deleted(run.slot.root())
    )
    if hidden:  # its end could not be stored; the sweep finds it again if its conversation is restored
        return None
    if definition is None or definition.kind not in loops:
        await give_up_lost_run(stores, run.slot, lease)
        return None
    stored = await load_stored(stores, run, lease, definition)
    if await _ended(platform, stored):
        return None
    session = await take_over(stores, stored)
    if session is not None:
        await _go_on(platform, session, stored, loops[definition.kind], deadline)
    return session


async def _lease_to_take(stores: Stores, run: Run) -> LeaseRecord:
    """Return the lease of a run. If it is overdue, wait until it has expired or was renewed."""
    lease = await stores.leases.peek(run.slot)
    rest = lease.until_ms - stores.clock()
    if rest > 0 and lease.overdue(stores.clock()):
        await asyncio.sleep(rest / 1000)
        return await stores.leases.peek(run.slot)
    return lease


async def _is_due(stores: Stores, run: Run, lease: LeaseRecord, asked: ContinueRun) -> bool:
    """Return whether a process may take the run now.

    A run that is queued for later is enqueued again for the remaining time.
    """
    now = stores.clock()
    if lease.lost(now) or lease.parked == "handed_over" or lease.stop:
        return lease.free(now)
    if lease.parked == "queued":
        # SQS delays a message by at most 15 minutes, so a longer wait takes several.
        rest = (lease.until_ms - now) / 1000
        await stores.run_queue.enqueue(run.slot.organization, run.id, rest, "queued")
    if lease.parked != "waiting" or asked.reason != ANSWERED:
        return False
    # The message may belong to an earlier answer, and while a run is active it accepts no answers.
    return not await stores.approvals.some_wait(run.slot, run.id, now)


async def _ended(platform: Platform, stored: Stored) -> bool:
    """End a run that has to stop, or in which one step has ended too many processes."""
    stores, run, lease = platform.stores, stored.run, stored.lease_record
    if lease.stop:
        await end_stopped(stores, run.slot, lease)
        return True
    died = lease.attempts + stored.died
    if died >= MAX_ATTEMPTS:
        step = await _step_of(platform, stored)
        last = events.error(
            f"The step {step!r} has ended {died} processes; it is not tried again.",
            "step_keeps_failing",
            False,
        )
        await end_run(stores, run, lease, "failed", last | {"step": step})
        return True
    return False


async def _step_of(platform: Platform, stored: Stored) -> str:
    """Return the name of the step that a run has reached."""
    if stored.definition.kind == "agent":
        return stored.step
    from millrace.services.flows.manage import Flows

    flows = Flows.connect(platform)
    return await flows.executions.step_of(stored.run.slot.organization, stored.definition.work["executionId"])


async def _go_on(
    platform: Platform, session: RunSession, stored: Stored, make: MakeLoop, deadline: float | None
) -> None:
    # The number of hops continues in this process, so that a takeover does not reset a loop of deliveries.
    set_hops(session.run.hops)
    set_traceparent(session.run.traceparent)
    try:
        loop = make(platform, session, stored)
    except MillraceError as error:  # for example, its model's provider is not configured any more
        return await session.fail(error.message, error.code, error.retryable)
    start(platform, session, loop, _given(platform.stores, stored), deadline)


async def _given(stores: Stores, stored: Stored) -> Sequence[StoredMessage]:
    if not stored.definition.agent.model.startswith(CODE):
        return stored.for_model
    return [*stored.before, *await whole_run(stores, stored.run, stored.definition.first)]
