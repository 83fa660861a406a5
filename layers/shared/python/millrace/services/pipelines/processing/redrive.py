"""Redriving of dead letters. A command on the ingest queue sends a page, records progress, and enqueues the
next.

A dead letter is removed once its event is enqueued. After a crash, a page is sent again rather than left out:
ids stay the same, so destinations and windows detect duplicates.
"""

import asyncio
import logging
from collections.abc import Sequence

from millrace.domain.clock import Clock
from millrace.domain.pipelines import Address, Pipeline
from millrace.domain.redrives import PAGE_SECONDS, Redrive, RedriveRequest
from millrace.errors import NotFound, is_transient
from millrace.services.delivery.job import Job, job_event
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.dead_letter_choice import left_of
from millrace.services.pipelines.event_records import event_from_record, event_record
from millrace.services.pipelines.plans import CompiledPipeline
from millrace.services.pipelines.queue_messages import Events, RedrivePage, encode, pack
from millrace.stores.dead_letters import DeadLetter
from millrace.stores.queues import Queue

log = logging.getLogger(__name__)

PAUSED_MS = 60_000
MOST_WAITS = 30
"""The number of waits for a paused pipeline, one a minute.

After that, resuming or stopping it continues the redrive.
"""
_SOON_MS = 3_000
_AT_ONCE = 16
Messages = list[tuple[Queue, str]]


async def redrive(context: PipelineContext, command: RedrivePage) -> None:
    """Send a page of a redrive, unless it was sent before, and enqueue the next one.

    While the pipeline is paused, try again some times, because a command of `resume_redrives` may be received
    before the change of state is visible.
    """
    address = command.address
    try:
        found = await context.redrives.get(*address, command.id)
        pipeline = await context.pipelines.get(*address)
    except NotFound as error:
        log.warning("a redrive is over: %s", error.message)
        return
    if found.state == "running" and found.page == command.page and pipeline.state == "paused":
        if command.waits < MOST_WAITS:
            waits = command.waits + 1
            await asyncio.to_thread(enqueue_page, context, address, found, PAUSED_MS, waits)
        return
    if found.state == "running" and found.page == command.page:
        found = await _send_page(context, address, found, pipeline)
    # Also if the page was sent before: its process may have died before it enqueued the next one.
    if found.state == "running" and found.page == command.page + 1:
        await asyncio.to_thread(enqueue_page, context, address, found, PAGE_SECONDS * 1000)


async def resume_redrives(context: PipelineContext, address: Address, delay_ms: int) -> None:
    """Enqueue the rest of the redrives of a pipeline that is resumed, or stopped while it was paused."""
    for one in await context.redrives.newest(*address):
        if one.state == "running":
            await asyncio.to_thread(enqueue_page, context, address, one, delay_ms)


async def _send_page(
    context: PipelineContext, address: Address, found: Redrive, pipeline: Pipeline
) -> Redrive:
    dead_letters, more = await _dead_letters(context, address, found)
    sent = 0
    for start in range(0, len(dead_letters), _AT_ONCE):  # a few at a time, as each may have a megabyte
        sent += await _send_some(
            context, address, found, pipeline, dead_letters[start : start + _AT_ONCE], sent
        )
    now, page = context.clock(), found.page

    def step(old: Redrive) -> Redrive:
        # A page that was sent by two deliveries of a command is counted once.
        return old.sent(sent, len(dead_letters) - sent, more, now) if old.page == page else old

    return await context.redrives.change(*address, found.id, step)


async def _send_some(
    context: PipelineContext,
    address: Address,
    found: Redrive,
    pipeline: Pipeline,
    dead_letters: Sequence[DeadLetter],
    before: int,
) -> int:
    """Send dead letters, remove them, and return how many.

    `before` is the number already sent from this page.
    """
    messages: Messages = []
    sent: list[DeadLetter] = []
    for dead_letter in await _loaded(context, dead_letters):
        message = await _message(context, dead_letter, found.request, address[0], pipeline)
        if message:
            messages.append(message)
            sent.append(dead_letter)
    await asyncio.to_thread(_send, messages, before, found.request.per_second, address[0])
    await context.dead_letters.remove_all(address[0], sent)
    return len(sent)


async def _dead_letters(
    context: PipelineContext, address: Address, found: Redrive
) -> tuple[list[DeadLetter], str | None]:
    """Return the dead letters of the next page, and the id to continue after.

    Some of those selected by id may no longer exist.
    """
    if found.request.ids:
        named = await asyncio.gather(
            *(context.dead_letters.get(*address, id) for id in set(found.request.ids))
        )
        return [dead_letter for dead_letter in named if dead_letter], None
    size = found.request.per_second * PAGE_SECONDS
    return await context.dead_letters.page(*address, found.after, size, left_of(found))


async def _loaded(context: PipelineContext, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Return dead letters with their large payloads."""
    return list(await asyncio.gather(*map(context.dead_letters.load, dead_letters)))


def _send(messages: Messages, sent: int, per_second: int, organization: str) -> None:
    """Put messages on their queues, spread over time; `sent` is the number already sent from the page."""
    for queue in dict.fromkeys(queue for queue, _ in messages):
        queue.send_delayed(
            (body, (sent + at) // per_second, organization)
            for at, (to, body) in enumerate(messages)
            if to is queue
        )


async def _message(
    context: PipelineContext,
    dead_letter: DeadLetter,
    request: RedriveRequest,
    organization: str,
    pipeline: Pipeline,
) -> tuple[Queue, str] | None:
    """Return a command to begin at a step, or a delivery job.

    Return None if the step or destination does not exist, the definition cannot be compiled, or the dead
    letter cannot be read.
    """
    try:
        compiled = await _compiled(context, dead_letter, request, organization, pipeline)
        return _written(context, compiled, dead_letter, request.from_step)
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("dead letter %s is skipped: %s", dead_letter.id, type(error).__name__)
        return None


def _written(
    context: PipelineContext, compiled: CompiledPipeline, dead_letter: DeadLetter, from_step: int | None
) -> tuple[Queue, str]:
    """Return the message. Raises `ValueError` for one that cannot be sent."""
    if dead_letter.event["payload"] is None:
        raise ValueError("its object does not exist any more")
    kind, _, number = dead_letter.place.partition(":")
    definition = compiled.plan.definition
    if from_step is not None:
        _check(from_step, len(definition.transforms) + 1)  # one more: directly to the destinations
        return context.ingest, _from_step(compiled, dead_letter, from_step)
    if kind == "step":
        # One more here, too, for failures after the last step and in a pipeline without steps.
        _check(int(number), len(definition.transforms) + 1)
        return context.ingest, _from_step(compiled, dead_letter, int(number))
    _check(int(number), len(definition.targets))
    return context.deliveries, _job(compiled, dead_letter, int(number), context.clock)


def _check(number: int, count: int) -> None:
    if number >= count:
        raise ValueError(number)


async def _compiled(
    context: PipelineContext,
    dead_letter: DeadLetter,
    request: RedriveRequest,
    organization: str,
    pipeline: Pipeline,
) -> CompiledPipeline:
    if request.version == "current":
        return context.plans.compiled(organization, pipeline)
    return await context.plans.version(organization, pipeline.id, dead_letter.definition_version)


def _from_step(compiled: CompiledPipeline, dead_letter: DeadLetter, start: int) -> str:
    head = Events(compiled.organization, compiled.pipeline_id, start=start, version=compiled.version)
    (message,) = pack(head, [event_record(event_from_record(dead_letter.event, compiled.pipeline_id))])
    return message


def _job(compiled: CompiledPipeline, dead_letter: DeadLetter, destination: int, clock: Clock) -> str:
    return Job(
        organization=compiled.organization,
        pipeline_id=compiled.pipeline_id,
        definition_version=compiled.version,
        destination=destination,
        created_at=clock(),
        events=[job_event(event_from_record(dead_letter.event, compiled.pipeline_id))],
    ).encode()


def enqueue_page(
    context: PipelineContext, address: Address, redrive: Redrive, delay_ms: int, waits: int = 0
) -> None:
    """Send the command for the next page of a redrive."""
    page = RedrivePage(*address, redrive.id, redrive.page, waits)
    context.ingest.send([encode(page)], delay_ms, address[0])
