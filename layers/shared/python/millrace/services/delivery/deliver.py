"""Deliver jobs: send events, retry those that failed, and store as dead letters those that never succeed.

Delivery is at least once: the message may be deleted only when all of that is done. After a crash the whole
job is repeated with the same ids. Destinations detect duplicates by these ids, or markers are kept for those
that cannot. Events that wait (for an open circuit, a slot or time) use up no attempt.
"""

import logging
import random
from collections.abc import Callable, Sequence

from msgspec import Struct, field, structs

from millrace.destinations.results import (
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
from millrace.domain.clock import Clock
from millrace.domain.retries import MOST_SENDS, again_ms, wait_ms
from millrace.errors import is_transient
from millrace.pipelines.event import Event
from millrace.services.delivery.attempt import Attempts
from millrace.services.delivery.job import Job
from millrace.services.delivery.target import Target, Targets
from millrace.stores.dead_letters import DeadLetter, DeadLetterStore
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

LONGEST_WAIT_MS = 24 * 3600 * 1000
_EXPIRED = "Nothing could be sent to the destination for 24 hours or 2,000 attempts."


class Report(Struct, frozen=True):
    """The results of a job's events.

    Events `retried` and `waiting` are sent again. `attempts` is the number of events sent, of which
    `throttled` were refused as too many. `behind_ms` is how long the job has waited for a slot of the rate
    limit, or None if it did not.
    """

    delivered: list[Event] = field(default_factory=list)
    retried: int = 0
    waiting: int = 0
    dead: int = 0
    attempts: int = 0
    throttled: int = 0
    behind_ms: int | None = None


class Deliverer(Struct, frozen=True):
    """Delivers jobs.

    `clock` returns epoch milliseconds, and `chance` a number from 0 to 1 for jitter. `attempts` uses the same
    clock.
    """

    targets: Targets
    attempts: Attempts
    dead_letters: DeadLetterStore
    queue: Queue
    clock: Clock
    chance: Callable[[], float] = random.random

    async def deliver(self, job: Job) -> Report:
        """Deliver a job. Raises AWS errors, after which the message has to be received again."""
        early = job.not_before - self.clock()
        # SQS delays a message by at most 15 minutes, so a longer wait takes several rounds through the queue.
        if early > 0:
            await self._send(job, early)
            return Report(waiting=len(job.events))
        events = job.pipeline_events()
        try:
            target = await self.targets.of(job)
        except Exception as error:
            # A failing store says nothing about the events, whereas an invalid definition stays invalid.
            if is_transient(error):
                raise
            return await self._settle(job, events, SendReport([result_of_error(error)] * len(events)), None)
        sent = await self.attempts.attempt(job, target, events)
        return await self._settle(job, events, sent, target)

    async def _settle(
        self, job: Job, events: Sequence[Event], sent: SendReport, target: Target | None
    ) -> Report:
        """Store dead letters first, then enqueue what has to be sent again."""
        # Without a target there is no retry policy, so every failure is final.
        last = target is None or job.attempt >= target.config.retry_policy.max_retries
        expired = self.clock() - job.created_at >= LONGEST_WAIT_MS or job.sends >= MOST_SENDS
        results = [_final(result, last, expired) for result in sent.results]
        dead = [(n, result) for n, result in enumerate(results) if isinstance(result, Dead)]
        # If storing them fails, the whole job is repeated, and retries enqueued before are sent twice.
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
            event=event.meta()
            | {"payload": event.payload, "ingested": event.ingested}
            # A redrive continues the count, because otherwise a loop would be endless.
            | ({"hops": event.hops} if event.hops else {}),
        )

    async def _retry(self, job: Job, results: list[DeliveryResult], target: Target | None) -> int:
        failed = {n: result.failure for n, result in enumerate(results) if isinstance(result, Retry)}
        if not failed or target is None:
            return 0
        # Retries of a job share one message, so the longest wait that the server requested applies to all.
        asked = max((failure.retry_after or 0.0 for failure in failed.values()), default=0.0)
        backoff = target.config.retry_policy.backoff_ms
        wait = wait_ms(job.attempt, backoff, asked, self.chance())
        await self._again(job, list(failed), max(wait, again_ms(job.sends)), job.attempt + 1)
        return len(failed)

    async def _wait(self, job: Job, results: list[DeliveryResult], sent: SendReport) -> int:
        waits = {n: result.wait_ms for n, result in enumerate(results) if isinstance(result, Wait)}
        if waits and sent.limited:
            # The queue delays by whole seconds, so return early and wait for the slot here.
            wait = max(waits.values()) // 1_000 * 1_000
            least = 0 if len(waits) < len(results) else again_ms(job.sends)
            await self._again(job, list(waits), max(wait, least), job.attempt)
        elif waits:
            # Spread them, so that not all are sent at once when the circuit closes.
            wait = max(waits.values()) + int(self.chance() * 1_000)
            await self._again(job, list(waits), max(wait, again_ms(job.sends)), job.attempt)
        return len(waits)

    def _behind(self, job: Job, sent: SendReport) -> int | None:
        """Return the time between a job's creation and its slot."""
        # The age of a retry results from failures and backoff, which are not the rate limit's fault.
        if job.attempt or not sent.limited:
            return None
        wait = max(result.wait_ms for result in sent.results if isinstance(result, Wait))
        return self.clock() - job.created_at + wait

    async def _again(self, job: Job, positions: list[int], wait: int, attempt: int) -> None:
        later = structs.replace(
            job,
            events=[job.events[n] for n in positions],
            attempt=attempt,
            not_before=self.clock() + wait,
        )
        await self._send(later, wait)

    async def _send(self, job: Job, wait: int) -> None:
        body = structs.replace(job, sends=job.sends + 1).encode()
        await self.queue.send_one(body, wait, job.organization)


def _final(result: DeliveryResult, last: bool, expired: bool) -> DeliveryResult:
    """Return the result, or a final failure if no attempt or no time is left."""
    if isinstance(result, Retry) and (last or expired):
        return Dead(result.failure)
    if isinstance(result, Wait) and expired:
        return Dead(Failure("expired", _EXPIRED))
    return result


def _is_throttled(result: DeliveryResult) -> bool:
    return isinstance(result, Retry | Dead) and result.failure.code == THROTTLED


def _log(job: Job, report: Report, codes: list[str]) -> None:
    """Log only counts and codes, because payloads and answers belong to customers."""
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
