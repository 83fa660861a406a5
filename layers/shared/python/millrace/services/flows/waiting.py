"""Steps of flows that wait for a person, with the same calls as agents."""

from typing import Any

from msgspec import Struct

from millrace.agent.suspension import Suspended
from millrace.domain.approvals import OWNER, WaitingCall
from millrace.domain.flows import StepAnswer, WaitStep
from millrace.services.runs.asking import answered, expire, requested
from millrace.services.runs.run_session import RunSession
from millrace.stores.connect import Stores


class Refused(Exception):
    """A person has rejected the step, or nobody has answered in time."""

    def __init__(self, answer: StepAnswer) -> None:
        super().__init__(answer.step)
        self.answer = answer


class StepWaiting(Struct, frozen=True):
    """The waiting steps of one run.

    A step's name is the id of its call. `longest` is the maximum wait in seconds.
    """

    stores: Stores
    session: RunSession
    longest: int

    async def answer(self, step: WaitStep) -> tuple[StepAnswer, Any]:
        """Return the answer to a step, and the step's result.

        Raises `Suspended` while there is no answer, and `Refused`.
        """
        run = self.session.run
        stored = {call.call_id: call for call in await self.stores.approvals.of_run(run.slot, run.id)}
        call = stored.get(step.name)
        if call is None:
            call = self._call(step)
            self.session.emit(requested(call))
            self.session.ask(call)
            raise Suspended.until_answered([call], self.stores.clock())
        if call.answer is None and call.expires_ms <= self.stores.clock():
            call = await expire(self.stores, call)
        answer = call.answer
        if answer is None:
            raise Suspended.until_answered([call], self.stores.clock())
        self.session.note_step(requested(call))
        self.session.bus.note_request(call.call_id, call.requested_ms)
        self.session.emit(answered(call))
        reported = StepAnswer(step.name, answer.decision, answer.by, answer.at, answer.reason)
        if answer.decision == "reject":
            raise Refused(reported)
        return reported, True if answer.decision == "approve" else answer.content

    def _call(self, step: WaitStep) -> WaitingCall:
        return WaitingCall.of(
            self.session.run,
            self.stores.clock(),
            step.name,
            "input",
            step.name,
            min(step.expires or self.longest, self.longest),
            prompt=step.prompt,
            options=step.choices or [],
            schema=step.answer_schema,
            approvers=step.approvers or OWNER,
        )
