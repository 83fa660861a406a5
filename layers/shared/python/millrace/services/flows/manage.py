"""Flows of an organization: their definitions, their executions, and the runs that perform them."""

import asyncio
import hashlib
from collections.abc import Awaitable
from functools import partial
from typing import Any

import orjson
from msgspec import Struct

from millrace.agent.budget import Budget
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.clock import iso
from millrace.domain.flows import Execution
from millrace.domain.ids import new_id
from millrace.errors import InvalidRequest
from millrace.services.flows.definitions import FlowDefinitions
from millrace.services.flows.executions import FlowExecutions
from millrace.services.flows.run import FlowLoop, checked_input, flow_agent
from millrace.services.flows.start import FlowStart
from millrace.services.flows.steps import (
    FindPipeline,
    Notify,
    Steps,
    delivered_by,
    stored_pipelines,
)
from millrace.services.flows.waiting import StepWaiting
from millrace.services.runs.agent_run import AgentRunContext
from millrace.services.runs.execute import no_history
from millrace.services.runs.launch import agent_run, start, start_of
from millrace.services.runs.new_message import ReplayedRun
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.stores.admissions import Admission
from millrace.stores.dynamo import Dynamo
from millrace.stores.flows import FlowStore
from millrace.stores.idempotency import Marker, Repeated
from millrace.stores.lease_record import Lease


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
        launch = partial(self._launch, caller, deadline)
        starting = FlowStart(self.platform, self.store, caller, execution, marker, asking, launch)
        try:
            return FlowRun(await starting.begin(), execution_id)
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

    def _launch(
        self,
        caller: Principal,
        deadline: float | None,
        lease: Lease,
        execution: Execution,
        stored: Awaitable[bool] | None,
    ) -> RunSession:
        flow = execution.flow
        session = RunSession(self.platform.stores, lease, Budget(flow.limits), continuable=True)
        session.lease.attended = True
        session.emit(start_of(session.run))
        session.bus.started()
        run_context = agent_run(self.platform, session, caller)
        loop = self.loop(session, run_context, execution.id, flow_agent(flow), execution)
        start(self.platform, session, loop, no_history(), deadline, stored)
        return session

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


def _execution_id(caller: Principal, name: str, key: str | None) -> str:
    """Return the id of a new execution, or of the one that this user's key stands for."""
    if key is None:
        return new_id(f"flow_{name}")
    owned = f"{caller.id}\0{key}"
    return f"flow_{name}_{hashlib.sha256(owned.encode()).hexdigest()[:32]}"


def _fingerprint(given: Any) -> str:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
