"""A run's session: its work, and the ways to end it or send it to another process.

`done` waits for the log: the last event, the last messages and the run's final state are one transaction.
"""

import contextlib

from msgspec.structs import replace

from millrace.agent.output import Output
from millrace.agent.suspension import Suspended
from millrace.domain import events
from millrace.domain.clock import iso
from millrace.domain.event_ids import EventId
from millrace.domain.events import Event, LogEntry
from millrace.domain.runs import ANSWERED, LEASE_MS, Parked, Run, RunState
from millrace.errors import MillraceError, Unavailable
from millrace.services.runs.outcome import with_outcome
from millrace.services.runs.recover import forget_nested_work
from millrace.services.runs.run_events import deleted
from millrace.services.runs.run_work import RunWork
from millrace.stores.dynamo import TransactItem
from millrace.stores.event_log import encode
from millrace.stores.run_ends import LiveMessagesPending

HANDED_OVER_SECONDS = LEASE_MS / 1000
"""The time for another process to take over, before the sweep and viewers enqueue the run."""
_STATES: dict[Parked, RunState] = {"handed_over": "running", "queued": "queued", "waiting": "waiting"}


class RunSession(RunWork):
    """The control of a conversation's run (see `agent.control.RunControl`) and the owner of its lease."""

    async def may_end(self, reason: str, output: Output | None = None) -> bool:
        """End the run unless an accepted live message still waits. Return whether it has ended."""
        # The write requires this number: a live message accepted before it makes the write fail, and is
        # answered instead of being lost.
        accepted = self._live.drained
        while True:
            try:
                await self.end("completed", self.done(reason, output), accepted=accepted)
                return True
            except LiveMessagesPending as more:
                if await self._live.some_wait():
                    return False
                accepted = more.accepted  # withdrawn or expired, so there is nothing to wait for

    def done(self, reason: str, output: Output | None = None) -> Event:
        """Return the last event of a run that succeeds now, with an `output` if one was requested."""
        budget = self.budget
        times = self._duration_ms(), self.first_token_ms()
        last = events.done(self.run.message_id, budget.usage(), budget.cost, reason, *times)
        return last | {"output": output.value} if output else last

    async def stop(self, reason: str) -> None:
        """End the run on request or at a limit, whatever is pending, and keep its partial answer."""
        state: RunState = "stopped" if reason in ("stopped", "interrupted") else "completed"
        await self.end(state, self.done(reason))

    async def fail(self, message: str, code: str, retryable: bool) -> None:
        """End the run with an error."""
        await self.end("failed", events.error(message, code, retryable))

    async def cut_off(self) -> None:
        """End this process's part, because its conversation was deleted or another process took over the run.

        The client continues with that process when it reconnects. Nothing is written: the log is
        authoritative. The usage of a deleted run is published anyway, without any text.
        """
        if self.ended:
            return
        self.ended = True
        if await self._is_deleted():
            last = events.deleted()
            self.bus.ended(deleted(self._ended_run("stopped", last)), "")
            # Without a number, because the reserved ones are for events in the log.
            self.event_feed.put(encode(0, last))

    async def _is_deleted(self) -> bool:
        with contextlib.suppress(MillraceError):
            return await self._stores.deletions.is_deleted(self.run.slot.root(), for_good=True)
        return False

    async def fail_to_end(self, error: Exception) -> None:
        """End a run whose end the store did not accept.

        Rejected content is not sent again: messages and events are reduced in size. If the store does not
        answer, another process continues the run when its lease has expired, and the client reconnects.
        """
        if self.ended:
            return
        if self.continuable and isinstance(error, Unavailable):
            self.ended = True
            return
        last = events.error("The end of the answer could not be stored.", "not_stored", True)
        if not isinstance(error, Unavailable):
            self._writer.shorten()
            with contextlib.suppress(Exception):
                return await self.end("failed", last)
        self.ended = True
        self.event_feed.put(encode(0, last))

    async def suspend(self, suspended: Suspended) -> None:
        """Leave the run to another process at a step's boundary, or in the middle of a step if `abandoned`.

        The events of an abandoned step are revoked. Raises `LeaseLost` or `Stopping`.
        """
        run = replace(self.run, state=_STATES[suspended.reason])
        if suspended.reason == "waiting":
            self.lease.progress = replace(self.lease.progress, waiting_since=self._stores.clock())
        async with self._writer.lock:
            while not self._events.fits_one_write():
                await self._writer.write()
            await self._writer.save_ahead([])
            last = self._last_of(suspended)
            # The messages do not cover the events of an abandoned step, so the lease keeps its earlier mark.
            saved = (last[-1].seq if last else self._events.seq) if not self.abandoned else 0
            with self._events.closing():
                await self._writer.park(
                    run,
                    suspended.reason,
                    self._stores.clock() + round(1000 * (suspended.delay or HANDED_OVER_SECONDS)),
                    [*self._events.unlogged, *last],
                    saved=saved,
                    failed=self.abandoned and not self._writer.advanced,
                )
            self.ended, self.run = True, run
            self._writer.unsaved.clear()
            self._writer.asked.clear()
        # Sent only once it is stored, because a client that sees it may reconnect before the lease is parked.
        for event in last:
            self.event_feed.put(event)
        if run.state != "running":
            self.bus.add("run:status_changed", {"from": "running", "to": run.state}, urgent=True)
        # After parking, because a process that received the message earlier would find a holder.
        await self._enqueue(suspended)

    def _last_of(self, suspended: Suspended) -> list[LogEntry]:
        event = suspended.last
        if self.abandoned and self._events.seq > max(self.lease.saved, 1):
            event = events.rewind(str(EventId(self.run.id, max(self.lease.saved, 1))))
        return [encode(self._events.seq + 1, event)] if event else []

    async def _enqueue(self, suspended: Suspended) -> None:
        """Have another process continue the run. If this fails, the sweep finds it."""
        organization, run = self.run.slot.organization, self.run
        with contextlib.suppress(MillraceError):
            if suspended.reason == "waiting":
                await self._leave_limits()
                # The last answer enqueues the run, or the sweep does when its calls have expired. Answers
                # that arrived while other calls ran found the run active.
                if not await self._stores.approvals.some_wait(run.slot, run.id, self._stores.clock()):
                    await self._stores.run_queue.enqueue(organization, run.id, reason=ANSWERED)
                return
            await self._stores.run_queue.enqueue(organization, self.run.id, suspended.delay, suspended.reason)

    async def end(self, state: RunState, last: Event, *, accepted: int | None = None) -> None:
        """Write the last event, the messages and the run's final state in one transaction, then inform the
        client.

        For `accepted` see `RunEndStore.end`.
        """
        ending = accepted is None
        async with self._writer.lock:
            self._writer.forget_nested()
            closed = await self._closed_calls() if ending else []
            # The parts are written first and the visible end last, so that whoever sees the end finds the
            # whole answer.
            while not self._events.fits_one_write():
                await self._writer.write(ending=ending)
            await self._writer.save_ahead([], ending=ending)
            final = encode(self._events.seq + 1, last)
            run = replace(self._ended_run(state, last), last_seq=final.seq)
            with self._events.closing():
                batch = [*self._events.unlogged, final]
                messages = with_outcome(self._writer.unsaved, run, self._steps.pending())
                await self._writer.end(run, batch, messages, accepted, closed)
            self.ended, self.run = True, run
            self._writer.unsaved.clear()
        self.event_feed.put(final)
        self.bus.ended(run, "".join(self.answer))
        await self._leave_limits()
        if self.nests:
            await forget_nested_work(self._stores, run)

    async def _leave_limits(self) -> None:
        """Make room for another run. If this fails, the next run that is refused removes this one."""
        with contextlib.suppress(MillraceError):
            await self._stores.limits.leave(self.run)

    async def _closed_calls(self) -> list[TransactItem]:
        if not self.asks:
            return []
        return await self._stores.approvals.closings(self.run.slot, self.run.id)

    def _ended_run(self, state: RunState, last: Event) -> Run:
        shown = events.error_facts(last) if last["type"] == "error" else None
        return replace(
            self.run,
            state=state,
            ended_at=iso(self._stores.clock()),
            finish_reason=last.get("finishReason", "error"),
            usage=self.budget.usage(),
            cost=self.budget.cost,
            error=shown,
            duration_ms=last.get("durationMs", self._duration_ms()),
            first_token_ms=self.first_token_ms(),
        )
