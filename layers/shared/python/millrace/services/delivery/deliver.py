"""Delivers a job: sends its events, sends again later what did not arrive, stores as dead letters what never
will.

At least once: only when all of that is done may the message be deleted. A crash anywhere means that the whole
job comes again, with the same ids; destinations know repetitions by them, or marks are kept for those that do
not. Events that wait (an open circuit, no token, no time left) spend no attempt.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from millrace.destinations.results import (
    DELIVERED,
    THROTTLED,
    Dead,
    Delivered,
    DeliveryResult,
    Failure,
    Retry,
    SendReport,
    Wait,
    result_of_error,
)
from millrace.domain.circuit import Admission
from millrace.domain.clock import Clock
from millrace.domain.retries import MOST_SENDS, again_ms, wait_ms
from millrace.errors import is_transient
from millrace.pipelines.event import Event
from millrace.services.delivery.job import Job
from millrace.services.delivery.slots import JobSlots, RateLimits
from millrace.services.delivery.target import Target, Targets
from millrace.stores.dead_letters import DeadLetter, DeadLetterStore
from millrace.stores.delivery_state import DeliveryState, DestinationKey
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

LONGEST_WAIT_MS = 24 * 3600 * 1000
BUDGET_MS = 45_000
UNPROVEN_BUDGET_MS = 10_000
"""A request that was begun in this time may still take its own timeout. One round of that shows whether a
destination answers."""
UNPROVEN_LIMITED_MS = 2_000
"""With a rate limit: a job that waits for its slots proves nothing, and the others wait for it. So it makes
one request first, and goes on as others do when that has proven the destination."""
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
_EXPIRED = "Nothing could be sent to the destination for 24 hours, or in 2,000 tries."


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a job's events: `retried` and `waiting` come again. `attempts` were sent, of which
    `throttled` got the answer that there are too many. `behind_ms`: how long the job has waited for its
    turn at a rate limit; None where it did not."""

    delivered: list[Event] = field(default_factory=list)
    retried: int = 0
    waiting: int = 0
    dead: int = 0
    attempts: int = 0
    throttled: int = 0
    behind_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Deliverer:
    """`clock` gives epoch milliseconds, `chance` a number from 0 to 1 for jitter; `rate_limits` know the same
    clock."""

    targets: Targets
    state: DeliveryState
    dead_letters: DeadLetterStore
    queue: Queue
    clock: Clock
    rate_limits: RateLimits
    chance: Callable[[], float] = random.random
    in_place: dict[DestinationKey, asyncio.Event] = field(default_factory=dict)

    async def deliver(self, job: Job) -> Report:
        """Raises what AWS raises; the message has to come again then."""
        early = job.not_before - self.clock()
        if early > 0:
            await self._send(job, early)
            return Report(waiting=len(job.events))
        events = job.pipeline_events()
        try:
            target = await self.targets.of(job)
        except Exception as error:
            if is_transient(error):
                raise
            return await self._settle(job, events, SendReport([result_of_error(error)] * len(events)), None)
        sent = await self._attempt(job, target, events)
        return await self._settle(job, events, sent, target)

    async def _attempt(self, job: Job, target: Target, events: list[Event]) -> SendReport:
        """Sends what the circuit lets through; a probe is a single event."""
        admitted = await self.state.admit(target.destination_key)
        if admitted.proven:
            return await self._through(job, target, events, admitted, BUDGET_MS)
        if await self.state.enter(target.destination_key):
            return await self._in_place(job, target, events, admitted)
        if admitted.verdict == "probe":
            await self.state.unused(target.destination_key)
        else:
            await self._await_news(target)
            admitted = await self.state.admit(target.destination_key)
            if admitted.proven:
                return await self._through(job, target, events, admitted, BUDGET_MS)
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
            self.in_place.pop(target.destination_key, None)
            over.set()
            await self.state.leave(target.destination_key)

    async def _await_news(self, target: Target) -> None:
        """Wait for what others find out about a destination. With a rate limit every slot counts, and a job
        of this process that is about to find out holds the process anyway."""
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
        await self._update_circuit(target, admitted, sent, self.clock() - began - slots.waited)
        sent.results += [Wait(OUT_OF_TIME_MS)] * (len(events) - len(through))
        return sent

    async def _update_circuit(self, target: Target, admitted: Admission, sent: SendReport, took: int) -> None:
        """Tells the circuit how it went."""
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
        """Sends events, leaving out those that are marked as sent where the destination cannot tell."""
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
            await self.state.release(target.destination_key, event.id)

    async def _settle(
        self, job: Job, events: Sequence[Event], sent: SendReport, target: Target | None
    ) -> Report:
        """Stores dead letters first, then sends again what has to come again."""
        last = target is None or job.attempt >= target.config.retry_policy.max_retries
        expired = self.clock() - job.created_at >= LONGEST_WAIT_MS or job.sends >= MOST_SENDS
        results = [_final(result, last, expired) for result in sent.results]
        dead = [(n, result) for n, result in enumerate(results) if isinstance(result, Dead)]
        if dead:
            dead_letters = [self._dead_letter(job, events[n], result, target) for n, result in dead]
            await self.dead_letters.put(job.organization, dead_letters, self.clock())
        report = Report(
            delivered=[events[n] for n, result in enumerate(results) if isinstance(result, Delivered)],
            retried=await self._retry(job, results, target),
            waiting=await self._wait(job, results, sent),
            dead=len(dead),
            attempts=sum(not isinstance(result, Wait) for result in sent.results),
            throttled=sum(_is_throttled(result) for result in sent.results),
            behind_ms=self._behind(job, sent),
        )
        _log(job, report, [result.failure.code for _, result in dead])
        return report

    def _dead_letter(self, job: Job, event: Event, result: Dead, target: Target | None) -> DeadLetter:
        failure = target.written(result.failure) if target else result.failure
        return DeadLetter(
            pipeline_id=job.pipeline_id,
            place=f"destination:{job.destination}",
            definition_version=job.definition_version,
            event_id=event.id,
            at=min(event.ingested, job.created_at),  # a window that fired early is dated by its end
            code=failure.code,
            message=failure.message,
            attempts=job.attempt + 1,
            status=failure.status,
            body=failure.body,
            event=event.meta() | {"payload": event.payload, "ingested": event.ingested},
        )

    async def _retry(self, job: Job, results: list[DeliveryResult], target: Target | None) -> int:
        failed = {n: result.failure for n, result in enumerate(results) if isinstance(result, Retry)}
        if not failed or target is None:
            return 0
        asked = max((failure.retry_after or 0.0 for failure in failed.values()), default=0.0)
        backoff = target.config.retry_policy.backoff_ms
        wait = wait_ms(job.attempt, backoff, asked, self.chance())
        await self._again(job, list(failed), max(wait, again_ms(job.sends)), job.attempt + 1)
        return len(failed)

    async def _wait(self, job: Job, results: list[DeliveryResult], sent: SendReport) -> int:
        waits = {n: result.wait_ms for n, result in enumerate(results) if isinstance(result, Wait)}
        if waits and sent.limited:
            # The queue waits for whole seconds: come early, and wait for the turn in place.
            wait = max(waits.values()) // 1_000 * 1_000
            least = 0 if len(waits) < len(results) else again_ms(job.sends)
            await self._again(job, list(waits), max(wait, least), job.attempt)
        elif waits:
            # Not all at once when the circuit closes.
            wait = max(waits.values()) + int(self.chance() * 1_000)
            await self._again(job, list(waits), max(wait, again_ms(job.sends)), job.attempt)
        return len(waits)

    def _behind(self, job: Job, sent: SendReport) -> int | None:
        """Return the time between a job's creation and its slot."""
        if job.attempt or not sent.limited:
            return None
        wait = max(result.wait_ms for result in sent.results if isinstance(result, Wait))
        return self.clock() - job.created_at + wait

    async def _again(self, job: Job, positions: list[int], wait: int, attempt: int) -> None:
        later = job.model_copy(
            update={
                "events": [job.events[n] for n in positions],
                "attempt": attempt,
                "not_before": self.clock() + wait,
            }
        )
        await self._send(later, wait)

    async def _send(self, job: Job, wait: int) -> None:
        body = job.model_copy(update={"sends": job.sends + 1}).encode()
        await self.queue.send_one(body, wait, job.organization)


def _limited(sent: SendReport) -> SendReport:
    """Senders make events wait for nothing but their turn."""
    sent.limited = any(isinstance(result, Wait) for result in sent.results)
    return sent


def _final(result: DeliveryResult, last: bool, expired: bool) -> DeliveryResult:
    """Return the result, or one that gives up where no attempt or no time is left."""
    if isinstance(result, Retry) and (last or expired):
        return Dead(result.failure)
    if isinstance(result, Wait) and expired:
        return Dead(Failure("expired", _EXPIRED))
    return result


def _is_throttled(result: DeliveryResult) -> bool:
    return isinstance(result, Retry | Dead) and result.failure.code == THROTTLED


def _log(job: Job, report: Report, codes: list[str]) -> None:
    """Counts and codes only: payloads and answers are customers' own."""
    level = logging.WARNING if report.dead or report.retried else logging.INFO
    log.log(
        level,
        "delivered %d, retried %d, waiting %d, dead %d %s",
        len(report.delivered),
        report.retried,
        report.waiting,
        report.dead,
        sorted(set(codes)) or "",
        extra={
            "destination": job.destination,
            "attempt": job.attempt,
        },
    )
