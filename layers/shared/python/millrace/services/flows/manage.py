"""Flows of an organization: make, change, delete, run, continue."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from millrace.agent.budget import Budget
from millrace.domain import events
from millrace.domain.access import Access, Principal
from millrace.domain.clock import iso, updated_time
from millrace.domain.conversations import Conversation, Slot, StoredMessage
from millrace.domain.events import DETAILS, Detail
from millrace.domain.flows import FLOW_NAME, Execution, Flow, FlowReplacement, FlowSettings, NewFlow
from millrace.domain.hops import current_hops
from millrace.domain.ids import new_id, valid_id
from millrace.domain.replacement import check_same, settings_of
from millrace.domain.runs import Run
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.services.flows.checks import check_flow
from millrace.services.flows.run import FlowLoop, checked_input
from millrace.services.flows.steps import FindPipeline, Steps, flow_agents, no_pipelines
from millrace.services.runs.access import authorize, check_access
from millrace.services.runs.execute import execute, no_history
from millrace.services.runs.launch import AgentRunContext, tool_context
from millrace.services.runs.platform import Platform
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import ReplayedRun
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
    find_pipeline: FindPipeline = no_pipelines

    @classmethod
    def connect(cls, platform: Platform, find_pipeline: FindPipeline = no_pipelines) -> "Flows":
        """Makes it; no call goes out yet."""
        store = FlowStore(Dynamo(platform.stores.aws), platform.settings.flows_table)
        return cls(platform, store, find_pipeline)

    # --- management --------------------------------------------------------------------------------

    async def create(self, caller: Principal, given: NewFlow) -> Flow:
        """Raises `Conflict` for a taken name, `InvalidRequest` for a flow that could never run."""
        check_flow(given)
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
        check_flow(given)
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
        execution = Execution(_execution_id(caller, name, key), flow, checked_input(given))
        marker = Marker(key, _fingerprint(given)) if key else None
        return await self._begin(caller, execution, given, marker, deadline)

    async def resume(
        self,
        caller: Principal,
        name: str,
        execution_id: str,
        given: Any,
        key: str | None,
        deadline: float | None,
        step: str | None = None,
    ) -> FlowRun | ReplayedRun:
        """Continues an execution that waits, with the input that it waits for (at `step`, if named). Raises
        `NotFound`, `Conflict` (`not_waiting`) or `InvalidRequest`."""
        execution = await self.execution(caller, execution_id, "write")
        if execution.flow.name != name:
            raise InvalidRequest(f"This execution is of the flow {execution.flow.name!r}.", code="other_flow")
        here = execution.flow.steps[execution.next_step].name if execution.waiting else None
        if not key and (here is None or (step is not None and step != here)):
            raise not_waiting()
        marker = Marker(key, _fingerprint(given)) if key else None
        return await self._begin(caller, execution, checked_input(given), marker, deadline)

    async def execution(self, caller: Principal, execution_id: str, wanted: Access) -> Execution:
        """Return an execution that waits; it belongs to the user who started it, as its conversation does.
        Raises `NotFound` or `Forbidden`."""
        if not valid_id(execution_id):
            raise unknown_execution()
        try:
            await authorize(self.platform.stores, caller, Slot(caller.organization, execution_id), wanted)
        except NotFound as error:
            raise unknown_execution() from error
        return await self.store.execution(caller.organization, execution_id)

    async def _begin(
        self,
        caller: Principal,
        execution: Execution,
        given: Any,
        marker: Marker | None,
        deadline: float | None,
    ) -> FlowRun | ReplayedRun:
        slot = Slot.of(caller.organization, execution.id)
        visibility = await self._visibility(caller.organization, execution.flow)
        try:
            lease = await self._hold(caller, slot, execution, given, visibility, marker)
        except Repeated as repeated:
            if marker and repeated.fingerprint != marker.fingerprint:
                raise InvalidRequest(
                    "This idempotency key was used for another input; take a new key.",
                    code="idempotency_key_reused",
                ) from repeated
            return ReplayedRun(await self.platform.stores.runs.get(caller.organization, repeated.run_id))
        session = RunSession(self.platform.stores, lease, Budget(execution.flow.limits))
        return self._launch(caller, session, execution, given, deadline)

    async def visible_execution(self, caller: Principal, execution_id: str) -> dict[str, Any]:
        """An execution that waits, as JSON; the results of its steps only where its agents show everything.
        Raises `NotFound`."""
        found = await self.execution(caller, execution_id, "read")
        try:
            visibility = await self._visibility(caller.organization, found.flow)
        except NotFound:  # an agent of it is gone, and with it what may be shown
            visibility = "answer"
        return found.to_wire() if visibility == "full" else found.to_wire() | {"steps": {}}

    async def _visibility(self, organization: str, flow: Flow) -> Detail:
        """The least that any agent of the flow allows. Raises `NotFound` for an agent that is gone."""
        agents = self.platform.stores.agents
        found = await asyncio.gather(*(agents.get(organization, one) for one in set(flow_agents(flow))))
        return min((agent.visibility for agent in found), key=DETAILS.index, default="full")

    async def _hold(
        self,
        caller: Principal,
        slot: Slot,
        execution: Execution,
        given: Any,
        visibility: Detail,
        marker: Marker | None,
    ) -> Lease:
        """Takes the execution's lease with a run of its own. Raises `Conflict` while another holds it."""
        stores, flow = self.platform.stores, execution.flow
        snapshot = await stores.conversations.open(slot)
        if snapshot.conversation:
            check_access(caller, snapshot.conversation, "write")
        owner = snapshot.conversation.created_by if snapshot.conversation else caller.id
        if snapshot.lease_record.lost(stores.clock()):
            await give_up_lost_run(stores, slot, snapshot.lease_record)
            snapshot = await stores.conversations.open(slot)
        run = replace(self._run(slot, flow, visibility), owner=owner, created_by=caller.id)
        text = given if isinstance(given, str) and given.strip() else orjson.dumps(given).decode()
        question = StoredMessage(
            new_id("msg"), "user", [{"text": text}], run.started_at, run.id, created_by=run.created_by
        )
        conversation = Conversation(
            slot.conversation_id,
            flow.agent_id,
            f"Flow {flow.name}",
            run.started_at,
            run.started_at,
            owner,
        )
        try:
            return await stores.leases.begin(
                run, new_id("env"), conversation, question, snapshot.lease_record, marker
            )
        except SlotChanged as busy:
            raise Conflict(
                "This execution is under way.", code="run_active", runId=busy.lease_record.run_id
            ) from busy

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

    def _launch(
        self,
        caller: Principal,
        session: RunSession,
        execution: Execution,
        given: Any,
        deadline: float | None,
    ) -> FlowRun:
        run = session.run
        session.emit(events.start(run.id, run.slot.conversation_id, run.message_id, run.agent_id))
        session.bus.started()
        run_context = AgentRunContext(
            self.platform, tool_context(self.platform, session, caller), session.budget, session.bus.add
        )
        loop = FlowLoop(session, Steps(run_context, self.find_pipeline), self.store, execution, given)
        task = asyncio.create_task(execute(session, loop, no_history(), deadline))
        self.platform.tasks.add(task)
        task.add_done_callback(self.platform.tasks.discard)
        session.task = task
        return FlowRun(session, execution.id)


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
