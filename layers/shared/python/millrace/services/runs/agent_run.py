"""The agents of a run: the run's own, and those that work for it at a greater depth."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from millrace.agent.accepts import accepted, media_rules
from millrace.agent.attachments import Attachments, Load
from millrace.agent.budget import Budget
from millrace.agent.control import RunControl
from millrace.agent.emitter import Emitter, current_emitter, emit
from millrace.agent.loop import AgentLoop
from millrace.agent.model_calls import Report
from millrace.agent.suspension import Interrupted
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain import events
from millrace.domain.agents import CODE, Agent
from millrace.domain.conversations import Slot, StoredMessage
from millrace.domain.events import Detail, LogEntry
from millrace.domain.projection import CAP, capped
from millrace.domain.run_definitions import DEEPEST, ClientTool
from millrace.domain.runs import Progress
from millrace.errors import InvalidRequest, Unavailable
from millrace.services.runs.agent_tools import open_tools
from millrace.services.runs.asking import AskingGate, Desk, asks_people
from millrace.services.runs.attachment_bytes import loader
from millrace.services.runs.client_tools import to_tools
from millrace.services.runs.lost_usage import budget_of
from millrace.services.runs.nested_control import NestedControl
from millrace.services.runs.output_format import output_format
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_agents import RunAgents
from millrace.services.runs.run_work import RunWork
from millrace.stores.lease_record import LeaseLost, Stopping


class CutShort(Exception):
    """The agent of a flow's step was stopped or reached a limit of the run before its answer was complete."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AgentRunContext(Struct, frozen=True):
    """The context that the agents of a run share.

    `stored` has the messages of each piece of work that an earlier process has stored, and `lost` its events
    that were sent beyond them. `above` names the agents above this depth, for people who are asked.
    `visibility` is the least of theirs.
    """

    platform: Platform
    session: RunWork
    context: ToolContext
    agents: RunAgents
    desk: Desk
    budget: Budget
    stored: Mapping[str, list[StoredMessage]] = field(default_factory=dict)
    lost: Mapping[str, list[LogEntry]] = field(default_factory=dict)
    call_ids: set[str] = field(default_factory=set)
    above: tuple[dict[str, str], ...] = ()
    depth: int = 0
    visibility: Detail = "full"

    def loop(
        self,
        agent: Agent,
        emitter: Emitter,
        control: RunControl,
        not_begun: Collection[str] = (),
        client_tools: Sequence[ClientTool] = (),
    ) -> AgentLoop:
        """Return the loop of an agent in the run."""
        models = self.platform.models
        provider, model = models.provider_for(agent)
        named = agent.model_copy(update={"model": models.name_of(agent)})
        kind, tools = AgentLoop, partial(self._open_tools, agent, client_tools)
        context = replace(self.context, agent_id=agent.id)
        if named.model.startswith(CODE):
            # Imported here, because most deployments have no agent in code.
            from millrace.agent.code.loop import CodeLoop, with_steps
            from millrace.services.runs.code_runs import code_run

            provider = code_run(self, named, model, context, emitter, control)
            kind, tools = CodeLoop, partial(with_steps, provider, tools)
        return kind(
            named,
            provider,
            model,
            tools,
            context,
            emitter,
            control,
            self.budget,
            self._report(emitter),
            self._gate(agent, emitter) if asks_people(agent) or client_tools else None,
            not_begun,
            output_format(agent.response_schema),
            models.compactor_for(agent),
            self.attachments(agent, provider, named.model),
            self.call_ids,
        )

    def _report(self, emitter: Emitter) -> Report:
        """Return the reporter of an agent's actions, which adds the calling `parent` for nested agents."""
        add, parent = self.session.bus.add, emitter.tags.get("parent")
        return (lambda kind, data: add(kind, data | {"parent": parent})) if parent else add

    def attachments(self, agent: Agent, provider: object, model: str) -> Attachments:
        """Return the images and files for a model; `model` includes its provider's prefix."""
        rules = media_rules(provider)
        return Attachments(accepted(agent, model, rules), rules, self.load)

    @property
    def load(self) -> Load:
        """Return the reader of the images and files in the conversation."""
        return loader(self.platform, Slot(self.context.organization, self.context.conversation_id))

    def _gate(self, agent: Agent, emitter: Emitter) -> AskingGate:
        path = (*self.above, named(agent)) if self.above else ()
        return AskingGate(self.desk, agent, self.context.user, emitter, self.visibility, path, self.stored)

    @asynccontextmanager
    async def _open_tools(self, agent: Agent, client_tools: Sequence[ClientTool]) -> AsyncIterator[Toolbox]:
        asking = replace(self, above=(*self.above, named(agent)))
        async with open_tools(self.platform, self.context.organization, agent, asking._ask) as found:
            for note in found.notes:
                emit(events.status(note, "⚠️", least="steps"))
            own = found.tools()
            yield Toolbox([*own, *to_tools(client_tools, own)])

    async def _ask(self, agent_id: str, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        task = arguments.get("task")
        if not isinstance(task, str) or not task.strip():
            raise InvalidRequest("The task must be a string.", code="invalid_arguments")
        if self.depth >= DEEPEST:
            raise InvalidRequest(f"Agents may ask other agents at most {DEEPEST} levels deep.")
        agent = await self.agents.get(agent_id)
        deeper = replace(self, depth=self.depth + 1)
        answer = await deeper.work(agent, context.call_id, task, parent=context.call_id)
        return ToolResult(ok=True, text=answer, summary=answer)

    async def work(self, agent: Agent, work: str, task: str, *, parent: str = "") -> str:
        """Return the answer of an agent that works for another one (its call is `parent`) or for a flow's
        step.

        After a takeover, its `work` continues from what was stored. Its budget also counts for all agents
        above, as nesting must not multiply the cost of a run.
        """
        visibility = capped(self.visibility, agent.visibility)
        tags = agent_tags(agent, visibility) | ({"parent": parent} if parent else {})
        emitter = (current_emitter() or Emitter(self.session.emit)).tagged(**tags)
        if parent:
            self.session.bus.note_sub_agent(parent, agent.id)
        stored = self.stored.get(work, [])
        budget = self._nested_budget(agent, stored, self.lost.get(work, []))
        control = NestedControl(self.session, work, parent, budget, stored)
        if not control.finished:
            nested = replace(self, budget=budget, visibility=visibility)
            not_begun = self.session.lease.progress.not_begun
            loop = nested.loop(agent, emitter, control, not_begun)
            try:
                reason = await loop.run(control.begin(task))
            except (LeaseLost, Stopping, Unavailable) as error:
                raise Interrupted(error) from error
            # An asking agent notices by itself before it calls its model again.
            if not self.depth and (why := self._cut_short(reason)):
                raise CutShort(why)
        return control.answer()

    def _cut_short(self, reason: str) -> str | None:
        """Return the run's finish reason if a stop or a limit of the run ended the agent."""
        if reason in ("stop", "stopped"):
            return None if reason == "stop" else reason
        reached = self.session.spending.last
        return self.budget.exhausted() or (reached.finish_reason if reached else None)

    def _nested_budget(
        self, agent: Agent, stored: Sequence[StoredMessage], lost: Sequence[LogEntry]
    ) -> Budget:
        """Return the budget of a piece of work, with its earlier usage, which also counts for the agents
        above."""
        position = stored[-1].position if stored else None
        progress = Progress.of(position.used) if position else Progress()
        parents = [self.budget, *self.budget.parents]
        model = self.platform.models.name_of(agent)
        return budget_of(agent.limits, model, progress, stored, lost, parents=parents)


def agent_tags(agent: Agent, visibility: Detail) -> dict[str, Any]:
    """Return the tags for events of an agent that works for another run: its id, and a cap on their
    visibility."""
    tags: dict[str, Any] = {"agentId": agent.id}
    return tags if visibility == "full" else tags | {CAP: visibility}


def named(agent: Agent) -> dict[str, str]:
    """Return an agent as people see it in the path to a question."""
    return {"agentId": agent.id, "agentName": agent.name}
