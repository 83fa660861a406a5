"""Versions of a pipeline's definition over HTTP: list, compare and restore them."""

from typing import Annotated, Any

from fastapi import Query

from millrace.api.cursors import number_from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.api.pipelines_errors import CHANGE_ERRORS, NOT_FOUND
from millrace.services.pipelines.registry.pipelines import Pipelines

Json = dict[str, Any]
_VERSION = "/pipelines/{pipeline_id}/versions/{version}"
VERSION_ERRORS = (*NOT_FOUND, "version_not_found")


def add_versions(router: JsonRouter, pipelines: Pipelines) -> None:
    """Add the routes of versions."""

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/versions",
        "List versions, newest first",
        "pipelines:read",
        answers={200: "PipelineVersionPage"},
        errors=NOT_FOUND,
    )
    async def list_versions(
        caller: Caller,
        pipeline_id: str,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: str | None = None,
    ) -> Json:
        before = number_from_cursor(cursor, "version")
        found, more = await pipelines.versions(caller, pipeline_id, before, limit)
        return {"items": found, "nextCursor": to_cursor({"version": str(more)}) if more else None}

    @router.operation(
        "GET",
        "/pipelines/{pipeline_id}/versions/{version}",
        "Read an earlier definition",
        "pipelines:read",
        answers={200: "StoredDefinition"},
        errors=(*NOT_FOUND, "version_not_found"),
    )
    async def get_version(caller: Caller, pipeline_id: str, version: int) -> Json:
        return await pipelines.version(caller, pipeline_id, version)

    @router.operation(
        "GET",
        f"{_VERSION}/diff",
        "Compare a version with another one, or with the current definition",
        "pipelines:read",
        answers={200: "PipelineDifferences"},
        errors=VERSION_ERRORS,
    )
    async def compare_versions(
        caller: Caller,
        pipeline_id: str,
        version: int,
        other: Annotated[int | None, Query(alias="to", description="by default the current version")] = None,
    ) -> Json:
        return await pipelines.differences(caller, pipeline_id, version, other)

    @router.operation(
        "POST",
        f"{_VERSION}/restore",
        "Restore an earlier definition, as a new version",
        "pipelines:write",
        answers={200: "WrittenPipeline"},
        errors=(*VERSION_ERRORS, *CHANGE_ERRORS),
    )
    async def restore_version(caller: Caller, pipeline_id: str, version: int) -> Json:
        return await pipelines.written(caller, await pipelines.restore(caller, pipeline_id, version))
