"""Pipelines over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import Body, Query, Response

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.json_route import Caller, DryRun, JsonRouter, Options, UnchangedSince
from millrace.api.operation import EMPTY, Answer
from millrace.api.pipelines_dead_letters import add_dead_letter, add_dead_letters, add_redrives
from millrace.api.pipelines_errors import (
    ACTION_ERRORS,
    CHANGE_ERRORS,
    DEFINITION_ERRORS,
    NOT_FOUND,
)
from millrace.api.pipelines_ingest import add_ingest
from millrace.api.pipelines_metering import add_metering
from millrace.api.pipelines_operate import add_destinations, add_recovery, add_secrets
from millrace.api.pipelines_templates import add_templates
from millrace.api.pipelines_trials import add_dry_runs, add_recorded
from millrace.api.pipelines_versions import add_versions
from millrace.domain.access import Principal
from millrace.domain.pipelines import Action, PipelineState
from millrace.pipelines.definitions.definition import json_schema
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import Ingest
from millrace.services.pipelines.operations.checkpoints import Recovery
from millrace.services.pipelines.operations.dead_letters import DeadLetters
from millrace.services.pipelines.operations.destinations import Destinations
from millrace.services.pipelines.operations.dry_runs import DryRuns
from millrace.services.pipelines.operations.health import Metering
from millrace.services.pipelines.operations.recorded import RecordedEvents
from millrace.services.pipelines.operations.redrives import Redrives
from millrace.services.pipelines.operations.series import Series
from millrace.services.pipelines.registry.pipelines import Pipelines
from millrace.services.pipelines.registry.secrets import Secrets
from millrace.services.search import LONGEST_QUERY
from millrace.stores.secrets import SecretStore

Given = Annotated[Any, Body()]
Json = dict[str, Any]
CREATED = Answer("WrittenPipeline", headers=("location",))


def pipelines_router(context: PipelineContext) -> JsonRouter:
    """Return the router of `/api/streaming`."""
    router = JsonRouter("/api/streaming")
    settings = context.settings
    secrets = SecretStore(context.aws, context.dynamo, settings.secrets_table, settings.secrets_key_id)
    backpressure = Backpressure(context)

    pipelines = Pipelines(context, secrets)
    _add_registry(router, pipelines)
    add_versions(router, pipelines)
    add_templates(router, pipelines)
    _add_actions(router, pipelines)
    add_ingest(router, Ingest(context, backpressure))
    add_metering(router, Metering(context, backpressure), Series(context))
    add_destinations(router, Destinations(context))
    add_recovery(router, Recovery(context))
    add_dry_runs(router, DryRuns(context))
    add_recorded(router, RecordedEvents(context))
    dead_letters = DeadLetters(context)
    add_dead_letters(router, dead_letters)
    add_redrives(router, Redrives(context))
    add_dead_letter(router, dead_letters)
    add_secrets(router, Secrets(secrets, context.limits, context.clock))
    return router


def _add_registry(router: JsonRouter, pipelines: Pipelines) -> None:
    @router.operation(
        "GET",
        "/schema",
        "Read the JSON Schema of a pipeline's definition",
        "pipelines:read",
        answers={200: "JsonSchema"},
    )
    async def get_schema() -> Json:
        return json_schema()

    @router.operation(
        "POST",
        "/pipelines",
        "Create a pipeline",
        "pipelines:write",
        answers={201: CREATED},
        errors=("too_many_pipelines", *DEFINITION_ERRORS),
        body="PipelineDefinition",
    )
    async def create_pipeline(
        caller: Caller, definition: Given, response: Response, dry_run: DryRun = False
    ) -> Json:
        made = await pipelines.create(caller, definition, dry_run=dry_run)
        response.headers["location"] = f"/api/streaming/pipelines/{made.id}"
        return await pipelines.written(caller, made)

    @router.operation(
        "GET",
        "/pipelines",
        "List pipelines, oldest first",
        "pipelines:read",
        answers={200: "PipelinePage"},
    )
    async def list_pipelines(
        caller: Caller,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
        q: Annotated[str, Query(max_length=LONGEST_QUERY, description="words of the name or id")] = "",
        state: Annotated[PipelineState | None, Query(description="only those in this state")] = None,
    ) -> Json:
        after = from_cursor(cursor, "id") or {"id": ""}
        found, more = await pipelines.page(caller, after["id"], limit, q, state)
        return {
            "items": [one.to_public() for one in found],
            "nextCursor": to_cursor({"id": more}) if more else None,
        }

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}",
        "Read a pipeline",
        "pipelines:read",
        answers={200: "Pipeline"},
        errors=NOT_FOUND,
    )
    async def get_pipeline(caller: Caller, pipeline_id: str) -> Json:
        return (await pipelines.get(caller, pipeline_id)).to_public()

    @router.operation(
        "PUT",
        "/pipelines/{pipeline_id}",
        "Replace the definition, which creates a new version; create the pipeline if it does not exist",
        "pipelines:write",
        answers={200: "WrittenPipeline", 201: "WrittenPipeline"},
        errors=(
            *NOT_FOUND,
            "id_mismatch",
            "invalid_id",
            "pipeline_id_used",
            "too_many_pipelines",
            *CHANGE_ERRORS,
        ),
        body="PipelineDefinition",
    )
    async def put_pipeline(
        caller: Caller, pipeline_id: str, definition: Given, options: Options, response: Response
    ) -> Json:
        made, is_new = await pipelines.put(caller, pipeline_id, definition, options)
        response.status_code = 201 if is_new else 200
        return await pipelines.written(caller, made)

    @router.operation(
        "PATCH",
        "/pipelines/{pipeline_id}",
        "Change parts of the definition, which creates a new version",
        "pipelines:write",
        answers={200: "WrittenPipeline"},
        errors=(*NOT_FOUND, *CHANGE_ERRORS),
        body="PipelineChanges",
    )
    async def change_pipeline(
        caller: Caller, pipeline_id: str, changes: Annotated[dict[str, Any], Body()]
    ) -> Json:
        return await pipelines.written(caller, await pipelines.change(caller, pipeline_id, changes))

    @router.operation(
        "DELETE",
        "/pipelines/{pipeline_id}",
        "Delete a pipeline",
        "pipelines:write",
        answers={204: EMPTY},
        errors=(*NOT_FOUND, "pipeline_active", "changed"),
    )
    async def delete_pipeline(
        caller: Caller, pipeline_id: str, unchanged_since: UnchangedSince = None
    ) -> None:
        await pipelines.delete(caller, pipeline_id, unchanged_since)


def _add_actions(router: JsonRouter, pipelines: Pipelines) -> None:
    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/start",
        "Start a pipeline, which then accepts events",
        "pipelines:write",
        answers={200: "Pipeline"},
        errors=(*ACTION_ERRORS, *DEFINITION_ERRORS, "not_configured", "no_scheduler", "invalid_schedule"),
    )
    async def start_pipeline(caller: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, caller, pipeline_id, "start")

    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/pause",
        "Pause a pipeline, which then keeps its events until it is resumed",
        "pipelines:write",
        answers={200: "Pipeline"},
        errors=ACTION_ERRORS,
    )
    async def pause_pipeline(caller: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, caller, pipeline_id, "pause")

    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/resume",
        "Resume a pipeline, starting with the events that it has kept",
        "pipelines:write",
        answers={200: "Pipeline"},
        errors=ACTION_ERRORS,
    )
    async def resume_pipeline(caller: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, caller, pipeline_id, "resume")

    @router.operation(
        "POST",
        "/pipelines/{pipeline_id}/stop",
        "Stop a pipeline, which cannot be started again; its windows fire",
        "pipelines:write",
        answers={200: "Pipeline"},
        errors=ACTION_ERRORS,
    )
    async def stop_pipeline(caller: Caller, pipeline_id: str) -> Json:
        return await _act(pipelines, caller, pipeline_id, "stop")


async def _act(pipelines: Pipelines, caller: Principal, pipeline_id: str, action: Action) -> Json:
    return (await pipelines.act(caller, pipeline_id, action)).to_public()
