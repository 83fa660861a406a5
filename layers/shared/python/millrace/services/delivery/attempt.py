"""One attempt at a job, as far as the circuit and the rate limit allow. The circuit gets the result."""

import asyncio
import contextlib

from msgspec import Struct, field

from millrace.destinations.results import (
    DELIVERED,
    Dead,
    Delivered,
    DeliveryResult,
    Failure,
    SendReport,
    Wait,
)
from millrace.domain.circuit import Admission
from millrace.domain.clock import Clock
from millrace.pipelines.event import Event
from millrace.services.delivery.job import Job
from millrace.services.delivery.slots import JobSlots, RateLimits
from millrace.services.delivery.target import Target
from millrace.stores.delivery_state import DeliveryState, DestinationKey

BUDGET_MS = 45_000
UNPROVEN_BUDGET_MS = 10_000
"""A request that starts within this time may still use its whole timeout.

One such round shows whether a destination answers.
"""
UNPROVEN_LIMITED_MS = 2_000
"""The same with a rate limit.

A job that waits for slots proves nothing, and others wait for it. So it makes one request first, and
continues normally once that has proven the destination.
"""
HANG_MS = 5_000
CROWDED_MS = 1_000
CROWDED_SECONDS = 0.3
LONGEST_CROWDED_MS = 20_000
OUT_OF_TIME_MS = 1_000
BUSY_MS = 5_000
_DISABLED = Failure(
    "destination_disabled",
    "The destination is disabled. Correct it, or enable it again, then redrive.",
)


class Attempts(Struct, frozen=True):
    """The state that the jobs of a process share.

    `clock` returns epoch milliseconds, as for `rate_limits`. `in_place` has the destinations that a job of
    this process is probing.
    """

    state: DeliveryState
    rate_limits: RateLimits
    clock: Clock
    in_place: dict[DestinationKey, asyncio.Event] = field(default_factory=dict)

    async def attempt(self, job: Job, target: Target, events: list[Event]) -> SendReport:
        """Send the events that the circuit lets through. A probe is a single event."""
        admitted = await self.state.admit(target.destination_key)
        if admitted.proven:
            return await self._through(job, target, events, admitted, BUDGET_MS)
        if await self.state.enter(target.destination_key):
            return await self._in_place(job, target, events, admitted)
        # Only the holder of a probe ends it early. Otherwise it would block the circuit for another minute.
        if admitted.verdict == "probe":
            await self.state.unused(target.destination_key)
        else:
            await self._await_news(target)
            admitted = await self.state.admit(target.destination_key)
            if admitted.proven:
                return await self._through(job, target, events, admitted, BUDGET_MS)
        # The more often a job was turned away, the longer it stays away, so that a crowd costs few receives.
        crowded = min(CROWDED_MS * (1 + 3 * job.sends), LONGEST_CROWDED_MS)
        return SendReport([Wait(crowded)] * len(events))

    async def _in_place(
        self, job: Job, target: Target, events: list[Event], admitted: Admission
    ) -> SendReport:
        if not target.rate:
            return await self._through_in_place(job, target, events, admitted, UNPROVEN_BUDGET_MS)
        sent = await self._through_in_place(job, target, events, admitted, UNPROVEN_LIMITED_MS, requests=1)
        if (rest := sent.waiting) and sent.succeeded and not sent.gone:
            go = Admission("go")
            sent.replace(rest, await self._through(job, target, [events[n] for n in rest], go, BUDGET_MS))
        return sent

    async def _through_in_place(
        self,
        job: Job,
        target: Target,
        events: list[Event],
        admitted: Admission,
        budget: int,
        requests: int | None = None,
    ) -> SendReport:
        over = self.in_place.setdefault(target.destination_key, asyncio.Event())
        try:
            return await self._through(job, target, events, admitted, budget, requests)
        finally:
            # Also after an error: other processes share the slot and would wait a minute for it.
            self.in_place.pop(target.destination_key, None)
            over.set()
            await self.state.leave(target.destination_key)

    async def _await_news(self, target: Target) -> None:
        """Wait for the result of others that probe a destination.

        With a rate limit every slot counts, and a job of this process that is about to probe occupies the
        process anyway.
        """
        over = self.in_place.get(target.destination_key) if target.rate else None
        if over is None:
            await asyncio.sleep(CROWDED_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), UNPROVEN_LIMITED_MS / 1000)

    async def _through(
        self,
        job: Job,
        target: Target,
        events: list[Event],
        admitted: Admission,
        budget: int,
        requests: int | None = None,
    ) -> SendReport:
        if admitted.verdict == "wait":
            return SendReport([Wait(admitted.wait_ms)] * len(events))
        if admitted.verdict == "disabled":
            return SendReport([Dead(_DISABLED)] * len(events))
        through = events[:1] if admitted.verdict == "probe" else events
        slots = self.rate_limits.of(target.destination_key, target.rate, budget, not job.sends, requests)
        began = self.clock()
        try:
            sent = await self._send_once(target, through, slots)
        finally:
            slots.over()
        # Waiting for slots is our own doing and must not make a rate-limited destination look hung.
        await self._update_circuit(target, admitted, sent, self.clock() - began - slots.waited)
        sent.results += [Wait(OUT_OF_TIME_MS)] * (len(events) - len(through))
        return sent

    async def _update_circuit(self, target: Target, admitted: Admission, sent: SendReport, took: int) -> None:
        """Report the result to the circuit."""
        hung = took >= HANG_MS and sent.failed > 0 and not sent.succeeded
        if sent.gone:
            await self.state.disable(target.destination_key, target.reason(sent))
        elif admitted.verdict != "probe":
            await self.state.count(
                target.destination_key, sent.succeeded, sent.failed, target.reason(sent), hung
            )
        elif sent.succeeded + sent.failed:
            await self.state.probed(target.destination_key, not sent.failed, target.reason(sent))
        else:
            await self.state.unused(target.destination_key)

    async def _send_once(self, target: Target, events: list[Event], slots: JobSlots) -> SendReport:
        """Send events. If the destination cannot detect duplicates, leave out those marked as sent."""
        if target.repeatable:
            return _limited(await target.send(events, slots))
        claims = await asyncio.gather(
            *(self.state.claim(target.destination_key, event.id) for event in events)
        )
        mine = [n for n, claim in enumerate(claims) if claim == "claimed"]
        sent = _limited(await target.send([events[n] for n in mine], slots))
        await asyncio.gather(
            *(self._mark(target, events[n], result) for n, result in zip(mine, sent.results, strict=True))
        )
        results: list[DeliveryResult] = [DELIVERED if claim == "sent" else Wait(BUSY_MS) for claim in claims]
        for n, result in zip(mine, sent.results, strict=True):
            results[n] = result
        sent.results = results
        return sent

    async def _mark(self, target: Target, event: Event, result: DeliveryResult) -> None:
        if isinstance(result, Delivered):
            await self.state.sent(target.destination_key, event.id)
        else:
            # Otherwise a retry would meet its own claim, which lasts two minutes.
            await self.state.release(target.destination_key, event.id)


def _limited(sent: SendReport) -> SendReport:
    """Mark a report as limited if events wait. Senders make events wait only for slots."""
    sent.limited = any(isinstance(result, Wait) for result in sent.results)
    return sent
