"""From a lease taken to an agent at work: session, tools, loop, task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from millrace.agent.accepts import accepted, media_rules
from millrace.agent.attachments import Attachments
from millrace.agent.budget import Budget
from millrace.agent.emitter import Emitter, current_emitter, emit
from millrace.agent.gate import Gate
from millrace.agent.loop import AgentLoop
from millrace.agent.model import Block, Provider
from millrace.agent.model_calls import Report
from millrace.agent.output import Output
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import Event
from millrace.domain.ids import new_id
from millrace.domain.run_definitions import ClientTool
from millrace.domain.runs import Run
from millrace.domain.summaries import Summary
from millrace.errors import InvalidRequest, ProviderError
from millrace.services.runs.agent_tools import open_tools
from millrace.services.runs.asking import AskingGate, RefusingGate, asks_people
from millrace.services.runs.attachment_bytes import loader
from millrace.services.runs.client_tools import to_tools
from millrace.services.runs.execute import RunLoop, execute
from millrace.services.runs.memory import UserMemory
from millrace.services.runs.new_message import StartedRun
from millrace.services.runs.output_format import output_format
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.search import search_in

DEEPEST = 3


def launch(platform: Platform, started: StartedRun, deadline: float | None) -> RunSession:
    """Start the run as a task of its own, whoever listens; `session.event_feed` has its events."""
    run, agent = started.lease.run, started.agent
    budget = Budget(agent.limits)
    session = RunSession(
        platform.stores, started.lease, budget, started.pending_live_messages, continuable=True
    )
    # The client of this request watches: a short lease lets another process take over sooner.
    session.lease.attended = True
    session.emit(start_of(run))
    session.bus.started()
    run_context = AgentRunContext(
        platform, tool_context(platform, session, started.user), budget, session.bus.add
    )
    tools = started.client_tools
    gate = gate_of(platform, session, agent, started.user, tools)
    loop = run_context.loop(agent, Emitter(session.emit), session, gate=gate, client_tools=tools)
    start(platform, session, loop, started.history, deadline)
    return session


def gate_of(
    platform: Platform,
    session: RunSession,
    agent: Agent,
    user: Principal,
    client_tools: Sequence[ClientTool],
    *,
    resumed: bool = False,
) -> Gate | None:
    """The gate of a run's agent; None for one that asks nobody."""
    if not (asks_people(agent) or client_tools):
        return None
    longest = platform.settings.approval_seconds
    return AskingGate(
        platform.stores, session.run, agent, user, session.emit, session.note_step, longest, resumed
    )


def start_of(run: Run) -> Event:
    """The first event of a run."""
    return events.start(run.id, run.slot.conversation_id, run.message_id, run.agent_id)


def start(
    platform: Platform,
    session: RunSession,
    loop: RunLoop,
    history: Awaitable[Sequence[StoredMessage]],
    deadline: float | None,
) -> None:
    """Starts a session's loop as a task that the platform waits for when it closes."""
    task = asyncio.create_task(execute(session, loop, history, deadline))
    platform.tasks.add(task)
    task.add_done_callback(platform.tasks.discard)
    session.task = task


def tool_context(platform: Platform, session: RunSession, user: Principal) -> ToolContext:
    """Return what the tools of a run may know: of the run, and of the user who started it."""
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
    )


@dataclass(frozen=True, slots=True)
class AgentRunContext:
    """The context that the agents of one run share: its context, its budget, its reports; `depth` counts
    nesting."""

    platform: Platform
    context: ToolContext
    budget: Budget
    report: Report
    depth: int = 0

    def loop(
        self,
        agent: Agent,
        emitter: Emitter,
        control: Any,
        *,
        gate: Gate | None = None,
        not_begun: Collection[str] = (),
        client_tools: Sequence[ClientTool] = (),
    ) -> AgentLoop:
        """The loop of one agent of the run."""
        models = self.platform.models
        provider, model = models.provider_for(agent)
        named = agent.model_copy(update={"model": models.name_of(agent)})
        context = replace(self.context, agent_id=agent.id)
        return AgentLoop(
            named,
            provider,
            model,
            partial(self._open_tools, agent, client_tools),
            context,
            emitter,
            control,
            self.budget,
            self.report,
            gate,
            not_begun,
            output_format(agent.response_schema),
            models.compactor_for(agent),
            self._attachments(agent, provider, named.model),
        )

    def _attachments(self, agent: Agent, provider: Provider, model: str) -> Attachments:
        rules = media_rules(provider)
        slot = Slot(self.context.organization, self.context.conversation_id)
        return Attachments(accepted(agent, model, rules), rules, loader(self.platform, slot))

    def nested_loop(self, agent: Agent, emitter: Emitter, nested: "SubAgentControl") -> AgentLoop:
        """The loop of an agent that works for another one, or for a step of a flow."""
        gate = RefusingGate(agent) if asks_people(agent) else None
        return self.loop(agent, emitter, nested, gate=gate)

    @asynccontextmanager
    async def _open_tools(self, agent: Agent, client_tools: Sequence[ClientTool]) -> AsyncIterator[Toolbox]:
        async with open_tools(self.platform, self.context.organization, agent, self._ask) as found:
            for note in found.notes:
                emit(events.status(note, "⚠️", least="steps"))
            own = found.tools()
            yield Toolbox([*own, *to_tools(client_tools, own)])

    async def _ask(self, agent_id: str, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        task = arguments.get("task")
        if not isinstance(task, str) or not task.strip():
            raise InvalidRequest("Give the task as text.", code="invalid_arguments")
        if self.depth >= DEEPEST:
            raise InvalidRequest(f"Agents may ask agents {DEEPEST} deep at most.")
        agent = await self.platform.stores.agents.get(context.organization, agent_id)
        emitter = (current_emitter() or Emitter(lambda event: None)).tagged(
            parent=context.call_id, **agent_tags(agent)
        )
        # Nesting must not multiply the cost of a run, so each call also counts for all agents above.
        budget = Budget(agent.limits, parents=[self.budget, *self.budget.parents])
        nested = SubAgentControl(context.run_id)
        deeper = replace(self, budget=budget, depth=self.depth + 1)
        await deeper.nested_loop(agent, emitter, nested).run([nested.question(task)])
        answer = nested.answer()
        return ToolResult(ok=True, text=answer, summary=answer)


def agent_tags(agent: Agent) -> dict[str, Any]:
    """Return the tags of the events of an agent that works for another's run: who it is, and the most of
    them that may be shown where that is less than everything."""
    tags: dict[str, Any] = {"agentId": agent.id}
    return tags if agent.visibility == "full" else tags | {"visibility": agent.visibility}


class SubAgentControl:
    """The steering of a sub-agent: nobody injects, nothing is kept but its answer."""

    most_messages: int | None = None

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._messages: list[StoredMessage] = []

    def question(self, task: str) -> StoredMessage:
        """The task as the message that starts the sub-agent."""
        return self.add("user", [{"text": task}])

    def add(
        self, role: Literal["user", "assistant"], content: list[Block], *, interrupted: bool = False
    ) -> StoredMessage:
        """See `agent.control.RunControl`."""
        message = StoredMessage(new_id("msg"), role, content, iso(0), self._run_id, interrupted=interrupted)
        self._messages.append(message)
        return message

    async def keep_summary(self, summary: Summary) -> None:
        """See `agent.control.RunControl`. What is not stored needs no summary."""

    async def drain(self, iteration: int) -> list[StoredMessage]:
        """See `agent.control.RunControl`."""
        return []

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """See `agent.control.RunControl`."""
        return True

    def add_result(self, block: Block) -> StoredMessage:
        """See `agent.control.RunControl`."""
        return self.add("user", [block])

    async def store(self, not_begun: Collection[str] = ()) -> None:
        """See `agent.control.RunControl`."""

    def check_time(self) -> None:
        """See `agent.control.RunControl`."""

    def postpone(self, error: ProviderError) -> None:
        """See `agent.control.RunControl`."""

    def answer(self) -> str:
        """The text of the last message that the sub-agent wrote."""
        said = [message for message in self._messages if message.role == "assistant"]
        return "".join(block.get("text", "") for block in said[-1].content) if said else ""
