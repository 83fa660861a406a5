"""Events of a batch that have found their pipelines: journaled, and processed by the engine.

Each pipeline processes its events separately, with a share of the time. All pipelines write together: their
journal entries before, and their counts after.
"""

import asyncio
import logging
import time

from msgspec import Struct, field

from millrace.domain.pipelines import Address, Pipeline
from millrace.errors import NotFound
from millrace.pipelines.event import Event
from millrace.pipelines.work import Unfinished
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import event_record
from millrace.services.pipelines.meter import Counts, new_counts
from millrace.services.pipelines.plans import BrokenDefinition
from millrace.services.pipelines.processing.engine import process
from millrace.services.pipelines.processing.sorting import EventGroup, Work
from millrace.services.pipelines.processing.unreadable import refuse
from millrace.services.pipelines.queue_messages import Events, ProcessEntry, encode, pack
from millrace.stores.journal import Accepted, Entry, packed

log = logging.getLogger(__name__)

PORTION = 20
AGAIN_MS = 1_000
Contents = tuple[str, ...]
"""Message ids, which identify the events."""


class Taking(Struct, frozen=True):
    """The pipelines of a batch, each with its own groups of events.

    `journaled` are those whose events are in the journal, as they were then.
    """

    context: PipelineContext
    journaled: dict[Address, Pipeline] = field(default_factory=dict)
    counts: Counts = field(default_factory=new_counts)

    async def journal(self, work: Work) -> None:
        """Write the events that running pipelines have accepted, together.

        If that fails, each pipeline writes its own and fails separately.
        """
        try:
            found = {
                address: await self._accepting(address) for address, groups in work.items() if new(groups)
            }
            taken = {address: pipeline for address, pipeline in found.items() if pipeline}
            accepted = self._accepted(work, taken)
            await self.context.journal.write_all(accepted, self.context.clock())
        except Exception:
            log.exception("the events of %d pipelines were not journaled together", len(work))
        else:
            self.journaled.update(taken)

    async def _accepting(self, address: Address) -> Pipeline | None:
        """Return a pipeline that processes events immediately, otherwise None."""
        try:
            pipeline = await self.context.plans.running(*address)
        except NotFound:
            return None
        return None if pipeline.state == "paused" else pipeline

    def _accepted(self, work: Work, taken: dict[Address, Pipeline]) -> list[Accepted]:
        """Return the content of the journal. Pipelines with the same messages share it."""
        bodies: dict[Contents, bytes] = {}
        found = []
        for address, pipeline in taken.items():
            groups = new(work[address])
            contents = tuple(group.message_id for group in groups)
            if contents not in bodies:
                bodies[contents] = _packed(groups)
            events = sum(len(group.events) for group in groups)
            found.append(Accepted(*address, pipeline.version, events, bodies[contents]))
        return found

    async def process(self, address: Address, groups: list[EventGroup], ends: float) -> list[str]:
        """Process events with a pipeline, and return the ids of the messages that failed."""
        try:
            await self._process(address, groups, ends)
        except NotFound as error:
            # The pipeline was deleted. Repeating would not help, so the messages count as done.
            events = sum(len(group.events) for group in groups)
            log.warning("%d events have no pipeline: %s", events, error.message)
            self.context.meter.unclaimed(*address, events)
        except BrokenDefinition as error:
            # Groups may have different versions, of which only one may be broken.
            if len(groups) == 1:
                await self._refuse(address, groups[0], error)
                return []
            return [one for group in groups for one in await self.process(address, [group], ends)]
        except Exception:
            log.exception("%d messages of one pipeline were not processed together", len(groups))
            if len(groups) == 1:
                return [groups[0].message_id]
            return [one for group in groups for one in await self.process(address, [group], ends)]
        return []

    async def _refuse(self, address: Address, group: EventGroup, problem: BrokenDefinition) -> None:
        """Store events as dead letters if their definition cannot be compiled, because they would always
        fail."""
        log.error("%s", problem.message)
        pipeline = await self.context.plans.running(*address)
        await refuse(self.context, address[0], pipeline, group.events, problem, group.start or 0)

    async def _process(self, address: Address, groups: list[EventGroup], ends: float) -> None:
        log.debug("%d messages of one pipeline are processed", len(groups))
        organization, _ = address
        pipeline = self.journaled.get(address) or await self.context.plans.running(*address)
        if first := new(groups):
            await self._process_new(organization, pipeline, first, ends)
        for group in groups:
            if group.again and group.start is None and pipeline.state == "paused":
                await self._keep_waiting(organization, pipeline, [group])
            elif group.again or group.start is not None:
                await self._process_later(organization, pipeline, group, ends)

    async def _process_new(
        self, organization: str, pipeline: Pipeline, groups: list[EventGroup], ends: float
    ) -> None:
        """Journal events and process them, unless the pipeline is paused.

        One that was stopped in the meantime still processes events accepted before.
        """
        if pipeline.state == "paused":
            await self._keep_waiting(organization, pipeline, groups)
            return
        # The journal is first, because a replay must find everything that destinations may have received.
        if (organization, pipeline.id) not in self.journaled:
            await self._write(organization, pipeline, groups)
        clock = self.context.clock
        lag = max((clock() - one.sent for one in groups if one.sent is not None), default=0)
        compiled = self.context.plans.compiled(organization, pipeline)
        events = [event for group in groups for event in group.own_events(pipeline.id)]
        try:
            await process(
                self.context,
                compiled,
                events,
                lag=lag,
                ends=ends,
                messages=len(groups),
                counts=self.counts,
            )
        except Unfinished as error:
            # These are already in the journal; `again` keeps them from being written twice.
            await self._send_again(Events(organization, pipeline.id, again=1), error.events)

    async def _process_later(
        self, organization: str, pipeline: Pipeline, group: EventGroup, ends: float
    ) -> None:
        """Process events from the journal, from a later step or after their time was up.

        Portions become smaller each time, down to single events, which are always finished.
        """
        version = group.version or pipeline.version
        compiled = await self.context.plans.version(organization, pipeline.id, version)
        size = PORTION if group.again == 1 else 1 if group.again else len(group.events)
        start, backfill = group.start or 0, group.start is not None
        left = group.events
        while left:
            portion, rest = left[:size], left[size:]
            try:
                await process(
                    self.context,
                    compiled,
                    portion,
                    start=start,
                    backfill=backfill,
                    ends=ends,
                    counts=self.counts,
                )
                left = rest
            except Unfinished as error:
                left = [*error.events, *rest]
                break
            if time.monotonic() > ends:
                break
        again = group.again + 1
        head = Events(organization, pipeline.id, start=group.start, version=group.version, again=again)
        await self._send_again(head, left)

    async def _send_again(self, head: Events, events: list[Event]) -> None:
        """Send events for which there was no time back to the queue, in messages like `head`.

        Others come first.
        """
        if not events:
            return
        log.warning("%d events of pipeline %s need more time", len(events), head.pipeline_id)
        messages = list(pack(head, map(event_record, events)))
        await asyncio.to_thread(self.context.ingest.send, messages, AGAIN_MS, head.organization)

    async def _keep_waiting(self, organization: str, pipeline: Pipeline, groups: list[EventGroup]) -> None:
        """Leave events of a paused pipeline in the journal until it is resumed."""
        entry = await self._write(organization, pipeline, groups, waiting=True)
        if (await self.context.pipelines.get(organization, pipeline.id)).state != "paused":
            # Resumed between the two reads: the waiting entries may have been listed before this one was
            # written.
            command = ProcessEntry(organization, pipeline.id, entry.position, entry.key, waiting=True)
            await asyncio.to_thread(self.context.ingest.send, [encode(command)], 0, organization)

    async def _write(
        self, organization: str, pipeline: Pipeline, groups: list[EventGroup], waiting: bool = False
    ) -> Entry:
        events = sum(len(group.events) for group in groups)
        accepted = Accepted(organization, pipeline.id, pipeline.version, events, _packed(groups))
        return await self.context.journal.write(accepted, self.context.clock(), waiting=waiting)

    async def count(self) -> None:
        """Store the pipelines' counters."""
        await self.context.meter.add(self.counts)


def new(groups: list[EventGroup]) -> list[EventGroup]:
    """Return the groups that are not in the journal yet."""
    return [one for one in groups if one.start is None and not one.again]


def _packed(groups: list[EventGroup]) -> bytes:
    return packed(event_record(event) for group in groups for event in group.events)
