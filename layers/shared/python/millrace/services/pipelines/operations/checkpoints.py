"""Recovery: checkpoints, and replays of the journal.

A checkpoint is a time in the journal and the version current at that time. It is slightly earlier than its
creation, because events in progress may be indexed later. Events that are replayed twice have the same ids.
"""

import asyncio
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import from_iso, iso
from millrace.domain.ids import new_id
from millrace.domain.pipelines import Pipeline, allowed
from millrace.errors import Conflict, InvalidRequest
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.queue_messages import Replay, encode

MARGIN_MS = 120_000
"""Twice the maximum duration of an invocation of the transform function."""


class Recovery:
    """Operations on checkpoints and replays."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context
        self._store = context.pipelines

    async def checkpoint(self, caller: Principal, pipeline_id: str) -> dict[str, Any]:
        """Create a checkpoint: `{id, time, version, createdAt}`."""
        pipeline = await self._store.get(caller.organization, pipeline_id)
        now = self._context.clock()
        made = {
            "id": new_id("checkpoint"),
            "time": iso(now - MARGIN_MS),
            "version": pipeline.version,
            "createdAt": iso(now),
        }
        await self._store.add_checkpoint(caller.organization, pipeline_id, made)
        return made

    async def checkpoints(self, caller: Principal, pipeline_id: str) -> list[dict[str, Any]]:
        """Return the newest hundred checkpoints."""
        await self._store.get(caller.organization, pipeline_id)
        return await self._store.checkpoints(caller.organization, pipeline_id)

    async def restore(self, caller: Principal, pipeline_id: str, checkpoint_id: str) -> dict[str, Any]:
        """Replay everything accepted since the checkpoint, with the version of that time."""
        pipeline = await self._replayable(caller, pipeline_id)
        found = await self._store.checkpoint(caller.organization, pipeline_id, checkpoint_id)
        since = from_iso(found["time"])
        return await self._command(caller, pipeline, since, self._context.clock(), found["version"])

    async def replay(self, caller: Principal, pipeline_id: str, request: dict[str, Any]) -> dict[str, Any]:
        """Replay the events accepted in a time: `{from, to?, version?}`. The version defaults to the current
        one.

        Raises `InvalidRequest`, `NotFound`, and `Conflict` unless the pipeline is running.
        """
        pipeline = await self._replayable(caller, pipeline_id)
        unknown = sorted(request.keys() - {"from", "to", "version"})
        if unknown or not isinstance(request.get("from"), str):
            raise InvalidRequest("Send `from` (ISO 8601), and optionally `to` and `version`.")
        since = from_iso(request["from"])
        until = from_iso(str(request["to"])) if "to" in request else self._context.clock()
        if since >= until:
            raise InvalidRequest("`from` must be before `to`.", code="invalid_time")
        version = request.get("version", pipeline.version)
        if type(version) is not int:
            raise InvalidRequest("version must be a whole number.", code="invalid_version")
        await self._context.plans.version(caller.organization, pipeline_id, version)
        return await self._command(caller, pipeline, since, until, version)

    async def _replayable(self, caller: Principal, pipeline_id: str) -> Pipeline:
        pipeline = await self._store.get(caller.organization, pipeline_id)
        if pipeline.state != "running":
            raise Conflict(
                f"The pipeline is {pipeline.state}; only a running pipeline can replay.",
                code="pipeline_not_running",
                state=pipeline.state,
                allowed=allowed(pipeline.state),
            )
        return pipeline

    async def _command(
        self, caller: Principal, pipeline: Pipeline, since: int, until: int, version: int
    ) -> dict[str, Any]:
        body = encode(Replay(caller.organization, pipeline.id, since, until, version))
        await asyncio.to_thread(self._context.ingest.send, [body], 0, caller.organization)
        return {"from": iso(since), "to": iso(until), "version": version}
