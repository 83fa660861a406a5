"""Exports in progress, which sweeps write part by part.

Each attempt writes a part under a new key. The part counts once a transaction has stored it together with the
position of the next one. So a process that dies or is too late leaves only an object that nobody knows of,
which the bucket deletes with the rest.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from millrace.domain.clock import iso
from millrace.domain.exports import EXCLUDED, Export, ExportPart
from millrace.services.exports.archive import Archive
from millrace.services.exports.found import Found
from millrace.services.exports.of_organization import OrganizationSource
from millrace.services.exports.of_user import UserSource
from millrace.services.exports.records import records_of
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores

log = logging.getLogger(__name__)
PART_BYTES = 24_000_000
"""A part is full at this size before compression. The file that fills it may be larger."""
PART_SECONDS = 2.5
"""A part ends after this time, so that it is stored within the time of a sweep."""
Step = Callable[[str], Awaitable[Found]]


async def sweep_exports(stores: Stores) -> int:
    """Continue exports for the time of a sweep, one part each in turn, and return how many were finished.

    One that fails is logged and left for a later sweep.
    """
    finished = 0
    async with sweep_time():
        if not stores.remains.settings.limits_table:
            return finished
        pending = await stores.exports.unfinished()
        while pending:
            after = [await _next_part(stores, export) for export in pending]
            finished += sum(one is not None and one.done_ms is not None for one in after)
            pending = [one for one in after if one and one.done_ms is None]
    return finished


async def _next_part(stores: Stores, export: Export) -> Export | None:
    """Write the next part, and return the export.

    Return None if another process continues it, or it was deleted.
    """
    try:
        if export.deleted:
            await _delete(stores, export)
            return None
        taken = await stores.exports.claim(export)
        return taken and await Exporter(stores, taken).run()
    except Exception:
        log.exception("the export %s of %s could not go on", export.id, export.organization)
        return None


async def _delete(stores: Stores, export: Export) -> None:
    bucket = stores.remains.settings.files_bucket
    while bucket and await stores.remains.delete_prefix(bucket, export.prefix):
        pass
    await stores.exports.remove(export)


class Exporter:
    """Writes one part of an export."""

    def __init__(self, stores: Stores, export: Export) -> None:
        self._stores = stores
        self._export = export
        # A part that could not be stored in time is tried again with a smaller size.
        self._most = PART_BYTES >> min(export.tries - 1, 20)
        self._until = time.monotonic() + PART_SECONDS
        subject = (stores, export.organization)
        self._source: Any = (
            UserSource(*subject, export.user_id) if export.user_id else OrganizationSource(*subject)
        )

    async def run(self) -> Export | None:
        """Fill a part and store it. Return None if another process continues the export."""
        with Archive() as archive:
            reached = await self._fill(archive)
            done = reached.step == len(reached.steps)
            part = None
            if archive.count or (done and not reached.parts):
                part = await self._write(archive, reached.parts + 1)
            return await self._stores.exports.save(
                self._export,
                part,
                step=reached.step,
                cursor=reached.cursor,
                parts=reached.parts + (part is not None),
                items=reached.items + archive.count,
                size=reached.size + (part.size if part else 0),
                tries=0,
                until_ms=self._stores.clock() if not done else 0,
                done_ms=self._stores.clock() if done else None,
            )

    async def _fill(self, archive: Archive) -> Export:
        """Read until the part is full or the end is reached. Return the export with the position reached."""
        at = self._export
        while at.step < len(at.steps):
            step: Step = getattr(self._source, at.step_name)
            found = await step(at.cursor)
            await self._add(archive, found)
            at = replace(at, step=at.step + (found.cursor is None), cursor=found.cursor or "")
            if archive.size >= self._most or time.monotonic() >= self._until:
                break
        return at

    async def _add(self, archive: Archive, found: Found) -> None:
        settings = self._stores.remains.settings
        for name, items in found.items:
            async for record in records_of(self._stores, getattr(settings, name), items):
                archive.add(name.removesuffix("_table"), record)
        for one in found.objects:
            body = await self._stores.export_objects.open(one.bucket, one.key)
            if body is not None:
                await asyncio.to_thread(archive.add_file, one.name, body)

    async def _write(self, archive: Archive, number: int) -> ExportPart:
        export = self._export
        about = {
            "export": export.id,
            "organization": export.organization,
            "userId": export.user_id or None,
            "part": number,
            "askedFor": iso(export.created_ms),
            "writtenAt": iso(self._stores.clock()),
            "leftOut": EXCLUDED,
        }
        file, size = await asyncio.to_thread(archive.finish, about)
        key = f"{export.prefix}{export.version:06d}.zip"
        await self._stores.export_objects.put(key, file)
        return ExportPart(number, key, size)
