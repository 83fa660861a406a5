"""Runs of flows: runs like any other (lease, log, limits, stop) whose work is a list of steps.

A flow takes the place of an agent's loop in `execute`. Its progress is stored after each step together with
the log, so another process can continue with the next one. An interrupted step runs again if it may be
repeated. Otherwise its outcome is unknown, and the flow fails.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec.structs import replace

from millrace.agent.emitter import Emitter, emitting
from millrace.agent.suspension import Interrupted, Suspended
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.conversations import StoredMessage
from millrace.domain.flows import INPUT_BYTES, RESULTS_BYTES, EndStep, Execution, Flow, Step, WaitStep
from millrace.domain.runs import RunState
from millrace.errors import InvalidRequest, MillraceError, Unavailable
from millrace.services.flows.calls import StepFailed
from millrace.services.flows.steps import Expressions, Steps, flow_agents
from millrace.services.flows.waiting import Refused, StepWaiting
from millrace.services.runs.agent_run import CutShort
from millrace.services.runs.run_session import RunSession
from millrace.stores.flows import FlowStore
from millrace.stores.lease_record import LeaseLost, Stopping

log = logging.getLogger(__name__)


def flow_agent(flow: Flow) -> Agent:
    """Return the agent of a flow's runs, with the flow's name and limits."""
    return Agent(id=flow.agent_id, name=flow.name, limits=flow.limits)


class FlowLoop:
    """The work of one run, from the execution's next step to its end.

    `resumed` means that another process has run it before.
    """

    def __init__(
        self,
        session: RunSession,
        steps: Steps,
        flows: FlowStore,
        waiting: StepWaiting,
        execution_id: str,
        execution: Execution | None,
        agent: Agent,
    ) -> None:
        self.agent = agent
        self._session = session
        self._steps = steps
        self._flows = flows
        self._waiting = waiting
        self._execution_id = execution_id
        self._resumed = execution is None
        self._maybe_begun = ""
        if execution is not None:
            self._load(execution)

    def _load(self, execution: Execution) -> None:
        self.execution = execution
        self._maybe_begun = execution.begun
        self._expressions = Expressions(execution.flow)
        self._steps.run_context.agents.take_along(flow_agents(execution.flow))

    async def run(self, history: Sequence[StoredMessage]) -> str:
        """Run the steps and end the run; see `AgentLoop.run`. A failed step ends it immediately."""
        if self._resumed:
            self._load(await self._flows.execution(self._organization, self._execution_id))
        steps = self.execution.flow.steps
        while self.execution.next_step < len(steps):
            step = steps[self.execution.next_step]
            try:
                ended = await self._next(step)
            # These concern the run, not the step: `execute` hands it over, stops it, or leaves it to another
            # process.
            except (Suspended, Interrupted, LeaseLost, Stopping, Unavailable):
                raise
            except Refused as error:
                return await self._refuse(error)
            except CutShort as short:
                await self._end("stopped" if short.reason == "stopped" else "completed", short.reason, None)
                return short.reason
            except Exception as error:
                await self._fail(step.name, error)
                return "error"
            if ended:
                return "stop"
        await self._complete(self._expressions.output)
        return "stop"

    @property
    def _organization(self) -> str:
        return self._session.run.slot.organization

    async def _next(self, step: Step) -> bool:
        """Do one step. Return True if the flow has ended with it."""
        self._session.check_time()
        if not self._expressions.applies(step, self.execution.payload()):
            at, total = self.execution.next_step, len(self.execution.flow.steps)
            self._session.emit(events.flow_step_skipped(step.name, at, total))
            await self._reached(step, None)
        elif isinstance(step, WaitStep):
            answer, content = await self._waiting.answer(step)
            self.execution = replace(self.execution, answers=[*self.execution.answers, answer])
            await self._reached(step, content)
        elif isinstance(step, EndStep):
            await self._complete(lambda payload: self._expressions.of_step(step, payload))
            return True
        else:
            await self._begin(step)
            await self._step(step)
        return False

    async def _begin(self, step: Step) -> None:
        """Record the beginning of a step that must not run twice.

        Raises `StepFailed` for a step that another process had begun.
        """
        if self._maybe_begun == step.name:
            raise StepFailed(
                "It was interrupted, and it is not known whether it took effect. It was not run again.",
                code="outcome_unknown",
            )
        # Only the first step of a process can have been begun by another one.
        self._maybe_begun = ""
        if not await self._steps.may_repeat(step):
            self.execution = replace(self.execution, begun=step.name)
            await self._store()

    async def _step(self, step: Step) -> None:
        at, total = self.execution.next_step, len(self.execution.flow.steps)
        session, began = self._session, time.monotonic()
        if not self._steps.under_way(step):
            session.emit(events.flow_step_start(step.name, step.type, at, total))

        def complete(ok: bool) -> None:
            took = round((time.monotonic() - began) * 1000)
            session.emit(events.flow_step_complete(step.name, took, ok, at, total))

        try:
            result = await self._work(step)
        except (Suspended, Interrupted):
            raise
        except BaseException:
            complete(False)
            raise
        complete(True)
        await self._reached(step, result)

    async def _work(self, step: Step) -> Any:
        given = self._expressions.of_step(step, self.execution.payload())
        with emitting(Emitter(self._session.emit, {"step": step.name})):
            result = await self._steps.run(step, given)
        self._check_size(step, result)
        return result

    def _check_size(self, step: Step, result: Any) -> None:
        if len(orjson.dumps(self.execution.results | {step.name: result})) > RESULTS_BYTES:
            raise StepFailed(
                f"The results of all steps must not exceed {RESULTS_BYTES // 1024} KB.",
                code="result_too_large",
            )

    async def _reached(self, step: Step, result: Any) -> None:
        self._check_size(step, result)
        self.execution = self.execution.reached(step.name, result)
        await self._store()

    async def _store(self) -> None:
        await self._session.store_work(
            self._flows.put(self._organization, self.execution, self._waiting.longest)
        )

    # --- the end -----------------------------------------------------------------------------------

    async def _complete(self, output: Any) -> None:
        try:
            result = output(self.execution.payload())
        except StepFailed as error:
            return await self._fail("output", error)
        text = result if isinstance(result, str) else orjson.dumps(result).decode()
        self._session.add("assistant", [{"text": text or " "}])
        # Its agents have said other things before. The result on the bus is the flow's.
        self._session.answer[:] = [text]
        await self._end("completed", "stop", result)

    async def _refuse(self, refused: Refused) -> str:
        """End the flow at a rejected step, without running any further ones."""
        self.execution = replace(self.execution, answers=[*self.execution.answers, refused.answer])
        await self._store()
        reason = "rejected" if refused.answer.by else "expired"
        await self._end("stopped", reason, None)
        return reason

    async def _fail(self, step: str, error: Exception) -> None:
        """End the run with an error that names the step."""
        if isinstance(error, MillraceError):
            visibility = self._session.run.visibility
            reason = error.message_for(visibility) if isinstance(error, StepFailed) else error.message
            last = events.error(f"Step {step}: {reason}", error.code, error.retryable)
        else:
            log.error("step %s failed", step, exc_info=error)
            last = events.error(f"Step {step}: something went wrong inside it.", "internal", False)
        await self._session.end("failed", last | {"step": step, "executionId": self._execution_id})

    async def _end(self, state: RunState, reason: str, result: Any) -> None:
        facts = {
            "executionId": self._execution_id,
            "flow": self.execution.flow.name,
            "result": result,
            "answers": [answer.to_wire() for answer in self.execution.answers],
        }
        await self._session.end(state, self._session.done(reason) | facts)


def checked_input(given: Any) -> Any:
    """Return the input, if it is small enough to store. Raises `InvalidRequest`."""
    if len(orjson.dumps(given)) > INPUT_BYTES:
        raise InvalidRequest(
            f"The input of a flow must not exceed {INPUT_BYTES // 1024} KB.", code="input_too_large"
        )
    return given
