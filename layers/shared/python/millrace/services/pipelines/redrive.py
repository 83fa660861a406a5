"""Redriving dead letters: an order on the ingest queue sends a page, notes how far it came, and orders the
next.

A letter is removed once its event is on its queue. Whatever crashes, a page is sent again rather than left
out: ids stay, so destinations and windows know the repetition.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.domain.ids import new_id
from millrace.domain.redrives import PAGE_SECONDS, Redrive, RedriveAsked
from millrace.errors import Conflict, InvalidRequest, NotFound, is_transient
from millrace.services.delivery.job import Job, job_event
from millrace.services.pipelines.letters import filter_of, letters_of
from millrace.services.pipelines.line import Line, Made
from millrace.services.pipelines.messages import event_of, order, recorded
from millrace.stores.dead_letters import Filter, Letter
from millrace.stores.queues import Queue
from millrace.stores.redrives import RedriveStore

log = logging.getLogger(__name__)

PAUSED_MS = 60_000
MOST_WAITS = 30
"""Of a redrive for its paused pipeline, one a minute; then whoever resumes or stops it goes on."""
_SOON_MS = 3_000
_AT_ONCE = 16
Address = tuple[str, str]
Messages = list[tuple[Queue, str]]


class Redrives:
    """Reading needs the scope `pipelines:read`, the rest `pipelines:write`."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._store = _store(line)

    async def create(self, caller: Principal, pipeline_id: str, asked: RedriveAsked) -> Redrive:
        """Begins to send letters again. Raises `NotFound` for ids that are not there, `InvalidRequest` for a
        step that is not there, `Conflict` while the pipeline is paused."""
        caller.require("pipelines:write")
        organization = caller.organization
        pipeline = await self._line.pipelines.get(organization, pipeline_id)
        if pipeline.state == "paused":
            raise Conflict("The pipeline is paused: resume it first.", code="pipeline_paused")
        steps = len(pipeline.definition.get("transforms", []))
        if asked.version == "current" and asked.from_step is not None and asked.from_step > steps:
            raise InvalidRequest(f"fromStep: the definition has {steps} steps.", code="invalid_step")
        filter_of(asked)
        await letters_of(self._line.letters, organization, pipeline_id, asked.ids)
        now = self._line.clock()
        made = Redrive(id=new_id("redrive"), asked=asked, created_at=now, updated_at=now)
        await asyncio.to_thread(_order, self._line, (organization, pipeline_id), made, _SOON_MS)
        await self._store.create(organization, pipeline_id, made)
        return made

    async def all(self, caller: Principal, pipeline_id: str) -> list[Redrive]:
        """The newest hundred, the newest first."""
        caller.require("pipelines:read")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        return await self._store.newest(caller.organization, pipeline_id)

    async def get(self, caller: Principal, pipeline_id: str, redrive_id: str) -> dict[str, Any]:
        """With `left`: how many letters it has not come to. Raises `NotFound`."""
        caller.require("pipelines:read")
        found = await self._store.get(caller.organization, pipeline_id, redrive_id)
        left, complete = await self._left(caller.organization, pipeline_id, found)
        return found.shown() | {"left": left, "leftComplete": complete}

    async def cancel(self, caller: Principal, pipeline_id: str, redrive_id: str) -> Redrive:
        """Nothing more is sent, apart from a page under way. Raises `NotFound`, and `Conflict` for one that
        is over."""
        caller.require("pipelines:write")
        now = self._line.clock()
        return await self._store.change(
            caller.organization, pipeline_id, redrive_id, lambda found: found.cancelled(now)
        )

    async def _left(self, organization: str, pipeline_id: str, redrive: Redrive) -> tuple[int, bool]:
        if redrive.state != "running":
            return 0, True
        if redrive.asked.ids:
            return len(set(redrive.asked.ids)), True
        tally = await self._line.letters.count(organization, pipeline_id, redrive.after, _chosen(redrive))
        return tally.count, tally.complete


async def redrive(line: Line, address: Address, asked: dict[str, Any]) -> None:
    """`{id, page, waits?}`: sends that page, unless it was sent, and orders the next. While the pipeline is
    paused it looks again some times: what `go_on` orders may come before the change of state is seen."""
    try:
        found = await _store(line).get(*address, asked["id"])
        pipeline = await line.pipelines.get(*address)
    except NotFound as problem:
        log.warning("a redrive is over: %s", problem.message)
        return
    if found.state == "running" and found.page == asked["page"] and pipeline.state == "paused":
        if (waits := asked.get("waits", 0)) < MOST_WAITS:
            await asyncio.to_thread(_order, line, address, found, PAUSED_MS, waits + 1)
        return
    if found.state == "running" and found.page == asked["page"]:
        found = await _send_page(line, address, found, line.plans.made(address[0], pipeline))
    if found.state == "running" and found.page == asked["page"] + 1:
        await asyncio.to_thread(_order, line, address, found, PAGE_SECONDS * 1000)


async def go_on(line: Line, address: Address, delay_ms: int) -> None:
    """Orders what is left of the redrives of a pipeline that is resumed, or stopped while it was paused."""
    for one in await _store(line).newest(*address):
        if one.state == "running":
            await asyncio.to_thread(_order, line, address, one, delay_ms)


async def _send_page(line: Line, address: Address, found: Redrive, current: Made) -> Redrive:
    letters, more = await _letters(line, address, found)
    sent = 0
    for start in range(0, len(letters), _AT_ONCE):  # a few at a time: each may have a megabyte
        sent += await _send_some(line, address, found, current, letters[start : start + _AT_ONCE], sent)
    now, page = line.clock(), found.page

    def step(old: Redrive) -> Redrive:
        return old.sent(sent, len(letters) - sent, more, now) if old.page == page else old

    return await _store(line).change(*address, found.id, step)


async def _send_some(
    line: Line, address: Address, found: Redrive, current: Made, letters: Sequence[Letter], before: int
) -> int:
    """Sends letters and removes them; returns how many. `before`: how many of the page were sent."""
    messages: Messages = []
    sent: list[Letter] = []
    for letter in await _loaded(line, letters):
        message = await _message(line, letter, found.asked, current)
        if message:
            messages.append(message)
            sent.append(letter)
    await asyncio.to_thread(_send, messages, before, found.asked.per_second, address[0])
    await line.letters.remove_all(address[0], sent)
    return len(sent)


async def _letters(line: Line, address: Address, found: Redrive) -> tuple[list[Letter], str | None]:
    """The letters of the next page, and the id to go on after. Of those named some may be gone by now."""
    if found.asked.ids:
        named = await asyncio.gather(*(line.letters.get(*address, id) for id in set(found.asked.ids)))
        return [letter for letter in named if letter], None
    size = found.asked.per_second * PAGE_SECONDS
    return await line.letters.page(*address, found.after, size, _chosen(found))


async def _loaded(line: Line, letters: Sequence[Letter]) -> list[Letter]:
    """Letters with their large payloads."""
    return list(await asyncio.gather(*map(line.letters.load, letters)))


def _chosen(redrive: Redrive) -> Filter:
    """None of events that were accepted after it began: it comes to an end."""
    chosen = filter_of(redrive.asked)
    until = min(chosen.until or redrive.created_at + 1, redrive.created_at + 1)
    return Filter(chosen.place, chosen.code, chosen.since, until)


def _send(messages: Messages, sent: int, per_second: int, organization: str) -> None:
    """Puts messages on their queues, to be seen second by second; `sent` of the page before."""
    for queue in dict.fromkeys(queue for queue, _ in messages):
        queue.send_delayed(
            (body, (sent + at) // per_second, organization)
            for at, (to, body) in enumerate(messages)
            if to is queue
        )


async def _message(
    line: Line, letter: Letter, asked: RedriveAsked, current: Made
) -> tuple[Queue, str] | None:
    """An order to begin at a step, or a delivery job; None where there is no such step or destination, or
    the letter cannot be read."""
    try:
        made = await _made(line, letter, asked, current)
        return _written(line, made, letter, asked.from_step)
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("dead letter %s is skipped: %s", letter.id, type(error).__name__)
        return None


def _written(line: Line, made: Made, letter: Letter, from_step: int | None) -> tuple[Queue, str]:
    """Raises `ValueError` for what cannot be."""
    if letter.event["payload"] is None:
        raise ValueError("its object is gone")
    kind, _, number = letter.place.partition(":")
    definition = made.plan.definition
    if from_step is not None:
        _check(from_step, len(definition.transforms) + 1)  # one more: straight to the destinations
        return line.ingest, _from_step(made, letter, from_step)
    if kind == "step":
        # One more here, too: what failed behind the last step, and in a pipeline without steps.
        _check(int(number), len(definition.transforms) + 1)
        return line.ingest, _from_step(made, letter, int(number))
    _check(int(number), len(definition.targets))
    return line.deliveries, _job(made, letter, int(number), line.clock)


def _check(number: int, count: int) -> None:
    if number >= count:
        raise ValueError(number)


async def _made(line: Line, letter: Letter, asked: RedriveAsked, current: Made) -> Made:
    if asked.version == "current":
        return current
    return await line.plans.version(current.organization, current.pipeline_id, letter.definition_version)


def _from_step(made: Made, letter: Letter, start: int) -> str:
    events = [recorded(event_of(letter.event, made.pipeline_id))]
    return order(made.organization, made.pipeline_id, events=events, start=start, version=made.version)


def _job(made: Made, letter: Letter, destination: int, clock: Clock) -> str:
    return Job(
        organization=made.organization,
        pipeline_id=made.pipeline_id,
        definition_version=made.version,
        destination=destination,
        created_at=clock(),
        events=[job_event(event_of(letter.event, made.pipeline_id))],
    ).encode()


def _order(line: Line, address: Address, redrive: Redrive, delay_ms: int, waits: int = 0) -> None:
    asked = {"id": redrive.id, "page": redrive.page} | ({"waits": waits} if waits else {})
    line.ingest.send([order(*address, redrive=asked)], delay_ms, address[0])


def _store(line: Line) -> RedriveStore:
    return RedriveStore(line.dynamo, line.settings.pipelines_table)
