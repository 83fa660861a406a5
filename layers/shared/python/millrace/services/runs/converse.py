"""Operations of all protocols: begin or join a run, continue reading it, answer it, stop it.

Protocols differ only in the format of what they read and write.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.agents import listed_agents
from millrace.domain.approvals import GivenAnswer, WaitingCall
from millrace.domain.content import Content
from millrace.domain.conversations import Slot
from millrace.domain.events import LogEntry
from millrace.domain.runs import Run
from millrace.errors import Conflict
from millrace.services.runs import inject as injections
from millrace.services.runs.access import authorize, authorize_run
from millrace.services.runs.active_model import check_of_run
from millrace.services.runs.answers import answer_call, not_waiting
from millrace.services.runs.follow import follow, has_more
from millrace.services.runs.launch import send_and_hand_over, send_and_launch
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.stop import stop_run
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from millrace.stores.injections import Injection
from millrace.stores.runs import stream_of


class RunStream(Struct, frozen=True):
    """A run and its events as they arrive, until its end or until it waits for calls.

    The events begin with the run's first one, because projections need it; the client has seen those up to
    the number `seen`. `fresh` means that this request began the run. Await `on_end` before the response ends,
    and call `on_disconnect` once nobody reads any more.
    """

    run: Run
    events: AsyncIterator[list[LogEntry]]
    seen: int = 0
    fresh: bool = False
    on_end: Callable[[], Awaitable[None]] | None = None
    on_disconnect: Callable[[], None] | None = None


def default_agent_id(settings: Settings) -> str:
    """Return the default agent: the deployment's setting, or the first agent of its code.

    Without those it is `assistant` if a model is configured, otherwise `demo`.
    """
    return settings.default_agent or listed_agents(settings.default_model)[0].id


async def converse(
    platform: Platform,
    caller: Principal,
    conversation_id: str,
    message: NewMessage,
    deadline: float | None,
    *,
    as_logged: bool = False,
) -> RunStream | AcceptedMessage:
    """Begin a run for a message, or join the one that its idempotency key began.

    Return an `AcceptedMessage` if it became a live message of the active run. `as_logged` reads the events
    from the log, slightly later, for clients that cannot report which events of a dead process they have
    seen. Raises as `send` does.
    """
    session = await send_and_launch(platform, caller, conversation_id, message, deadline)
    if isinstance(session, AcceptedMessage):
        return session
    if isinstance(session, ReplayedRun):
        return RunStream(session.run, follow(platform.stores, session.run, 0, deadline))
    if as_logged:
        session.event_feed.close()
    stores, run = platform.stores, session.run
    return RunStream(
        run,
        follow(stores, run, 0, deadline) if as_logged else _live(stores, session, deadline),
        fresh=True,
        on_end=session.over,
        on_disconnect=session.leave,
    )


async def converse_later(
    platform: Platform, caller: Principal, conversation_id: str, message: NewMessage
) -> Run | AcceptedMessage:
    """Begin a run that another process performs; otherwise as `converse`."""
    sent = await send_and_hand_over(platform, caller, conversation_id, message)
    return sent.run if isinstance(sent, ReplayedRun) else sent


async def _live(
    stores: Stores, session: RunSession, deadline: float | None
) -> AsyncGenerator[list[LogEntry], None]:
    """Yield the events of a run in this process, continuing from the log after a takeover.

    Few clients reconnect by themselves.
    """
    last: LogEntry | None = None
    async for batch in session.event_feed:
        last = batch[-1]
        yield batch
    if last is not None and (is_last(last) or last.type == "waiting"):
        return
    await session.over()
    async with aclosing(follow(stores, session.run, last.seq if last else 0, deadline)) as batches:
        async for batch in batches:
            yield batch


async def rejoin(
    stores: Stores, caller: Principal, run_id: str, seen: int, deadline: float | None
) -> RunStream | None:
    """Continue reading a run after the event `seen`; return None if nothing is left.

    Raises `NotFound` for a run that the caller may not read, and (`run_expired`) for events that are no
    longer kept.
    """
    await stores.limits.check_caller(caller)
    run = await authorize_run(stores, caller, run_id)
    if not await has_more(stores, run, seen):
        return None
    return RunStream(run, _from_start(stores, run, seen, deadline), seen)


async def _from_start(
    stores: Stores, run: Run, seen: int, deadline: float | None
) -> AsyncGenerator[list[LogEntry], None]:
    """Yield the run's events from the first on.

    From `seen` on, it waits, ends and disconnects as `follow` does.
    """
    past = await stores.log.read(stream_of(run.slot.organization, run.id)) if seen else []
    if known := [entry for entry in past if entry.seq <= seen]:
        yield known
    async with aclosing(follow(stores, run, seen, deadline)) as batches:
        async for batch in batches:
            yield batch


async def newest_run_id(stores: Stores, caller: Principal, slot: Slot, *, active: bool = False) -> str | None:
    """Return the id of a conversation's newest run, or with `active` of the active one, which may be waiting.

    Raises `NotFound` for a conversation that the caller may not read.
    """
    await stores.limits.check_caller(caller)
    lease, _ = await asyncio.gather(stores.leases.peek(slot), authorize(stores, caller, slot, "read"))
    return lease.run_id if active else lease.newest()


async def answer_calls(
    stores: Stores, caller: Principal, run_id: str, answers: Sequence[GivenAnswer]
) -> tuple[list[WaitingCall], int]:
    """Answer calls for which a run waits. Return the calls, and the number of the last event before the
    answers.

    A stream of the run continues after that number (0: from the beginning). Raises `NotFound` for a run that
    the caller may not read, otherwise as `answer_call` does, at the first answer that is refused.
    """
    await stores.limits.check_caller(caller)
    run = await authorize_run(stores, caller, run_id)
    # Read before the answers, after which the run may continue immediately, so that no event is missed.
    lease = await stores.leases.peek(run.slot)
    seen = lease.seq if lease.run_id == run.id and lease.parked == "waiting" else 0
    return [await answer_call(stores, caller, run_id, given) for given in answers], seen


async def answer_newest(
    stores: Stores, caller: Principal, slot: Slot, answers: Sequence[GivenAnswer], deadline: float | None
) -> RunStream:
    """Answer the calls for which a conversation's newest run waits, and continue reading it after that wait.

    Answers to calls that do not wait any more are skipped, so that a repeated request joins the run. Raises
    `Conflict` (`not_waiting`) if no answer is for a call of that run, otherwise as `answer_call` does.
    """
    await stores.limits.check_caller(caller)
    lease, _ = await asyncio.gather(stores.leases.peek(slot), authorize(stores, caller, slot, "read"))
    run = await authorize_run(stores, caller, lease.newest() or "")
    calls = {call.call_id: call for call in await stores.approvals.of_run(slot, run.id)}
    known = [given for given in answers if given.call_id in calls]
    if not known:
        raise not_waiting()
    # Read before the answers, after which the run may continue immediately, so that no event is missed.
    seen = lease.seq if lease.parked == "waiting" else await _waited(stores, run, known)
    for given in known:
        if calls[given.call_id].state == "waiting":
            await answer_call(stores, caller, run.id, given)
    return RunStream(run, _from_start(stores, run, seen, deadline), seen)


async def _waited(stores: Stores, run: Run, answers: Sequence[GivenAnswer]) -> int:
    """Return the number of the last event with which the run waited for any of these calls."""
    asked = {given.call_id for given in answers}
    logged = await stores.log.read(stream_of(run.slot.organization, run.id))
    found = [one for one in logged if one.type == "waiting"]
    named = [one.seq for one in found if any(call["callId"] in asked for call in one.event["calls"])]
    return max(named, default=0)


async def stop(stores: Stores, caller: Principal, slot: Slot, run_id: str | None = None) -> str:
    """Stop the active run of a conversation, or only the run with `run_id`, and return the run's id.

    Raises `NotFound`, `Forbidden`, or `Conflict` (`not_streaming`) if it is not active.
    """
    await stores.limits.check_caller(caller)
    # Ids of runs are never reused: a run that was there before the check belongs to this conversation, not to
    # one that another user creates with its id.
    run_id = run_id or (await stores.leases.peek(slot)).run_id
    await authorize(stores, caller, slot, "write")
    stopped = await stop_run(stores, slot, "stopped", run_id) if run_id else None
    if stopped is None:
        raise Conflict("No run is active here.", code="not_streaming")
    return stopped


async def inject(
    stores: Stores,
    models: Models,
    caller: Principal,
    slot: Slot,
    content: Content,
    key: str | None = None,
) -> Injection:
    """Send a live message to the active agent of a conversation.

    Raises `NotFound`, `Forbidden`, and errors as `inject.inject` does.
    """
    await stores.limits.check_caller(caller)
    # Read before the access check, see `stop`. Without a run, only a repeated message gets an answer.
    run_id = (await stores.leases.peek(slot)).run_id or ""
    await authorize(stores, caller, slot, "write")
    check = await check_of_run(stores, models, slot, run_id, content)
    return await injections.inject(stores, slot, run_id, content, key, author=caller.id, check_files=check)


def part_of(stream: RunStream, after: int) -> RunStream:
    """Return the stream up to the first wait after an event, for protocols whose runs end where ours
    waits."""
    return replace(stream, events=_up_to_wait(stream.events, after))


async def _up_to_wait(
    events: AsyncIterator[list[LogEntry]], after: int
) -> AsyncGenerator[list[LogEntry], None]:
    try:
        async for batch in events:
            ends = [n for n, entry in enumerate(batch, 1) if entry.type == "waiting" and entry.seq > after]
            yield batch[: ends[0]] if ends else batch
            if ends:
                return
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
