"""Events to an HTTP destination: encoded, packed into requests, sent a few at a time, and their answers
read."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from millrace.destinations.results import (
    THROTTLED,
    Dead,
    DeliveryResult,
    Retry,
    SendReport,
    Unsendable,
    Wait,
    result_of_error,
)
from millrace.destinations.wire import (
    Answer,
    EncodedEvent,
    HttpDestination,
    Request,
    RequestLimits,
    Verdict,
    by_status,
    failure_of,
)
from millrace.domain.portions import portions
from millrace.pipelines.event import Event

log = logging.getLogger(__name__)

AT_ONCE = 8

Post = Callable[[Request], Awaitable[Answer]]


class WaitForSlot(Protocol):
    """Called before every request, with the number of requests not yet begun.

    It waits if its slot is near. Returns 0 to continue, or the milliseconds to stay away.
    """

    async def __call__(self, behind: int = 0) -> int: ...


class HttpSender:
    """Sends events to one destination. `now` returns the time of sending in epoch milliseconds."""

    def __init__(self, destination: HttpDestination, post: Post, now: Callable[[], int]) -> None:
        self._destination = destination
        self._post = post
        self._now = now

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        """Return a result for each event. Never raises for errors of an event, the network or the server."""
        job = _Job(self._destination, events)
        await asyncio.gather(*(self._work(job, wait_for_slot) for _ in range(min(AT_ONCE, len(job.waiting)))))
        results = [job.results[n] for n in range(len(events))]
        return SendReport(results, job.succeeded, job.failed, job.gone is not None)

    async def _work(self, job: "_Job", wait_for_slot: WaitForSlot) -> None:
        while job.waiting:
            part = job.waiting.popleft()
            wait = 0 if job.gone else await wait_for_slot(len(job.waiting))
            # Another worker may have received a 410 while this one waited for its slot.
            if job.gone:
                job.settle(part, job.gone)
            elif wait:
                job.settle(part, Wait(wait))
                # Other requests would be sent away as well, at the price of a write each.
                job.settle_rest(Wait(wait))
            else:
                await self._send_part(job, part)

    async def _send_part(self, job: "_Job", part: list[int]) -> None:
        items = [job.items[n] for n in part]
        try:
            request = self._destination.request(items, self._now())
        except Exception as error:
            self._refuse(job, part, error)
            return
        try:
            answer = await self._post(request)
        except Exception as error:
            result = result_of_error(error)
            job.failed += isinstance(result, Retry)
            job.settle(part, result)
        else:
            job.read(part, answer, items)

    def _refuse(self, job: "_Job", part: list[int], error: Exception) -> None:
        """Handle events for which no request can be created.

        Events that are at fault by themselves end here, and the others continue together. If none is, all of
        them end.
        """
        wrong = {n: result for n in part if (result := self._fault(job.items[n]))} if len(part) > 1 else {}
        job.results |= wrong
        rest = [n for n in part if n not in wrong]
        if wrong and rest:
            job.waiting.appendleft(rest)
        elif rest:
            job.settle(rest, result_of_error(error))

    def _fault(self, item: EncodedEvent) -> DeliveryResult | None:
        try:
            self._destination.request([item], self._now())
        except Exception as error:
            return result_of_error(error)
        return None


class _Job:
    """The events of one call. `waiting` are groups of their positions, and `results` those known so far."""

    def __init__(self, destination: HttpDestination, events: Sequence[Event]) -> None:
        self._destination = destination
        self.items: dict[int, EncodedEvent] = {}
        self.results: dict[int, DeliveryResult] = {}
        self.succeeded = 0
        self.failed = 0
        self.gone: Dead | None = None
        for position, event in enumerate(events):
            self._encode(position, event)
        self.waiting = deque(pack(self.items, destination.limits))

    def _encode(self, position: int, event: Event) -> None:
        limit = self._destination.limits.event
        try:
            content = self._destination.encode(event)
            if len(content) > limit:
                raise Unsendable("too_large", f"The event has {len(content):,} bytes; {limit:,} are allowed.")
        except Exception as error:
            self.results[position] = result_of_error(error)
        else:
            self.items[position] = EncodedEvent(event, content)

    def settle(self, part: list[int], result: DeliveryResult) -> None:
        self.results |= dict.fromkeys(part, result)

    def settle_rest(self, result: DeliveryResult) -> None:
        """Set the result of everything that is not in progress."""
        while self.waiting:
            self.settle(self.waiting.popleft(), result)

    def read(self, part: list[int], answer: Answer, items: list[EncodedEvent]) -> None:
        """Apply an answer. A destination that throttles or rejects an event is available."""
        verdict = self._verdict(answer, items)
        if answer.status == 410:
            self.gone = Dead(failure_of(answer))
        failed = [result for result in verdict.results.values() if isinstance(result, Retry)]
        if not failed:
            self.succeeded += 1
        elif failed[0].failure.code != THROTTLED:
            self.failed += 1
        self.results |= {part[n]: result for n, result in verdict.results.items()}
        self.waiting.extend([part[n] for n in group] for group in verdict.again)

    def _verdict(self, answer: Answer, items: list[EncodedEvent]) -> Verdict:
        """Return the meaning of an answer. One that cannot be parsed counts by its status."""
        try:
            return self._destination.read(answer, items)
        except Exception as error:
            log.error("an answer could not be parsed: %s", type(error).__name__)
            return by_status(answer, items)


def pack(items: dict[int, EncodedEvent], limits: RequestLimits) -> Iterator[list[int]]:
    """Yield groups of positions within the limits, counting two bytes for the separator of events."""
    return portions(items, lambda position: len(items[position].content) + 2, limits.content, limits.events)
