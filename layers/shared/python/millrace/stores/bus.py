"""The project's EventBridge bus."""

import asyncio
import random
from dataclasses import dataclass

from millrace.errors import Unavailable
from millrace.stores.aws import Aws

BATCH = 10
_TRIES = 4


@dataclass(frozen=True, slots=True)
class BusEvent:
    """`source` and `kind` are what rules match on; `detail` is JSON text of at most 256 KB in all."""

    source: str
    kind: str
    detail: str


class EventBus:
    """Puts events on one bus."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name

    async def put(self, events: list[BusEvent]) -> None:
        """Puts events in batches of ten, those that the bus refused again. Raises `Unavailable`."""
        for start in range(0, len(events), BATCH):
            await self._put_batch(events[start : start + BATCH])

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
            "EventBusName": self._name,
            "Source": event.source,
            "DetailType": event.kind,
            "Detail": event.detail,
        }
