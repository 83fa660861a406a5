"""The events that a pipeline accepted, as its journal has them: to look at, and to try a definition on."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.event_records import EventRecord, json_size

SHOWN_BYTES = 2_000_000
"""Of events in one answer. Lambda allows 6 MB, in which every quotation mark of ours counts twice."""
_ENTRIES = 20
"""Of the journal, in one call."""


class Place(NamedTuple):
    """A place in the journal: events of the entry at `position` from the last one but `skip` backwards."""

    position: str
    skip: int


class RecordedEvents:
    """The verbs on recorded events."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def page(
        self, caller: Principal, pipeline_id: str, place: Place | None, limit: int
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Events, the newest first, and the place to go on from. A page may hold fewer than `limit`, or none:
        it ends where its events fill one answer, or twenty entries of the journal were read."""
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
        """Each event with the place behind it; None stands for an entry without events (any more)."""
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
