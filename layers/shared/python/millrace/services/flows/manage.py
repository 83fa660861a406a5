"""Flows of an organization: make, change, delete, run, continue."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from millrace.agent.budget import Budget
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso, updated_time
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import DETAILS, Detail
from millrace.domain.flows import FLOW_NAME, Execution, Flow, FlowReplacement, FlowSettings, NewFlow
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id, valid_id
from millrace.domain.replacement import check_same, settings_of
from millrace.domain.run_definitions import RunDefinition
from millrace.domain.runs import Run
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.services.flows.checks import check_flow
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
from millrace.services.runs.access import authorize, check_access
from millrace.services.runs.answers import GivenAnswer, answer_call
from millrace.services.runs.execute import no_history
from millrace.services.runs.launch import AgentRunContext, start, start_of, tool_context
from millrace.services.runs.new_message import ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.stop import stop_run
from millrace.stores.dynamo import Dynamo
from millrace.stores.flows import FlowStore, not_waiting, unknown_execution
from millrace.stores.idempotency import Marker, Repeated
from millrace.stores.lease_record import Lease
from millrace.stores.leases import SlotChanged


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a flow in this process."""

    session: RunSession
    execution_id: str


@dataclass(frozen=True, slots=True)
class Flows:
    """The verbs on flows."""

    platform: Platform
    store: FlowStore
    find_pipeline: FindPipeline
    notify: Notify

    @classmethod
    def connect(cls, platform: Platform, find_pipeline: FindPipeline | None = None) -> "Flows":
        """Makes it; no call goes out yet. `find_pipeline` is by default that of the stored pipelines."""
        settings, aws = platform.settings, platform.stores.aws
        dynamo = Dynamo(aws)
        stored = stored_pipelines(dynamo, settings.pipelines_table)
        notify = delivered_by(aws, dynamo, settings.pipelines_table, settings.deliver_function)
        return cls(platform, FlowStore(dynamo, settings.flows_table), find_pipeline or stored, notify)

    # --- management --------------------------------------------------------------------------------

    async def create(self, caller: Principal, given: NewFlow) -> Flow:
        """Raises `Conflict` for a taken name, `InvalidRequest` for a flow that could never run."""
        check_flow(given, self.platform.settings.approval_seconds)
        now = iso(self.platform.stores.clock())
        flow = Flow(created_at=now, updated_at=now, **dict(given))
        await self.store.create(caller.organization, flow)
        return flow

    async def put(self, caller: Principal, name: str, given: FlowReplacement) -> tuple[Flow, bool]:
        """Puts a definition under the name; true if the flow is new. Raises as `create`."""
        check_same("name", given.name, name)
        settings = settings_of(FlowSettings, given)
        try:
            old = await self.store.get(caller.organization, name)
        except NotFound:
            return await self.create(caller, new_flow(name, settings)), True
        return await self._replace(caller, old, settings), False

    async def _replace(self, caller: Principal, old: Flow, given: FlowSettings) -> Flow:
        check_flow(given, self.platform.settings.approval_seconds)
        now = updated_time(self.platform.stores.clock, old.updated_at)
        flow = Flow(name=old.name, created_at=old.created_at, updated_at=now, **dict(given))
        await self.store.replace(caller.organization, flow, old.updated_at)
        return flow

    async def delete(self, caller: Principal, name: str) -> None:
        """Raises `NotFound`."""
        await self.store.delete(caller.organization, name)

    # --- running -----------------------------------------------------------------------------------

    async def start(
        self, caller: Principal, name: str, given: Any, key: str | None, deadline: float | None
    ) -> FlowRun | ReplayedRun:
        """Begins an execution. With an idempotency key a repeat gives the first one's run. Raises
        `NotFound` or `InvalidRequest`."""
        flow = await self.store.get(caller.organization, name)
        execution_id = _execution_id(caller, name, key)
        execution = Execution(execution_id, flow, checked_input(given), owner=caller.id)
        visibility = await self._visibility(caller.organization, flow)
        marker = Marker(key, _fingerprint(given)) if key else None
        try:
            lease, execution = await self._hold(caller, execution, visibility, marker)
        except Repeated as repeated:
            if marker and repeated.fingerprint != marker.fingerprint:
                raise InvalidRequest(
                    "This idempotency key was used for another input; take a new key.",
                    code="idempotency_key_reused",
                ) from repeated
            return ReplayedRun(await self.platform.stores.runs.get(caller.organization, repeated.run_id))
        session = RunSession(self.platform.stores, lease, Budget(flow.limits), continuable=True)
        session.lease.attended = True
        session.emit(start_of(session.run))
        session.bus.started()
        loop = self.loop(session, caller, execution_id, flow_agent(flow), execution)
        start(self.platform, session, loop, no_history(), deadline)
        return FlowRun(session, execution_id)

    def loop(
        self,
        session: RunSession,
        user: Principal,
        execution_id: str,
        agent: Agent,
        execution: Execution | None = None,
    ) -> FlowLoop:
        """The loop of a flow's run; without its execution it is read first, in a process that has taken the
        run over."""
        platform = self.platform
        context = AgentRunContext(
            platform, tool_context(platform, session, user), session.budget, session.bus.add
        )
        steps = Steps(context, self.find_pipeline, self.notify)
        waiting = StepWaiting(platform.stores, session, platform.settings.approval_seconds)
        return FlowLoop(session, steps, self.store, waiting, execution_id, execution, agent)

    async def _hold(
        self, caller: Principal, execution: Execution, visibility: Detail, marker: Marker | None
    ) -> tuple[Lease, Execution]:
        """Takes the execution's lease with its run. Raises `Conflict` while another holds it."""
        stores, flow = self.platform.stores, execution.flow
        slot = Slot.of(caller.organization, execution.id)
        snapshot = await stores.conversations.open(slot)
        if snapshot.conversation:
            check_access(caller, snapshot.conversation, "write")
        owner = snapshot.conversation.created_by if snapshot.conversation else caller.id
        run = replace(self._run(slot, flow, visibility), owner=owner, created_by=caller.id)
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
            lease = await stores.leases.begin(
                run,
                new_id("env"),
                conversation,
                question,
                snapshot.lease_record,
                marker,
                RunDefinition("flow", flow_agent(flow), caller, work=work),
                [self.store.put(caller.organization, execution, self.platform.settings.approval_seconds)],
            )
        except SlotChanged as busy:
            raise Conflict(
                "This execution is under way.", code="run_active", runId=busy.lease_record.run_id
            ) from busy
        return lease, execution

    def _run(self, slot: Slot, flow: Flow, visibility: Detail) -> Run:
        return Run(
            id=new_id("run"),
            slot=slot,
            agent_id=flow.agent_id,
            agent_name=flow.name,
            visibility=visibility,
            state="running",
            started_at=iso(self.platform.stores.clock()),
            message_id=new_id("msg"),
            hops=current_hops(),
        )

    async def _visibility(self, organization: str, flow: Flow) -> Detail:
        """The least that any agent of the flow allows. Raises `NotFound` for an agent that is gone."""
        agents = self.platform.stores.agents
        found = await asyncio.gather(*(agents.get(organization, one) for one in set(flow_agents(flow))))
        return min((agent.visibility for agent in found), key=DETAILS.index, default="full")

    # --- executions --------------------------------------------------------------------------------

    async def answer(
        self, caller: Principal, name: str, execution_id: str, step: str | None, given: GivenAnswer
    ) -> tuple[Run, int]:
        """Answers the step that waits (`step`, if named); the run, and the number of the event after which
        it goes on. Raises `NotFound`, or as `answer_call`."""
        stores = self.platform.stores
        execution = await self._execution(caller, execution_id)
        if execution.flow.name != name:
            raise InvalidRequest(f"This execution is of the flow {execution.flow.name!r}.", code="other_flow")
        slot = Slot(caller.organization, execution_id)
        calls = await stores.approvals.of_run(slot, execution.run_id)
        waiting = [call for call in calls if (call.call_id == step if step else call.state == "waiting")]
        if not waiting:
            await self._check_reads(caller, slot)
            raise not_waiting()
        call = waiting[0]
        if not call.admits(caller):
            await self._check_reads(caller, slot)
        lease = await stores.leases.peek(slot)
        already = call.answer is not None
        await answer_call(stores, caller, execution.run_id, replace(given, call_id=call.call_id))
        run = await stores.runs.get(caller.organization, execution.run_id)
        return run, 0 if already else lease.seq

    async def step_of(self, organization: str, execution_id: str) -> str:
        """The name of the step that comes next in an execution. Raises `NotFound`."""
        execution = await self.store.execution(organization, execution_id)
        names = [step.name for step in execution.flow.steps]
        return [*names, "output"][execution.next_step]

    async def _execution(self, caller: Principal, execution_id: str) -> Execution:
        if not valid_id(execution_id):
            raise unknown_execution()
        return await self.store.execution(caller.organization, execution_id)

    async def _execution_of(self, caller: Principal, name: str, execution_id: str) -> Execution:
        """An execution of this flow; other conversations are none. Raises `NotFound`."""
        execution = await self._execution(caller, execution_id)
        if execution.flow.name != name:
            raise unknown_execution()
        return execution

    async def _check_reads(self, caller: Principal, slot: Slot) -> None:
        """Raises `NotFound` for a caller who may not even know of an execution: it belongs to the user who
        started it, as its conversation does."""
        try:
            await authorize(self.platform.stores, caller, slot, "read")
        except NotFound as error:
            raise unknown_execution() from error

    async def cancel(self, caller: Principal, name: str, execution_id: str) -> str:
        """Stops an execution, also one that waits; the id of its run. Raises `NotFound`, `Forbidden`, or
        `Conflict` where it is over."""
        await self._execution_of(caller, name, execution_id)
        slot = Slot(caller.organization, execution_id)
        try:
            await authorize(self.platform.stores, caller, slot, "write")
        except NotFound as error:
            raise unknown_execution() from error
        stopped = await stop_run(self.platform.stores, slot, "stopped")
        if stopped is None:
            raise Conflict("This execution is over.", code="not_active")
        return stopped

    async def visible_execution(self, caller: Principal, name: str, execution_id: str) -> dict[str, Any]:
        """An execution, as JSON; the results of its steps only where its agents show everything. Raises
        `NotFound`."""
        found = await self._execution_of(caller, name, execution_id)
        await self._check_reads(caller, Slot(caller.organization, execution_id))
        return await self._to_public(caller, found, whole=True)

    async def executions(
        self, caller: Principal, name: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of a flow's executions, the latest first: the caller's own, or everybody's for those who
        observe. A page may be short with more to come. Raises `NotFound` for a flow that has none and is not
        there."""
        found, more = await self.store.executions(caller.organization, name, after, limit)
        if not (found or after):
            await self.store.get(caller.organization, name)
        everybody = caller.may("observe") or caller.may("conversations:manage")
        mine = [one for one in found if everybody or (one.owner and one.owner == caller.id)]
        return list(await asyncio.gather(*(self._to_public(caller, one) for one in mine))), more

    async def _to_public(
        self, caller: Principal, execution: Execution, *, whole: bool = False
    ) -> dict[str, Any]:
        stores, slot = self.platform.stores, Slot(caller.organization, execution.id)
        try:
            run = await stores.runs.get(caller.organization, execution.run_id)
        except NotFound as error:
            if whole:
                raise unknown_execution() from error
            return _summary(execution, None)
        if not whole:
            return _summary(execution, run)
        calls = await stores.approvals.of_run(slot, run.id) if run.state == "waiting" else []
        waiting = [call.seen_by(caller) for call in calls if call.state == "waiting"]
        return _summary(execution, run) | {
            "steps": execution.results if run.visibility == "full" else {},
            "answers": [answer.to_wire() for answer in execution.answers],
            "waitingFor": waiting_for(waiting[0]) if waiting else None,
        }


def waiting_for(call: dict[str, Any]) -> dict[str, Any]:
    """Describe the step that waits, from its call or from the event that tells of it."""
    return {
        "step": call["name"],
        "prompt": call.get("prompt"),
        "choices": call.get("options") or [],
        "schema": call.get("schema"),
        "expiresAt": call["expiresAt"],
    }


def _summary(execution: Execution, run: Run | None) -> dict[str, Any]:
    return {
        "executionId": execution.id,
        "flow": execution.flow.name,
        "runId": execution.run_id,
        "state": run.state if run else None,
        "finishReason": run.finish_reason if run else None,
        "error": run.error if run else None,
        "createdAt": execution.created_at,
        "endedAt": run.ended_at if run else None,
        "createdBy": execution.owner or None,
    }


def new_flow(name: str, settings: FlowSettings) -> NewFlow:
    """Raises `InvalidRequest` for what cannot be a name."""
    if not re.fullmatch(FLOW_NAME, name):
        raise InvalidRequest(
            "A flow's name must have 1 to 64 of the characters a-z 0-9 -.", code="invalid_name"
        )
    return NewFlow.model_construct(name=name, **dict(settings))


def _execution_id(caller: Principal, name: str, key: str | None) -> str:
    """A new execution, or the one that a key of this user's stands for."""
    if key is None:
        return new_id(f"flow_{name}")
    owned = f"{caller.id}\0{key}"
    return f"flow_{name}_{hashlib.sha256(owned.encode()).hexdigest()[:32]}"


def _fingerprint(given: Any) -> str:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
