"""Tasks as their clients may read them, and their cancellation."""

import asyncio
import time

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import from_iso
from millrace.domain.conversations import StoredMessage
from millrace.domain.runs import Run
from millrace.errors import Conflict, NotFound
from millrace.services.runs.access import authorize, authorize_run
from millrace.services.runs.follow import DEADLINE_MARGIN, follow
from millrace.services.runs.stop import stop_run
from millrace.stores.connect import Stores
from millrace.stores.runs import unknown_run

CANCEL_SECONDS = 10.0
RUNS_AT_ONCE = 100


class TaskHistory(Struct, frozen=True):
    """The messages of a task's conversation, and the calls with which the task has asked."""

    messages: list[StoredMessage]
    calls: list[WaitingCall]


async def task_run(stores: Stores, caller: Principal, task_id: str, agent_id: str = "") -> Run:
    """Return the run of a task that the caller may read, if given of a certain agent. Raises `NotFound`."""
    run = await authorize_run(stores, caller, task_id)
    if agent_id and run.agent_id != agent_id:
        raise unknown_run()
    return run


async def task_history(stores: Stores, run: Run) -> TaskHistory:
    """Return the data of a task's history; of a long conversation only its latest messages."""
    snapshot, calls = await asyncio.gather(
        stores.conversations.open(run.slot), stores.approvals.of_run(run.slot, run.id)
    )
    # A task keeps its messages even if its conversation continues in another branch.
    return TaskHistory([one for _, one in snapshot.latest if one.run_id == run.id], calls)


async def cancel_task(stores: Stores, caller: Principal, run: Run) -> Run:
    """Stop a task's run and wait for its end.

    Raises `Conflict` (`task_ended`) if it has ended by itself, and `Forbidden` for callers who may only read
    it.
    """
    await authorize(stores, caller, run.slot, "write")
    lease = await stores.leases.peek(run.slot)
    await stop_run(stores, run.slot, "stopped", run.id)
    deadline = time.monotonic() + CANCEL_SECONDS + DEADLINE_MARGIN
    after = lease.seq if lease.run_id == run.id else 0
    async for _ in follow(stores, run, after, deadline, stay=True):
        pass
    ended = await stores.runs.get(run.slot.organization, run.id)
    if run.ended_at or (ended.ended_at and ended.state != "stopped"):
        raise Conflict("The task has ended already.", code="task_ended")
    return ended


async def list_runs(stores: Stores, caller: Principal, agent_id: str, context_id: str) -> list[Run]:
    """Return the runs of the caller's newest tasks with an agent, the latest status first."""
    listed = await stores.tasks.newest(caller.organization, caller.id, agent_id)
    ids = [one.run_id for one in listed if context_id in ("", one.context_id)]
    pages = [ids[start : start + RUNS_AT_ONCE] for start in range(0, len(ids), RUNS_AT_ONCE)]
    found = await asyncio.gather(*(stores.runs.get_many(caller.organization, page) for page in pages))
    runs = [run for page in found for run in page]
    seen = await asyncio.gather(*(_still_seen(stores, caller, run) for run in runs))
    shown = [run for run, is_seen in zip(runs, seen, strict=True) if is_seen]
    return sorted(shown, key=lambda run: (status_ms(run), run.id), reverse=True)


def status_ms(run: Run) -> int:
    """Return the time of a run's state in milliseconds, as far as it is recorded."""
    return from_iso(run.ended_at or run.started_at)


async def _still_seen(stores: Stores, caller: Principal, run: Run) -> bool:
    """Return whether a user may still see a task in another user's conversation, which may not be shared any
    more."""
    if run.owner == caller.id:
        return True
    try:
        await authorize_run(stores, caller, run.id)
    except NotFound:
        return False
    return True
