"""The events that a pipeline accepted, from its journal: to view, and to try a definition on."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import EventRecord, json_size

SHOWN_BYTES = 2_000_000
"""The maximum size of events in one answer. Lambda allows 6 MB, in which our quotation marks count twice."""
_ENTRIES = 20
"""Journal entries read in one call."""


class Place(NamedTuple):
    """A place in the journal: the entry at `position`, without its last `skip` events, backwards."""

    position: str
    skip: int


class RecordedEvents:
    """Operations on recorded events."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def page(
        self, caller: Principal, pipeline_id: str, place: Place | None, limit: int
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Return events, newest first, and the place to continue from.

        A page may have fewer than `limit`, or none: it ends when its events fill an answer, or twenty entries
        of the journal were read.
        """
        await self._context.pipelines.get(caller.organization, pipeline_id)
        found: list[dict[str, Any]] = []
        size = 0
        more: Place | None = None
        async for behind, record in self._backwards(caller.organization, pipeline_id, place):
            more = behind
            if record is not None:
                size += json_size(record)
                found.append(_to_public(record))
            if len(found) == limit or size >= SHOWN_BYTES:
                break
        return found, more

    async def _backwards(
        self, organization: str, pipeline_id: str, place: Place | None
    ) -> AsyncIterator[tuple[Place | None, EventRecord | None]]:
        """Yield each event with the place after it; None stands for an entry without events (any more)."""
        journal = self._context.journal
        before = f"{place.position}~" if place else ""
        entries = await journal.newest(organization, pipeline_id, _ENTRIES, before)
        for number, entry in enumerate(entries, 1):
            skip = place.skip if place and place.position == entry.position else 0
            records = await journal.read(organization, pipeline_id, entry.position, entry.key)
            ends = number == len(entries) < _ENTRIES
            end = None if ends else Place(entry.position, max(len(records), 1))
            left = records[::-1][skip:]
            for at, record in enumerate(left, skip + 1):
                yield (Place(entry.position, at) if at < len(records) else end), record
            if not left:
                yield end, None


def _to_public(record: EventRecord) -> dict[str, Any]:
    return {
        "id": record["id"],
        "type": record["type"],
        "source": record["source"],
        "time": iso(record["time"]),
        "acceptedAt": iso(record["ingested"]),
        "payload": record["payload"],
    }
