"""The start of a flow's execution, which is stored in one transaction with its run's lease."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.agents import CODE, Agent
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import DETAILS, Detail
from millrace.domain.flows import AgentStep, Execution, Flow
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.limits import Control
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.domain.traces import current_traceparent
from millrace.errors import Conflict
from millrace.services.flows.run import flow_agent
from millrace.services.flows.steps import flow_agents
from millrace.services.runs.access import check_access
from millrace.services.runs.head_start import HeadStart, store_beginning
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.stores.admissions import Admission, Keys
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.creations import TRIES
from millrace.stores.dynamo import ConditionFailed, Contended, TransactItem
from millrace.stores.flows import FlowStore
from millrace.stores.idempotency import Marker
from millrace.stores.lease_record import Lease
from millrace.stores.leases import Beginning, SlotChanged

Launch = Callable[[Lease, Execution, Awaitable[bool] | None], RunSession]
"""Start an execution. With an awaitable, it is not stored yet; the awaitable returns whether it was."""


class FlowStart(Struct, frozen=True):
    """The start of one execution, with its caller and the function that starts the run."""

    platform: Platform
    store: FlowStore
    caller: Principal
    execution: Execution
    marker: Marker | None
    asking: Admission
    launch: Launch

    async def begin(self) -> RunSession:
        """Begin the run.

        If a limit refuses the run, the next attempt checks the limit first, so that the error names it.
        Raises `Repeated`, `Conflict` while another run holds the execution, or the errors of the limits.
        """
        for _ in range(TRIES):
            try:
                return await self._begin()
            except ConditionFailed:
                self.asking.first = True
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def _begin(self) -> RunSession:
        stores, caller, flow = self.platform.stores, self.caller, self.execution.flow
        keys: Keys = {"organization": "", "user": caller.id, "agent": flow.agent_id}
        moment = stores.leases.begun.now
        agents, standing, snapshot = await asyncio.gather(
            self._agents(),
            stores.limits.standing(caller.organization, keys, self.asking),
            stores.conversations.open(self._slot),
        )
        standing.check(flow.agent_id, stores.clock())
        if snapshot.conversation:
            check_access(caller, snapshot.conversation, "write")
        counting = list(stores.limits.writes(caller.organization, keys, standing, self.asking))
        if not snapshot.conversation:
            counting += await self._count_conversation(standing.control)
        execution, planned = self._planned(snapshot, _visibility(agents), counting)
        launch = partial(self.launch, planned.lease, execution)
        # A limit can still refuse the run, and an existing execution is a repeated request.
        known = not counting and not snapshot.conversation
        head_start: HeadStart | None = launch if known and self._may_be_ahead(agents) else None
        try:
            session = await store_beginning(stores, planned, self.asking, moment, head_start)
        except SlotChanged as busy:
            raise Conflict(
                "This execution is under way.", code="run_active", runId=busy.lease_record.run_id
            ) from busy
        return session or launch(None)

    @property
    def _slot(self) -> Slot:
        return Slot.of(self.caller.organization, self.execution.id)

    async def _agents(self) -> dict[str, Agent]:
        """Return the agents of the flow's steps. Raises `NotFound` if one was deleted."""
        ids = set(flow_agents(self.execution.flow))
        agents = self.platform.stores.agents
        found = await asyncio.gather(*(agents.get(self.caller.organization, one) for one in ids))
        return {agent.id: agent for agent in found}

    def _may_be_ahead(self, agents: dict[str, Agent]) -> bool:
        """Return whether the first step only asks a model, so nothing takes effect before the first write.

        Tools, pipelines and the project's own code wait for the write.
        """
        first = self.execution.flow.steps[0]
        if not isinstance(first, AgentStep) or first.plan:
            return False
        return not self.platform.models.name_of(agents[first.agent_id]).startswith(CODE)

    async def _count_conversation(self, control: Control) -> list[TransactItem]:
        counts, caller = self.platform.stores.conversation_counts, self.caller
        if self.asking.first:
            await counts.check(caller.organization, caller.id, control)
        return counts.creation(caller.organization, caller.id, control)

    def _planned(
        self, snapshot: ConversationSnapshot, visibility: Detail, counting: Sequence[TransactItem]
    ) -> tuple[Execution, Beginning]:
        caller, flow, known = self.caller, self.execution.flow, snapshot.conversation
        owner = known.created_by if known else caller.id
        run = replace(self._run(flow, visibility), owner=owner, created_by=caller.id)
        execution = replace(self.execution, run_id=run.id, created_at=run.started_at)
        now = run.started_at
        longest = self.platform.settings.approval_seconds
        planned = self.platform.stores.leases.beginning(
            run,
            new_id("env"),
            Conversation(run.slot.conversation_id, flow.agent_id, f"Flow {flow.name}", now, now, owner),
            _question(execution, run),
            snapshot.lease_record,
            self.marker,
            RunDefinition("flow", flow_agent(flow), caller, work={"executionId": execution.id}),
            [self.store.put(caller.organization, execution, longest), *counting],
        )
        return execution, planned

    def _run(self, flow: Flow, visibility: Detail) -> Run:
        return Run(
            id=self.asking.run_id,
            slot=self._slot,
            agent_id=flow.agent_id,
            agent_name=flow.name,
            visibility=visibility,
            state="running",
            started_at=self.asking.started_at,
            message_id=new_id("msg"),
            hops=current_hops(),
            traceparent=current_traceparent(),
        )


def _visibility(agents: dict[str, Agent]) -> Detail:
    """Return the lowest visibility of a flow's agents."""
    return min((agent.visibility for agent in agents.values()), key=DETAILS.index, default="full")


def _question(execution: Execution, run: Run) -> StoredMessage:
    given = execution.input
    text = given if isinstance(given, str) and given.strip() else orjson.dumps(given).decode()
    return StoredMessage(
        new_id("msg"), "user", [{"text": text}], run.started_at, run.id, created_by=run.created_by
    )
