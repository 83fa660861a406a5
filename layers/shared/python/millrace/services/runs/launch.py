"""The launch of a run with its lease: session, tools, loop, task."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from functools import partial

from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter
from millrace.agent.tools.tool import ToolContext
from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event
from millrace.domain.runs import Run
from millrace.services.runs.agent_run import AgentRunContext
from millrace.services.runs.agent_values import RunValues
from millrace.services.runs.asking import Desk
from millrace.services.runs.execute import RunLoop, execute
from millrace.services.runs.memory import UserMemory
from millrace.services.runs.new_message import AcceptedMessage, NewMessage, ReplayedRun, StartedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_agents import RunAgents
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.search import search_in
from millrace.services.runs.send import send
from millrace.services.runs.take_over import Stored
from millrace.services.runs.tool_rules import asked_by


async def send_and_launch(
    platform: Platform, caller: Principal, conversation_id: str, message: NewMessage, deadline: float | None
) -> RunSession | ReplayedRun | AcceptedMessage:
    """Begin a run for a message. It works while it is being stored, and is stored when this returns.

    Raises as `send` does.
    """
    message = replace(message, head_start=partial(_launch, platform, deadline))
    sent = await send(platform.stores, platform.models, caller, conversation_id, message)
    return launch(platform, sent, deadline) if isinstance(sent, StartedRun) else sent


async def send_and_hand_over(
    platform: Platform, caller: Principal, conversation_id: str, message: NewMessage
) -> Run | ReplayedRun | AcceptedMessage:
    """Begin a run for a message in another process: on Lambda, this one is frozen once the client has its
    answer. It leaves the run before its first step, so the run has no head start. Raises as `send`."""
    sent = await send(platform.stores, platform.models, caller, conversation_id, message)
    if not isinstance(sent, StartedRun):
        return sent
    session = launch(platform, sent, time.monotonic())
    await session.over()
    return session.run


def launch(platform: Platform, started: StartedRun, deadline: float | None) -> RunSession:
    """Start the run as a task of its own, unless it is already working.

    `session.event_feed` has its events.
    """
    return started.session or _launch(platform, deadline, started)


def _launch(
    platform: Platform, deadline: float | None, started: StartedRun, stored: Awaitable[bool] | None = None
) -> RunSession:
    run, agent = started.lease.run, started.agent
    budget = Budget(agent.limits)
    session = RunSession(
        platform.stores, started.lease, budget, started.pending_live_messages, continuable=True
    )
    # The client of this request watches, and a short lease lets another process take over sooner.
    session.lease.attended = True
    session.emit(start_of(run))
    session.bus.started()
    run_context = agent_run(platform, session, started.user)
    run_context.agents.take_along(asked_by(agent))
    loop = run_context.loop(agent, Emitter(session.emit), session, client_tools=started.client_tools)
    start(platform, session, loop, started.history, deadline, stored)
    return session


def agent_run(
    platform: Platform, session: RunSession, user: Principal, stored: Stored | None = None
) -> AgentRunContext:
    """Return the context that the agents of a run share, with the state that earlier processes have
    `stored`."""
    longest = platform.settings.approval_seconds
    run_context = AgentRunContext(
        platform,
        session,
        tool_context(platform, session, user),
        RunAgents(platform, session, stored.nested.agents if stored else None),
        Desk(platform.stores, session, longest, resumed=stored is not None),
        session.budget,
    )
    if stored is None:
        return run_context
    return replace(run_context, stored=stored.nested.messages, lost=stored.lost(), call_ids=stored.call_ids())


def start_of(run: Run) -> Event:
    """Return the first event of a run."""
    return events.start(run.id, run.slot.conversation_id, run.message_id, run.agent_id)


def start(
    platform: Platform,
    session: RunSession,
    loop: RunLoop,
    history: Awaitable[Sequence[StoredMessage]],
    deadline: float | None,
    stored: Awaitable[bool] | None = None,
) -> None:
    """Start a session's loop as a task that the platform waits for when it closes.

    `stored` is as in `execute`.
    """
    task = asyncio.create_task(execute(session, loop, history, deadline, stored))
    platform.tasks.add(task)
    task.add_done_callback(platform.tasks.discard)
    session.task = task


def tool_context(platform: Platform, session: RunSession, user: Principal) -> ToolContext:
    """Return what the tools of a run may know about the run and the user who started it."""
    run = session.run
    return ToolContext(
        organization=run.slot.organization,
        conversation_id=run.slot.conversation_id,
        run_id=run.id,
        agent_id=run.agent_id,
        settings=platform.settings,
        user=user,
        search_conversations=search_in(platform.stores, run.slot, user, session.bus.searched),
        memories=UserMemory(platform.stores.memories, user, session.bus.remembered),
        http=lambda: platform.http.guarded,
        secrets=platform.secrets,
        values=RunValues(platform.stores.agent_values, session),
    )
