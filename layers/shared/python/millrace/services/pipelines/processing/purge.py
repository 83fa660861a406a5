"""Deletion of the dead letters of deleted pipelines, in portions."""

import asyncio
import math
import time

from msgspec import structs

from millrace.errors import NotFound
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.queue_messages import Purge, encode

PURGED = 100
"""Dead letters that are read and deleted at a time."""


async def purge(context: PipelineContext, command: Purge, ends: float = math.inf) -> None:
    """Delete the dead letters of a deleted pipeline with their objects, and enqueue the rest at `ends`.

    Ids of pipelines are not reused, so no other pipeline is affected.
    """
    organization, pipeline_id = command.address
    try:
        await context.pipelines.get(organization, pipeline_id)
    except NotFound:
        pass
    else:
        return  # the deletion was refused, or is still to come and enqueues this again
    more: str | None = command.after
    while more is not None and time.monotonic() <= ends:
        found, more = await context.dead_letters.page(organization, pipeline_id, more, PURGED)
        await context.dead_letters.remove_all(organization, found)
    if more is not None:
        rest = encode(structs.replace(command, after=more))
        await asyncio.to_thread(context.ingest.send, [rest], 0, organization)
