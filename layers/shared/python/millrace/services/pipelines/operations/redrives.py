"""Redrives of dead letters: begin, list, read and cancel. `processing.redrive` sends their pages."""

import asyncio
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.ids import new_id
from millrace.domain.redrives import Redrive, RedriveRequest
from millrace.errors import Conflict, InvalidRequest
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.dead_letter_choice import dead_letters_by_id, left_of, to_filter
from millrace.services.pipelines.processing.redrive import enqueue_page

_SOON_MS = 3_000


class Redrives:
    """Operations on redrives."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context
        self._store = context.redrives

    async def create(self, caller: Principal, pipeline_id: str, request: RedriveRequest) -> Redrive:
        """Begin to redrive dead letters.

        Raises `NotFound` for unknown ids, `InvalidRequest` for an unknown step, and `Conflict` while the
        pipeline is paused.
        """
        organization = caller.organization
        pipeline = await self._context.pipelines.get(organization, pipeline_id)
        if pipeline.state == "paused":
            raise Conflict("The pipeline is paused: resume it first.", code="pipeline_paused")
        steps = len(pipeline.definition.get("transforms", []))
        if request.version == "current" and request.from_step is not None and request.from_step > steps:
            raise InvalidRequest(f"fromStep: the definition has {steps} steps.", code="invalid_step")
        to_filter(request)
        await dead_letters_by_id(self._context.dead_letters, organization, pipeline_id, request.ids)
        now = self._context.clock()
        made = Redrive(id=new_id("redrive"), request=request, created_at=now, updated_at=now)
        # A command without its redrive ends by itself, but a redrive without its command would never end.
        await asyncio.to_thread(enqueue_page, self._context, (organization, pipeline_id), made, _SOON_MS)
        await self._store.create(organization, pipeline_id, made)
        return made

    async def all(self, caller: Principal, pipeline_id: str) -> list[Redrive]:
        """Return the newest hundred redrives, newest first."""
        await self._context.pipelines.get(caller.organization, pipeline_id)
        return await self._store.newest(caller.organization, pipeline_id)

    async def get(self, caller: Principal, pipeline_id: str, redrive_id: str) -> dict[str, Any]:
        """Return a redrive with `left`, the number of dead letters that it has not reached.

        Raises `NotFound`.
        """
        found = await self._store.get(caller.organization, pipeline_id, redrive_id)
        left, complete = await self._left(caller.organization, pipeline_id, found)
        return found.to_public() | {"left": left, "leftComplete": complete}

    async def cancel(self, caller: Principal, pipeline_id: str, redrive_id: str) -> Redrive:
        """Cancel a redrive. Only a page in progress is still sent.

        Raises `NotFound`, and `Conflict` for one that has ended.
        """
        now = self._context.clock()
        return await self._store.change(
            caller.organization, pipeline_id, redrive_id, lambda found: found.cancelled(now)
        )

    async def _left(self, organization: str, pipeline_id: str, redrive: Redrive) -> tuple[int, bool]:
        if redrive.state != "running":
            return 0, True
        if redrive.request.ids:
            return len(set(redrive.request.ids)), True
        counted = await self._context.dead_letters.count(
            organization, pipeline_id, redrive.after, left_of(redrive)
        )
        return counted.count, counted.complete
