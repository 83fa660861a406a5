"""The engine with its resources. It runs in a thread, because the engine and its store block.

Everything leaves before the caller acknowledges the input: outputs to the delivery queue, dead letters to
their table, timers to their queue. What is repeated after a crash leaves again with the same ids.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from millrace.domain.pipelines import Address
from millrace.errors import is_transient
from millrace.pipelines.errors import EvaluationError, unexpected
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.compiler import Scalar
from millrace.pipelines.outcome import Change, FailedEvent, Outcome
from millrace.pipelines.state.store import Key
from millrace.pipelines.together import items_of
from millrace.pipelines.transform import fire, keep, resume, transform, transform_all
from millrace.pipelines.work import Unfinished, Work
from millrace.services.delivery.job import Job, jobs_of
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_record
from millrace.services.pipelines.meter import Counts, new_counts
from millrace.services.pipelines.plans import CompiledPipeline
from millrace.services.pipelines.processing.timer_batch import Timers
from millrace.stores.dead_letters import DeadLetter


class EnginePass:
    """A pass of events through a version of a pipeline, and the outbox that the engine writes to.

    `lag` is the delay of the queue (ms). `counters` are for the metrics.
    """

    def __init__(
        self,
        context: PipelineContext,
        compiled: CompiledPipeline,
        loop: asyncio.AbstractEventLoop,
        lag: int = 0,
        backfill: bool = False,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._context = context
        self._compiled = compiled
        self._loop = loop
        self._lag = lag
        self._backfill = backfill
        self._now = context.clock()
        self._timers = Timers(context.timers, self._now)

    @property
    def address(self) -> Address:
        return self._compiled.organization, self._compiled.pipeline_id

    def process(self, events: list[Event], start: int = 0, ends: float = math.inf) -> None:
        """Process events from the step `start` on, until `ends` (by the monotonic clock).

        Raises `Unavailable`, after which the call has to be repeated, and `Unfinished` with the remaining
        events.
        """
        plan, store = self._compiled.plan, self._context.windows
        budget = partial(Work, ends=ends)
        self.counters["lagSum"] += self._lag
        self.counters["lagCount"] += 1
        try:
            for outcome in transform_all(plan, events, store, self._now, start, self._backfill, budget):
                self._settle(outcome)
                self.counters["itemsProcessed"] += _processed(outcome)
        finally:
            # Also if a later portion fails, because the state of earlier portions needs these timers.
            self._timers.flush()

    def fire(self, key: Key, now: int) -> None:
        """Fire a timer's window or batch."""
        fire(self._compiled.plan, key, self._context.windows, self, now, self._lag)
        self._timers.flush()

    # --- the engine's outbox -------------------------------------------------------------------

    def timer(self, key: Key, at: int) -> None:
        self._timers.timer(key, at)

    def send(self, key: Key, events: list[Event]) -> None:
        for outcome in resume(
            self._compiled.plan, key, events, self._context.windows, self._now, self._backfill
        ):
            self._settle(outcome)

    def late(self, key: Key, events: int) -> None:
        self.counters["lateEvents"] += events

    # --- what leaves ---------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> None:
        """Decide everything before anything leaves, so that an event that fails makes no neighbor leave
        twice."""
        for change in outcome.changes:
            self._keep(outcome, change)
        dead_letters = [self._dead_letter(one) for one in outcome.dead_letters]
        of_steps = len(dead_letters)
        jobs: list[Job] = []
        for destination in range(len(self._compiled.guards)):
            chosen = list(self._chosen(outcome.outputs, destination, dead_letters))
            jobs += self._jobs(destination, chosen, dead_letters)
        # If this fails, the messages are repeated, and jobs that had left before would be delivered twice.
        self._store_dead_letters(dead_letters)
        self._context.deliveries.send(
            (job.encode() for job in jobs), organization=self._compiled.organization
        )
        self.counters["jobsSent"] += len(jobs)
        self.counters["deadLetters"] += len(dead_letters)
        self.counters["deliveriesFailed"] += len(dead_letters) - of_steps
        self._count(outcome)

    def _keep(self, outcome: Outcome, change: Change) -> None:
        """Keep events in their window or batch.

        If that fails and no service is at fault, each is kept separately, so that only the faulty one fails.
        """
        plan, store = self._compiled.plan, self._context.windows
        try:
            keep(plan, change, outcome, store, self, self._now, self._lag, self._backfill)
        except Exception as error:
            if is_transient(error):
                raise
            if len(change.members) == 1:
                outcome.unkept(change, plan.steps[change.step].step.on_error, unexpected(error))
                return
            for event in change.of_members():
                alone = transform(plan, [event], store, self._now, change.step, self._backfill)
                for one in alone.changes:
                    self._keep(outcome, one)

    def _chosen(
        self, events: list[Event], destination: int, dead_letters: list[DeadLetter]
    ) -> Iterator[Event]:
        """Yield the events that a destination gets: those for which its guard is true.

        An event whose guard fails becomes a dead letter.
        """
        guard = self._compiled.guards[destination]
        for event in events:
            try:
                if guard is None or self._is_chosen(guard, event):
                    yield from items_of(event) if destination in self._compiled.together else [event]
            except Exception as error:
                if is_transient(error):
                    raise
                dead_letters.append(self._undelivered(event, destination, unexpected(error)))

    def _is_chosen(self, guard: Scalar, event: Event) -> bool:
        # The budget of the pass has ended with `transform`, and a guard may cost as much as any expression.
        with Work():
            return guard(event.payload, event) is True

    def _jobs(self, destination: int, events: list[Event], dead_letters: list[DeadLetter]) -> list[Job]:
        """Return jobs for the delivery queue. Events that fit no job become dead letters."""
        compiled = self._compiled
        head = Job(
            organization=compiled.organization,
            pipeline_id=compiled.pipeline_id,
            definition_version=compiled.version,
            destination=destination,
            created_at=self._now,
            events=[],
        )
        jobs, refused = jobs_of(head, events)
        dead_letters += [self._undelivered(event, destination, error) for event, error in refused]
        return jobs

    def _store_dead_letters(self, dead_letters: list[DeadLetter]) -> None:
        if dead_letters:
            self._wait(self._context.dead_letters.put(self._compiled.organization, dead_letters, self._now))

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        # The pass runs in a thread while the loop is free, and the store's calls belong to that loop.
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _dead_letter(self, dead_letter: FailedEvent) -> DeadLetter:
        event = dead_letter.event.with_payload(dead_letter.payload)
        return self._addressed(event, f"step:{dead_letter.step}", dead_letter.code, dead_letter.message)

    def _undelivered(self, event: Event, destination: int, error: EvaluationError) -> DeadLetter:
        return self._addressed(event, f"destination:{destination}", error.code, error.message)

    def _addressed(self, event: Event, place: str, code: str, message: str) -> DeadLetter:
        """Return a dead letter of `event` as it was at this place."""
        compiled = self._compiled
        return DeadLetter(
            pipeline_id=compiled.pipeline_id,
            place=place,
            definition_version=compiled.version,
            event_id=event.id,
            at=min(event.ingested, self._now),  # a window that fires early is dated by its end
            code=code,
            message=message,
            attempts=1,
            event=event_record(event),
        )

    def _count(self, outcome: Outcome) -> None:
        self.counters["itemsOut"] += len(outcome.outputs)
        for index, count in enumerate(outcome.counts):
            self.counters["itemsFailed"] += count.failed
            self.counters["itemsFiltered"] += count.dropped
            self.counters["lateEvents"] += count.late
            for name, value in count.as_json().items():
                self.counters[f"step{index}{name}"] += value


def _processed(outcome: Outcome) -> int:
    """Return the number of events that were processed without failing."""
    return max(outcome.events - sum(count.failed for count in outcome.counts), 0)


async def process(
    context: PipelineContext,
    compiled: CompiledPipeline,
    events: list[Event],
    *,
    lag: int = 0,
    backfill: bool = False,
    start: int = 0,
    ends: float = math.inf,
    messages: int = 0,
    counts: Counts | None = None,
) -> None:
    """Process events with a pipeline, in a thread.

    `messages` is the number of queue messages that they came in. Counters are added to `counts`, if given,
    for the caller to store.

    Raises `Unavailable`, after which the call has to be repeated, and `Unfinished` if the time is up at
    `ends`.
    """
    run = EnginePass(context, compiled, asyncio.get_running_loop(), lag, backfill)
    run.counters["messagesReceived"] = messages
    try:
        await asyncio.to_thread(run.process, events, start, ends)
    except Unfinished:
        # Finished events are counted, because the caller repeats only the rest.
        await _count(context, run, counts)
        raise
    await _count(context, run, counts)


async def on_timer(context: PipelineContext, compiled: CompiledPipeline, key: Key, now: int) -> None:
    """Fire a timer that is due. Raises `Unavailable`, after which the call has to be repeated."""
    run = EnginePass(context, compiled, asyncio.get_running_loop())
    await asyncio.to_thread(run.fire, key, now)
    await _count(context, run)


async def _count(context: PipelineContext, run: EnginePass, counts: Counts | None = None) -> None:
    found = new_counts() if counts is None else counts
    context.meter.count(run.address, run.counters, found)
    if counts is None:
        await context.meter.add(found)
