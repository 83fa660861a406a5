"""Flows of an organization: their definitions, their executions, and the runs that perform them."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.agent.budget import Budget
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import DETAILS, Detail
from millrace.domain.flows import Execution, Flow
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id
from millrace.domain.limits import Control
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.domain.traces import current_traceparent
from millrace.errors import Conflict, InvalidRequest
from millrace.services.flows.definitions import FlowDefinitions
from millrace.services.flows.executions import FlowExecutions
from millrace.services.flows.run import FlowLoop, checked_input, flow_agent
from millrace.services.flows.steps import (
    FindPipeline,
    Notify,
    Steps,
    delivered_by,
    flow_agents,
    stored_pipelines,
)
from millrace.services.flows.waiting import StepWaiting
from millrace.services.runs.access import check_access
from millrace.services.runs.agent_run import AgentRunContext
from millrace.services.runs.execute import no_history
from millrace.services.runs.launch import agent_run, start, start_of
from millrace.services.runs.new_message import ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.stores.admissions import Admission, Keys
from millrace.stores.creations import TRIES
from millrace.stores.dynamo import ConditionFailed, Contended, Dynamo, TransactItem
from millrace.stores.flows import FlowStore
from millrace.stores.idempotency import Marker, Repeated
from millrace.stores.lease_record import Lease
from millrace.stores.leases import SlotChanged


class FlowRun(Struct, frozen=True):
    """A run of a flow in this process."""

    session: RunSession
    execution_id: str


class Flows(Struct, frozen=True):
    """The flows of a deployment, and the start of their runs."""

    platform: Platform
    store: FlowStore
    find_pipeline: FindPipeline
    notify: Notify

    @classmethod
    def connect(cls, platform: Platform, find_pipeline: FindPipeline | None = None) -> "Flows":
        """Create the flows without making a call. `find_pipeline` defaults to the stored pipelines."""
        settings, aws = platform.settings, platform.stores.aws
        dynamo = Dynamo(aws)
        stored = stored_pipelines(dynamo, settings.pipelines_table)
        notify = delivered_by(aws, dynamo, settings.pipelines_table, settings.deliver_function)
        return cls(platform, FlowStore(dynamo, settings.flows_table), find_pipeline or stored, notify)

    @property
    def definitions(self) -> FlowDefinitions:
        return FlowDefinitions(self.platform, self.store)

    @property
    def executions(self) -> FlowExecutions:
        return FlowExecutions(self.platform, self.store)

    async def start(
        self, caller: Principal, name: str, given: Any, key: str | None, deadline: float | None
    ) -> FlowRun | ReplayedRun:
        """Begin an execution. A request that repeats an idempotency key gets the first one's run.

        Raises `NotFound`, `InvalidRequest`, `TooManyRequests` at a limit, or `Forbidden` for a stopped agent
        or organization.
        """
        flow = await self.store.get(caller.organization, name)
        execution_id = _execution_id(caller, name, key)
        execution = Execution(execution_id, flow, checked_input(given), owner=caller.id)
        marker = Marker(key, _fingerprint(given)) if key else None
        asking = Admission(new_id("run"), iso(self.platform.stores.clock()))
        try:
            lease, execution = await self._begin_counted(caller, execution, marker, asking)
        except BaseException as error:
            await asyncio.shield(self.platform.stores.limits.give_back(caller.organization, asking))
            if not isinstance(error, Repeated):
                raise
            if marker and error.fingerprint != marker.fingerprint:
                raise InvalidRequest(
                    "This idempotency key was used for another input; use a new key.",
                    code="idempotency_key_reused",
                ) from error
            return ReplayedRun(await self.platform.stores.runs.get(caller.organization, error.run_id))
        session = RunSession(self.platform.stores, lease, Budget(flow.limits), continuable=True)
        session.lease.attended = True
        session.emit(start_of(session.run))
        session.bus.started()
        run_context = agent_run(self.platform, session, caller)
        loop = self.loop(session, run_context, execution_id, flow_agent(flow), execution)
        start(self.platform, session, loop, no_history(), deadline)
        return FlowRun(session, execution_id)

    def loop(
        self,
        session: RunSession,
        run_context: AgentRunContext,
        execution_id: str,
        agent: Agent,
        execution: Execution | None = None,
    ) -> FlowLoop:
        """Return the loop of a flow's run.

        Without `execution`, it is read first, because another process has begun the run.
        """
        platform = self.platform
        steps = Steps(run_context, self.find_pipeline, self.notify)
        waiting = StepWaiting(platform.stores, session, platform.settings.approval_seconds)
        return FlowLoop(session, steps, self.store, waiting, execution_id, execution, agent)

    async def _begin_counted(
        self, caller: Principal, execution: Execution, marker: Marker | None, asking: Admission
    ) -> tuple[Lease, Execution]:
        """Begin as `_begin` does.

        If a limit refuses it, the next attempt asks the limit first, which then names it.
        """
        for _ in range(TRIES):
            try:
                return await self._begin(caller, execution, marker, asking)
            except ConditionFailed:
                asking.first = True
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def _begin(
        self, caller: Principal, execution: Execution, marker: Marker | None, asking: Admission
    ) -> tuple[Lease, Execution]:
        """Take the execution's lease if the limits allow it."""
        stores, flow = self.platform.stores, execution.flow
        keys: Keys = {"organization": "", "user": caller.id, "agent": flow.agent_id}
        visibility, standing = await asyncio.gather(
            self._visibility(caller.organization, flow),
            stores.limits.standing(caller.organization, keys, asking),
        )
        standing.check(flow.agent_id, stores.clock())
        more = stores.limits.writes(caller.organization, keys, standing, asking)
        return await self._hold(caller, execution, visibility, marker, asking, standing.control, more)

    async def _hold(
        self,
        caller: Principal,
        execution: Execution,
        visibility: Detail,
        marker: Marker | None,
        asking: Admission,
        control: Control,
        more: Sequence[TransactItem],
    ) -> tuple[Lease, Execution]:
        """Take the execution's lease with its run. Raises `Conflict` while another run holds it."""
        stores, flow = self.platform.stores, execution.flow
        slot = Slot.of(caller.organization, execution.id)
        snapshot = await stores.conversations.open(slot)
        if snapshot.conversation:
            check_access(caller, snapshot.conversation, "write")
        else:
            if asking.first:
                await stores.conversation_counts.check(caller.organization, caller.id, control)
            counted = stores.conversation_counts.creation(caller.organization, caller.id, control)
            more = [*more, *counted]
        owner = snapshot.conversation.created_by if snapshot.conversation else caller.id
        run = replace(self._run(slot, flow, visibility, asking), owner=owner, created_by=caller.id)
        execution = replace(execution, run_id=run.id, created_at=run.started_at)
        given = execution.input
        text = given if isinstance(given, str) and given.strip() else orjson.dumps(given).decode()
        question = StoredMessage(
            new_id("msg"), "user", [{"text": text}], run.started_at, run.id, created_by=run.created_by
        )
        now, title = run.started_at, f"Flow {flow.name}"
        conversation = Conversation(slot.conversation_id, flow.agent_id, title, now, now, owner)
        work = {"executionId": execution.id}
        try:
            planned = stores.leases.beginning(
                run,
                new_id("env"),
                conversation,
                question,
                snapshot.lease_record,
                marker,
                RunDefinition("flow", flow_agent(flow), caller, work=work),
                [
                    self.store.put(caller.organization, execution, self.platform.settings.approval_seconds),
                    *more,
                ],
            )
            lease = await stores.leases.begin(planned)
        except SlotChanged as busy:
            raise Conflict(
                "This execution is under way.", code="run_active", runId=busy.lease_record.run_id
            ) from busy
        return lease, execution

    def _run(self, slot: Slot, flow: Flow, visibility: Detail, asking: Admission) -> Run:
        return Run(
            id=asking.run_id,
            slot=slot,
            agent_id=flow.agent_id,
            agent_name=flow.name,
            visibility=visibility,
            state="running",
            started_at=asking.started_at,
            message_id=new_id("msg"),
            hops=current_hops(),
            traceparent=current_traceparent(),
        )

    async def _visibility(self, organization: str, flow: Flow) -> Detail:
        """Return the least visibility of the flow's agents. Raises `NotFound` for a deleted agent."""
        agents = self.platform.stores.agents
        found = await asyncio.gather(*(agents.get(organization, one) for one in set(flow_agents(flow))))
        return min((agent.visibility for agent in found), key=DETAILS.index, default="full")


def _execution_id(caller: Principal, name: str, key: str | None) -> str:
    """Return the id of a new execution, or of the one that this user's key stands for."""
    if key is None:
        return new_id(f"flow_{name}")
    owned = f"{caller.id}\0{key}"
    return f"flow_{name}_{hashlib.sha256(owned.encode()).hexdigest()[:32]}"


def _fingerprint(given: Any) -> str:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
