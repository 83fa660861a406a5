"""The project's EventBridge bus."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

BATCH = 10
CALL_BYTES = 256 * 1024
_ENTRY_BYTES = 64
_TRIES = 4


@dataclass(frozen=True, slots=True)
class BusEvent:
    """`source` and `kind` are what rules match on; `detail` is JSON text of at most 256 KB in all."""

    source: str
    kind: str
    detail: str


class EventBus:
    """Puts events on one bus; without a `name` there is none."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self.name = name

    async def put(self, events: list[BusEvent]) -> None:
        """Puts events by ten and 256 KB, those that the bus refused again. Raises `Unavailable`."""
        for batch in _batches(events):
            await self._put_batch(batch)

    async def _put_batch(self, events: list[BusEvent]) -> None:
        for attempt in range(_TRIES):
            answer = await self._aws.call("events", "put_events", Entries=[self._entry(e) for e in events])
            if not answer["FailedEntryCount"]:
                return
            pairs = zip(events, answer["Entries"], strict=True)
            events = [event for event, entry in pairs if "ErrorCode" in entry]
            await asyncio.sleep(random.uniform(0, 0.1 * 2**attempt))
        raise Unavailable(f"The bus refused {len(events)} events.", retry_after=1)

    def _entry(self, event: BusEvent) -> dict[str, str]:
        return {
            "EventBusName": self.name,
            "Source": event.source,
            "DetailType": event.kind,
            "Detail": event.detail,
        }


def _batches(events: Iterable[BusEvent]) -> Iterator[list[BusEvent]]:
    """At most ten events and 256 KB in one call, which is what PutEvents counts: source, type and detail."""
    batch: list[BusEvent] = []
    size = 0
    for event in events:
        length = len(event.detail.encode()) + len(event.source) + len(event.kind) + _ENTRY_BYTES
        if batch and (len(batch) == BATCH or size + length > CALL_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
    if batch:
        yield batch
