"""Executions of an organization's flows: answer, cancel, read, list."""

import asyncio
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.approvals import GivenAnswer
from millrace.domain.conversations import Slot
from millrace.domain.flows import Execution
from millrace.domain.ids import valid_id
from millrace.domain.runs import Run
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.services.runs.access import authorize
from millrace.services.runs.answers import answer_call
from millrace.services.runs.platform import Platform
from millrace.services.runs.stop import stop_run
from millrace.stores.flows import FlowStore, not_waiting, unknown_execution


class FlowExecutions(Struct, frozen=True):
    """The executions of flows, and the operations on them."""

    platform: Platform
    store: FlowStore

    async def answer(
        self, caller: Principal, name: str, execution_id: str, step: str | None, given: GivenAnswer
    ) -> tuple[Run, int]:
        """Answer the waiting step (`step`, if given).

        Return the run, and the number of the event after which it continues. Raises `NotFound`, and errors as
        `answer_call` does.
        """
        stores = self.platform.stores
        execution = await self._execution(caller, execution_id)
        if execution.flow.name != name:
            raise InvalidRequest(
                f"This execution belongs to the flow {execution.flow.name!r}.", code="other_flow"
            )
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
        """Return the name of the next step of an execution. Raises `NotFound`."""
        execution = await self.store.execution(organization, execution_id)
        names = [step.name for step in execution.flow.steps]
        return [*names, "output"][execution.next_step]

    async def _execution(self, caller: Principal, execution_id: str) -> Execution:
        if not valid_id(execution_id):
            raise unknown_execution()
        return await self.store.execution(caller.organization, execution_id)

    async def _execution_of(self, caller: Principal, name: str, execution_id: str) -> Execution:
        """Return an execution of this flow; ids of other conversations are unknown. Raises `NotFound`."""
        execution = await self._execution(caller, execution_id)
        if execution.flow.name != name:
            raise unknown_execution()
        return execution

    async def _check_reads(self, caller: Principal, slot: Slot) -> None:
        """Raise `NotFound` if the caller may not know of an execution.

        Like its conversation, it belongs to the user who started it.
        """
        try:
            await authorize(self.platform.stores, caller, slot, "read")
        except NotFound as error:
            raise unknown_execution() from error

    async def cancel(self, caller: Principal, name: str, execution_id: str) -> str:
        """Stop an execution, even one that waits, and return the id of its run.

        Raises `NotFound`, `Forbidden`, and `Conflict` if it has ended.
        """
        await self._execution_of(caller, name, execution_id)
        slot = Slot(caller.organization, execution_id)
        try:
            await authorize(self.platform.stores, caller, slot, "write")
        except NotFound as error:
            raise unknown_execution() from error
        stopped = await stop_run(self.platform.stores, slot, "stopped")
        if stopped is None:
            raise Conflict("This execution has ended.", code="not_active")
        return stopped

    async def read(self, caller: Principal, name: str, execution_id: str) -> dict[str, Any]:
        """Return an execution as JSON.

        The results of its steps are included only if its agents show everything. Raises `NotFound`.
        """
        found = await self._execution_of(caller, name, execution_id)
        await self._check_reads(caller, Slot(caller.organization, execution_id))
        return await self._to_public(caller, found, whole=True)

    async def page(
        self, caller: Principal, name: str, after: str, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of a flow's executions, latest first: the caller's own, or all for observers.

        A page may be short although more follow. Raises `NotFound` for an unknown flow without executions.
        """
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
    """Describe the waiting step, from its call or from the event about it."""
    path = call.get("path") or [call]
    return {
        "step": path[0].get("step", call["name"]),
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
