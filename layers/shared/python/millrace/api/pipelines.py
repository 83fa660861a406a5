"""Pipelines over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response

from millrace.api.auth import Authenticator
from millrace.api.cursors import from_cursor, number_from_cursor, to_cursor
from millrace.api.json_route import TAKES_LINES, JsonRoute
from millrace.api.pipelines_dead_letters import add_dead_letter, add_dead_letters, add_redrives
from millrace.api.pipelines_operate import add_destinations, add_recovery, add_secrets
from millrace.api.pipelines_templates import add_templates
from millrace.domain.access import Principal
from millrace.domain.pipelines import Action
from millrace.pipelines.definitions.definition import json_schema
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import Ingest
from millrace.services.pipelines.operations.checkpoints import Recovery
from millrace.services.pipelines.operations.dead_letters import DeadLetters
from millrace.services.pipelines.operations.destinations import Destinations
from millrace.services.pipelines.operations.health import Metering
from millrace.services.pipelines.operations.redrives import Redrives
from millrace.services.pipelines.registry.pipelines import Pipelines
from millrace.services.pipelines.registry.secrets import Secrets
from millrace.stores.secrets import SecretStore

Given = Annotated[Any, Body()]
Key = Annotated[str, Header(max_length=200, description="Repeats under the same key are one push")]
Json = dict[str, Any]


def pipelines_router(context: PipelineContext, auth: Authenticator) -> APIRouter:
    """The routes under `/api/streaming`."""
    router = APIRouter(prefix="/api/streaming", tags=["pipelines"], route_class=JsonRoute)
    settings = context.settings
    secrets = SecretStore(context.aws, context.dynamo, settings.secrets_table, settings.secrets_key_id)
    backpressure = Backpressure(context)

    async def caller(request: Request) -> Principal:
        return await auth(request)

    Caller = Annotated[Principal, Depends(caller)]
    pipelines = Pipelines(context, secrets)
    _add_registry(router, pipelines, Caller)
    add_templates(router, pipelines, Caller)
    _add_actions(router, pipelines, Caller)
    _add_ingest(router, Ingest(context, backpressure), Caller)
    _add_metering(router, Metering(context, backpressure), Caller)
    add_destinations(router, Destinations(context), Caller)
    add_recovery(router, Recovery(context), Caller)
    dead_letters = DeadLetters(context)
    add_dead_letters(router, dead_letters, Caller)
    add_redrives(router, Redrives(context), Caller)
    add_dead_letter(router, dead_letters, Caller)
    add_secrets(router, Secrets(secrets, context.clock), Caller)
    return router


def _add_registry(router: APIRouter, pipelines: Pipelines, Caller: Any) -> None:
    @router.get("/schema", summary="The JSON Schema of a pipeline's definition")
    async def get_schema(who: Caller) -> Json:
        who.require("pipelines:read")
        return json_schema()

    @router.post("/pipelines", status_code=201, summary="Create a pipeline")
    async def create_pipeline(who: Caller, definition: Given, response: Response) -> Json:
        made = await pipelines.create(who, definition)
        response.headers["location"] = f"/api/streaming/pipelines/{made.id}"
        return await pipelines.written(who, made)

    @router.get("/pipelines", summary="List pipelines, the oldest first")
    async def list_pipelines(
        who: Caller, limit: Annotated[int, Query(ge=1, le=100)] = 50, cursor: str | None = None
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await pipelines.page(who, after["id"], limit)
        return {
            "items": [one.to_public() for one in found],
            "nextCursor": to_cursor({"id": more}) if more else None,
        }

    @router.get("/pipelines/{pipeline_id}", summary="Read a pipeline")
    async def get_pipeline(who: Caller, pipeline_id: str) -> Json:
        return (await pipelines.get(who, pipeline_id)).to_public()

    @router.get("/pipelines/{pipeline_id}/versions", summary="List versions, the newest first")
    async def list_versions(
        who: Caller,
        pipeline_id: str,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> Json:
        before = number_from_cursor(cursor, "version")
        found, more = await pipelines.versions(who, pipeline_id, before, limit)
        return {"items": found, "nextCursor": to_cursor({"version": str(more)}) if more else None}

    @router.get("/pipelines/{pipeline_id}/versions/{version}", summary="Read a definition of the past")
    async def get_version(who: Caller, pipeline_id: str, version: int) -> Json:
        return await pipelines.version(who, pipeline_id, version)

    @router.put(
        "/pipelines/{pipeline_id}",
        summary="Replace the definition: a new version; create the pipeline if there is none",
    )
    async def put_pipeline(who: Caller, pipeline_id: str, definition: Given, response: Response) -> Json:
        made, is_new = await pipelines.put(who, pipeline_id, definition)
        response.status_code = 201 if is_new else 200
        return await pipelines.written(who, made)

    @router.patch("/pipelines/{pipeline_id}", summary="Change parts of the definition: a new version")
    async def change_pipeline(
        who: Caller, pipeline_id: str, changes: Annotated[dict[str, Any], Body()]
    ) -> Json:
        return await pipelines.written(who, await pipelines.change(who, pipeline_id, changes))

    @router.delete("/pipelines/{pipeline_id}", status_code=204, summary="Delete a pipeline")
    async def delete_pipeline(who: Caller, pipeline_id: str) -> None:
        await pipelines.delete(who, pipeline_id)


def _add_actions(router: APIRouter, pipelines: Pipelines, Caller: Any) -> None:
    @router.post("/pipelines/{pipeline_id}/start", summary="Let events in")
    async def start_pipeline(who: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, who, pipeline_id, "start")

    @router.post("/pipelines/{pipeline_id}/pause", summary="Keep events until it is resumed")
    async def pause_pipeline(who: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, who, pipeline_id, "pause")

    @router.post("/pipelines/{pipeline_id}/resume", summary="Process what was kept, and go on")
    async def resume_pipeline(who: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, who, pipeline_id, "resume")

    @router.post("/pipelines/{pipeline_id}/stop", summary="Take no more, fire what windows hold")
    async def stop_pipeline(who: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, who, pipeline_id, "stop")


async def _act(pipelines: Pipelines, who: Principal, pipeline_id: str, action: Action) -> Json:
    return (await pipelines.act(who, pipeline_id, action)).to_public()


def _add_ingest(router: APIRouter, ingest: Ingest, Caller: Any) -> None:
    @router.post("/pipelines/{pipeline_id}/process", status_code=202, summary="Push an item")
    async def process(who: Caller, pipeline_id: str, item: Given, idempotency_key: Key = "") -> Json:
        (id,) = await ingest.push(who, pipeline_id, [item], idempotency_key)
        return {"accepted": 1, "id": id, "ids": [id]}

    @router.post(
        "/pipelines/{pipeline_id}/batch",
        status_code=202,
        summary="Push up to 1,000 items, as a list or as JSON lines",
        openapi_extra=TAKES_LINES,
    )
    async def batch(who: Caller, pipeline_id: str, items: Given, idempotency_key: Key = "") -> Json:
        given = items.get("items", items) if isinstance(items, dict) else items
        ids = await ingest.push(who, pipeline_id, given, idempotency_key)
        return {"accepted": len(ids), "ids": ids}


def _add_metering(router: APIRouter, metering: Metering, Caller: Any) -> None:
    @router.get("/pipelines/{pipeline_id}/metrics", summary="Counts, throughput, latency, backpressure")
    async def get_metrics(who: Caller, pipeline_id: str) -> Json:
        return await metering.metrics(who, pipeline_id)

    @router.get("/pipelines/{pipeline_id}/health", summary="How the pipeline does, in words")
    async def get_health(who: Caller, pipeline_id: str) -> Json:
        return await metering.health(who, pipeline_id)

    @router.get("/stats", summary="All pipelines together")
    async def get_stats(who: Caller) -> Json:
        return await metering.stats(who)
