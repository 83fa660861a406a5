"""Running a flow: a run like any other (lease, log, limits, stop), whose work is a list of steps.

It goes where an agent's loop goes in `execute`, so a flow survives its client, ends at its limits, is found
out when its process dies, and can be resumed from the log by any process.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from millrace.agent.emitter import Emitter, emitting
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.flows import INPUT_BYTES, RESULTS_BYTES, Execution, Step, WaitStep
from millrace.domain.runs import RunState
from millrace.errors import InvalidRequest, MillraceError
from millrace.services.flows.calls import StepFailed
from millrace.services.flows.steps import Expressions, Steps
from millrace.services.runs.run_session import RunSession
from millrace.stores.flows import FlowStore, not_waiting

log = logging.getLogger(__name__)


class FlowLoop:
    """The work of one run: from the execution's next step to its end, or to a step that waits for input.
    `given` is the input for an execution that waits."""

    def __init__(
        self, session: RunSession, steps: Steps, flows: FlowStore, execution: Execution, given: Any
    ) -> None:
        flow = execution.flow
        self.agent = Agent(id=flow.agent_id, name=flow.name, limits=flow.limits)
        self.execution = execution
        self._session = session
        self._steps = steps
        self._flows = flows
        self._given = given
        self._expressions = Expressions(flow)

    async def run(self, history: Sequence[StoredMessage]) -> str:
        """Runs the steps and ends the run; see `AgentLoop.run`. A failed step ends it at once; an execution
        that had been waiting then waits as before."""
        flow = self.execution.flow
        while self.execution.next_step < len(flow.steps):
            step = flow.steps[self.execution.next_step]
            if isinstance(step, WaitStep) and not self.execution.waiting:
                await self._wait(step)
                return "input_required"
            try:
                await (self._continue(step) if self.execution.waiting else self._step(step))
            except Exception as error:
                await self._fail(step.name, error)
                return "error"
        await self._complete()
        return "stop"

    async def _continue(self, step: Step) -> None:
        """Takes the input for the step that waits. Raises `Conflict` where somebody else did, while the lease
        was awaited."""
        stored = await self._flows.execution(self._organization, self.execution.id)
        if stored.version != self.execution.version or not stored.waiting:
            raise not_waiting()
        self._keep(step, self._given)
        self.execution = replace(self.execution, waiting=False)

    @property
    def _organization(self) -> str:
        return self._session.run.slot.organization

    async def _step(self, step: Step) -> None:
        at, total = self.execution.next_step, len(self.execution.flow.steps)
        session, began = self._session, time.monotonic()
        session.emit(events.flow_step_start(step.name, step.type, at, total))
        ok = False
        try:
            given = self._expressions.of_step(step, self.execution.payload())
            with emitting(Emitter(session.emit, {"step": step.name})):
                result = await self._steps.run(step, given)
            self._keep(step, result)
            ok = True
        finally:
            took = round((time.monotonic() - began) * 1000)
            session.emit(events.flow_step_complete(step.name, took, ok, at, total))

    def _keep(self, step: Step, result: Any) -> None:
        results = self.execution.results | {step.name: result}
        if len(orjson.dumps(results)) > RESULTS_BYTES:
            raise StepFailed(
                f"The results of all steps may have {RESULTS_BYTES // 1024} KB.", code="result_too_large"
            )
        self.execution = replace(self.execution, results=results, next_step=self.execution.next_step + 1)

    async def _wait(self, step: WaitStep) -> None:
        """Suspends: what was reached is stored first, so that whoever sees the end can continue."""
        await self._save(waiting=True)
        await self._end("waiting", "input_required", self.execution.to_wire())

    async def _complete(self) -> None:
        try:
            result = self._expressions.output(self.execution.payload())
        except StepFailed as error:
            return await self._fail("output", error)
        if self.execution.version:
            await self._save(waiting=False)
        text = result if isinstance(result, str) else orjson.dumps(result).decode()
        self._session.add("assistant", [{"text": text or " "}])
        self._session.answer[:] = [text]
        details = {"executionId": self.execution.id, "flow": self.execution.flow.name, "result": result}
        await self._end("completed", "stop", details)

    async def _save(self, *, waiting: bool) -> None:
        version = self.execution.version + 1
        self.execution = replace(self.execution, waiting=waiting, version=version)
        fence = self._session.lease_check()
        await self._flows.save(self._organization, self.execution, fence)

    async def _fail(self, step: str, error: Exception) -> None:
        """Ends the run with an error that names the step."""
        if isinstance(error, MillraceError):
            visibility = self._session.run.visibility
            details = error.message_for(visibility) if isinstance(error, StepFailed) else error.message
            last = events.error(f"Step {step}: {details}", error.code, error.retryable)
        else:
            log.error("step %s failed", step, exc_info=error)
            last = events.error(f"Step {step}: something went wrong inside it.", "internal", False)
        await self._session.end("failed", last | {"step": step, "executionId": self.execution.id})

    async def _end(self, state: RunState, reason: str, details: dict[str, Any]) -> None:
        await self._session.end(state, self._session.done(reason) | details)


def checked_input(given: Any) -> Any:
    """Return the posted input, if it is small enough to be kept. Raises `InvalidRequest`."""
    if len(orjson.dumps(given)) > INPUT_BYTES:
        raise InvalidRequest(
            f"The input of a flow may have {INPUT_BYTES // 1024} KB.", code="input_too_large"
        )
    return given
