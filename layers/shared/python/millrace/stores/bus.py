"""The project's EventBridge bus."""

import asyncio
import random

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.portions import portions
from millrace.errors import TooLarge, Unavailable
from millrace.stores.aws import Aws
from millrace.stores.queues import escaped
from millrace.stores.sizes import text_bytes

# PutEvents accepts at most 10 entries and 256 KB per call, and counts some extra bytes for each entry.
BATCH = 10
CALL_BYTES = 256 * 1024
_ENTRY_BYTES = 64
_TRIES = 4


class BusEvent(Struct, frozen=True):
    """An event. Rules match on `source` and `kind`; `detail` is JSON text. The total limit is 256 KB."""

    source: str
    kind: str
    detail: str


class EventBus:
    """Puts events on one bus. An empty `name` means that there is no bus."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self.name = name

    async def put(self, events: list[BusEvent]) -> None:
        """Put events on the bus, in calls of up to 10 events and 256 KB. Refused events are sent again.

        Raises `Unavailable`. Raises `TooLarge` for events that exceed a call, after all others have been
        sent.
        """
        # most of them reach a queue later
        events = [replace(one, detail=escaped(one.detail)) for one in events]
        large = [event for event in events if _size(event) > CALL_BYTES]
        fitting = [event for event in events if _size(event) <= CALL_BYTES]
        for batch in portions(fitting, _size, CALL_BYTES, BATCH):
            await self._put_batch(batch)
        if large:
            kinds = ", ".join(sorted({event.kind for event in large}))
            raise TooLarge(f"{len(large)} events must not exceed {CALL_BYTES:,} bytes: {kinds}.")

    async def _put_batch(self, events: list[BusEvent]) -> None:
        for attempt in range(_TRIES):
            answer = await self._aws.call("events", "put_events", Entries=[self._entry(e) for e in events])
            # PutEvents answers 200 even if it refuses entries, so botocore does not retry those.
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


def _size(event: BusEvent) -> int:
    """Return the size that PutEvents counts, including an allowance for each entry."""
    return text_bytes(event.detail) + len(event.source) + len(event.kind) + _ENTRY_BYTES
